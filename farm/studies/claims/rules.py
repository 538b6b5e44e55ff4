"""The rules that turn figures into a verdict on a claim. Pure.

Missing data give no verdict, and neither does an interval that leaves both answers open: the verdict is `cannot tell`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from farm.analysis.across import Figure as Energy
from farm.analysis.aggregate import Key, UnitSample
from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.ratios import Blocked, Ratio
from farm.analysis.rules import net_stands_out
from farm.analysis.statistics.data import Data, spelt
from farm.analysis.statistics.multiplicity import adjusted
from farm.studies.claims.finding import Basis, Claim, Figure, Finding, Scale, Trials, Verdict

K = TypeVar("K", bound=Hashable)
Name = TypeVar("Name", bound=Hashable)
SIGNIFICANCE = 1 - CONFIDENCE
#: A change is strong if it is at least a quarter more or a fifth less.
STRONG = 1.25
#: A figure repeats that of the paper if it differs by at most this factor.
ABOUT = 1.25


def group_comparable(samples: Iterable[UnitSample], names: Sequence[str]) -> list[tuple[str, list[UnitSample]]]:
    """Group samples by labels that keep them from being compared, and name each group by what distinguishes it."""
    groups: dict[Key, list[UnitSample]] = defaultdict(list)
    for sample in samples:
        groups[tuple((name, sample.labels.get(name)) for name in names)].append(sample)
    differing = [name for name in names if len({dict(key)[name] for key in groups}) > 1]
    return [(", ".join(str(dict(key)[name]) for name in differing), own) for key, own in groups.items()]


def choose_energy(samples: Iterable[UnitSample]) -> Energy:
    """Return net energy, or gross energy if a net value does not stand out of its noise."""
    is_net = all(net_stands_out(s.net_j, s.net_u_j) for s in samples)
    return Energy.NET if is_net else Energy.GROSS


@dataclass(frozen=True, slots=True)
class Compared:
    """The ratio of two configurations within blocks."""

    ratio: Ratio
    p: float | None  #: corrected for all ratios of the comparison, by Holm
    trials: int

    @property
    def interval(self) -> Interval:
        """The ratio with its 95 % interval."""
        return self.ratio.interval

    def figure(self, what: str, verdict: Verdict | None = None) -> Figure:
        """Return the ratio as a figure."""
        return Figure(what, self.interval, Scale.RATIO, verdict, self.p, self.trials)


def compare(of: Blocked[K], pairs: Mapping[Name, tuple[K, K]]) -> dict[Name, Compared]:
    """Return the ratio of the first of each pair to the second; pairs of an unknown value are left out."""
    ratios = {name: ratio for name, pair in pairs.items() if (ratio := of.ratio(*pair)) is not None}
    p = adjusted([ratio.p for ratio in ratios.values()])
    counts = {name: sum(len(of.logs[key]) for key in pairs[name]) for name in ratios}
    return {name: Compared(ratio, own, counts[name]) for (name, ratio), own in zip(ratios.items(), p, strict=True)}


def without_verdict(claim: Claim, because: str, basis: Basis) -> Finding:
    """Return a finding without a verdict."""
    return Finding(claim, Verdict.UNCLEAR, because, (), basis)


def is_significant(p: float | None) -> bool:
    """Return True if a p value is known and below the level of significance."""
    return p is not None and p < SIGNIFICANCE


def is_within(value: Interval, low: float, high: float) -> bool:
    """Return True if the whole interval is known and lies between two bounds."""
    return value.low is not None and value.high is not None and value.low > low and value.high < high


def judge_strength(found: Compared) -> Verdict:
    """Agree if the whole interval of a ratio is at least STRONG in one direction; differ if all of it is less."""
    ratio = found.interval
    if ratio.low is None or ratio.high is None:
        return Verdict.UNCLEAR
    if (ratio.high <= 1 / STRONG or ratio.low >= STRONG) and is_significant(found.p):
        return Verdict.AGREES
    return Verdict.DIFFERS if is_within(ratio, 1 / STRONG, STRONG) else Verdict.UNCLEAR


def judge_more(found: Compared) -> Verdict:
    """Agree if the ratio is above 1, differ if it is below, with p corrected for several tests."""
    return judge_above(found.interval, 1) if is_significant(found.p) else Verdict.UNCLEAR


def judge_above(value: Interval, bound: float) -> Verdict:
    """Agree if the whole interval is above the bound, differ if all of it is below."""
    if value.low is not None and value.low > bound:
        return Verdict.AGREES
    return Verdict.DIFFERS if value.high is not None and value.high < bound else Verdict.UNCLEAR


def judge_below(value: Interval, bound: float) -> Verdict:
    """Agree if the whole interval is below the bound, differ if all of it is above."""
    return opposite(judge_above(value, bound))


def judge_near(ratio: Interval, stated: float) -> Verdict:
    """Agree if the whole interval is within a factor of ABOUT of the stated ratio, differ if all of it is outside."""
    if ratio.low is None or ratio.high is None:
        return Verdict.UNCLEAR
    low, high = stated / ABOUT, stated * ABOUT
    if low <= ratio.low and ratio.high <= high:
        return Verdict.AGREES
    return Verdict.DIFFERS if ratio.high < low or ratio.low > high else Verdict.UNCLEAR


def opposite(verdict: Verdict) -> Verdict:
    """Return the verdict on the contrary claim."""
    return {Verdict.AGREES: Verdict.DIFFERS, Verdict.DIFFERS: Verdict.AGREES}.get(verdict, verdict)


def combine_all(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on a claim that must hold in every case: one case that differs decides."""
    found = Counter(verdicts)
    if found[Verdict.DIFFERS]:
        return Verdict.DIFFERS
    return Verdict.AGREES if found[Verdict.AGREES] and not found[Verdict.UNCLEAR] else Verdict.UNCLEAR


