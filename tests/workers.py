"""A worker in this process, with a store, a spool and a broker that can be made to fail."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery.worker import state

from farm.model import Claim, FailureKind, TrialReport
from farm.model.errors import MachineUnfit, StoreUnavailable
from farm.settings import Settings
from farm.store import Store
from tests.contract.store_records import ANNE, BERT, MACHINE, SWEEP, new_job, record, report
from workers.agent import worker as app
from workers.agent.heartbeat import Watchdog
from workers.agent.spool import Spool
from workers.agent.worker import Worker
from workers.supervisor.stop import Stop
from workers.supervisor.view import View

SOON_S = 10.0


class MoodyStore(Store):
    """A store that can be made to refuse reports."""

    trouble: Exception | None = None
    claims_refused: int = 0  #: it is away for so many claims more

    def claim(self, *args: Any, **options: Any) -> Claim | None:
        if self.claims_refused:
            self.claims_refused -= 1
            raise StoreUnavailable("away")
        return super().claim(*args, **options)

    def complete(self, report: TrialReport) -> bool:
        if self.trouble is not None:
            raise self.trouble
        return super().complete(report)


class MoodySpool(Spool):
    """A spool whose disk can be full."""

    is_full = False
    refused = 0

    def put(self, report: TrialReport) -> Path:
        if self.is_full:
            self.refused += 1
            raise OSError(28, "No space left on device")
        return super().put(report)


class Runner:
    """Measures at once, unless it is told to do something else."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.during: Callable[[Stop], None] = lambda _: None
        self.view = View()
        self.notes: list[str] = []
        self.unfit: MachineUnfit | None = None

    def recover(self) -> None:
        if self.unfit is not None:
            raise self.unfit

    def run(self, claim: Claim, stop: Stop) -> TrialReport:
        self.claims.append(claim)
        self.during(stop)
        kind = stop.failure.kind if stop.failure else None
        return report(claim.spec.job, claim.attempt, kind)


class Broker:
    """Queues of which the depth is told."""

    def __init__(self) -> None:
        self.waiting: dict[str, int] = {}
        self.trouble: Exception | None = None

    def depths(self, queues: Iterable[str]) -> Mapping[str, int]:
        if self.trouble is not None:
            raise self.trouble
        return {queue: self.waiting.get(queue, 0) for queue in queues}


class Bench:
    """A worker with what it works on."""

    def __init__(self, store: MoodyStore, home: Path) -> None:
        self.store = store
        self.spool = MoodySpool(home / "spool")
        self.runner = Runner()
        self.broker = Broker()
        self.settings = Settings(home=home, lock_file=home / "lock", lease_s=60, heartbeat_s=0.02)
        self.worker = self.new_worker()

    def new_worker(self, watchdog_s: float = 60.0, is_alone: bool = False, **changes: object) -> Worker:
        """One of this machine."""
        settings = self.settings.model_copy(update=changes)
        watchdog = Watchdog(self.broker, ["any", "own"], watchdog_s)
        return Worker(self.store, self.runner, self.spool, MACHINE, ANNE, settings, watchdog, is_alone)

    def serve_in_background(self, job: str, attempt: int = 0) -> threading.Thread:
        """Answer a message in another thread; it may take until the machine is resumed."""
        serving = threading.Thread(target=self.worker.serve, args=(job, attempt), daemon=True)
        serving.start()
        return serving

    def publishing(self) -> list[str]:
        """Jobs that the controller has to publish."""
        return [message.job for message in self.store.unpublished(SWEEP, "any", 10)]

    def trials(self) -> list[tuple[str, int, FailureKind | None]]:
        """Job, attempt and kind of failure of every stored trial."""
        return [
            (row.job, row.attempt, row.failure.kind if row.failure else None) for row in self.store.trial_rows(SWEEP)
        ]


@contextmanager
def running_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A worker at work, and three jobs that are published."""
    monkeypatch.setattr(state, "should_stop", None)
    monkeypatch.setattr(app, "PAUSED_PERIOD_S", 0.01)
    with MoodyStore.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as store:
        store.register_machine(MACHINE, BERT, "0.0.1")
        store.submit(record(), [new_job(n) for n in range(3)])
        store.mark_published(store.unpublished(SWEEP, "any", 10))
        made = Bench(store, tmp_path)
        made.worker.start()
        yield made
        made.worker.close()


def wait_until(look: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + SOON_S
    while not look():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.005)
