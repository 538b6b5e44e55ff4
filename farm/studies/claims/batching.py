"""What "Batching for Green AI" claims of energy, judged by trials of inference. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import exp, hypot, log
from statistics import fmean

from scipy.special import stdtrit

from farm.analysis.across import Figure as Energy
from farm.analysis.aggregate import UnitSample, summarise
from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.statistics.anova import anova
from farm.analysis.statistics.data import Data
from farm.analysis.statistics.equivalence import MARGIN
from farm.analysis.statistics.pairs import Pair, corrected, of_logs
from farm.model.catalog import NETWORKS, Accuracy
from farm.model.errors import InputError
from farm.studies.claims.finding import (
    SIGNIFICANCE,
    Claim,
    Figure,
    Finding,
    Paper,
    Scale,
    Trials,
    Verdict,
    apart,
    below,
    decisive,
    every,
    is_sure,
    most,
    of_pair,
    strong,
    tally,
    too_few,
    unclear,
)
from farm.studies.timeline import ENOUGH_PAPERS, Timeline, Trend, timelines

PAPER = Paper(
    name="batching",
    title="Batching for Green AI - An Exploratory Study on Inference",
    source="SEAA 2023, arXiv 2307.11434",
    sweeps=("batching", "timeline", "serving"),
    quick=("batching-quick", "serving-quick"),
    device="cuda",
)
ENERGY = Claim(
    id="energy-by-batch",
    says="Batching changes the energy of an image strongly.",
    figures="ResNet-101, 1024 images: 2101 J one by one, 942 J in batches of 8, 55% less; GPU, gross",
    rule="Agrees if most networks have a batch size whose energy is at least 25% above or 20% below that of the "
    "smallest batch, with its whole 95 % interval (Welch's test of logarithms, Holm), and no network stays within "
    "these bounds at all sizes. Differs if it is the other way round.",
)
INTERACTION = Claim(
    id="depends-on-network",
    says="How much batching changes depends on the network.",
    figures="seen in five networks; no test",
    rule="Agrees if network and batch size interact (anova of logarithms, p < .05). Differs if the effects of all "
    f"networks are equal within {MARGIN:.0%}.",
)
DECADE = Claim(
    id="energy-outgrows-accuracy",
    says="Over the decade energy rises far more steeply than accuracy.",
    figures="five networks of 2012 to 2022; no test",
    rule="Agrees if joules per point of published accuracy rise with the year of publication: the 95 % interval of a "
    "line through 5 papers or more is above 0. Differs if it is below 0.",
)
EXCEPTION = Claim(
    id="shufflenet-is-efficient",
    says="ShuffleNetV2 is the efficient exception.",
    figures="the least energy of the five, though younger and more accurate than AlexNet",
    rule="Agrees if it takes less energy per image than every other network, each at its best batch (Welch's test of "
    "logarithms, Holm). Differs if another network takes less.",
)
EXCEPTIONAL = "shufflenet_v2_x0_5"
#: What is never compared: another machine, other joules, another way to compute.
PLACE = (
    "machine", "device", "domain", "quality", "simulated", "imported",
    "precision", "weights", "images", "channels_last", "compile", "threads",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Trials that may be compared, by network and batch size; with the energy that is known of all."""

    name: str  #: what distinguishes it from the others; empty if it is the only one
    samples: Sequence[UnitSample]
    energy: Energy

    def logs(self, energy: Energy | None = None) -> dict[str, dict[int, list[float]]]:
        """Logarithms of joules per image, by network and batch size, smallest first."""
        found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for sample in sorted(self.samples, key=lambda s: (str(s.labels["model"]), _size(s))):
            value = (energy or self.energy).of(sample)
            if value is not None and value > 0:
                found[str(sample.labels["model"])][_size(sample)].append(log(value))
        return found

    def of(self, model: str) -> "Place":
        """One network alone: its net energies may be sure where those of others are not."""
        own = [sample for sample in self.samples if sample.labels["model"] == model]
        return Place(self.name, own, decisive(own))

    def called(self, what: str) -> str:
        """With its name, where it has one."""
        return f"{what} ({self.name})" if self.name else what

    def timeline(self) -> Timeline:
        """Of its networks, each at its best batch size."""
        (found,) = timelines(summarise(self.samples, ("model", "batch_size"), True), Accuracy.V1, self.energy)
        return found


def findings(trials: Trials, of_decade: Trials | None = None) -> list[Finding]:
    """One for each claim; `of_decade`: trials of networks of many years, where there are such."""
    found, years = places(trials.counted), of_decade or trials
    return [
        by_batch(trials, found),
        by_network(trials, found),
        decade(years, places(years.counted)),
        exception(trials, found),
    ]


