"""What each method says of a trial's measure window."""

from statistics import fmean

from farm.model import WindowKind
from tests.benchmarks.accuracy.virtual import Run, between

#: Columns of the table; codecarbon's is a model of it, which `live.py` checks against the real one.
METHODS = ("ours", "counter difference", "10 Hz polling", "codecarbon*")


def peers(run: Run) -> dict[str, float]:
    """Net energies of the other methods; none of them subtracts an idle, so each is given the true one."""
    window = run.window(WindowKind.MEASURE)
    idle_j = between(run.moments.true_j, window) - run.true_net_j()
    return {
        "counter difference": between(run.moments.counter_j, window) - idle_j,
        "10 Hz polling": _mean_w(run, window.begin_at_ns, window.end_at_ns) * window.duration_s - idle_j,
        "codecarbon*": between(run.moments.codecarbon_j, window) - idle_j,
    }


def _mean_w(run: Run, begin_ns: int, end_ns: int) -> float:
    return fmean(r.power_w for r in run.powers if r.power_w is not None and begin_ns <= r.at_ns <= end_ns)
