"""What "Uncovering Energy-Efficient Practices in Deep Learning Training" claims of layers. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from farm.analysis.across import Figure as Energy
from farm.analysis.aggregate import UnitSample
from farm.analysis.intervals import Interval
from farm.analysis.statistics.anova import Anova, anova
from farm.analysis.statistics.data import Cell, Data, order
from farm.analysis.statistics.pairs import of_logs, overall
from farm.model import Scalar
from farm.model.errors import InputError
from farm.studies.claims.finding import (
    ABOUT,
    SIGNIFICANCE,
    STRONG,
    Claim,
    Figure,
    Finding,
    Scale,
    Trials,
    Verdict,
    apart,
    below,
    beyond,
    decisive,
    every,
    near,
    tally,
    too_few,
    unclear,
)

CONV, LINEAR, RELU = FACTORS = ("conv_layers", "linear_layers", "relu")
#: From this share of the variance on a factor matters (Cohen's medium effect); from here it explains most of it.
MATTERS, DOMINATES = 0.06, 0.5
#: Less than a twentieth more accuracy is little.
LITTLE_ACCURACY = 1.05
DOUBLED, SMALLEST = 1674 / 857, 835 / 1745
#: What is never compared: another task, another machine, other joules.
PLACE = (
    "model", "dataset", "train_size", "image_size", "epochs", "batch_size", "optimizer", "schedule", "precision",
    "weights", "threads", "machine", "device", "domain", "quality", "simulated", "imported",
)  # fmt: skip
#: What distinguishes runs of one configuration.
_RUNS = frozenset({"environment", "hardware_class", "job", "repetition", "sweep", "trial", "unit"})

DOMINATES_CLAIM = Claim(
    id="convolutions-dominate",
    says="The number of convolutional layers dominates the energy of a training.",
    figures="FashionMNIST: eta² .990, linear layers .006, ReLU .002",
    rule=f"Agrees if convolutions explain at least {DOMINATES:.0%} of the variance (p < .05) and more than any other "
    "factor (anova of type III with all interactions). Differs if another factor explains more (p < .05).",
)
DOUBLES = Claim(
    id="convolutions-double",
    says="Four convolutions instead of one about double the energy.",
    figures="FashionMNIST: 857 J to 1674 J, 95% more",
    rule=f"Agrees if the 95 % interval of the ratio lies within a factor of {ABOUT:g} of 1.95. Differs if it lies "
    "outside.",
)
_LITTLE = (
    f"Agrees if it explains less than {MATTERS:.0%} of the variance, and the 95 % interval of its ratio stays "
    "between 20% less and 25% more. Differs if it explains more (p < .05), or the interval lies outside these bounds."
)
LINEAR_CLAIM = Claim(
    id="linear-layers-matter-little",
    says="Linear layers matter little for the energy.",
    figures="FashionMNIST, 3 to 7: eta² .006, +61.1 J of some 1200 J, p < .001",
    rule=_LITTLE,
)
RELU_CLAIM = Claim(
    id="relu-matters-little",
    says="ReLU matters little for the energy.",
    figures="FashionMNIST, off to on: eta² .002, +34.2 J of some 1200 J, p < .001",
    rule=_LITTLE,
)
ACCURACY = Claim(
    id="energy-buys-little-accuracy",
    says="Twice the energy buys little accuracy.",
    figures="FashionMNIST, 1 to 4 convolutions: 95% more energy, accuracy .864 to .872",
    rule="Agrees if four convolutions take more energy than one, and the 95 % interval of the ratio of accuracies is "
    "below 1.05. Differs if that interval is above 1.05.",
)
EXTREMES = Claim(
    id="smallest-saves-half",
    says="The smallest network takes half of the energy of the largest.",
    figures="FashionMNIST: 835 J against 1745 J, 52% less",
    rule=f"Agrees if the 95 % interval of the ratio lies within a factor of {ABOUT:g} of 0.48. Differs if it lies "
    "outside.",
)


@dataclass(frozen=True, slots=True)
class Design:
    """Trainings that may be compared: the value of each configuration, by layers."""

    name: str  #: what distinguishes it from the others; empty if it is the only one
    energy: Energy
    values: Data  #: joules per training image
    accuracies: Data | None  #: of the same; None: one is unknown

    @property
    def varied(self) -> tuple[str, ...]:
        """The factors that have several levels."""
        return tuple(name for name in FACTORS if len(self.values.levels(name)) > 1)

    def called(self, what: str) -> str:
        """With its name, where it has one."""
        return f"{what} ({self.name})" if self.name else what

    def effect(self, factor: str, of: Data | None = None) -> tuple[Interval, float | None]:
        """The ratio of its last level to its first, all else equal: geometric mean over what else there is."""
        data = of or self.values
        others = tuple(name for name in self.varied if name != factor)
        first, *_, last = data.levels(factor)
        cells = data.logs().cells((factor, *others))
        rest = [cell[1:] for cell in cells if cell[0] == first and (last, *cell[1:]) in cells]
        return overall([of_logs(cells[first, *cell], cells[last, *cell]) for cell in rest])

    def levels(self, factor: str) -> str:
        """1 to 4."""
        first, *_, last = self.values.levels(factor)
        return f"{_spelt(first)} to {_spelt(last)}"


def findings(trials: Trials, accuracy: Mapping[str, float | None]) -> list[Finding]:
    """One for each claim; `accuracy` by trial: of its last epoch."""
    found = designs(trials.counted, accuracy)
    return [
        dominates(trials, found),
        _ratios(DOUBLES, trials, found, _doubled),
        _little(LINEAR_CLAIM, LINEAR, trials, found),
        _little(RELU_CLAIM, RELU, trials, found),
        _ratios(ACCURACY, trials, found, _bought),
        _ratios(EXTREMES, trials, found, _extremes),
    ]


def designs(samples: Iterable[UnitSample], accuracy: Mapping[str, float | None]) -> list[Design]:
    """Samples that may be compared. The mean of the runs of a configuration counts once: they are no new evidence."""
    known = [s for s in samples if all(s.labels.get(n) is not None for n in FACTORS) and (s.gross_j or 0.0) > 0]
    return [_design(name, own, accuracy) for name, own in apart(known, PLACE)]


def _design(name: str, samples: Sequence[UnitSample], accuracy: Mapping[str, float | None]) -> Design:
    energy = decisive(samples)
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
    accuracies = Data("accuracy", tuple(map(fmean, known)), columns) if is_known else None
    return Design(name, energy, Data(f"{energy} energy", joules, columns), accuracies)


def dominates(trials: Trials, found: Sequence[Design]) -> Finding:
    """By the shares of the variance."""
    decided, figures, why = [], [], ""
    for design in found:
        try:
            table = _table(design)
        except InputError as error:
            why = _why(design, error)
            continue
        shares = {term.term: (term.eta_sq or 0.0, term.p) for term in table.effects}
        if CONV not in shares:
            why = "the number of convolutions was not varied"
            continue
        decided.append(_dominates(shares))
        figures += [
            Figure(
                design.called(f"{name}, {design.levels(name)}: share of the variance of {design.energy} energy"),
                Interval(share, None, None),
                Scale.SHARE,
                decided[-1] if name == CONV else None,
                p,
                table.n,
            )
            for name, (share, p) in shares.items()
            if name in FACTORS
        ]
    return _told(DOMINATES_CLAIM, trials, decided, figures, why)


def _table(design: Design) -> Anova:
    return anova(design.values, design.varied, 3)


def _why(design: Design, error: InputError) -> str:
    return too_few(design.values, design.varied) or str(error)


def _dominates(shares: Mapping[str, tuple[float, float | None]]) -> Verdict:
    sure = {name: share for name, (share, p) in shares.items() if p is not None and p < SIGNIFICANCE}
    if not sure:
        return Verdict.UNCLEAR
    largest = max(sure, key=lambda name: sure[name])
    if largest != CONV:
        return Verdict.DIFFERS
    return Verdict.AGREES if sure[CONV] >= DOMINATES else Verdict.UNCLEAR


def _little(claim: Claim, factor: str, trials: Trials, found: Sequence[Design]) -> Finding:
    """A small share of the variance, and a ratio that is shown to be small."""
    decided, figures, why = [], [], ""
    for design in found:
        if factor not in design.varied:
            why = f"{factor} was not varied"
            continue
        try:
            term = next(term for term in _table(design).effects if term.term == factor)
        except InputError as error:
            why = _why(design, error)
            continue
        share, (ratio, p) = term.eta_sq or 0.0, design.effect(factor)
        decided.append(_matters_little(share, term.p, ratio))
        what = f"{factor}, {design.levels(factor)}: "
        figures += [
            Figure(
                design.called(f"{what}{design.energy} energy"),
                ratio,
                Scale.RATIO,
                decided[-1],
                p,
                len(design.values.values),
            ),
            Figure(
                design.called(f"{what}share of the variance of {design.energy} energy"),
                Interval(share, None, None),
                Scale.SHARE,
                None,
                term.p,
                len(design.values.values),
            ),
        ]
    return _told(claim, trials, decided, figures, why)


def _matters_little(share: float, p: float | None, ratio: Interval) -> Verdict:
    is_small = ratio.low is not None and ratio.high is not None and ratio.low > 1 / STRONG and ratio.high < STRONG
    if share < MATTERS and is_small:
        return Verdict.AGREES
    is_large = (ratio.low or 0.0) >= STRONG or (ratio.high is not None and ratio.high <= 1 / STRONG)
    matters = share >= MATTERS and p is not None and p < SIGNIFICANCE
    return Verdict.DIFFERS if matters or is_large else Verdict.UNCLEAR


#: What a design says of a claim, and its figures; None: nothing.
Judge = Callable[[Design], tuple[Verdict, list[Figure]] | None]


def _ratios(claim: Claim, trials: Trials, found: Sequence[Design], judge: Judge) -> Finding:
    judged = [one for design in found if (one := judge(design)) is not None]
    figures = [figure for _, several in judged for figure in several]
    return _told(claim, trials, [verdict for verdict, _ in judged], figures, "")


def _doubled(design: Design) -> tuple[Verdict, list[Figure]] | None:
    if CONV not in design.varied:
        return None
    ratio, p = design.effect(CONV)
    verdict = near(ratio, DOUBLED)
    return verdict, [_of_conv(design, f"{design.energy} energy", ratio, p, verdict)]


def _bought(design: Design) -> tuple[Verdict, list[Figure]] | None:
    if CONV not in design.varied or design.accuracies is None:
        return None
    energy, p_energy = design.effect(CONV)
    accuracy, p = design.effect(CONV, design.accuracies)
    is_dearer = beyond(energy, 1) is Verdict.AGREES
    verdict = below(accuracy, LITTLE_ACCURACY) if is_dearer else Verdict.UNCLEAR
    return verdict, [
        _of_conv(design, "accuracy", accuracy, p, verdict),
        _of_conv(design, f"{design.energy} energy", energy, p_energy, None),
    ]


def _of_conv(design: Design, of: str, ratio: Interval, p: float | None, verdict: Verdict | None) -> Figure:
    what = design.called(f"{CONV}, {design.levels(CONV)}: {of}")
    return Figure(what, ratio, Scale.RATIO, verdict, p, len(design.values.values))


def _extremes(design: Design) -> tuple[Verdict, list[Figure]] | None:
    """The cell with the first level of every factor against that with the last."""
    if CONV not in design.varied:
        return None
    levels = [design.values.levels(factor) for factor in FACTORS]
    least, largest = tuple(own[0] for own in levels), tuple(own[-1] for own in levels)
    cells = design.values.logs().cells(FACTORS)
    if least not in cells or largest not in cells:
        return None
    pair = of_logs(cells[largest], cells[least])
    verdict = near(pair.ratio, SMALLEST)
    words = " against ".join(
        ", ".join(f"{name} {_spelt(level)}" for name, level in zip(FACTORS, cell, strict=True))
        for cell in (least, largest)
    )
    what = design.called(f"{words}: {design.energy} energy")
    return verdict, [Figure(what, pair.ratio, Scale.RATIO, verdict, pair.p, pair.n_a + pair.n_b)]


def _told(claim: Claim, trials: Trials, decided: Sequence[Verdict], figures: Sequence[Figure], why: str) -> Finding:
    """It must hold in every setting that was measured."""
    if not decided:
        return unclear(claim, trials.nothing(why or "no trainings that differ in layers were measured"), trials.basis())
    return Finding(claim, every(decided), tally(decided, "setting"), tuple(figures), trials.basis())


def _spelt(level: Scalar) -> str:
    return {True: "on", False: "off"}.get(level, str(level)) if isinstance(level, bool) else str(level)
