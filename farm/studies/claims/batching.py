"""What "Batching for Green AI" claims of energy, judged by trials of inference. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from farm.analysis.across import Figure as Energy
from farm.analysis.across import blocked_samples
from farm.analysis.aggregate import UnitSample, grouped
from farm.analysis.intervals import Interval
from farm.analysis.ratios import Blocked, Ratio
from farm.analysis.statistics.anova import anova
from farm.analysis.statistics.data import Data
from farm.analysis.statistics.equivalence import MARGIN
from farm.model.catalog import NETWORKS, Accuracy
from farm.model.errors import InputError
from farm.studies.claims import rules
from farm.studies.claims.finding import Claim, Figure, Finding, Paper, Scale, Trials, Verdict
from farm.studies.claims.rules import Compared
from farm.studies.timeline import ENOUGH_PAPERS, Trend, timelines

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
    statement="Batching changes the energy of an image strongly.",
    figures="ResNet-101, 1024 images: 2101 J one by one, 942 J in batches of 8, 55% less; GPU, gross",
    rule="Agrees if most networks have a batch size whose energy is at least 25% above or 20% below that of the "
    "smallest batch, with its whole 95 % interval (ratios within blocks, Holm), and no network stays within "
    "these bounds at all sizes. Differs if it is the other way round.",
)
INTERACTION = Claim(
    id="depends-on-network",
    statement="How much batching changes depends on the network.",
    figures="seen in five networks; no test",
    rule="Agrees if network and batch size interact (anova of logarithms, p < .05). Differs if the effects of all "
    f"networks are equal within {MARGIN:.0%}.",
)
DECADE = Claim(
    id="energy-outgrows-accuracy",
    statement="Over the decade energy rises far more steeply than accuracy.",
    figures="five networks of 2012 to 2022; no test",
    rule="Agrees if joules per point of published accuracy rise with the year of publication: the 95 % interval of a "
    "line through 5 papers or more is above 0. Differs if it is below 0.",
)
EXCEPTION = Claim(
    id="shufflenet-is-efficient",
    statement="ShuffleNetV2 is the efficient exception.",
    figures="the least energy of the five, though younger and more accurate than AlexNet",
    rule="Agrees if it takes less energy per image than every other network, each at its best batch (ratios within "
    "blocks, Holm). Differs if another network takes less.",
)
EXCEPTIONAL = "shufflenet_v2_x0_5"
#: Labels that must be equal in trials that are compared.
PLACE = (
    "machine", "device", "domain", "quality", "simulated", "imported",
    "precision", "weights", "images", "channels_last", "compile", "threads",
)  # fmt: skip


#: A network and a batch size.
Cell = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Place:
    """Trials that may be compared: one machine, device and kind of joules."""

    name: str  #: what distinguishes this place from the others; empty if it is the only one
    samples: Sequence[UnitSample]
    energy: Energy  #: energy that is compared

    def energies(self) -> dict[str, Energy]:
        """Return the energy of each network: its net energy may be clear even if that of others is within its noise."""
        own: dict[str, list[UnitSample]] = defaultdict(list)
        for sample in self.samples:
            own[str(sample.labels["model"])].append(sample)
        return {model: rules.choose_energy(own[model]) for model in sorted(own)}

    def costs(self, energy: Energy) -> Blocked[Cell]:
        """Return the joules per image by block, of each batch size of the networks with such an energy."""
        known = {model for model, own in self.energies().items() if energy in {own, Energy.GROSS}}
        cells: dict[Cell, list[UnitSample]] = defaultdict(list)
        for sample in self.samples:
            if sample.labels["model"] in known:
                cells[str(sample.labels["model"]), _size(sample)].append(sample)
        return blocked_samples(sorted(cells.items(), key=lambda item: item[0]), energy)

    def label(self, what: str) -> str:
        """Return a text with the name of the place behind it, if the place has a name."""
        return f"{what} ({self.name})" if self.name else what


def findings(trials: Trials, of_decade: Trials | None = None) -> list[Finding]:
    """Return a finding for each claim.

    Args:
        trials: trials of inference.
        of_decade: trials of networks of many years; None: those of `trials` stand for them.
    """
    found, years = _group(trials), of_decade or trials
    return [
        _judge_batches(trials, found),
        _judge_interaction(trials, found),
        _judge_decade(years, _group(years)),
        _judge_exception(trials, found),
    ]


def _group(trials: Trials) -> list[Place]:
    """Group the samples that may be compared with each other."""
    known = [s for s in trials.counted if s.labels.get("model") is not None and (s.gross_j or 0.0) > 0]
    return [Place(name, own, rules.choose_energy(own)) for name, own in rules.group_comparable(known, PLACE)]


def _size(sample: UnitSample) -> int:
    size = sample.labels.get("batch_size")
    return size if isinstance(size, int) else 1


def _judge_batches(trials: Trials, found: Sequence[Place]) -> Finding:
    """Compare the batch size that differs most with the smallest one, network by network."""
    decided, figures = [], []
    for place in found:
        costs = {energy: place.costs(energy) for energy in (Energy.NET, Energy.GROSS)}
        for model, energy in place.energies().items():
            if pairs := _compare_with_smallest(costs[energy], model):
                verdict, cell = _judge_sizes(pairs)
                decided.append(verdict)
                for shown in (Energy.NET, Energy.GROSS) if energy is Energy.NET else (Energy.GROSS,):
                    pair, base = _compare_with_smallest(costs[shown], model)[cell], min(_sizes(costs[shown], model))
                    what = f"{model}: {shown} energy per image, batch {cell[1]} against {base}"
                    figures.append(pair.figure(place.label(what), verdict if shown is energy else None))
    absent = "no network was measured with two batch sizes"
    return rules.conclude(ENERGY, trials, decided, "network", figures, absent, rules.combine_most)


def _sizes(costs: Blocked[Cell], model: str) -> list[int]:
    return sorted(size for name, size in costs.logs if name == model)


def _compare_with_smallest(costs: Blocked[Cell], model: str) -> dict[Cell, Compared]:
    """Return the ratio of each batch size of one network to its smallest one."""
    smallest, *others = ((model, size) for size in _sizes(costs, model))
    return rules.compare(costs, {cell: (cell, smallest) for cell in others})


def _judge_sizes(pairs: Mapping[Cell, Compared]) -> tuple[Verdict, Cell]:
    """Return the verdict, and the batch size that supports it best."""
    verdicts = {cell: rules.judge_strength(pair) for cell, pair in pairs.items()}
    clear = [cell for cell, verdict in verdicts.items() if verdict is Verdict.AGREES]
    shown = max(clear or pairs, key=lambda cell: abs(pairs[cell].ratio.log))
    if clear:
        return Verdict.AGREES, shown
    return (Verdict.DIFFERS if set(verdicts.values()) == {Verdict.DIFFERS} else Verdict.UNCLEAR), shown


def _judge_interaction(trials: Trials, found: Sequence[Place]) -> Finding:
    """Judge whether the largest common batch size changes the energy of some networks more than that of others."""
    decided, figures, why = [], [], ""
    for place in found:
        costs = place.costs(place.energy)
        effects, data = _effects(costs)
        if len(effects) < 2:
            continue
        try:
            p, share = _interaction(data)
        except InputError as error:
            why = rules.lacking_cell(data, ("model", "batch_size")) or str(error)
            continue
        ratios = [costs.divide(effects[b], effects[a]).interval for a, b in combinations(effects, 2)]
        are_equal = all(rules.is_within(ratio, 1 / (1 + MARGIN), 1 + MARGIN) for ratio in ratios)
        interacts = Verdict.AGREES if rules.is_significant(p) else Verdict.UNCLEAR
        decided.append(Verdict.DIFFERS if are_equal else interacts)
        what = place.label(f"network x batch size: share of the variance of log {place.energy} energy")
        figures.append(Figure(what, Interval(share, None, None), Scale.SHARE, decided[-1], p, len(data.values)))
        sizes = sorted(set(data.columns["batch_size"]), key=lambda size: int(size or 0))
        figures += [
            Figure(
                place.label(f"{model}: {place.energy} energy per image, batch {sizes[-1]} against {sizes[0]}"),
                effect.interval,
                Scale.RATIO,
                trials=2 * effect.blocks,
            )
            for model, effect in effects.items()
        ]
    absent = why or "no two networks were measured with the same two batch sizes"
    return rules.conclude(INTERACTION, trials, decided, "machine", figures, absent)


def _effects(costs: Blocked[Cell]) -> tuple[dict[str, Ratio], Data]:
    """Return the effect of batch size on each network, and the values at the sizes that all these networks have.

    Networks with one batch size are left out.
    """
    sizes = {model: set(_sizes(costs, model)) for model, _ in costs.logs}
    several = {model: own for model, own in sizes.items() if len(own) > 1}
    shared = set.intersection(*several.values()) if several else set()
    if len(shared) < 2:
        return {}, Data("energy", (), {})
    cells = [(model, size) for model in several for size in sorted(shared)]
    rows = [(value, model, size) for model, size in cells for value in costs.logs[model, size].values()]
    values, models, columns = zip(*rows, strict=True)
    data = Data("energy", values, {"model": models, "batch_size": columns}, is_log=True)
    ratios = {model: costs.ratio((model, max(shared)), (model, min(shared))) for model in several}
    return {model: ratio for model, ratio in ratios.items() if ratio is not None}, data


def _interaction(data: Data) -> tuple[float | None, float]:
    """Return the p value of the interaction, and its share of the variance."""
    (term,) = [t for t in anova(data, ("model", "batch_size")).effects if ":" in t.term]
    return term.p, term.eta_sq or 0.0


def _judge_decade(trials: Trials, found: Sequence[Place]) -> Finding:
    """Judge the growth of energy per point of accuracy, with one value for each paper."""
    decided, figures, papers = [], [], []
    for place in found:
        groups = grouped(place.samples, ("model", "batch_size"), True)
        (timeline,) = timelines(groups, Accuracy.V1, place.energy)
        if trends := {trend.of: trend for trend in timeline.trends}:
            per = trends[f"{timeline.compared}_per_accuracy"]
            words = {"rises": Verdict.AGREES, "falls": Verdict.DIFFERS, "unclear": Verdict.UNCLEAR}
            decided.append(words[per.verdict])
            papers.append(per.papers)
            figures += [
                _growth(place, per, f"{place.energy} J per image and point of accuracy, a year", decided[-1]),
                _growth(place, trends[timeline.compared], f"{place.energy} J per image, a year"),
                _growth(place, trends["accuracy"], "published top-1 accuracy, a year"),
            ]
    absent = "it takes networks of three papers, each above its noise"
    finding = rules.conclude(DECADE, trials, decided, "machine", figures, absent)
    if not decided:
        return finding
    few = f", but {ENOUGH_PAPERS} are needed" if min(papers) < ENOUGH_PAPERS else ""
    return replace(finding, because=f"a line through {min(papers)} papers{few}; {finding.because}")


def _growth(place: Place, trend: Trend, what: str, verdict: Verdict | None = None) -> Figure:
    return Figure(place.label(what), trend.growth, Scale.GROWTH, verdict, None, len(place.samples))


def _judge_exception(trials: Trials, found: Sequence[Place]) -> Finding:
    """Compare ShuffleNetV2 with every other network, each at its best batch size."""
    decided, figures = [], []
    for place in found:
        costs = place.costs(place.energy)
        by_effect = sorted(costs.logs, key=costs.effects.__getitem__, reverse=True)
        best = {cell[0]: cell for cell in by_effect}  # the last one of each network is its least
        own = best.pop(EXCEPTIONAL, None)
        if own is None or not best:
            continue
        pairs = rules.compare(costs, {model: (own, cell) for model, cell in sorted(best.items())})
        verdicts = {model: rules.opposite(rules.judge_more(pair)) for model, pair in pairs.items()}
        decided.append(rules.combine_all(verdicts.values()))
        for model, pair in pairs.items():
            what = f"{EXCEPTIONAL} against {model}: {place.energy} energy per image at the best batch"
            figures.append(pair.figure(place.label(what), verdicts[model]))
    absent = "ShuffleNetV2 and another network were not measured"
    finding = rules.conclude(EXCEPTION, trials, decided, "machine", figures, absent)
    top1 = {model: NETWORKS[model].top1_percent.get(Accuracy.V1) for model in (EXCEPTIONAL, "alexnet")}
    because = f"published top-1 {top1[EXCEPTIONAL]:.1f}%, AlexNet's {top1['alexnet']:.1f}%"
    return replace(finding, because=because) if decided else finding
