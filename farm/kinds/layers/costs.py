"""Energy of a network by type of layer, closure (how well the layers add up to the whole), and ablation. Pure.

Each part is averaged over trials first. Uncertainties of different parts are treated as independent.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot
from statistics import fmean
from typing import Literal, Self

from pydantic import JsonValue, TypeAdapter

from farm.analysis.aggregate import Summary, UnitSample, grouped
from farm.analysis.intervals import Interval, mean_interval
from farm.analysis.rules import stands_out
from farm.model import Sample, TrialRow
from farm.model.energies import COVERAGE_FACTOR, parts

#: Bounds of the ratio of all layers to the whole network; outside them, the layers do not explain the whole.
CLOSURE = (0.8, 1.2)

Pass = Literal["forward", "backward"]
PASSES: tuple[Pass, ...] = ("forward", "backward")


@dataclass(frozen=True, slots=True)
class PartCost:
    """Energy and time of one call of a part of a network."""

    kind: Literal["whole", "layer", "ablated"]
    pass_: Pass
    type: str  #: class of the module: "Conv2d"
    count: int = 1  #: number of calls in one pass of the whole network
    ablated: str | None = None  #: type of layer that was removed from the whole network
    energy_j: float | None = None  #: net or gross energy
    energy_u_j: float | None = None  #: standard uncertainty
    duration_s: float | None = None

    @classmethod
    def of(
        cls, fact: Mapping[str, JsonValue], energy_j: float | None, energy_u_j: float | None, duration_s: float | None
    ) -> Self:
        """Return the cost of one call from an entry of the fact `parts` of a trial and measured values."""
        known = {"pass_": fact["pass"], **{name: fact[name] for name in ("kind", "type", "count", "ablated")}}
        measured = {"energy_j": energy_j, "energy_u_j": energy_u_j, "duration_s": duration_s}
        return TypeAdapter(cls).validate_python({**known, **measured})


@dataclass(frozen=True, slots=True)
class TypeCost:
    """Energy of all layers of one type in one pass of the whole network; None: unknown, or not in this pass."""

    type: str
    calls: int  #: calls in one forward pass
    forward_j: Interval | None
    backward_j: Interval | None
    total_j: Interval | None
    share: float | None  #: share of the sum of all layers, both passes together
    duration_s: float | None  #: time of both passes


@dataclass(frozen=True, slots=True)
class Closure:
    """Sum of all layers, each measured alone, compared with the whole network."""

    pass_: Pass | Literal["both"]
    layers_j: Interval | None
    whole_j: Interval | None
    ratio: Interval | None  #: energy of layers / whole; None: unknown, or the whole does not stand out of its noise
    duration_ratio: float | None  #: time of layers / whole

    @property
    def is_closed(self) -> bool | None:
        """Return True if the ratio is between 0.8 and 1.2, None if it is unknown."""
        return None if self.ratio is None else CLOSURE[0] <= self.ratio.mean <= CLOSURE[1]


@dataclass(frozen=True, slots=True)
class Ablation:
    """Energy of the layers of one type, measured alone, and saved by the whole network without them."""

    type: str
    pass_: Pass
    isolated_j: Interval | None
    saved_j: Interval | None  #: whole - ablated
    gap_j: Interval | None  #: isolated - saved

    @property
    def agrees(self) -> bool | None:
        """Return True if the two differ by at most their uncertainty, None if that is unknown."""
        if self.gap_j is None or self.gap_j.low is None or self.gap_j.high is None:
            return None
        return self.gap_j.low <= 0 <= self.gap_j.high


@dataclass(frozen=True, slots=True)
class LayerCosts:
    """Energy of a network by type of layer, with closures and ablations."""

    types: tuple[TypeCost, ...]  #: types in the order in which they first run
    closures: tuple[Closure, ...]
    ablations: tuple[Ablation, ...]

    @property
    def ranked(self) -> list[TypeCost]:
        """Return the types whose share is known, the largest share first."""
        return sorted((cost for cost in self.types if cost.share is not None), key=lambda cost: -(cost.share or 0.0))


@dataclass(frozen=True, slots=True)
class LayersSummary:
    """Summary of one group of trials of kind layers."""

    whole: Summary  #: summary per pass of the whole network, forward and backward
    costs: LayerCosts
    is_net: bool  #: False: costs are gross, because the net energy of the whole does not stand out of its noise


@dataclass(frozen=True, slots=True)
class _Joules:
    value: float
    u: float | None

    @property
    def interval(self) -> Interval:
        half = None if self.u is None else COVERAGE_FACTOR * self.u
        return Interval(self.value, *((None, None) if half is None else (self.value - half, self.value + half)))

    def minus(self, other: "_Joules") -> "_Joules":
        u = None if self.u is None or other.u is None else hypot(self.u, other.u)
        return _Joules(self.value - other.value, u)

    def over(self, whole: "_Joules") -> "_Joules | None":
        if not stands_out(whole.interval):
            return None
        ratio = self.value / whole.value
        u = None if self.u is None or whole.u is None else hypot(self.u, ratio * whole.u) / whole.value
        return _Joules(ratio, u)


@dataclass(frozen=True, slots=True)
class Parts:
    """Net and gross costs of the parts of one trial, by label and pass."""

    net: Mapping[tuple[str, str], PartCost]
    gross: Mapping[tuple[str, str], PartCost]


def measured_parts(trials: Iterable[TrialRow], samples: Iterable[Sample]) -> dict[str, Parts]:
    """Return the costs of the parts of each trial by the trial's id; `samples` are the samples of parts."""
    by_trial: dict[str, dict[int | None, Sample]] = defaultdict(dict)
    for sample in samples:
        by_trial[sample.trial][sample.part] = sample
    return {trial.trial: _parts_of(trial, by_trial[trial.trial]) for trial in trials}


