"""What "Uncovering Energy-Efficient Practices in Deep Learning Training" claims of searches. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from scipy.stats import binomtest

from farm.analysis.aggregate import Key
from farm.analysis.intervals import Interval
from farm.analysis.statistics.data import Data
from farm.analysis.statistics.equivalence import MARGIN, equivalence
from farm.kinds.tuning.comparison import BASELINE, LEAST_SEEDS, StrategyComparison, comparisons
from farm.kinds.tuning.searches import Outcome, Study
from farm.model.errors import InputError
from farm.studies.claims.finding import (
    SIGNIFICANCE,
    Basis,
    Claim,
    Figure,
    Finding,
    Paper,
    Scale,
    Verdict,
    below,
    every,
    tally,
    too_few,
    unclear,
)

#: Strategies that learn from what they tried; the study's own first.
BAYESIAN = ("gp-pi", "gp", "tpe")
GRID = "grid"
#: Of random's joules: the most that the study's searches took until they passed it.
SMALL_SHARE = 0.30

PAPER = Paper(
    name="training",
    title="Uncovering Energy-Efficient Practices in Deep Learning Training",
    source="CAIN 2023, arXiv 2303.13972",
    sweeps=("tuning", "architecture"),
    quick=("tuning-quick", "architecture-quick"),
)
MEAN = Claim(
    id="strategies-cost-alike",
    says="The mean energy of a training hardly differs between search strategies.",
    figures="FashionMNIST, SimpleCNN: 1162 to 1178 J",
    rule=f"Agrees if every two strategies take the same within {MARGIN:.0%} (two one-sided tests of the means of "
    "studies, Holm). Differs if two do not.",
)
_WINS = (
    "Agrees if it ends above in more studies than below (sign test, p < .05; a study is one data set, network "
    "and seed). Differs if it ends below in more."
)
ABOVE_RANDOM = Claim(
    id="bayesian-beats-random",
    says="Bayesian search ends with a better accuracy than random search.",
    figures="in 11 of 12 settings",
    rule=_WINS,
    of_energy=False,
)
ABOVE_GRID = Claim(
    id="bayesian-beats-grid",
    says="Bayesian search ends with a better accuracy than grid search.",
    figures="in 10 of 12 settings",
    rule=_WINS,
    of_energy=False,
)
SHARE = Claim(
    id="bayesian-passes-early",
    says="Bayesian search passes random's best after a small share of random's energy.",
    figures="9% in the median of the 11 settings where it does, 5 to 30%",
    rule=f"Agrees if the median share over seeds is below {SMALL_SHARE:.0%}, with its whole 95 % interval; seeds that "
    "never pass count too. Differs if the interval lies above.",
)


@dataclass(frozen=True, slots=True)
class Searches:
    """All studies, and what they rest on; flagged trials count, since a search without them never took place."""

    studies: Sequence[Study]
    basis: Basis
    nothing: str = "no search was measured"  #: why there may be no study

    def of(self, strategy: str) -> dict[Key, Study]:
        """Its studies by workload and seed."""
        return {(*s.workload, ("seed", s.seed)): s for s in self.studies if s.strategy == strategy}

    @property
    def bayesian(self) -> str | None:
        """The strategy that stands for it."""
        return next((name for name in BAYESIAN if self.of(name)), None)


def findings(searches: Searches) -> list[Finding]:
    """One for each claim."""
    return [
        costs_alike(searches),
        _wins(ABOVE_RANDOM, searches, BASELINE),
        _wins(ABOVE_GRID, searches, GRID),
        share(searches),
    ]


def costs_alike(searches: Searches) -> Finding:
    """The mean of a study is one value; strategies of each workload are compared."""
    decided, figures, why = [], [], searches.nothing
    for name, data in _means(searches.studies).items():
        try:
            found = equivalence(data, ("strategy",))
        except InputError as error:
            why = too_few(data, ("strategy",)) or str(error)
            continue
        words = {"equivalent": Verdict.AGREES, "different": Verdict.DIFFERS, "unclear": Verdict.UNCLEAR}
        for ((a,), (b,)), one in found.items():
            verdict = words[one.verdict]
            what = f"{b} against {a}: mean energy of a training (TOST over studies){name}"
            figures.append(Figure(what, one.ratio, Scale.RATIO, verdict, one.p_adjusted, one.n_a + one.n_b, "90 %"))
            decided.append(verdict)
    if not decided:
        return unclear(MEAN, why, searches.basis)
    return Finding(MEAN, every(decided), tally(decided, "pair"), tuple(figures), searches.basis)


def _means(studies: Sequence[Study]) -> dict[str, Data]:
    """The mean joules of a training of each study, by workload; those that were cut short or failed do not count."""
    rows: dict[Key, list[tuple[float, str]]] = defaultdict(list)
    for study in studies:
        whole = [a.energy_j for a in study.attempts if a.outcome is Outcome.COMPLETE]
        known = [energy for energy in whole if energy is not None]
        if known and len(known) == len(whole):
            rows[study.workload].append((fmean(known), study.strategy))
    named = _named(list(rows))
    return {
        named[key]: Data("energy", tuple(j for j, _ in own), {"strategy": tuple(strategy for _, strategy in own)})
        for key, own in rows.items()
    }


def _named(workloads: Sequence[Key]) -> Mapping[Key, str]:
    """Each by what distinguishes it from the others."""
    apart = {name for key in workloads for name, value in key if any(dict(o).get(name) != value for o in workloads)}
    spelt = {key: ", ".join(f"{name} {value}" for name, value in key if name in apart) for key in workloads}
    return {key: f" ({name})" if name else "" for key, name in spelt.items()}


def _wins(claim: Claim, searches: Searches, other: str) -> Finding:
    """Seed by seed; a tie speaks for neither."""
    basis = replace(searches.basis, qualities=())
    if searches.bayesian is None or not searches.of(other):
        absent = "a Bayesian strategy" if searches.bayesian is None else f"{other} search"
        return unclear(claim, f"{absent} is not among the searches" if searches.studies else searches.nothing, basis)
    names = [name for name in BAYESIAN if searches.of(name)]
    judged = [_compared(searches, name, other) for name in names]
    (verdict, first), beside = judged[0], [figure for _, figure in judged[1:]]
    if first is None:
        return unclear(claim, "no two studies of one seed end with different accuracies", basis)
    others = [Figure(f.of, f.value, f.scale, None, f.p, f.trials) for f in beside if f is not None]
    more = "; add seeds" if verdict is Verdict.UNCLEAR else ""
    because = f"{names[0]} stands for Bayesian search{more}"
    return Finding(claim, verdict, because, (first, *others), basis)


def _compared(searches: Searches, strategy: str, other: str) -> tuple[Verdict, Figure | None]:
    own, theirs = searches.of(strategy), searches.of(other)
    pairs = [(own[key].best_accuracy, theirs[key].best_accuracy) for key in own if key in theirs]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    wins, losses = sum(a > b for a, b in known), sum(a < b for a, b in known)
    if not wins + losses:
        return Verdict.UNCLEAR, None
    test = binomtest(wins, wins + losses)
    ends, p = test.proportion_ci(), float(test.pvalue)
    sure = Verdict.AGREES if wins > losses else Verdict.DIFFERS
    verdict = sure if p < SIGNIFICANCE else Verdict.UNCLEAR
    ties = f", {len(known) - wins - losses} ties" if wins + losses < len(known) else ""
    what = f"{strategy} above {other}: {wins} of {len(known)} studies{ties}"
    share_of = Interval(wins / (wins + losses), float(ends.low), float(ends.high))
    trials = sum(len(s.attempts) for s in (*own.values(), *theirs.values()))
    return verdict, Figure(what, share_of, Scale.SHARE, verdict, p, trials)


def _trained(searches: Searches, comparison: StrategyComparison) -> int:
    """Trainings of both sides."""
    return sum(
        len(study.attempts)
        for study in searches.studies
        if study.workload == comparison.workload and study.strategy in {BASELINE, comparison.strategy}
    )


def share(searches: Searches) -> Finding:
    """Contests against random, of each workload."""
    found = [c for c in comparisons(searches.studies) if c.strategy == searches.bayesian]
    decided, figures = [], []
    for comparison in found:
        value = Interval(comparison.ratio, comparison.ratio_low, comparison.ratio_high)
        verdict = below(value, SMALL_SHARE) if len(comparison.races) >= LEAST_SEEDS else Verdict.UNCLEAR
        decided.append(verdict)
        reached = f"{comparison.reached} of {len(comparison.races)} seeds pass"
        what = f"{comparison.strategy}: share of random's joules until it passes random's best (median; {reached})"
        figures.append(Figure(what, value, Scale.SHARE, verdict, comparison.p, _trained(searches, comparison)))
    if not decided:
        absent = "it takes random search and a Bayesian one, with accuracy and joules"
        return unclear(SHARE, absent if searches.studies else searches.nothing, searches.basis)
    return Finding(SHARE, every(decided), tally(decided, "setting"), tuple(figures), searches.basis)
