"""What "Uncovering Energy-Efficient Practices in Deep Learning Training" claims of searches. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from statistics import fmean

from scipy.stats import binomtest

from farm.analysis.aggregate import Key
from farm.analysis.intervals import Interval, median
from farm.analysis.statistics.data import Data
from farm.analysis.statistics.equivalence import MARGIN, equivalence
from farm.kinds.tuning.comparison import BASELINE, StrategyComparison, comparisons
from farm.kinds.tuning.searches import Outcome, Study
from farm.model.errors import InputError
from farm.studies.claims import rules
from farm.studies.claims.finding import Basis, Claim, Figure, Finding, Paper, Scale, Verdict

#: Strategies that learn from earlier configurations; the strategy of the study comes first.
BAYESIAN = ("gp-pi", "gp", "tpe")
GRID = "grid"
#: Largest share of random's joules that a search of the study took to pass random's best accuracy.
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
    statement="The mean energy of a training hardly differs between search strategies.",
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
    statement="Bayesian search ends with a better accuracy than random search.",
    figures="in 11 of 12 settings",
    rule=_WINS,
    of_energy=False,
)
ABOVE_GRID = Claim(
    id="bayesian-beats-grid",
    statement="Bayesian search ends with a better accuracy than grid search.",
    figures="in 10 of 12 settings",
    rule=_WINS,
    of_energy=False,
)
SHARE = Claim(
    id="bayesian-passes-early",
    statement="Bayesian search passes random's best after a small share of random's energy.",
    figures="9% in the median of the 11 settings where it does, 5 to 30%",
    rule=f"Agrees if the median share over seeds is below {SMALL_SHARE:.0%}, with its whole 95 % interval (seeds that "
    "never pass count too), and the search needs less energy than random itself until random's usual best (signed-rank "
    "test, p < .05). Differs if the interval lies above.",
)


@dataclass(frozen=True, slots=True)
class Searches:
    """All studies, and what they rest on.

    Flagged trials count, because the strategies chose their points with them.
    """

    studies: Sequence[Study]
    basis: Basis

    def of(self, strategy: str) -> dict[Key, Study]:
        """Return the studies of a strategy by workload and seed."""
        return {(*s.workload, ("seed", s.seed)): s for s in self.studies if s.strategy == strategy}

    @property
    def bayesian(self) -> list[str]:
        """Return the Bayesian strategies that were measured; the first one decides."""
        return [name for name in BAYESIAN if self.of(name)]

    def without_verdict(self, claim: Claim, absent: str) -> Finding:
        """Return a finding without a verdict; `absent` is the reason if any search was measured."""
        return rules.without_verdict(claim, absent if self.studies else "no search was measured", self.basis)


def findings(searches: Searches) -> list[Finding]:
    """Return a finding for each claim."""
    without_joules = replace(searches, basis=replace(searches.basis, qualities=()))
    return [
        _judge_means(searches),
        _judge_wins(ABOVE_RANDOM, without_joules, BASELINE),
        _judge_wins(ABOVE_GRID, without_joules, GRID),
        _judge_share(searches),
    ]


def _judge_means(searches: Searches) -> Finding:
    """Compare the strategies of each workload; the mean of a study is one value."""
    decided, figures, absent = [], [], "no search was measured"
    for name, data in _means(searches.studies).items():
        try:
            found = equivalence(data, ("strategy",))
        except InputError as error:
            absent = rules.lacking_cell(data, ("strategy",)) or str(error)
            continue
        words = {"equivalent": Verdict.AGREES, "different": Verdict.DIFFERS, "unclear": Verdict.UNCLEAR}
        for ((a,), (b,)), one in found.items():
            verdict = words[one.verdict]
            what = f"{b} against {a}: mean energy of a training (TOST over studies){name}"
            figures.append(Figure(what, one.ratio, Scale.RATIO, verdict, one.p_adjusted, one.n_a + one.n_b, "90 %"))
            decided.append(verdict)
    if not decided:
        return searches.without_verdict(MEAN, absent)
    return Finding(
        MEAN, rules.combine_all(decided), rules.count_verdicts(decided, "pair"), tuple(figures), searches.basis
    )


def _means(studies: Sequence[Study]) -> dict[str, Data]:
    """Return the mean joules of a complete training in each study, by the name of the workload."""
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
    """Return for each workload a name in brackets, made of what distinguishes it from the others."""
    apart = {name for key in workloads for name, value in key if any(dict(o).get(name) != value for o in workloads)}
    spelt = {key: ", ".join(f"{name} {value}" for name, value in key if name in apart) for key in workloads}
    return {key: f" ({name})" if name else "" for key, name in spelt.items()}


def _judge_wins(claim: Claim, searches: Searches, other: str) -> Finding:
    """Compare best accuracies seed by seed; a tie is evidence for neither strategy."""
    names = searches.bayesian
    if not names or not searches.of(other):
        absent = f"{other} search" if names else "a Bayesian strategy"
        return searches.without_verdict(claim, f"{absent} is not among the searches")
    judged = [_compare_accuracies(searches, name, other) for name in names]
    (verdict, first), beside = judged[0], [figure for _, figure in judged[1:]]
    if first is None:
        return searches.without_verdict(claim, "no two studies of one seed end with different accuracies")
    others = [replace(figure, verdict=None) for figure in beside if figure is not None]
    more = "; add seeds" if verdict is Verdict.UNCLEAR else ""
    because = f"{names[0]} stands for Bayesian search{more}"
    return Finding(claim, verdict, because, (first, *others), searches.basis)


def _compare_accuracies(searches: Searches, strategy: str, other: str) -> tuple[Verdict, Figure | None]:
    own, theirs = searches.of(strategy), searches.of(other)
    pairs = [(own[key].best_accuracy, theirs[key].best_accuracy) for key in own if key in theirs]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    wins, losses = sum(a > b for a, b in known), sum(a < b for a, b in known)
    if not wins + losses:
        return Verdict.UNCLEAR, None
    test = binomtest(wins, wins + losses)
    ends, p = test.proportion_ci(), float(test.pvalue)
    sure = Verdict.AGREES if wins > losses else Verdict.DIFFERS
    verdict = sure if rules.is_significant(p) else Verdict.UNCLEAR
    ties = f", {len(known) - wins - losses} ties" if wins + losses < len(known) else ""
    what = f"{strategy} above {other}: {wins} of {len(known)} studies{ties}"
    share_of = Interval(wins / (wins + losses), float(ends.low), float(ends.high))
    trials = sum(len(s.attempts) for s in (*own.values(), *theirs.values()))
    return verdict, Figure(what, share_of, Scale.SHARE, verdict, p, trials)


def _judge_share(searches: Searches) -> Finding:
    """Judge on each workload how much of random's energy the Bayesian strategy needs to pass random's best."""
    strategy = next(iter(searches.bayesian), "")
    compared = {c.workload: c for c in comparisons(searches.studies) if c.strategy == strategy}
    figures = [
        _share_figure(strategy, shares, compared.get(workload), trainings)
        for workload, (shares, trainings) in _shares_until_best(searches, strategy).items()
    ]
    verdicts = [figure.verdict for figure in figures if figure.verdict is not None]
    if not verdicts:
        return searches.without_verdict(SHARE, "it takes random search and a Bayesian one, with accuracy and joules")
    because = rules.count_verdicts(verdicts, "setting")
    return Finding(SHARE, rules.combine_all(verdicts), because, tuple(figures), searches.basis)


def _shares_until_best(searches: Searches, strategy: str) -> dict[Key, tuple[list[float], int]]:
    """Return by workload, for each seed, the share of random's joules until a strategy has random's best accuracy.

    It is infinite if the strategy never has it. The second value is the number of trainings behind the shares.
    """
    found: dict[Key, tuple[list[float], int]] = {}
    random = searches.of(BASELINE)
    for key, study in searches.of(strategy).items():
        best, random_j = (random[key].best_accuracy, random[key].total_j) if key in random else (None, None)
        if best is None or not random_j or not (study.is_metered and random[key].is_metered):
            continue
        step = study.until(best)
        shares, trainings = found.get(study.workload, ([], 0))
        share = inf if step is None else step.joules / random_j
        found[study.workload] = [*shares, share], trainings + len(study.attempts) + len(random[key].attempts)
    return found


def _share_figure(strategy: str, shares: Sequence[float], comparison: StrategyComparison | None, n: int) -> Figure:
    """Judge one workload; a second random search often passes early too, so the comparison with random must agree."""
    middle = median(shares)
    value = Interval(middle.value, middle.low, middle.high)
    verdict = rules.judge_below(value, SMALL_SHARE)
    if verdict is Verdict.AGREES and (comparison is None or comparison.verdict != "less"):
        verdict = Verdict.UNCLEAR
    passed = f"{sum(map(isfinite, shares))} of {len(shares)} seeds pass"
    what = f"{strategy}: share of random's joules until it passes random's best (median; {passed})"
    return Figure(what, value, Scale.SHARE, verdict, None if comparison is None else comparison.p, n)
