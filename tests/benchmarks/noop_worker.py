"""`farm` whose workers measure nothing: what is left of a job is the farm's own work on it."""

from datetime import UTC, datetime
from typing import Self
from unittest.mock import patch

from farm import cli
from farm.model import Claim, TrialReport
from farm.settings import Settings
from workers import supervisor
from workers.stop import Stop


class NoSupervisor:
    """Reports at once, and nothing."""

    def __init__(self, settings: Settings, machine_id: str) -> None:
        self._machine_id = machine_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def run(self, claim: Claim, stop: Stop) -> TrialReport:
        now = datetime.now(UTC)
        return TrialReport(
            job=claim.spec.job,
            attempt=claim.attempt,
            machine=self._machine_id,
            started_at_utc=now,
            finished_at_utc=now,
            duration_s=0.0,
        )


if __name__ == "__main__":
    with patch.object(supervisor, "Supervisor", NoSupervisor):
        cli.main()
