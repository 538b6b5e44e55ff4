"""Simulated figures beside those of live trials under the same load: how far they are apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from farm.analysis.intervals import Interval
from farm.analysis.rules import stands_out
from farm.kinds.serving.figures import Figures
from farm.kinds.serving.live import Live


def _response(name: str) -> Callable[[Figures], Interval | None]:
    return lambda figures: None if figures.is_saturated else figures.response_s.get(name)


#: What is held against each other.
COMPARED: Mapping[str, Callable[[Figures], Interval | None]] = {
    "mean response": _response("mean"),
    "p99 response": _response("p99"),
    "service time": lambda figures: figures.service_s,
    "gross J": lambda figures: figures.gross_j,
    "net J": lambda figures: figures.net_j,
}


@dataclass(frozen=True, slots=True)
class Pair:
    """One load, simulated and live."""

    live: Live
    simulated: Figures
    are_alike: bool  #: their joules were obtained in the same way

    def of(self, what: str) -> tuple[Interval, Interval] | None:
        """Simulated and live; None where one is unknown, or joules are a bound, or not of one kind."""
        simulated, live = COMPARED[what](self.simulated), COMPARED[what](self.live.figures)
        if simulated is None or live is None:
            return None
        if what.endswith("J") and not (self.are_alike and stands_out(simulated) and stands_out(live)):
            return None
        return simulated, live

    def ratio(self, what: str) -> float | None:
        """Simulated over live."""
        both = self.of(what)
        return both[0].mean / both[1].mean if both else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well simulated figures of one sort fit the live ones."""

    what: str
    loads: int  #: that could be compared
    median: float  #: of |simulated / live - 1|
    worst: float  #: the largest of these
    worst_pair: Pair
    held: int | None  #: live intervals that hold the simulated figure; None where none is known


def agreements(pairs: Sequence[Pair]) -> list[Agreement]:
    """Of all that is compared, where there is something to compare; loads whose trials are all flagged are not."""
    found = []
    sound = [pair for pair in pairs if not pair.live.work.is_doubtful]
    for what in COMPARED:
        known = [(abs(ratio - 1), pair) for pair in sound if (ratio := pair.ratio(what)) is not None]
        if known:
            worst, worst_pair = max(known, key=lambda each: each[0])
            each = median(off for off, _ in known)
            found.append(Agreement(what, len(known), each, worst, worst_pair, _held([p for _, p in known], what)))
    return found


def _held(pairs: Sequence[Pair], what: str) -> int | None:
    both = [values for pair in pairs if (values := pair.of(what)) is not None]
    known = [(s.mean, live.low, live.high) for s, live in both if live.low is not None and live.high is not None]
    return sum(low <= value <= high for value, low, high in known) if known else None