def places(samples: Iterable[UnitSample]) -> list[Place]:
    """Samples that may be compared with each other."""
    known = [s for s in samples if s.labels.get("model") is not None and (s.gross_j or 0.0) > 0]
    return [Place(name, own, decisive(own)) for name, own in apart(known, PLACE)]


def _size(sample: UnitSample) -> int:
    size = sample.labels.get("batch_size")
    return size if isinstance(size, int) else 1


def by_batch(trials: Trials, found: Sequence[Place]) -> Finding:
    """Of each network the batch that differs most from the smallest; net and gross, one of which decides."""
    decided, figures = [], []
    for place in found:
        for model in place.logs():
            own = place.of(model)
            by_size = own.logs()[model]
            if len(by_size) > 1:
                verdict, size = _changed(by_size)
                decided.append(verdict)
                figures += _net_and_gross(own, model, size, verdict)
    if not decided:
        return unclear(ENERGY, trials.nothing("no network was measured with two batch sizes"), trials.basis())
    return Finding(ENERGY, most(decided), tally(decided, "network"), tuple(figures), trials.basis())


def _against_smallest(by_size: Mapping[int, Sequence[float]]) -> dict[int, Pair]:
    (_, base), *others = by_size.items()
    return corrected({size: of_logs(base, logs) for size, logs in others})


def _changed(by_size: Mapping[int, Sequence[float]]) -> tuple[Verdict, int]:
    """The verdict, and the batch size that bears it out best."""
    pairs = _against_smallest(by_size)
    verdicts = {size: strong(pair.ratio, pair.p_adjusted) for size, pair in pairs.items()}
    clear = [size for size, verdict in verdicts.items() if verdict is Verdict.AGREES]
    shown = max(clear or pairs, key=lambda size: abs(log(pairs[size].ratio.mean)))
    if clear:
        return Verdict.AGREES, shown
    return (Verdict.DIFFERS if set(verdicts.values()) == {Verdict.DIFFERS} else Verdict.UNCLEAR), shown


def _net_and_gross(place: Place, model: str, size: int, verdict: Verdict) -> list[Figure]:
    figures = []
    for energy in (Energy.NET, Energy.GROSS) if place.energy is Energy.NET else (Energy.GROSS,):
        by_size = place.logs(energy)[model]
        pair = _against_smallest(by_size)[size]
        what = place.called(f"{model}: {energy} energy per image, batch {size} against {min(by_size)}")
        own = verdict if energy is place.energy else None
        figures.append(of_pair(what, pair, own))
    return figures


def by_network(trials: Trials, found: Sequence[Place]) -> Finding:
    """Whether networks differ in what their largest common batch size does against the smallest."""
    decided, figures, why = [], [], ""
    for place in found:
        effects, data = _effects(place)
        if len(effects) < 2:
            continue
        try:
            p, share = _interaction(data)
        except InputError as error:
            why = too_few(data, ("model", "batch_size")) or str(error)
            continue
        pairs = [_ratio_of_ratios(effects[a], effects[b]) for a, b in combinations(effects, 2)]
        is_equal = all(
            r.low is not None and r.high is not None and r.low > 1 / (1 + MARGIN) and r.high < 1 + MARGIN for r in pairs
        )
        interacts = p is not None and p < SIGNIFICANCE
        decided.append(Verdict.DIFFERS if is_equal else Verdict.AGREES if interacts else Verdict.UNCLEAR)
        what = place.called(f"network x batch size: share of the variance of log {place.energy} energy")
        figures.append(Figure(what, Interval(share, None, None), Scale.SHARE, decided[-1], p, len(data.values)))
        sizes = sorted(set(data.columns["batch_size"]), key=lambda size: int(size or 0))
        figures += [
            Figure(
                place.called(f"{model}: {place.energy} energy per image, batch {sizes[-1]} against {sizes[0]}"),
                pair.ratio,
                Scale.RATIO,
                trials=pair.n_a + pair.n_b,
            )
            for model, pair in effects.items()
        ]
    if not decided:
        absent = "no two networks were measured with the same two batch sizes"
        return unclear(INTERACTION, trials.nothing(why or absent), trials.basis())
    return Finding(INTERACTION, every(decided), tally(decided, "machine"), tuple(figures), trials.basis())


