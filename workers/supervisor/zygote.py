"""Start trials fast: a helper process that has imported torch forks a process for each trial.

A new interpreter needs seconds to import torch, a fork of this helper hundredths of a second. The fork is equivalent:
the helper runs no operation of torch, starts no thread of its own and never touches CUDA, which does not survive a
fork. (numpy's OpenBLAS keeps idle threads; it ends them before a fork and starts them again on use.) The helper
sleeps in the kernel between trials and during them.

Nothing outlives the supervisor: the helper dies with the thread that started it, and a trial with the helper. On
systems without this signal of Linux, each ends when its socket closes. Nothing outlives its trial: the helper adopts
what a trial's processes leave, and kills it before it reports the trial's end.
"""

import gc
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections import deque
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn, Protocol

from farm.model import Frozen
from farm.model.commands import passed_output
from farm.model.errors import MachineUnfit
from farm.settings.credentials import without_secrets
from workers.supervisor.processes import adopt_orphans, die_with_parent, end_children, is_alive, kill_marked, mark
from workers.trial.protocol import Channel
from workers.trial.workload import installed

log = logging.getLogger(__name__)

#: Importing torch from a cold disk is slow; an import that takes longer hangs.
READY_WITHIN_S = 180.0
#: The helper forks a trial in hundredths of a second; one that takes longer was stopped, or hangs.
FORKED_WITHIN_S = 10.0
#: A killed process is gone after this time, or the kernel cannot end it.
GONE_WITHIN_S = 10.0
#: The processes that a trial left are gone after this time, or the kernel cannot end them; less than for the trial.
LEFT_GONE_WITHIN_S = 5.0
#: The score of a trial: when memory runs out, the kernel kills the trial before the worker.
OOM_SCORE_ADJ = 500
#: An exit status, by which their number is told, is one byte.
MOST_GPUS = 255
_SPAWN = b"s"


class Descriptor(Protocol):
    """Whatever has a descriptor: a file, or the end of a pipe."""

    def fileno(self) -> int: ...


class Ready(Frozen):
    """The helper's message after its imports, with the problem where they failed."""

    problem: str | None = None
    gpus: int = 0  #: the GPUs that trials see


class Spawned(Frozen):
    """The helper's message that a trial has started."""

    pid: int


class ExitStatus(Frozen):
    """The helper's message about the end of a trial's process. All None: unknown, because the helper died too."""

    code: int | None = None
    signal: int | None = None
    cpu_s: float | None = None  #: CPU time of the process, and of the children that it waited for
    left: tuple[int, ...] = ()  #: processes that it left, which the kernel cannot end


class TrialProcess:
    """A trial's process, as its supervisor sees it."""

    def __init__(self, pid: int, channel: Channel, helper: "_Helper") -> None:
        self.pid = pid
        self.channel = channel
        self._helper = helper
        self._status: ExitStatus | None = None

    def kill(self) -> None:
        """Kill the trial's process group; safe at any time."""
        if self._status is None:
            for kill in (os.killpg, os.kill):  # in its first moments it has no group
                with suppress(ProcessLookupError):
                    kill(self.pid, signal.SIGKILL)

    def wait(self, timeout_s: float | None = None) -> ExitStatus | None:
        """Wait for the process, and close its channel; returns how it ended, or None where it still runs."""
        if self._status is None:
            try:
                line = self._helper.receive(timeout_s)
            except (EOFError, OSError):
                self.kill()
                self._status = ExitStatus()
            else:
                self._status = ExitStatus.model_validate_json(line) if line is not None else None
        if self._status is not None:
            self.channel.sock.close()
        return self._status


class Zygote:
    """Starts trials, one at a time. Only the main thread may use it."""

    def __init__(self) -> None:
        self._helper: _Helper | None = None
        self._trial: TrialProcess | None = None
        self.gpus = 0  #: the GPUs that trials see

    def launch(self) -> None:
        """Start the helper, whose imports take seconds; the caller may do something else before it calls `start`."""
        self._helper = _Helper()

    def start(self) -> None:
        """Return once the helper has torch; raises MachineUnfit with the remedy where it cannot."""
        self.gpus = self._ready().gpus

    def spawn(self, output: Descriptor) -> TrialProcess:
        """Start a trial whose stdout and stderr go to a descriptor; a helper that has died or hangs is replaced first.

        Raises MachineUnfit where the last trial cannot be killed, or no helper can start one.
        """
        self._end_trial()
        try:
            self._trial = _spawn(self._ready(), output)
        except (EOFError, OSError) as error:
            self._give_up_helper(_why(error))
            try:
                self._trial = _spawn(self._ready(), output)
            except (EOFError, OSError) as again:
                self._give_up_helper(_why(again))
                raise MachineUnfit(f"no trial can be started: the helper twice failed: {_why(again)}") from again
        return self._trial

    def prepare(self) -> None:
        """Make ready for the next trial; raises MachineUnfit where there can be none."""
        self._end_trial()
        self._ready()

    def _ready(self) -> "_Helper":
        """Return the helper, once it has torch; one that is not there is started."""
        helper, self._helper = self._helper or _Helper(), None
        helper.await_imports()
        self._helper = helper
        return helper

    def close(self) -> None:
        """End the trial and the helper; safe at any time, twice too."""
        try:
            self._end_trial()
        finally:
            helper, self._helper = self._helper, None
            if helper is not None:
                helper.close()

    def _end_trial(self) -> None:
        trial, self._trial = self._trial, None
        if trial is None:
            return
        trial.kill()
        status = trial.wait(GONE_WITHIN_S)
        for pid in (trial.pid,) if status is None else status.left:
            if is_alive(pid):
                self._trial = trial  # the next call tries again
                raise MachineUnfit(f"process {pid} of the last trial cannot be killed: restart this machine")
        if status is not None:
            return
        trial.channel.sock.close()
        self._give_up_helper("it does not tell how the last trial ended")

    def _give_up_helper(self, why: str) -> None:
        log.warning("the helper that starts trials is replaced: %s", why)
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.close()


