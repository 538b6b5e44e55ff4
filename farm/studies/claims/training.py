"""What "Uncovering Energy-Efficient Practices in Deep Learning Training" claims of layers. Pure."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from types import MappingProxyType

from farm.analysis.across import Figure as Energy
from farm.analysis.aggregate import UnitSample
from farm.analysis.intervals import Interval
from farm.analysis.statistics.anova import Term, anova
from farm.analysis.statistics.data import Cell, Data, order
from farm.analysis.statistics.pairs import Pair, of_logs, overall
from farm.model import Scalar, StoppingRule
from farm.model.errors import InputError
from farm.studies.claims import rules
from farm.studies.claims.finding import Claim, Figure, Finding, Scale, Trials, Verdict

CONV, LINEAR, RELU = FACTORS = ("conv_layers", "linear_layers", "relu")
#: Least share of the variance for which a factor matters (Cohen's medium effect), and for which it dominates.
MATTERS, DOMINATES = 0.06, 0.5
#: A ratio of accuracies below this is a small gain.
LITTLE_ACCURACY = 1.05
DOUBLED, SMALLEST = 1674 / 857, 835 / 1745
#: Labels that must be equal in trainings that are compared.
PLACE = (
    "model", "dataset", "train_size", "image_size", "epochs", "batch_size", "optimizer", "schedule", "precision",
    "weights", "threads", "machine", "device", "domain", "quality", "simulated", "imported",
)  # fmt: skip
#: Labels in which the runs of one configuration differ.
_RUNS = frozenset({"environment", "hardware_class", "job", "repetition", "sweep", "trial", "unit"})

DOMINATES_CLAIM = Claim(
    id="convolutions-dominate",
    statement="The number of convolutional layers dominates the energy of a training.",
    figures="FashionMNIST: eta² .990, linear layers .006, ReLU .002",
    rule=f"Agrees if convolutions explain at least {DOMINATES:.0%} of the variance (p < .05) and more than any other "
    "factor (anova of type III with all interactions). Differs if another factor explains more (p < .05).",
)
DOUBLES = Claim(
    id="convolutions-double",
    statement="Four convolutions instead of one about double the energy.",
    figures="FashionMNIST: 857 J to 1674 J, 95% more",
    rule=f"Agrees if the 95 % interval of the ratio lies within a factor of {rules.ABOUT:g} of 1.95. Differs if it "
    "lies outside.",
)
_LITTLE = (
    f"Agrees if it explains less than {MATTERS:.0%} of the variance, and the 95 % interval of its ratio stays "
    "between 20% less and 25% more. Differs if it explains more (p < .05), or the interval lies outside these bounds."
)
LINEAR_CLAIM = Claim(
    id="linear-layers-matter-little",
    statement="Linear layers matter little for the energy.",
    figures="FashionMNIST, 3 to 7: eta² .006, +61.1 J of some 1200 J, p < .001",
    rule=_LITTLE,
)
RELU_CLAIM = Claim(
    id="relu-matters-little",
    statement="ReLU matters little for the energy.",
    figures="FashionMNIST, off to on: eta² .002, +34.2 J of some 1200 J, p < .001",
    rule=_LITTLE,
)
ACCURACY = Claim(
    id="energy-buys-little-accuracy",
    statement="Twice the energy buys little accuracy.",
    figures="FashionMNIST, 1 to 4 convolutions: 95% more energy, accuracy .864 to .872",
    rule="Agrees if four convolutions take more energy than one, and the 95 % interval of the ratio of accuracies is "
    "below 1.05. Differs if that interval is above 1.05.",
)
EXTREMES = Claim(
    id="smallest-saves-half",
    statement="The smallest network takes half of the energy of the largest.",
    figures="FashionMNIST: 835 J against 1745 J, 52% less",
    rule=f"Agrees if the 95 % interval of the ratio lies within a factor of {rules.ABOUT:g} of 0.48. Differs if it "
    "lies outside.",
)


@dataclass(frozen=True, slots=True)
class Design:
    """Trainings that may be compared, with a value for each configuration of layers."""

    name: str  #: what distinguishes this design from the others; empty if it is the only one
    energy: Energy  #: energy that is compared
    values: Data  #: joules per training image
    accuracies: Data | None  #: accuracies of the same trainings; None: one is unknown

    @property
    def varied(self) -> tuple[str, ...]:
        """Return the factors that have several levels."""
        return tuple(name for name in FACTORS if len(self.values.levels(name)) > 1)

    def label(self, what: str) -> str:
        """Return a text with the name of the design behind it, if the design has a name."""
        return f"{what} ({self.name})" if self.name else what

    def effect(self, factor: str, of: Data | None = None) -> tuple[Interval, float | None]:
        """Return the ratio of the last level of a factor to its first, and its p value.

        It is the geometric mean over the combinations of the other factors; `of` takes the place of the energies.
        """
        data = of or self.values
        others = tuple(name for name in self.varied if name != factor)
        first, *_, last = data.levels(factor)
        names = (factor, *others)
        cells = data.cells(names)
        rest = [cell[1:] for cell in cells if cell[0] == first and (last, *cell[1:]) in cells]
        return overall([_pair(data, names, (first, *cell), (last, *cell)) for cell in rest])

    def terms(self) -> dict[str, Term]:
        """Return the terms of an analysis of variance of type III by name.

        Raises:
            InputError: no factor was varied, or a combination of levels has too few values.
        """
        try:
            return {term.term: term for term in anova(self.values, self.varied, 3).effects}
        except InputError as error:
            raise InputError(rules.lacking_cell(self.values, self.varied) or str(error)) from None

    def figure(
        self, factor: str, what: str, scale: Scale, value: Interval, p: float | None, verdict: Verdict | None
    ) -> Figure:
        """Return a figure about the first and the last level of a factor."""
        first, *_, last = self.values.levels(factor)
        name = self.label(f"{factor}, {_spell(first)} to {_spell(last)}: {what}")
        return Figure(name, value, scale, verdict, p, len(self.values.values))


#: Function that returns the verdict and the figures of a design, and raises InputError if the design has none.
Judge = Callable[[Design], tuple[Verdict, list[Figure]]]


def findings(
    trials: Trials, accuracy: Mapping[str, float | None], repeated: Mapping[str, StoppingRule] = MappingProxyType({})
) -> list[Finding]:
    """Return a finding for each claim.

    Args:
        trials: The trainings.
        accuracy: The accuracy of the last epoch, by trial.
        repeated: How repetitions of a sweep ended, by its id; others had a fixed number.
    """
    known = [s for s in trials.counted if all(s.labels.get(n) is not None for n in FACTORS) and (s.gross_j or 0.0) > 0]
    designs = [_design(name, own, accuracy, repeated) for name, own in rules.group_comparable(known, PLACE)]
    judges: tuple[tuple[Claim, Judge], ...] = (
        (DOMINATES_CLAIM, _judge_dominance),
        (DOUBLES, _judge_doubling),
        (LINEAR_CLAIM, partial(_judge_little, LINEAR)),
        (RELU_CLAIM, partial(_judge_little, RELU)),
        (ACCURACY, _judge_accuracy),
        (EXTREMES, _judge_extremes),
    )
    return [_judge(claim, trials, designs, judge) for claim, judge in judges]


def _judge(claim: Claim, trials: Trials, designs: Sequence[Design], judge: Judge) -> Finding:
    verdicts: list[Verdict] = []
    figures: list[Figure] = []
    absent = "no trainings that differ in layers were measured"
    for design in designs:
        try:
            verdict, own = judge(design)
        except InputError as error:
            absent = str(error)
        else:
            verdicts.append(verdict)
            figures += own
    return rules.conclude(claim, trials, verdicts, "setting", figures, absent)


def _design(
    name: str,
    samples: Sequence[UnitSample],
    accuracy: Mapping[str, float | None],
    repeated: Mapping[str, StoppingRule],
) -> Design:
    """Return a design in which the mean over the runs of a configuration is one value: runs are no new evidence."""
    energy = rules.choose_energy(samples)
    rest = [n for n in samples[0].labels if n not in {*PLACE, *FACTORS, *_RUNS}]
    several = [n for n in rest if len({s.labels.get(n) for s in samples}) > 1]
    runs: dict[Cell, list[UnitSample]] = defaultdict(list)
    for sample in samples:
        one = (*(sample.labels.get(n) for n in several),) if several else (sample.labels["trial"],)
        runs[*(sample.labels[n] for n in FACTORS), *one].append(sample)
    cells = sorted(runs, key=lambda cell: [order(level) for level in cell])
    columns = {factor: tuple(cell[place] for cell in cells) for place, factor in enumerate(FACTORS)}
    joules = tuple(fmean(energy.of(s) or 0.0 for s in runs[cell]) for cell in cells)
    reached = [[accuracy.get(str(s.labels["trial"])) for s in runs[cell]] for cell in cells]
    known = [[value for value in own if value] for own in reached]
    is_known = all(len(own) == len(each) for own, each in zip(known, reached, strict=True))
    planned = tuple(any(_is_planned(s, repeated) for s in runs[cell]) for cell in cells)
    accuracies = Data("accuracy", tuple(map(fmean, known)), columns, planned=planned) if is_known else None
    return Design(name, energy, Data(f"{energy} energy", joules, columns, planned=planned), accuracies)


def _is_planned(sample: UnitSample, repeated: Mapping[str, StoppingRule]) -> bool:
    rule = repeated.get(str(sample.labels.get("sweep")))
    return rule is None or rule.is_planned(sample.labels.get("repetition"))


def _pair(data: Data, factors: Sequence[str], a: Cell, b: Cell) -> Pair:
    """Compare two cells."""
    cells, planned = data.logs().cells(factors), data.logs().fixed().cells(factors)
    return of_logs(cells[a], cells[b], planned=(planned.get(a, ()), planned.get(b, ())))


def _judge_dominance(design: Design) -> tuple[Verdict, list[Figure]]:
    terms = design.terms()
    _require(CONV, design)
    sure = {name: term.eta_sq or 0.0 for name, term in terms.items() if rules.is_significant(term.p)}
    verdict = Verdict.UNCLEAR
    if sure and max(sure, key=lambda name: sure[name]) != CONV:
        verdict = Verdict.DIFFERS
    elif sure.get(CONV, 0.0) >= DOMINATES:
        verdict = Verdict.AGREES
    return verdict, [
        _share_figure(design, name, term, verdict if name == CONV else None)
        for name, term in terms.items()
        if name in FACTORS
    ]


def _judge_little(factor: str, design: Design) -> tuple[Verdict, list[Figure]]:
    """Agree if the share of the variance is small and the ratio is shown to be small."""
    _require(factor, design)
    term, (ratio, p) = design.terms()[factor], design.effect(factor)
    share = term.eta_sq or 0.0
    is_large = (ratio.low or 0.0) >= rules.STRONG or (ratio.high is not None and ratio.high <= 1 / rules.STRONG)
    verdict = Verdict.UNCLEAR
    if share < MATTERS and rules.is_within(ratio, 1 / rules.STRONG, rules.STRONG):
        verdict = Verdict.AGREES
    elif is_large or (share >= MATTERS and rules.is_significant(term.p)):
        verdict = Verdict.DIFFERS
    figure = design.figure(factor, f"{design.energy} energy", Scale.RATIO, ratio, p, verdict)
    return verdict, [figure, _share_figure(design, factor, term, None)]


def _judge_doubling(design: Design) -> tuple[Verdict, list[Figure]]:
    _require(CONV, design)
    ratio, p = design.effect(CONV)
    verdict = rules.judge_near(ratio, DOUBLED)
    return verdict, [design.figure(CONV, f"{design.energy} energy", Scale.RATIO, ratio, p, verdict)]


def _judge_accuracy(design: Design) -> tuple[Verdict, list[Figure]]:
    _require(CONV, design)
    if design.accuracies is None:
        raise InputError("the accuracy of some trainings is unknown")
    energy, p_energy = design.effect(CONV)
    accuracy, p = design.effect(CONV, design.accuracies)
    takes_more = rules.judge_above(energy, 1) is Verdict.AGREES
    verdict = rules.judge_below(accuracy, LITTLE_ACCURACY) if takes_more else Verdict.UNCLEAR
    return verdict, [
        design.figure(CONV, "accuracy", Scale.RATIO, accuracy, p, verdict),
        design.figure(CONV, f"{design.energy} energy", Scale.RATIO, energy, p_energy, None),
    ]


def _judge_extremes(design: Design) -> tuple[Verdict, list[Figure]]:
    """Compare the cell with the first level of every factor with the cell that has the last levels."""
    _require(CONV, design)
    levels = [design.values.levels(factor) for factor in FACTORS]
    smallest, largest = tuple(own[0] for own in levels), tuple(own[-1] for own in levels)
    cells = design.values.cells(FACTORS)
    if smallest not in cells or largest not in cells:
        raise InputError("the smallest or the largest network was not measured")
    pair = _pair(design.values, FACTORS, largest, smallest)
    verdict = rules.judge_near(pair.ratio, SMALLEST)
    names = (
        ", ".join(f"{name} {_spell(level)}" for name, level in zip(FACTORS, cell, strict=True))
        for cell in (smallest, largest)
    )
    what = design.label(f"{' against '.join(names)}: {design.energy} energy")
    return verdict, [Figure(what, pair.ratio, Scale.RATIO, verdict, pair.p, pair.n_a + pair.n_b)]


def _require(factor: str, design: Design) -> None:
    if factor not in design.varied:
        raise InputError(f"{factor} was not varied")


def _share_figure(design: Design, factor: str, term: Term, verdict: Verdict | None) -> Figure:
    share = Interval(term.eta_sq or 0.0, None, None)
    what = f"share of the variance of {design.energy} energy"
    return design.figure(factor, what, Scale.SHARE, share, term.p, verdict)


def _spell(level: Scalar) -> str:
    return {True: "on", False: "off"}[level] if isinstance(level, bool) else str(level)