def combine_most(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of more than half of the cases, if no case has the contrary one."""
    found = Counter(verdicts)
    for verdict, contrary in ((Verdict.AGREES, Verdict.DIFFERS), (Verdict.DIFFERS, Verdict.AGREES)):
        if found[verdict] * 2 > found.total() and not found[contrary]:
            return verdict
    return Verdict.UNCLEAR


def count_verdicts(verdicts: Sequence[Verdict], what: str) -> str:
    """Return the number of cases for each verdict, such as: of 3 networks 2 agree, 1 cannot tell."""
    found = Counter(verdicts)
    counts = [f"{found[verdict]} {verdict.in_words(found[verdict])}" for verdict in Verdict if found[verdict]]
    return f"of {len(verdicts)} {what}{'' if len(verdicts) == 1 else 's'} {', '.join(counts)}"


def lacking_cell(data: Data, factors: Sequence[str]) -> str:
    """Return a sentence about the first combination of levels with fewer than two values, or an empty text."""
    counts = Counter(data.rows(factors))
    for cell in product(*(data.levels(name) for name in factors)):
        if counts[cell] < 2:
            how_many = "one trial counts" if counts[cell] else "no trial counts"
            return f"{how_many} of {spelt(factors, cell)}, but two or more are needed"
    return ""


def conclude(
    claim: Claim,
    trials: Trials,
    verdicts: Sequence[Verdict],
    what: str,
    figures: Iterable[Figure],
    absent: str,
    combine: Callable[[Iterable[Verdict]], Verdict] = combine_all,
) -> Finding:
    """Return a finding with the combined verdict of several cases.

    Args:
        claim: what is judged.
        trials: what the finding rests on.
        verdicts: one for each case.
        what: the name of one case, such as setting.
        figures: the evidence.
        absent: why there may be no verdict.
        combine: `combine_all` or `combine_most`.
    """
    if not verdicts:
        return without_verdict(claim, trials.why_nothing(absent), trials.basis())
    return Finding(claim, combine(verdicts), count_verdicts(verdicts, what), tuple(figures), trials.basis())
