"""`farm` whose workers wait instead of measuring: everything else of a worker is real.

A trial takes as long as its measure windows would. Its report has one measure window, whose joules are unknown, and as
many latencies as were allowed: so a report is as large as a test wants it.

SHAM_BOOT, set for a worker, makes it look like a process with number 4242 after that boot of its machine;
SHAM_KNOWS names a field of a job's spec that it understands, and other workers do not.
"""

import os
import time
from datetime import UTC, datetime
from unittest.mock import patch

from pydantic.fields import FieldInfo

from farm.cli import app as cli
from farm.model import Claim, Domain, JobSpec, Measurement, Owner, TrialReport, Window, WindowKind
from tests.benchmarks.noop_worker import NoSupervisor
from workers.supervisor import supervisor
from workers.supervisor.stop import Stop

AFTER_BOOT = "SHAM_BOOT"
KNOWS = "SHAM_KNOWS"


class ShamSupervisor(NoSupervisor):
    """Waits as long as a trial would take, or until a stop is requested."""

    def run(self, claim: Claim, stop: Stop) -> TrialReport:
        started, begin_ns = datetime.now(UTC), time.monotonic_ns()
        measure = claim.spec.measure
        stop.wait(measure.window_s * measure.windows)
        end_ns = time.monotonic_ns()
        failure = stop.failure
        window = Window(kind=WindowKind.MEASURE, begin_at_ns=begin_ns, end_at_ns=end_ns, started_at_utc=started)
        nothing = Measurement(
            window_kind=WindowKind.MEASURE,
            window_index=0,
            domain=Domain.CPU,
            quality=None,
            source=None,
            gross_j=None,
        )
        return TrialReport(
            job=claim.spec.job,
            attempt=claim.attempt,
            machine=self._machine.id,
            started_at_utc=started,
            finished_at_utc=datetime.now(UTC),
            duration_s=(end_ns - begin_ns) / 1e9,
            failure=failure,
            windows=() if failure else (window,),
            measurements=() if failure else (nothing,),
            latencies_s=() if failure else (1 / 3,) * measure.latency_max_batches,
        )


def _after_boot(pid: int | None = None) -> Owner:
    return Owner(host="lab", pid=pid or 4242, boot_id=os.environ[AFTER_BOOT])


def _learn(field: str) -> None:
    """Let a spec have one more field."""
    JobSpec.model_fields[field] = FieldInfo(annotation=int, default=0)
    JobSpec.model_rebuild(force=True)
    Claim.model_rebuild(force=True)


if __name__ == "__main__":
    with patch.object(supervisor, "Supervisor", ShamSupervisor):
        if AFTER_BOOT in os.environ:
            patch.object(Owner, "of_process", _after_boot).start()
        if KNOWS in os.environ:
            _learn(os.environ[KNOWS])
        cli.main()
