"""One input to one target: whether it is accepted, refused in a clear line, or a failure; and what that took."""

import resource
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

from tests.fuzz.clear import require_clear
from tests.fuzz.targets import Target

#: An input may take so much CPU, and so much more memory than before it.
MOST_CPU_S = 2.0
MOST_GROWTH_MB = 300.0
#: What waits without CPU, such as the opening of a FIFO, is a hang too.
_MOST_WALL_S = 60.0
#: A hang in C code runs no handler: after so much CPU the system ends the process, and its parent reports the input.
_KILL_AFTER_S = 20.0
#: A process may map so much more memory than when it began.
_MOST_MAPPED = 1200 * 2**20
_ROOT = Path(__file__).parents[2]


class Hang(BaseException):
    """An input takes too long; no target catches it by accident."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input."""

    is_refused: bool = False
    failure: str = ""  #: the exception with its place, which is the same for the same fault; empty: none
    detail: str = field(default="", compare=False)  #: the traceback of a failure
    cpu_s: float = 0.0
    growth_mb: float = 0.0


def check(target: Target, data: bytes, folder: Path) -> Outcome:
    """Give an input to a target; `folder`: one of its own, which lasts for many inputs."""
    is_refused, failure, detail = False, "", ""
    before_mb, begin_s = _resident_mb(), process_time()
    try:
        with _limited():
            try:
                target.take(data, folder)
            except target.refuses as error:
                is_refused = True
                require_clear(str(error))
    except (Exception, Hang) as error:
        failure, detail = _signature(error), "".join(traceback.format_exception(error)[-12:])[-6000:]
    cpu_s, growth_mb = process_time() - begin_s, max(_peak_mb() - before_mb, 0.0)
    if not failure and cpu_s > MOST_CPU_S:
        failure = f"more than {MOST_CPU_S:g} s of CPU"
    if not failure and growth_mb > MOST_GROWTH_MB:
        failure = f"more than {MOST_GROWTH_MB:g} MB of growth"
    return Outcome(is_refused, failure, detail, cpu_s, growth_mb)


def limit_process() -> None:
    """Bound the memory of this process, which runs nothing but inputs."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + _MOST_MAPPED, mapped + _MOST_MAPPED))


@contextmanager
def _limited() -> Iterator[None]:
    """Raise Hang in the block after too much time; end the process where that is of no use."""

    def stop(number: int, frame: Any) -> None:
        raise Hang("no end within the time for one input")

    before = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    before[signal.SIGVTALRM] = signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    timers = (
        (signal.ITIMER_PROF, MOST_CPU_S),
        (signal.ITIMER_VIRTUAL, _KILL_AFTER_S),
        (signal.ITIMER_REAL, _MOST_WALL_S),
    )
    for timer, seconds in timers:
        signal.setitimer(timer, seconds, 1.0)  # once more each second, where something swallows the exception
    try:
        yield
    finally:
        for timer, _ in timers:
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _signature(error: BaseException) -> str:
    """Return the type of an exception and the last line of the product that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith((f"{_ROOT}/farm", f"{_ROOT}/workers"))]
    frame = (own or list(frames))[-1]
    place = frame.filename.removeprefix(f"{_ROOT}/")
    # The line of a hang is where the time ran out, and how a text is unclear differs: only the function is the fault.
    return f"{type(error).__name__} in {place}:{frame.name}"


def _resident_mb() -> float:
    """Return the memory of this process, from which on its peak is counted anew."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # a container may forbid it: then the peak is that of the whole process
        return _peak_mb()
    return _status_mb("VmRSS")


def _peak_mb() -> float:
    return _status_mb("VmHWM")


def _status_mb(name: str) -> float:
    with Path("/proc/self/status").open() as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(f"{name}:"))
