"""`farm run`: a farm of one machine that lives as long as the command.

It works as a farm of fifty machines does: Celery over a broker (a folder of its own), a real worker process, the store.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep
from types import FrameType

from farm.model import Owner, Progress, disk
from farm.model.commands import passed_output
from farm.model.errors import BrokerUnavailable, FarmError, ServiceError
from farm.scheduling import tuner
from farm.scheduling.broker import Publisher
from farm.scheduling.controller import Controller
from farm.settings import Settings
from farm.store import Store

#: Seconds between two looks at the sweep, long enough not to disturb a measurement.
PERIOD_S = 1.0
#: Seconds between two rounds of the controller while no job ends: each costs processor time beside the measurement.
ROUND_S = 5.0
#: A worker that died more often than this is not restarted.
MOST_DEATHS = 5
#: The worker of the command tells more often than others what its trial does: somebody watches.
HEARTBEAT_S = 2.0
#: Less room on the disk than a report may need.
ROOM_BYTES = 1 << 20
#: The time and the level that begin a line of its log.
_STAMP = re.compile(r"^\S+Z [A-Z]+ ")
#: More than the last line of it.
_TAIL_BYTES = 8192


class LocalWorker:
    """A worker process in a session of its own, so that Ctrl-C reaches only this process."""

    def __init__(self, settings: Settings) -> None:
        self.log = settings.home / "logs" / "worker.log"
        self._env = {
            **os.environ,
            "FARM_HOME": str(settings.home),
            "FARM_BROKER_URL": settings.broker_url,
            "FARM_DATABASE_URL": settings.store_url,
            "FARM_HEARTBEAT_S": str(min(settings.heartbeat_s, HEARTBEAT_S)),
            "FARM_LOG_FORMAT": "text",  # the last line of its log is shown
            "FARM_ALLOW_MODELS": settings.allow_models,
            "FARM_ALLOW_COMMANDS": "*\nshell: *",  # the user of this machine wrote them
            "FARM_IMPORT_FROM": str(settings.import_from or ""),
        }
        self.deaths = 0
        try:
            disk.make_private(self.log.parent)
            self.log.unlink(missing_ok=True)
            self._lines = open(self.log, "a+b", opener=disk.private)  # noqa: SIM115 - as long as the worker
        except OSError as error:
            raise ServiceError(f"{self.log}: {error.strerror}: name another folder with FARM_HOME") from None
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "farm", "worker", f"--parent={os.getpid()}"],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=self._lines,
            stderr=self._lines,
            pass_fds=passed_output() or (),
            start_new_session=True,
        )

    @property
    def owner(self) -> Owner:
        """The owner of the leases of the process that runs or ran last."""
        return Owner.of_process(self._process.pid)

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def restart(self) -> None:
        """Replace a process that died.

        Raises:
            FarmError: the worker died of an error that would occur again, or too often; the text is its last line.
        """
        self.deaths += 1
        if self._process.returncode in (FarmError.exit_status, ServiceError.exit_status) or self.deaths > MOST_DEATHS:
            raise FarmError(self.last_line() or f"the worker ended with status {self._process.returncode}: {self.log}")
        self._process = self._start()

    def last_line(self) -> str:
        """Return the last line of its log, which another run in this home may have replaced on the disk."""
        log = self._lines.fileno()
        tail = os.pread(log, _TAIL_BYTES, max(os.fstat(log).st_size - _TAIL_BYTES, 0))
        lines = tail.decode(errors="replace").strip().splitlines()
        return _STAMP.sub("", lines[-1].removeprefix("farm: ")) if lines else ""

    def finish(self) -> None:
        """Ask the worker to finish the running trial and to leave."""
        if self.is_alive:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the worker and its trial."""
        if self.is_alive:
            self._process.kill()
        self._process.wait()
        self._lines.close()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; return False where it still runs."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True