def summarise(
    samples: Iterable[UnitSample], known: Mapping[str, Parts], by: Sequence[str], include_flagged: bool = False
) -> list[LayersSummary]:
    """Group samples by labels, as `aggregate.grouped` does; `known` has the parts of each trial."""
    return [
        _summary(group.summary, [known[str(sample.labels["trial"])] for sample in group.samples])
        for group in grouped(samples, by, include_flagged)
    ]


def _summary(whole: Summary, trials: Sequence[Parts]) -> LayersSummary:
    costs = layer_costs(_pooled(trial.net for trial in trials))
    if any(closure.ratio is not None for closure in costs.closures):
        return LayersSummary(whole, costs, is_net=True)
    return LayersSummary(whole, layer_costs(_pooled(trial.gross for trial in trials)), is_net=False)


def _parts_of(trial: TrialRow, samples: Mapping[int | None, Sample]) -> Parts:
    net: dict[tuple[str, str], PartCost] = {}
    gross: dict[tuple[str, str], PartCost] = {}
    for index, fact in enumerate(parts(trial.facts)):
        identity, sample = (str(fact["label"]), str(fact["pass"])), samples.get(index)
        if sample is None or not sample.units:
            net[identity] = gross[identity] = PartCost.of(fact, None, None, None)
            continue
        figures = (sample.net_j, sample.net_u_j, sample.gross_j, sample.gross_u_j, sample.duration_s)
        net_j, net_u_j, gross_j, gross_u_j, duration_s = (None if f is None else f / sample.units for f in figures)
        net[identity] = PartCost.of(fact, net_j, net_u_j, duration_s)
        gross[identity] = PartCost.of(fact, gross_j, gross_u_j, duration_s)
    return Parts(net, gross)


def _pooled(trials: Iterable[Mapping[tuple[str, str], PartCost]]) -> list[PartCost]:
    """Return the mean of each part over the trials in which it is known, with the uncertainty of the mean."""
    each: dict[tuple[str, str], list[PartCost]] = defaultdict(list)
    for trial in trials:
        for identity, part in trial.items():
            each[identity].append(part)
    return [_mean_part(several) for several in each.values()]


