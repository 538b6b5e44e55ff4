"""The Celery task: claim, run, complete; nothing else."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from celery import Celery

from farm import __version__
from farm.errors import MachineBusy, StoreUnavailable
from farm.model import Claim, FailureKind, Machine, Owner, TrialReport
from farm.queue import TASK, celery_app
from farm.settings import Settings
from farm.store import Store
from workers.guard import machine_lock
from workers.spool import Spool
from workers.stop import Stop

log = logging.getLogger(__name__)

#: A ring waits this long for another trial on this machine; then it is dropped, and the controller rings again.
LOCK_WITHIN_S = 60.0


class Runner(Protocol):
    """What turns a claim into a report: the supervisor."""

    def run(self, claim: Claim, stop: Stop) -> TrialReport:
        """One attempt at a job."""
        ...


class Beat:
    """A thread that says that this worker lives, renews the lease of its job and listens for a cancel."""

    def __init__(self, store: Store, machine: Machine, owner: Owner, settings: Settings) -> None:
        self._store = store
        self._machine = machine
        self._owner = owner
        self._settings = settings
        self._running: tuple[Claim, Stop] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="beat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def close(self) -> None:
        """Stop beating."""
        self._over.set()
        self._thread.join()

    @contextmanager
    def on(self, claim: Claim, stop: Stop) -> Iterator[None]:
        """Renew the lease of a claimed job meanwhile."""
        self._running = (claim, stop)
        try:
            yield
        finally:
            self._running = None

    def _beat(self) -> None:
        while not self._over.wait(self._settings.heartbeat_s):
            try:
                self._beat_once()
            except StoreUnavailable as error:
                log.warning("heartbeat: %s", error)

    def _beat_once(self) -> None:
        running = self._running
        self._store.machine_beat(self._machine.id, running[0].spec.job if running else None)
        if running is None:
            return
        claim, stop = running
        answer = self._store.heartbeat(claim.spec.job, claim.attempt, self._owner, self._settings.lease_s)
        if not answer.held:
            stop.request(FailureKind.LOST)
        elif answer.cancel:
            stop.request(FailureKind.CANCELLED)


class Worker:
    """Serves the rings of this machine's queues."""

    def __init__(
        self, store: Store, runner: Runner, spool: Spool, machine: Machine, owner: Owner, settings: Settings
    ) -> None:
        self._store = store
        self._runner = runner
        self._spool = spool
        self._machine = machine
        self._owner = owner
        self._settings = settings
        self._beat = Beat(store, machine, owner, settings)

    def start(self) -> None:
        """Join the farm: hand in what the last worker of this machine left, and be seen."""
        self._spool.drain(self._store)
        self._store.register_machine(self._machine, self._owner, __version__)
        self._beat.start()

    def close(self) -> None:
        """Leave the farm."""
        self._beat.close()

    def serve(self, job: str, attempt: int) -> None:
        """Answer one ring: a stale one is dropped, a won one is measured and reported."""
        try:
            with machine_lock(self._settings.lock_file, timeout_s=LOCK_WITHIN_S):
                self._spool.drain(self._store)
                claim = self._store.claim(job, attempt, self._owner, self._machine.id, self._settings.lease_s)
                if claim is not None:
                    self._deliver(self._run(claim))
        except (MachineBusy, StoreUnavailable) as error:
            log.warning("job %s: %s: left to the next ring", job, error)

    def _run(self, claim: Claim) -> TrialReport:
        stop = Stop()
        log.info("job %s attempt %d: begins", claim.spec.job, claim.attempt)
        try:
            with self._beat.on(claim, stop):
                report = self._runner.run(claim, stop)
        finally:
            stop.close()
        outcome = f"{report.failure.kind}: {report.failure.message}" if report.failure else "measured"
        log.info("job %s attempt %d: %s", claim.spec.job, claim.attempt, outcome)
        return report

    def _deliver(self, report: TrialReport) -> None:
        try:
            if not self._store.complete(report):
                log.warning("job %s attempt %d: another attempt came first", report.job, report.attempt)
        except StoreUnavailable as error:
            path = self._spool.put(report)
            log.warning("%s: the report waits in %s", error, path)


def build(worker: Worker, settings: Settings) -> Celery:
    """The Celery app with its one task."""
    app = celery_app(settings)

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def trial(job: str, attempt: int) -> None:
        worker.serve(job, attempt)

    return app
