"""The Celery task: claim, run, complete; nothing else."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Protocol

from celery import Celery
from celery.worker import state
from celery.worker.consumer import Consumer

from farm import __version__
from farm.errors import FarmError, MachineBusy, StoreUnavailable
from farm.model import Claim, Failure, FailureKind, Machine, Owner, TrialReport
from farm.queue import TASK, celery_app
from farm.settings import Settings
from farm.store import Store
from workers.guard import machine_lock
from workers.spool import Spool
from workers.stop import Stop

log = logging.getLogger(__name__)

#: A ring waits this long for another trial on this machine; then it is dropped, and the controller rings again.
LOCK_WITHIN_S = 60.0
#: What reading garbage raises.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)


class Runner(Protocol):
    """What turns a claim into a report: the supervisor."""

    def run(self, claim: Claim, stop: Stop) -> TrialReport:
        """One attempt at a job."""
        ...


class Beat:
    """A thread that says that this worker lives, renews the lease of its job and listens for a cancel.

    Between jobs it hands in what waits in the spool.
    """

    def __init__(self, store: Store, spool: Spool, machine: Machine, owner: Owner, settings: Settings) -> None:
        self._store = store
        self._spool = spool
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
            except Exception:  # a worker whose heart stops loses every job from then on
                log.exception("heartbeat")

    def _beat_once(self) -> None:
        running = self._running
        self._store.machine_beat(self._machine.id, running[0].spec.job if running else None)
        if running is None:
            self._spool.drain(self._store)
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
        self._beat = Beat(store, spool, machine, owner, settings)
        self._stop: Stop | None = None  #: of the running trial

    def start(self) -> None:
        """Join the farm: hand in what the last worker of this machine left, and be seen.

        Raises StoreUnavailable, and InputError for a lock file that no trial could hold.
        """
        with suppress(MachineBusy), machine_lock(self._settings.lock_file):
            self._spool.drain(self._store)
        self._store.register_machine(self._machine, self._owner, __version__)
        self._beat.start()

    def close(self) -> None:
        """Leave the farm, and give back at once a job that was broken off."""
        self._beat.close()
        with suppress(StoreUnavailable):  # then its lease runs out
            self._store.release(self._owner)
            self._store.machine_beat(self._machine.id, None)

    def interrupt(self) -> None:
        """Break the running trial off; its job is queued again. For a signal handler."""
        if self._stop is not None:
            self._stop.request(FailureKind.INTERRUPTED)

    def serve(self, job: str, attempt: int) -> None:
        """Answer one ring: a stale one is dropped, a won one is measured and reported."""
        try:
            with machine_lock(self._settings.lock_file, timeout_s=LOCK_WITHIN_S):
                self._spool.drain(self._store)
                claim = self._store.claim(job, attempt, self._owner, self._machine.id, self._settings.lease_s)
                if claim is not None:
                    self._measure(claim)
        except (MachineBusy, StoreUnavailable) as error:
            log.warning("job %s: %s: left to the next ring", job, error)

    def _measure(self, claim: Claim) -> None:
        """Run and report under one heartbeat: the lease holds until the report is out of our hands."""
        log.info("job %s attempt %d: begins", claim.spec.job, claim.attempt)
        with closing(Stop()) as stop, self._beat.on(claim, stop):
            self._stop = stop
            report = self._run(claim, stop)
            outcome = f"{report.failure.kind}: {report.failure.message}" if report.failure else "measured"
            log.info("job %s attempt %d: %s", claim.spec.job, claim.attempt, outcome)
            while not (self._is_stored(report) or self._is_spooled(report)):
                time.sleep(self._settings.heartbeat_s)

    def _run(self, claim: Claim, stop: Stop) -> TrialReport:
        started, begun_s = datetime.now(UTC), time.monotonic()
        try:
            return self._runner.run(claim, stop)
        except Exception as error:  # the job must not wait for its lease to run out, and then fail again
            log.exception("job %s attempt %d: the worker failed", claim.spec.job, claim.attempt)
            return TrialReport(
                job=claim.spec.job,
                attempt=claim.attempt,
                machine=self._machine.id,
                started_at_utc=started,
                finished_at_utc=datetime.now(UTC),
                duration_s=time.monotonic() - begun_s,
                failure=Failure(kind=FailureKind.ERROR, message=f"the worker failed: {_described(error)}"),
                simulated=self._settings.simulated,
            )

    def _is_stored(self, report: TrialReport) -> bool:
        try:
            if not self._store.complete(report):
                log.warning("job %s attempt %d: another attempt came first", report.job, report.attempt)
        except StoreUnavailable as error:
            log.warning("job %s attempt %d: cannot be reported: %s", report.job, report.attempt, error)
            return False
        except Exception:  # whatever the store has against it, the report is kept
            log.exception("job %s attempt %d: cannot be reported", report.job, report.attempt)
            return False
        return True

    def _is_spooled(self, report: TrialReport) -> bool:
        try:
            log.warning("job %s attempt %d: waits in %s", report.job, report.attempt, self._spool.put(report))
        except OSError as error:
            what = f"the spool does not take it either ({error}): make room on this disk"
            log.error("job %s attempt %d: %s; trying again", report.job, report.attempt, what)
            return False
        return True


def _described(error: Exception) -> str:
    """One line."""
    first_line = str(error).strip().partition("\n")[0]
    return first_line if isinstance(error, FarmError) else f"{type(error).__name__}: {first_line}"


class FarmConsumer(Consumer):  # type: ignore[misc]
    """Reads the queues: garbage is dropped, where Celery's own would exit, and told to stop it takes no more."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # A message that is not even an envelope counts as a lost connection: it is gone, and a new one is made.
        self.connection_errors: tuple[type[BaseException], ...] = (*self.connection_errors, *UNREADABLE)

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """What is done with each message."""
        handle = super().create_task_handler(*args, **options)

        def handle_or_drop(message: Any) -> None:
            if state.should_stop is not None:  # Celery's loop takes one more message on its way out
                message.requeue()
                return
            try:
                handle(message)
            except UNREADABLE as error:
                self.on_decode_error(message, error)

        return handle_or_drop


def build(worker: Worker, settings: Settings) -> Celery:
    """The Celery app with its one task."""
    app = celery_app(settings)
    app.conf.worker_consumer = FarmConsumer

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def trial(job: str, attempt: int) -> None:
        worker.serve(job, attempt)

    return app
