"""The worker: claim a job, run it, report it, and follow the state that the farm wants of this machine."""

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Protocol

from farm import __version__
from farm.model import Claim, Failure, FailureKind, Live, Machine, MachineState, Owner, TrialReport
from farm.model.errors import FarmError, MachineBusy, MachineUnfit, StoreUnavailable, WorkerOutdated
from farm.settings import Settings, logs
from farm.store import WorkerStore
from workers.agent.allowlist import refusal
from workers.agent.consumer import stop_consuming
from workers.agent.fitness import Fitness
from workers.agent.heartbeat import HeartbeatThread, Watchdog
from workers.agent.refused import Rejections
from workers.agent.spool import Spool
from workers.agent.words import brief, described, outcome
from workers.supervisor.lock import machine_lock
from workers.supervisor.stop import Stop
from workers.supervisor.view import View

log = logging.getLogger(__name__)

#: A message waits this long for another trial on this machine; then it is returned.
LOCK_WITHIN_S = 60.0
#: Within this time a sender records the message that it sent; if it died, the message counts as never sent.
RETURN_WITHIN_S = 3.0
#: A worker that is paused, or that cannot reach the store, checks this often whether it may go on, or must leave.
PAUSED_PERIOD_S = 0.5
#: Exit status of a worker that receives no messages any more: the service manager starts another.
STUCK = 75


class Runner(Protocol):
    """The interface that turns a claim into a report; the supervisor has it."""

    view: View  #: what the running trial does

    @property
    def notes(self) -> Sequence[str]:
        """What a user should know before the next trial."""
        ...

    def run(self, claim: Claim, stop: Stop) -> TrialReport:
        """Make one attempt at a job; raises MachineUnfit where this machine can run no trial now."""
        ...

    def recover(self) -> None:
        """Make ready for the next trial; raises MachineUnfit where this machine still can run none."""
        ...