class _Helper:
    """The supervisor's end of a helper process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        program = [sys.executable, "-P", "-u", "-X", "faulthandler", "-m", "workers.supervisor.zygote"]
        self._mark = mark()
        with theirs:
            self._process = subprocess.Popen(
                [*program, str(theirs.fileno()), str(os.getpid())],
                env=without_secrets(os.environ) | self._mark,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *(passed_output() or ())],
                start_new_session=True,
            )
        self._channel = Channel(ours)
        self.gpus = 0
        self._lines: deque[bytes] = deque()
        self.is_ready = False  #: whether it has torch

    def fork(self, trial_fd: int, log_fd: int) -> int:
        """Start a trial that owns copies of these descriptors; returns its pid.

        Raises EOFError or OSError where the helper has died, or does not answer in time.
        """
        socket.send_fds(self._channel.sock, [_SPAWN], [trial_fd, log_fd])
        line = self.receive(FORKED_WITHIN_S)
        if line is None:
            raise TimeoutError(f"no answer within {FORKED_WITHIN_S:.0f} s")
        return Spawned.model_validate_json(line).pid

    def await_imports(self) -> None:
        """Wait until the imports are done; where they fail the helper is closed, and MachineUnfit says why."""
        try:
            problem = None if self.is_ready else self._problem()
            if problem is not None:
                raise MachineUnfit(problem)
        except BaseException:
            self.close()
            raise
        self.is_ready = True

    def _problem(self) -> str | None:
        try:
            line = self.receive(READY_WITHIN_S)
        except (EOFError, OSError):
            return "the import of torch killed its process: run `python -c 'import torch'` to see why"
        if line is None:
            return f"the import of torch hangs ({READY_WITHIN_S:.0f} s): run `python -c 'import torch'` to see why"
        ready = Ready.model_validate_json(line)
        self.gpus = ready.gpus
        return ready.problem

    def receive(self, timeout_s: float | None) -> bytes | None:
        """Return the helper's next line, or None after the time-out; raises EOFError or OSError when it has died."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._lines:
            left_s = None if deadline_s is None else max(deadline_s - time.monotonic(), 0.0)
            if not select.select([self._channel.sock], [], [], left_s)[0]:
                return None
            self._lines.extend(self._channel.feed())
        return self._lines.popleft()

    def close(self) -> None:
        """Kill the helper, which holds no state, and all that it started; what the kernel cannot end is left to it."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GONE_WITHIN_S)
        kill_marked(self._mark)
        self._channel.sock.close()


def _why(error: Exception) -> str:
    """Return why a helper must be replaced."""
    return "it hangs" if isinstance(error, TimeoutError) else "it has died, perhaps because memory ran out"


def _spawn(helper: _Helper, output: Descriptor) -> TrialProcess:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            pid = helper.fork(theirs.fileno(), output.fileno())
        except (EOFError, OSError):
            ours.close()
            raise
    return TrialProcess(pid, Channel(ours), helper)


def main(control: socket.socket, parent_pid: int) -> None:
    """Run the helper's process: import, report that, and fork trials until the supervisor's end closes."""
    die_with_parent(parent_pid)
    adopt_orphans()
    channel = Channel(control)
    problem = _preload()
    with suppress(ConnectionError):
        channel.send(Ready(problem=problem, gpus=_count_gpus() if problem is None else 0))
        while problem is None:
            request, descriptors, _, _ = socket.recv_fds(control, len(_SPAWN), 2)
            if not request:
                return
            pid = _fork(control, *descriptors)
            channel.send(Spawned(pid=pid))
            channel.send(_await(pid))


def _preload() -> str | None:
    """Import what trials need; returns what is wrong, with the remedy."""
    module = "workers.trial.main"
    try:
        import_module(module)
        for entry in installed().values():
            module = entry.module
            import_module(module)
    except Exception as error:
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        remedy = "pip install 'wattfarm[worker]', or mend or remove the package that brings it"
        return f"no trial can run on this machine: {module} cannot be imported ({reason}): {remedy}"
    gc.collect()
    gc.freeze()  # so that a collection in a trial does not copy the pages of all these objects
    return None


def _count_gpus() -> int:
    """Count the GPUs that CUDA shows to a trial, in a process that ends at once: CUDA does not survive a fork."""
    pid = os.fork()
    if pid == 0:
        found = 0
        with suppress(Exception):
            found = min(import_module("torch").cuda.device_count(), MOST_GPUS)
        os._exit(found)
    return max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)


def _fork(control: socket.socket, trial_fd: int, log_fd: int) -> int:
    helper_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        control.close()
        _become_trial(trial_fd, log_fd, helper_pid)
    os.close(trial_fd)
    os.close(log_fd)
    return pid


def _become_trial(trial_fd: int, log_fd: int, helper_pid: int) -> NoReturn:
    status = 1
    try:
        os.setsid()
        die_with_parent(helper_pid)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_ADJ))
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log_fd, stream.fileno())
        os.close(log_fd)
        os.set_inheritable(trial_fd, False)
        status = import_module("workers.trial.main").main(socket.socket(fileno=trial_fd))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _await(pid: int) -> ExitStatus:
    """Wait until a trial ends, and kill all that it has left."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with suppress(ProcessLookupError, PermissionError):  # macOS forbids it where only a zombie is left
        os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return ExitStatus(
        code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        cpu_s=usage.ru_utime + usage.ru_stime,
        left=tuple(end_children(LEFT_GONE_WITHIN_S)),
    )


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
