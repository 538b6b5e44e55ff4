"""How well simulated figures agree with figures of live trials under the same load."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from farm.analysis.intervals import Interval
from farm.analysis.rules import stands_out
from farm.kinds.serving.figures import Figures
from farm.kinds.serving.live.trials import Live


def _response(name: str) -> Callable[[Figures], Interval | None]:
    return lambda figures: None if figures.is_saturated else figures.response_s.get(name)


#: Figures that are compared, by their names in files: name for people, and function that reads the figure.
COMPARED: Mapping[str, tuple[str, Callable[[Figures], Interval | None]]] = {
    "response_mean": ("mean response", _response("mean")),
    "response_p99": ("p99 response", _response("p99")),
    "service": ("service time", lambda figures: figures.service_s),
    "gross_j_per_request": ("gross J", lambda figures: figures.gross_j),
    "net_j_per_request": ("net J", lambda figures: figures.net_j),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """One load, simulated and live."""

    live: Live
    simulated: Figures
    are_alike: bool  #: True: the joules of both were obtained in the same way

    def of(self, name: str) -> tuple[Interval, Interval] | None:
        """Return the simulated and the live figure; None if one is unknown, or their joules cannot be compared."""
        _, figure = COMPARED[name]
        simulated, live = figure(self.simulated), figure(self.live.figures)
        if simulated is None or live is None:
            return None
        if name.endswith("per_request") and not (self.are_alike and stands_out(simulated) and stands_out(live)):
            return None
        return simulated, live

    def ratio(self, name: str) -> float | None:
        """Return the ratio of the simulated figure to the live one."""
        both = self.of(name)
        return both[0].mean / both[1].mean if both else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Differences of one simulated figure from the live one."""

    what: str
    loads: int  #: number of loads that could be compared
    median: float  #: median of |simulated / live - 1|
    worst: float  #: largest of these differences
    worst_pair: Pair
    held: int | None  #: live intervals that include the simulated figure; None: no live interval is known


def agreements(pairs: Sequence[Pair]) -> list[Agreement]:
    """Compare all figures that are known; loads whose trials are all flagged are left out."""
    found = []
    sound = [pair for pair in pairs if not pair.live.work.is_doubtful]
    for name, (what, _) in COMPARED.items():
        known = [(abs(ratio - 1), pair) for pair in sound if (ratio := pair.ratio(name)) is not None]
        if known:
            worst, worst_pair = max(known, key=lambda each: each[0])
            each = median(off for off, _ in known)
            found.append(Agreement(what, len(known), each, worst, worst_pair, _held([p for _, p in known], name)))
    return found


def _held(pairs: Sequence[Pair], name: str) -> int | None:
    both = [values for pair in pairs if (values := pair.of(name)) is not None]
    known = [(s.mean, live.low, live.high) for s, live in both if live.low is not None and live.high is not None]
    return sum(low <= value <= high for value, low, high in known) if known else None