class Interrupts:
    """A counter of Ctrl-C: the first finishes the running trial, the second stops it now."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Count instead of raising KeyboardInterrupt; SIGTERM counts too."""
        old = {s: signal.signal(s, self._count) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _count(self, _signal: int, _frame: FrameType | None) -> None:
        self.count += 1


def run(
    sweep_id: str,
    store: Store,
    settings: Settings,
    interrupts: Interrupts,
    show: Callable[[Progress, str], None],
) -> Progress:
    """Measure a stored sweep on this machine.

    Returns:
        Its progress when all jobs are over, or after an interrupt.
    """
    with _private_broker(settings) as own:
        controller = Controller(store, Publisher(own), own, sweep_id, is_alone=True)
        total = tuner.total(store, store.find_sweep(sweep_id))
        _release_jobs_of_killed_workers(store)
        store.unpublish(sweep_id)
        controller.make_round()  # publish before the first trial: many messages take their time
        worker = LocalWorker(own)
        try:
            closed, round_at_s = -1, 0.0
            while True:
                progress = store.progress(sweep_id, total)
                if progress.closed != closed or monotonic() >= round_at_s:
                    controller.make_round()
                    progress = store.progress(sweep_id, total)
                    closed, round_at_s = progress.closed, monotonic() + ROUND_S
                show(_with_disk(progress, own.home), worker.last_line() or "the worker starts: it loads torch")
                if progress.is_over or interrupts.count:
                    break
                if not worker.is_alive:
                    store.lose(worker.owner)
                    worker.restart()
                    round_at_s = 0.0
                sleep(PERIOD_S)
            if progress.running:
                _finish_trial(worker, interrupts, lambda: show(store.progress(sweep_id, total), ""))
        finally:
            worker.kill()  # the store has each report: nobody has to wait until the worker has left
        store.release(worker.owner)  # after Ctrl-C
        store.forget(worker.owner)
        progress = store.progress(sweep_id, total)
        show(progress, "")
        return progress


def _with_disk(progress: Progress, home: Path) -> Progress:
    """Return the progress, with a note where the disk of the home is full: reports and rounds then wait."""
    found = os.statvfs(home)
    if found.f_bavail * found.f_frsize >= ROOM_BYTES:
        return progress
    note = f"{home}: its disk is full: make room there, and the measurement goes on"
    return replace(progress, notes=(*progress.notes, (Owner.of_process().host, note)))


def _release_jobs_of_killed_workers(store: Store) -> None:
    """Queue the jobs again that killed workers of this machine held, before their leases run out."""
    for status in store.machines():
        owner = Owner.read(status.owner)
        if owner and owner == Owner.of_process(owner.pid) and not Path(f"/proc/{owner.pid}").exists():
            store.lose(owner)
            store.forget(owner)


def _finish_trial(worker: LocalWorker, interrupts: Interrupts, look: Callable[[], None]) -> None:
    """Wait until the running trial has ended and the worker has left; another Ctrl-C ends both."""
    worker.finish()
    while not worker.wait(PERIOD_S):
        look()
        if interrupts.count > 1:
            worker.kill()


@contextmanager
def _private_broker(settings: Settings) -> Iterator[Settings]:
    """Provide a broker folder for this run alone, so that it does not consume messages of other runs."""
    with ExitStack() as held:
        folder = _run_folder(settings.home / "broker", held)
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        yield settings.model_copy(update={"broker_url": f"filesystem://{folder}"})


def _run_folder(broker: Path, held: ExitStack) -> Path:
    """Make a folder and hold its lock, which the kernel frees however this process ends.

    Folders of other runs whose lock is free are of killed ones, and are removed.
    """
    try:
        disk.make_private(broker)
        with _locked(broker):  # no other run makes a folder now, so each one has its lock
            for old in broker.glob("run-*"):
                with suppress(OSError), _locked(old, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    shutil.rmtree(old, ignore_errors=True)
            folder = Path(mkdtemp(prefix="run-", dir=broker))
            held.enter_context(_locked(folder))
    except OSError as error:
        raise BrokerUnavailable(f"{broker}: {error.strerror}: name another folder with FARM_HOME") from None
    return folder


@contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    with open(folder / "lock", "a", opener=disk.private) as file:
        fcntl.flock(file, how)
        yield