class Worker:
    """Serves the messages of this machine's queues.

    A thread sends heartbeats: it renews the lease of the running job, and receives cancellations and the state that is
    wanted of this machine. Between jobs it gives the reports of the spool to the store.
    """

    def __init__(
        self,
        store: WorkerStore,
        runner: Runner,
        spool: Spool,
        machine: Machine,
        owner: Owner,
        settings: Settings,
        watchdog: Watchdog,
        is_alone: bool = False,
    ) -> None:
        """Serve a farm of many machines, which others of them may be fit for; `is_alone`: a farm of this one."""
        self._is_alone = is_alone
        self._store = store
        self._runner = runner
        self._spool = spool
        self._machine = machine
        self._owner = owner
        self._settings = settings
        self._watchdog = watchdog
        self._heartbeat = HeartbeatThread(settings, self._send_heartbeat, self._may_rest)
        runner.view.on_change = self._heartbeat.hasten
        self._fitness = Fitness(settings.lock_file, spool, runner.recover, self._heartbeat.hasten)
        self._running: tuple[Claim, Stop] | None = None
        self._waits_for: str | None = None  #: the process that holds this machine, while a job waits for it
        self._serving = threading.Lock()  #: held while a message is handled
        self._wanted_state = MachineState.ACTIVE
        self._waits_for_resume = False  #: the machine was drained before this worker joined
        self._is_leaving = False
        self._rejections = Rejections()  #: malformed messages
        self._spooled = 0  #: reports in the spool, when that could last be read
        self.error: FarmError | None = None  #: the error for which the worker leaves by itself

    def start(self) -> None:
        """Register with the farm, after giving it the reports that the last worker of this machine left.

        Raises StoreUnavailable, and InputError for a lock file that no trial could hold.
        """
        with suppress(MachineBusy), machine_lock(self._settings.lock_file):
            self._spool.drain(self._store)
        self._store.register_machine(self._machine, self._owner, __version__)
        self._waits_for_resume = True
        self._refresh_state()
        self._heartbeat.start()

    def close(self) -> None:
        """Leave the farm; a job that was interrupted is released at once."""
        self._heartbeat.close()
        with suppress(StoreUnavailable):  # then the lease expires
            self._store.release(self._owner)
            self._store.machine_beat(self._machine.id, None, self._count_spooled(), self._rejected)

    def leave(self) -> None:
        """Take no new job. A signal handler may call this."""
        self._is_leaving = True
        stop_consuming()

    def interrupt(self) -> None:
        """Interrupt the running trial; its job is queued again. A signal handler may call this."""
        running = self._running
        if running is not None:
            running[1].request(FailureKind.INTERRUPTED)

    def refuse(self, why: str) -> None:
        """Count a malformed message; the worker still receives messages."""
        self._rejections.add(why)
        self._watchdog.reset()

    @property
    def _rejected(self) -> int:
        return self._rejections.count + self._spool.refused

    def _count_spooled(self) -> int:
        with suppress(OSError):  # the fitness of the machine is judged elsewhere
            self._spooled = len(self._spool)
        return self._spooled

    def serve(self, job: str, attempt: int) -> None:
        """Handle one message: drop a stale one, and measure and report a job that this worker claims.

        A machine that is paused, drained or unfit returns the message, and takes no other one until that is over. While
        the store is unreachable the worker keeps the message: no other worker would receive it before the grace time
        is over.
        """
        with self._serving:
            self._heartbeat.hasten()
            while not self._handle(job, attempt) and not self._is_leaving:
                time.sleep(PAUSED_PERIOD_S)
            while not self._is_leaving and not self._takes_jobs():
                time.sleep(PAUSED_PERIOD_S)
            self._watchdog.reset()

    def _takes_jobs(self) -> bool:
        return self._wanted_state is MachineState.ACTIVE and self._fitness.has_recovered()

    def _handle(self, job: str, attempt: int) -> bool:
        """Handle a message, or return it, whatever happens; False where the store is unreachable."""
        try:
            if not self._try_to_run(job, attempt):
                self._return_message(job, attempt)
        except StoreUnavailable as error:
            log.warning("job %s: %s: trying again", job, error)
            return False
        return True

    def _try_to_run(self, job: str, attempt: int) -> bool:
        """Run the job if this worker can claim it; True where no other worker needs the message."""
        if self._wanted_state is not MachineState.ACTIVE:
            return False
        try:
            if self._claim_and_run(job, attempt):
                return True
            self._refresh_state()  # the message is stale, or the machine was paused a moment ago
        except StoreUnavailable:
            raise
        except MachineBusy as error:
            log.warning("job %s: %s: its message is returned", job, error)
            return False
        except WorkerOutdated as error:
            self.error = error
            self.leave()
            return False
        except Exception as error:  # whatever it is, the message must not be lost
            if not isinstance(error, FarmError | OSError):
                log.exception("job %s: its message is returned", job)
            self._fitness.note(error)
            return False
        return self._wanted_state is MachineState.ACTIVE

    def _claim_and_run(self, job: str, attempt: int) -> bool:
        """Claim the job and run it; False where the message is stale, or the machine may not claim."""
        with self._machine_held():
            self._fitness.check()
            self._spool.drain(self._store)
            claim = self._store.claim(job, attempt, self._owner, self._machine.id, self._settings.lease_s)
            if claim is not None and not self._gives_back(claim):
                self._measure(claim)
            return claim is not None

    @contextmanager
    def _machine_held(self) -> Iterator[None]:
        """Hold this machine; while another process does, tell people which one."""

        def tell(holder: str) -> None:
            log.warning("process %s is measuring on this machine: waiting", holder)
            self._waits_for = holder
            self._heartbeat.hasten()

        try:
            with machine_lock(self._settings.lock_file, LOCK_WITHIN_S, lambda: self._is_leaving, tell):
                self._waits_for = None
                yield
        finally:
            self._waits_for = None

    def _gives_back(self, claim: Claim) -> bool:
        """Give a job back that another machine must run; True if so. That attempt does not count.

        The controller publishes it to machines that have what it needs, by the facts that they registered. So such a
        message is older than the facts of this machine, and does not come again.
        """
        lacking = () if self._is_alone else self._machine.lacks(claim.queue)
        if lacking:
            needs = " and ".join(map(str, lacking))
            log.warning("job %s: this machine lacks %s: it is given back", claim.spec.job, needs)
            self._release()
        return bool(lacking)

    def _release(self) -> None:
        """Queue the claimed job again, whose attempt does not count; a worker that leaves does so when it closes."""
        while not self._is_leaving:
            try:
                self._store.release(self._owner)
            except StoreUnavailable as error:
                log.warning("a job cannot be given back: %s: trying again", error)
                time.sleep(PAUSED_PERIOD_S)
            else:
                return

    def _return_message(self, job: str, attempt: int) -> None:
        """Return the message to the store; wait until its sender has recorded that it was sent."""
        until_s = time.monotonic() + RETURN_WITHIN_S
        while not self._store.return_message(job, attempt) and time.monotonic() < until_s:
            time.sleep(RETURN_WITHIN_S / 20)

    def _may_rest(self) -> bool:
        """Tell whether nobody waits for the next heartbeat: no message is handled, and there is nothing to report."""
        return not self._serving.locked() and self._wanted_state is MachineState.ACTIVE and not self._count_spooled()

    def _send_heartbeat(self) -> None:
        running, serves = self._running, self._serving.locked()
        if not serves:
            self._fitness.look()
        self._refresh_state()
        self._rejections.log()
        if running is None:
            if self._fitness.reason is None:
                self._spool.drain(self._store, within_s=self._settings.heartbeat_s)
            if not serves and self._watchdog.is_stuck():
                self._exit_stuck()
            return
        claim, stop = running
        answer = self._store.heartbeat(claim.spec.job, claim.attempt, self._owner, self._settings.lease_s)
        if not answer.held:
            stop.request(FailureKind.LOST)
        elif answer.cancel:
            stop.request(FailureKind.CANCELLED)

    def _refresh_state(self) -> None:
        """Report that the worker is alive, and follow the state that is wanted of its machine."""
        running = self._running
        job = running[0].spec.job if running else None
        waits = () if self._waits_for is None else (f"process {self._waits_for} is measuring: waiting",)
        notes = (*self._runner.notes, *waits)
        live = Live(trial=self._runner.view.now(), notes=notes, unfit=self._fitness.reason)
        wanted_state = self._store.machine_beat(self._machine.id, job, self._count_spooled(), self._rejected, live)
        self._waits_for_resume = self._waits_for_resume and wanted_state is MachineState.DRAINING
        if wanted_state is not self._wanted_state:
            self._follow(wanted_state)

    def _follow(self, wanted_state: MachineState) -> None:
        self._wanted_state = wanted_state
        resume = f"no new trial until `farm resume {self._machine.name}`"
        if wanted_state is MachineState.ACTIVE:
            log.warning("resumed: new trials may start")
        elif wanted_state is MachineState.PAUSED:
            log.warning("paused: %s", resume)
        elif self._waits_for_resume:
            log.warning("drained: %s", resume)
        else:
            log.warning("drained: no new trial, the worker leaves")
            self.leave()

    def _exit_stuck(self) -> None:
        """Exit at once: the main thread hangs and handles no signal. Nothing is lost, and the helper dies too."""
        log.error(
            "messages have been waiting for %.0f s and this worker receives none of them: it exits, restart it",
            self._settings.watchdog_s,
        )
        os._exit(STUCK)

    @contextmanager
    def _renewing_lease(self, claim: Claim, stop: Stop) -> Iterator[None]:
        """Have heartbeats renew the lease of a claimed job."""
        self._running = (claim, stop)
        try:
            yield
        finally:
            self._running = None

    def _measure(self, claim: Claim) -> None:
        """Run and report a job; its lease is renewed until the report is stored or spooled."""
        spec, trial = claim.spec, f"{claim.spec.job}.{claim.attempt}"
        with (
            logs.add_ids(trial=trial, job=spec.job, sweep=spec.sweep),
            closing(Stop()) as stop,
            self._renewing_lease(claim, stop),
        ):
            log.info("%s: starts", described(claim))
            try:
                report = self._run(claim, stop)
            except MachineUnfit as error:  # the job is fine: another machine may run it
                self._fitness.note(error)
                self._release()
                return
            log.info("%s: %s", described(claim), outcome(report))
            while not (self._store_report(report) or self._spool_report(report)):
                time.sleep(self._settings.heartbeat_s)

    def _run(self, claim: Claim, stop: Stop) -> TrialReport:
        started, begun_s = datetime.now(UTC), time.monotonic()
        refused = refusal(claim.spec.point, self._settings.allowed_models)
        try:
            if refused is None:
                return self._runner.run(claim, stop)
            failure = Failure(kind=FailureKind.INVALID, message=refused)
        except MachineUnfit:
            raise
        except Exception as error:  # else the job would wait until its lease expires, and fail again
            if isinstance(error, OSError):
                self._fitness.check()  # the machine may be at fault, not the job
            log.exception("job %s attempt %d: the worker failed", claim.spec.job, claim.attempt)
            failure = Failure(kind=FailureKind.ERROR, message=f"the worker failed: {brief(error)}")
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

    def _store_report(self, report: TrialReport) -> bool:
        try:
            if not self._store.complete(report):
                log.warning("job %s attempt %d: another attempt reported first", report.job, report.attempt)
        except StoreUnavailable as error:
            log.warning("job %s attempt %d: the report cannot be stored: %s", report.job, report.attempt, error)
            return False
        except Exception:  # the report is kept, whatever the reason
            log.exception("job %s attempt %d: the report cannot be stored", report.job, report.attempt)
            return False
        return True

    def _spool_report(self, report: TrialReport) -> bool:
        try:
            log.warning(
                "job %s attempt %d: the report waits in %s", report.job, report.attempt, self._spool.put(report)
            )
        except OSError as error:
            problem = f"the spool cannot keep it either ({error}): free space on this disk, or mend it"
            log.error("job %s attempt %d: %s; trying again", report.job, report.attempt, problem)
            return False
        return True
