"""A claim of a paper, what was found here, and the rules that make a verdict of the two. Pure.

Missing data give no verdict, nor does an interval that leaves both answers open: the verdict is then `cannot tell`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from farm.analysis.across import Figure as Energy
from farm.analysis.aggregate import Key, UnitSample
from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.rules import net_stands_out
from farm.analysis.statistics.data import Data, spelt
from farm.analysis.statistics.pairs import Pair
from farm.model import Quality

SIGNIFICANCE = 1 - CONFIDENCE
#: A quarter more, or a fifth less: less than that is no strong change.
STRONG = 1.25
#: A figure repeats the paper's where it is no further off than by this factor.
ABOUT = 1.25


class Verdict(StrEnum):
    """Whether what was found here agrees with a claim."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNCLEAR = "cannot tell"

    def of(self, count: int) -> str:
        """As so many say it."""
        return self.value.removesuffix("s") if count > 1 else self.value


class Scale(StrEnum):
    """What a figure is."""

    RATIO = "ratio"
    SHARE = "share"
    GROWTH = "growth"  #: a year, as a share


class Times(StrEnum):
    """How response times were obtained."""

    SIMULATED = "simulated"  #: a queue over measured service times
    LIVE = "live"  #: requests in real time


@dataclass(frozen=True, slots=True)
class Claim:
    """What a paper says, and how it is judged."""

    id: str
    says: str  #: one sentence
    figures: str  #: the paper's own
    rule: str  #: when it agrees, when it differs
    of_energy: bool = True  #: the verdict rests on joules


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that speaks for or against a claim."""

    of: str
    value: Interval
    scale: Scale
    verdict: Verdict | None = None  #: what it says by itself; None: it only stands beside the others
    p: float | None = None
    trials: int = 0
    level: str = "95 %"  #: of the interval


@dataclass(frozen=True, slots=True)
class Basis:
    """What a finding rests on."""

    trials: int = 0
    left_out: int = 0  #: trials that a flag left out
    flagged: int = 0  #: trials that count in spite of their flag
    machines: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    qualities: tuple[Quality, ...] = ()  #: of the joules; none where the claim is of something else
    simulated: bool = False  #: hardware that is not there
    imported: bool = False
    times: Times | None = None  #: of a claim about response times


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim, and what came of it here."""

    claim: Claim
    verdict: Verdict
    because: str
    figures: tuple[Figure, ...]
    basis: Basis

    @property
    def is_modelled(self) -> bool:
        """Whether it rests on joules that no meter saw."""
        return Quality.MODELLED in self.basis.qualities


@dataclass(frozen=True, slots=True)
class Paper:
    """A study, and the ready-made sweeps that repeat it."""

    name: str
    title: str
    source: str
    sweeps: tuple[str, ...]
    quick: tuple[str, ...]  #: the same in minutes
    device: str | None = None  #: that the study measured


@dataclass(frozen=True, slots=True)
class Trials:
    """Those of some sweeps; flagged ones are left out unless they are asked for."""

    everything: Sequence[UnitSample]
    include_flagged: bool = False

    @property
    def counted(self) -> list[UnitSample]:
        """What verdicts rest on."""
        return [s for s in self.everything if self.include_flagged or s.is_valid]

    def basis(self, times: Times | None = None, of_energy: bool = True) -> Basis:
        """Of a finding that rests on all of them."""
        counted = self.counted
        return Basis(
            trials=len(counted),
            left_out=len(self.everything) - len(counted),
            flagged=sum(not s.is_valid for s in counted),
            machines=_levels(counted, "machine"),
            devices=_levels(counted, "device"),
            qualities=tuple(sorted({s.quality for s in counted if s.quality and of_energy}, key=lambda q: q.rank)),
            simulated=any(s.simulated for s in counted),
            imported=any(s.imported for s in counted),
            times=times,
        )

    def nothing(self, what: str, of_energy: bool = True) -> str:
        """Why there is nothing to judge by."""
        if of_energy and self.counted and all(s.gross_j is None for s in self.counted):
            return "the joules of no trial are known: `farm doctor` says what is missing"
        if self.everything and not self.counted:
            return f"each of the {len(self.everything)} trials is flagged: --include-flagged counts them all the same"
        left_out = len(self.everything) - len(self.counted)
        return f"{what}, without the flagged ones: --include-flagged counts them all the same" if left_out else what


def apart(samples: Iterable[UnitSample], names: Sequence[str]) -> list[tuple[str, list[UnitSample]]]:
    """Group samples by labels that keep them from being compared; each group has a name of its own."""
    groups: dict[Key, list[UnitSample]] = defaultdict(list)
    for sample in samples:
        groups[tuple((name, sample.labels.get(name)) for name in names)].append(sample)
    differing = [name for name in names if len({dict(key)[name] for key in groups}) > 1]
    return [(", ".join(str(dict(key)[name]) for name in differing), own) for key, own in groups.items()]