def _effects(place: Place) -> tuple[dict[str, Pair], Data]:
    """Of each network that has several batch sizes; and the values of those, at the sizes that all of them have."""
    logs = {model: by_size for model, by_size in place.logs().items() if len(by_size) > 1}
    shared = set.intersection(*(set(by_size) for by_size in logs.values())) if logs else set()
    if len(shared) < 2:
        return {}, Data("energy", (), {})
    rows = [
        (value, model, size)
        for model, by_size in logs.items()
        for size, values in by_size.items()
        if size in shared
        for value in values
    ]
    values, models, sizes = zip(*rows, strict=True)
    data = Data("energy", values, {"model": models, "batch_size": sizes}, is_log=True)
    return {model: of_logs(by_size[min(shared)], by_size[max(shared)]) for model, by_size in logs.items()}, data


def _interaction(data: Data) -> tuple[float | None, float]:
    """Its p, and its share of the variance."""
    (term,) = [t for t in anova(data, ("model", "batch_size")).effects if ":" in t.term]
    return term.p, term.eta_sq or 0.0


def _ratio_of_ratios(a: Pair, b: Pair) -> Interval:
    """How many times as strong one effect is; Welch and Satterthwaite, as `pairs.overall` has it."""
    difference = log(b.ratio.mean) - log(a.ratio.mean)
    if a.log_u is None or b.log_u is None or a.df is None or b.df is None:
        return Interval(exp(difference), None, None)
    u = hypot(a.log_u, b.log_u)
    df = u**4 / (a.log_u**4 / a.df + b.log_u**4 / b.df) if u else a.df + b.df
    half = float(stdtrit(df, 0.5 + CONFIDENCE / 2)) * u
    return Interval(exp(difference), exp(difference - half), exp(difference + half))


def decade(trials: Trials, found: Sequence[Place]) -> Finding:
    """The trend of each place, by papers."""
    decided, figures, papers = [], [], []
    for place in found:
        trends = {trend.of: trend for trend in place.timeline().trends}
        if trends:
            per = trends["energy_per_accuracy"]
            words = {"rises": Verdict.AGREES, "falls": Verdict.DIFFERS, "unclear": Verdict.UNCLEAR}
            decided.append(words[per.verdict])
            papers.append(per.papers)
            figures += [
                _growth(place, per, f"{place.energy} J per image and point of accuracy, a year", decided[-1]),
                _growth(place, trends["energy"], f"{place.energy} J per image, a year"),
                _growth(place, trends["accuracy"], "published top-1 accuracy, a year"),
            ]
    if not decided:
        return unclear(
            DECADE, trials.nothing("it takes networks of three papers, each above its noise"), trials.basis()
        )
    few = f", where it takes {ENOUGH_PAPERS}" if min(papers) < ENOUGH_PAPERS else ""
    because = f"a line through {min(papers)} papers{few}; {tally(decided, 'machine')}"
    return Finding(DECADE, every(decided), because, tuple(figures), trials.basis())


def _growth(place: Place, trend: Trend, what: str, verdict: Verdict | None = None) -> Figure:
    return Figure(place.called(what), trend.growth, Scale.GROWTH, verdict, None, len(place.samples))


def exception(trials: Trials, found: Sequence[Place]) -> Finding:
    """Against every other network, each at its best batch size."""
    decided, figures = [], []
    for place in found:
        best = {model: min(by_size.values(), key=fmean) for model, by_size in place.logs().items()}
        others = {model: own for model, own in best.items() if model != EXCEPTIONAL}
        if EXCEPTIONAL not in best or not others:
            continue
        pairs = corrected({model: of_logs(own, best[EXCEPTIONAL]) for model, own in others.items()})
        verdicts = {model: _less(pair) for model, pair in pairs.items()}
        decided.append(every(verdicts.values()))
        what = f"{EXCEPTIONAL} against {{}}: {place.energy} energy per image at the best batch"
        figures += [of_pair(place.called(what.format(model)), pair, verdicts[model]) for model, pair in pairs.items()]
    if not decided:
        return unclear(EXCEPTION, trials.nothing("ShuffleNetV2 and another network were not measured"), trials.basis())
    top1 = {model: NETWORKS[model].top1_percent.get(Accuracy.V1) for model in (EXCEPTIONAL, "alexnet")}
    because = f"published top-1 {top1[EXCEPTIONAL]:.1f}%, AlexNet's {top1['alexnet']:.1f}%"
    return Finding(EXCEPTION, every(decided), because, tuple(figures), trials.basis())


def _less(pair: Pair) -> Verdict:
    """Than the other network."""
    return below(pair.ratio, 1) if is_sure(pair) else Verdict.UNCLEAR