def _mean_part(several: Sequence[PartCost]) -> PartCost:
    energies = [part.energy_j for part in several if part.energy_j is not None]
    uncertainties = [part.energy_u_j for part in several if part.energy_u_j is not None]
    durations = [part.duration_s for part in several if part.duration_s is not None]
    energy = mean_interval(energies, us=uncertainties) if energies else None
    half = (energy.half_width or energy.meter) if energy else None
    return replace(
        several[0],
        energy_j=energy.mean if energy else None,
        energy_u_j=None if half is None else half / COVERAGE_FACTOR,
        duration_s=fmean(durations) if durations else None,
    )


def layer_costs(parts: Sequence[PartCost]) -> LayerCosts:
    """Return the energy by type, closures and ablations from the costs of parts."""
    layers, whole, ablated = ([p for p in parts if p.kind == kind] for kind in ("layer", "whole", "ablated"))
    passes = [pass_ for pass_ in PASSES if any(part.pass_ == pass_ for part in whole)]
    closures = [_closure(pass_, _in_pass(layers, pass_), _in_pass(whole, pass_)) for pass_ in passes]
    if len(passes) > 1:
        closures.append(_closure("both", layers, whole))
    return LayerCosts(
        types=tuple(_type_cost(type_, layers) for type_ in dict.fromkeys(layer.type for layer in layers)),
        closures=tuple(closures),
        ablations=tuple(_ablation(part, layers, whole) for part in ablated),
    )


def _type_cost(type_: str, layers: Sequence[PartCost]) -> TypeCost:
    alike = [layer for layer in layers if layer.type == type_]
    forward, backward = (_in_pass(alike, pass_) for pass_ in PASSES)
    total, everything = _sum(alike), _sum(layers)
    share = total.over(everything) if total and everything else None
    return TypeCost(
        type=type_,
        calls=sum(layer.count for layer in forward),
        forward_j=_interval(_sum(forward)),
        backward_j=_interval(_sum(backward)),
        total_j=_interval(total),
        share=None if share is None or share.value <= 0 else share.value,
        duration_s=_duration(alike),
    )


def _closure(pass_: Pass | Literal["both"], layers: Sequence[PartCost], whole: Sequence[PartCost]) -> Closure:
    alone, together = _sum(layers), _sum(whole)
    alone_s, together_s = _duration(layers), _duration(whole)
    return Closure(
        pass_=pass_,
        layers_j=_interval(alone),
        whole_j=_interval(together),
        ratio=_interval(alone.over(together) if alone and together else None),
        duration_ratio=alone_s / together_s if alone_s is not None and together_s else None,
    )


def _ablation(ablated: PartCost, layers: Sequence[PartCost], whole: Sequence[PartCost]) -> Ablation:
    alike = [layer for layer in _in_pass(layers, ablated.pass_) if layer.type == ablated.ablated]
    isolated, full, rest = _sum(alike), _sum(_in_pass(whole, ablated.pass_)), _sum([ablated])
    saved = full.minus(rest) if full and rest else None
    return Ablation(
        type=ablated.ablated or "",
        pass_=ablated.pass_,
        isolated_j=_interval(isolated),
        saved_j=_interval(saved),
        gap_j=_interval(isolated.minus(saved) if isolated and saved else None),
    )


def _in_pass(parts: Iterable[PartCost], pass_: Pass) -> list[PartCost]:
    return [part for part in parts if part.pass_ == pass_]


def _sum(parts: Sequence[PartCost]) -> _Joules | None:
    """Return the energy of all calls; None if one is unknown or there is no part."""
    values = [part.count * part.energy_j for part in parts if part.energy_j is not None]
    if not parts or len(values) < len(parts):
        return None
    uncertainties = [part.count * part.energy_u_j for part in parts if part.energy_u_j is not None]
    return _Joules(sum(values), hypot(*uncertainties) if len(uncertainties) == len(parts) else None)


def _duration(parts: Sequence[PartCost]) -> float | None:
    """Return the seconds of all calls; None if one is unknown or there is no part."""
    values = [part.count * part.duration_s for part in parts if part.duration_s is not None]
    return sum(values) if parts and len(values) == len(parts) else None


def _interval(joules: _Joules | None) -> Interval | None:
    return None if joules is None else joules.interval