def decisive(samples: Iterable[UnitSample]) -> Energy:
    """Net energy, or gross where some net one is not known to be more than nothing."""
    is_net = all(net_stands_out(s.net_j, s.net_u_j) for s in samples)
    return Energy.NET if is_net else Energy.GROSS


def _levels(samples: Iterable[UnitSample], name: str) -> tuple[str, ...]:
    return tuple(sorted({str(s.labels[name]) for s in samples if s.labels.get(name) is not None}))


def of_pair(what: str, pair: Pair, verdict: Verdict | None = None) -> Figure:
    """How many times as much the second of a pair is."""
    return Figure(what, pair.ratio, Scale.RATIO, verdict, pair.p_adjusted, pair.n_a + pair.n_b)


def unclear(claim: Claim, because: str, basis: Basis, figures: Iterable[Figure] = ()) -> Finding:
    """Return a finding without a verdict."""
    return Finding(claim, Verdict.UNCLEAR, because, tuple(figures), basis)


def strong(ratio: Interval, p: float | None) -> Verdict:
    """Whether a ratio is STRONG either way: all of its interval beyond, or all of it short of that."""
    if ratio.low is None or ratio.high is None:
        return Verdict.UNCLEAR
    if (ratio.high <= 1 / STRONG or ratio.low >= STRONG) and p is not None and p < SIGNIFICANCE:
        return Verdict.AGREES
    return Verdict.DIFFERS if ratio.low > 1 / STRONG and ratio.high < STRONG else Verdict.UNCLEAR


def is_sure(pair: Pair) -> bool:
    """Return True if the two differ by Welch's test, corrected for the number of tests."""
    return pair.p_adjusted is not None and pair.p_adjusted < SIGNIFICANCE


def beyond(value: Interval, bound: float) -> Verdict:
    """Agrees where the whole interval is above the bound, differs where all of it is below."""
    if value.low is not None and value.low > bound:
        return Verdict.AGREES
    return Verdict.DIFFERS if value.high is not None and value.high < bound else Verdict.UNCLEAR


def below(value: Interval, bound: float) -> Verdict:
    """Agrees where the whole interval is below the bound, differs where all of it is above."""
    return opposite(beyond(value, bound))


def near(ratio: Interval, stated: float) -> Verdict:
    """Whether a ratio is the stated one but for a factor of ABOUT, its whole interval."""
    if ratio.low is None or ratio.high is None:
        return Verdict.UNCLEAR
    least, most_ = stated / ABOUT, stated * ABOUT
    if least <= ratio.low and ratio.high <= most_:
        return Verdict.AGREES
    return Verdict.DIFFERS if ratio.high < least or ratio.low > most_ else Verdict.UNCLEAR


def opposite(verdict: Verdict) -> Verdict:
    """Of the contrary claim."""
    return {Verdict.AGREES: Verdict.DIFFERS, Verdict.DIFFERS: Verdict.AGREES}.get(verdict, verdict)


def every(verdicts: Iterable[Verdict]) -> Verdict:
    """Of a claim that each part must bear out: one that differs decides."""
    found = Counter(verdicts)
    if found[Verdict.DIFFERS]:
        return Verdict.DIFFERS
    return Verdict.AGREES if found[Verdict.AGREES] and not found[Verdict.UNCLEAR] else Verdict.UNCLEAR


def most(verdicts: Iterable[Verdict]) -> Verdict:
    """Of a claim about networks in general: more than half of them say so, and none the contrary."""
    found = Counter(verdicts)
    for verdict, contrary in ((Verdict.AGREES, Verdict.DIFFERS), (Verdict.DIFFERS, Verdict.AGREES)):
        if found[verdict] * 2 > found.total() and not found[contrary]:
            return verdict
    return Verdict.UNCLEAR


def tally(verdicts: Sequence[Verdict], what: str) -> str:
    """Of 3 networks 2 agree, 1 cannot tell."""
    found = Counter(verdicts)
    counts = [f"{found[verdict]} {verdict.of(found[verdict])}" for verdict in Verdict if found[verdict]]
    return f"of {len(verdicts)} {what}{'' if len(verdicts) == 1 else 's'} {', '.join(counts)}"


def too_few(data: Data, factors: Sequence[str]) -> str:
    """Which combination of levels has fewer than two values; empty where none has."""
    counts = Counter(data.rows(factors))
    for cell in product(*(data.levels(name) for name in factors)):
        if counts[cell] < 2:
            how_many = "one trial counts" if counts[cell] else "no trial counts"
            return f"{how_many} of {spelt(factors, cell)}, where it takes two or more"
    return ""
