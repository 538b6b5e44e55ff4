"""The worker: claim, run, complete; and what its farm wants of it in between."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Protocol

from farm import __version__
from farm.errors import FarmError, MachineBusy, StoreUnavailable, WorkerOutdated
from farm.model import Claim, Failure, FailureKind, Machine, MachineState, Owner, TrialReport
from farm.settings import Settings, logs
from farm.store import Store
from workers.agent.allowlist import refusal
from workers.agent.consumer import stop_listening
from workers.agent.heartbeat import Beat, Watchdog
from workers.agent.spool import Spool
from workers.supervisor.lock import machine_lock
from workers.supervisor.stop import Stop

log = logging.getLogger(__name__)

#: A message waits this long for another trial on this machine; then it is given back.
LOCK_WITHIN_S = 60.0
#: A sender has noted by then that it rang; if it died, the message counts as never sent.
RETURN_WITHIN_S = 3.0
#: A worker that may not work, or cannot, looks this often whether it may again, or shall leave.
PAUSED_PERIOD_S = 0.5
#: Exit status of a worker that does not hear any more: the service manager starts another.
STUCK = 75


class Runner(Protocol):
    """What turns a claim into a report: the supervisor."""

    def run(self, claim: Claim, stop: Stop) -> TrialReport:
        """One attempt at a job."""
        ...


class Worker:
    """Serves the messages of this machine's queues.

    Its heart beats in a thread: it says that the worker lives, renews the lease of its job, listens for a cancel and
    for what is wanted of this machine; between jobs it hands in what waits in the spool.
    """

    def __init__(
        self,
        store: Store,
        runner: Runner,
        spool: Spool,
        machine: Machine,
        owner: Owner,
        settings: Settings,
        watchdog: Watchdog,
    ) -> None:
        self._store = store
        self._runner = runner
        self._spool = spool
        self._machine = machine
        self._owner = owner
        self._settings = settings
        self._watchdog = watchdog
        self._beat = Beat(settings.heartbeat_s, self._beat_once)
        self._running: tuple[Claim, Stop] | None = None
        self._serving = threading.Lock()  #: held while a message is answered
        self._wanted_state = MachineState.ACTIVE
        self._waits_for_resume = False  #: it joined on a drained machine: the drain was not meant for it
        self._is_leaving = False
        self._refused = 0  #: messages
        self.error: FarmError | None = None  #: why it leaves, where nobody told it to

    def start(self) -> None:
        """Join the farm: hand in what the last worker of this machine left, and be seen.

        Raises StoreUnavailable, and InputError for a lock file that no trial could hold.
        """
        with suppress(MachineBusy), machine_lock(self._settings.lock_file):
            self._spool.drain(self._store)
        self._store.register_machine(self._machine, self._owner, __version__)
        self._waits_for_resume = True
        self._be_seen()
        self._beat.start()

    def close(self) -> None:
        """Leave the farm, and give back at once a job that was broken off."""
        self._beat.close()
        with suppress(StoreUnavailable):  # then its lease runs out
            self._store.release(self._owner)
            self._store.machine_beat(self._machine.id, None, len(self._spool), self._rejected)

    def leave(self) -> None:
        """Take no new job; for a signal handler too."""
        self._is_leaving = True
        stop_listening()

    def interrupt(self) -> None:
        """Break the running trial off; its job is queued again. For a signal handler."""
        running = self._running
        if running is not None:
            running[1].request(FailureKind.INTERRUPTED)

    def refuse(self, why: str) -> None:
        """Count a message that is no message."""
        self._refused += 1
        log.warning("a message was refused: %s", why)

    @property
    def _rejected(self) -> int:
        return self._refused + self._spool.refused

    def serve(self, job: str, attempt: int) -> None:
        """Answer one message: a stale one is dropped, a won one is measured and reported.

        A machine that is paused or drained gives it back, and hears no more until it is resumed. While the store is
        away the message is kept: nobody else would hear it before the grace time is over.
        """
        with self._serving:
            while not self._is_settled(job, attempt) and not self._is_leaving:
                time.sleep(PAUSED_PERIOD_S)
            while self._wanted_state is not MachineState.ACTIVE and not self._is_leaving:
                time.sleep(PAUSED_PERIOD_S)
            self._watchdog.heard()

    def _is_settled(self, job: str, attempt: int) -> bool:
        """False where the store is away."""
        try:
            if not self._has_answered(job, attempt):
                self._give_back(job, attempt)
        except StoreUnavailable as error:
            log.warning("job %s: %s: trying again", job, error)
            return False
        return True

    def _has_answered(self, job: str, attempt: int) -> bool:
        """Whether nobody else needs to hear the message."""
        if self._wanted_state is not MachineState.ACTIVE:
            return False
        try:
            with machine_lock(self._settings.lock_file, LOCK_WITHIN_S, lambda: self._is_leaving):
                self._spool.drain(self._store)
                claim = self._store.claim(job, attempt, self._owner, self._machine.id, self._settings.lease_s)
                if claim is not None:
                    self._measure(claim)
                    return True
        except MachineBusy as error:
            log.warning("job %s: %s: given back", job, error)
            return False
        except WorkerOutdated as error:
            self.error = error
            self.leave()
            return False
        self._be_seen()  # a stale message, or the machine was paused a moment ago
        return self._wanted_state is MachineState.ACTIVE

    def _give_back(self, job: str, attempt: int) -> None:
        """Have somebody else hear the message; its sender may still be busy with those that it sent after it."""
        until_s = time.monotonic() + RETURN_WITHIN_S
        while not self._store.return_message(job, attempt) and time.monotonic() < until_s:
            time.sleep(RETURN_WITHIN_S / 20)

    def _beat_once(self) -> None:
        running = self._running
        self._be_seen()
        if running is None:
            self._spool.drain(self._store)
            if not self._serving.locked() and self._watchdog.is_stuck():
                self._end_stuck()
            return
        claim, stop = running
        answer = self._store.heartbeat(claim.spec.job, claim.attempt, self._owner, self._settings.lease_s)
        if not answer.held:
            stop.request(FailureKind.LOST)
        elif answer.cancel:
            stop.request(FailureKind.CANCELLED)

    def _be_seen(self) -> None:
        """Say that the worker lives, and hear what is wanted of its machine."""
        running = self._running
        job = running[0].spec.job if running else None
        wanted_state = self._store.machine_beat(self._machine.id, job, len(self._spool), self._rejected)
        self._waits_for_resume = self._waits_for_resume and wanted_state is MachineState.DRAINING
        if wanted_state is not self._wanted_state:
            self._obey(wanted_state)

    def _obey(self, wanted_state: MachineState) -> None:
        self._wanted_state = wanted_state
        resume = f"no new trial until `farm resume {self._machine.name}`"
        if wanted_state is MachineState.ACTIVE:
            log.warning("resumed: trials may run")
        elif wanted_state is MachineState.PAUSED:
            log.warning("paused: %s", resume)
        elif self._waits_for_resume:
            log.warning("drained: %s", resume)
        else:
            log.warning("drained: no new trial, the worker leaves")
            self.leave()

    def _end_stuck(self) -> None:
        """End now: the main thread hangs where no signal is heard; its helper dies with it, and nothing is lost."""
        log.error(
            "messages have waited for %.0f s and this worker hears none of them: it ends, start it anew",
            self._settings.watchdog_s,
        )
        os._exit(STUCK)

    @contextmanager
    def _at_work(self, claim: Claim, stop: Stop) -> Iterator[None]:
        """Renew the lease of a claimed job meanwhile."""
        self._running = (claim, stop)
        try:
            yield
        finally:
            self._running = None

    def _measure(self, claim: Claim) -> None:
        """Run and report under one heartbeat: the lease holds until the report is out of our hands."""
        spec, trial = claim.spec, f"{claim.spec.job}.{claim.attempt}"
        with (
            logs.about(trial=trial, job=spec.job, sweep=spec.sweep),
            closing(Stop()) as stop,
            self._at_work(claim, stop),
        ):
            log.info("job %s attempt %d: begins", spec.job, claim.attempt)
            report = self._run(claim, stop)
            outcome = f"{report.failure.kind}: {report.failure.message}" if report.failure else "measured"
            log.info("job %s attempt %d: %s", claim.spec.job, claim.attempt, outcome)
            while not (self._is_stored(report) or self._is_spooled(report)):
                time.sleep(self._settings.heartbeat_s)

    def _run(self, claim: Claim, stop: Stop) -> TrialReport:
        started, begun_s = datetime.now(UTC), time.monotonic()
        refused = refusal(claim.spec.point, self._settings.allowed_models)
        try:
            if refused is None:
                return self._runner.run(claim, stop)
            failure = Failure(kind=FailureKind.INVALID, message=refused)
        except Exception as error:  # the job must not wait for its lease to run out, and then fail again
            log.exception("job %s attempt %d: the worker failed", claim.spec.job, claim.attempt)
            failure = Failure(kind=FailureKind.ERROR, message=f"the worker failed: {_described(error)}")
        return TrialReport(
            job=claim.spec.job,
            attempt=claim.attempt,
            machine=self._machine.id,
            started_at_utc=started,
            finished_at_utc=datetime.now(UTC),
            duration_s=time.monotonic() - begun_s,
            failure=failure,
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
