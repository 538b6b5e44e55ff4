"""Energy of a network by type of layer, closure (how well the layers add up to the whole), and ablation. Pure.

Sums, ratios and differences are computed within each trial, then averaged over trials: the parts of a trial share its
baseline, so they are not independent. A single trial has the uncertainty of its meter, added up over the parts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, Self

from pydantic import JsonValue, TypeAdapter

from farm.analysis.aggregate import Summary, UnitSample, grouped
from farm.analysis.intervals import Interval, mean_interval, metered
from farm.analysis.rules import stands_out
from farm.model import Sample, TrialRow
from farm.model.energies import parts

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
    shared_u_j: float = 0.0  #: the part of it that all trials of the machine share
    duration_s: float | None = None

    @classmethod
    def of(cls, fact: Mapping[str, JsonValue], **measured: float | None) -> Self:
        """Return the cost of one call from an entry of the fact `parts` of a trial and measured values."""
        known = {"pass_": fact["pass"], **{name: fact[name] for name in ("kind", "type", "count", "ablated")}}
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
    """Energy, or a ratio of energies, within one trial."""

    value: float
    u: float | None  #: standard uncertainty of the meter
    shared_u: float  #: the part of it that is the same share of the energy in all trials: it cancels in a ratio

    def minus(self, other: "_Joules") -> "_Joules":
        u = None if self.u is None or other.u is None else self.u + other.u
        return _Joules(self.value - other.value, u, abs(self.shared_u - other.shared_u))

    def over(self, whole: "_Joules") -> "_Joules":
        ratio = self.value / whole.value
        u = None if self.u is None or whole.u is None else (self.u + abs(ratio) * whole.u) / whole.value
        return _Joules(ratio, u, abs(self.shared_u - ratio * whole.shared_u) / abs(whole.value))


#: The parts of one trial.
_Trial = Sequence[PartCost]


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
    costs = layer_costs([list(trial.net.values()) for trial in trials])
    if any(closure.ratio is not None for closure in costs.closures):
        return LayersSummary(whole, costs, is_net=True)
    return LayersSummary(whole, layer_costs([list(trial.gross.values()) for trial in trials]), is_net=False)


def _parts_of(trial: TrialRow, samples: Mapping[int | None, Sample]) -> Parts:
    net: dict[tuple[str, str], PartCost] = {}
    gross: dict[tuple[str, str], PartCost] = {}
    for index, fact in enumerate(parts(trial.facts)):
        identity, sample = (str(fact["label"]), str(fact["pass"])), samples.get(index)
        if sample is None or not sample.units:
            net[identity] = gross[identity] = PartCost.of(fact)
            continue
        net[identity] = _cost(fact, sample, sample.net_j, sample.net_u_j, sample.net_shared_u_j)
        gross[identity] = _cost(fact, sample, sample.gross_j, sample.gross_u_j, sample.gross_shared_u_j)
    return Parts(net, gross)


def _cost(
    fact: Mapping[str, JsonValue], of: Sample, j: float | None, u_j: float | None, shared_u_j: float | None
) -> PartCost:
    """Return the cost of one call, from the figures of all calls of a sample."""
    energy_j, energy_u_j, duration_s = (None if v is None else v / of.units for v in (j, u_j, of.duration_s))
    return PartCost.of(
        fact,
        energy_j=energy_j,
        energy_u_j=energy_u_j,
        shared_u_j=(shared_u_j or 0.0) / of.units,
        duration_s=duration_s,
    )


def layer_costs(trials: Sequence[_Trial]) -> LayerCosts:
    """Return the energy by type, closures and ablations from the costs of the parts of each trial."""
    known = {(p.kind, p.pass_, p.type, p.ablated): p for trial in trials for p in trial}
    passes = [pass_ for pass_ in PASSES if any(p.kind == "whole" and p.pass_ == pass_ for p in known.values())]
    closures = [_closure(pass_, (pass_,), trials) for pass_ in passes]
    if len(passes) > 1:
        closures.append(_closure("both", PASSES, trials))
    types = dict.fromkeys(part.type for part in known.values() if part.kind == "layer")
    return LayerCosts(
        types=tuple(_type_cost(type_, trials) for type_ in types),
        closures=tuple(closures),
        ablations=tuple(_ablation(part, trials) for part in known.values() if part.kind == "ablated"),
    )


def _type_cost(type_: str, trials: Sequence[_Trial]) -> TypeCost:
    def energy(passes: Sequence[Pass]) -> Interval | None:
        return _mean(trials, lambda trial: _sum(_layers(trial, passes, type_)))

    total, everything = energy(PASSES), _mean(trials, lambda trial: _sum(_layers(trial)))
    share = total.mean / everything.mean if total and everything and stands_out(everything) else None
    return TypeCost(
        type=type_,
        calls=max(sum(layer.count for layer in _layers(trial, ("forward",), type_)) for trial in trials),
        forward_j=energy(("forward",)),
        backward_j=energy(("backward",)),
        total_j=total,
        share=None if share is None or share <= 0 else share,
        duration_s=_duration(_layers(trial, PASSES, type_) for trial in trials),
    )


def _closure(name: Pass | Literal["both"], passes: Sequence[Pass], trials: Sequence[_Trial]) -> Closure:
    whole = _mean(trials, lambda trial: _sum(_whole(trial, passes)))
    wholes = [_sum(_whole(trial, passes)) for trial in trials]
    is_sure = stands_out(whole) and all(one is None or one.value > 0 for one in wholes)
    alone_s = _duration(_layers(trial, passes) for trial in trials)
    together_s = _duration(_whole(trial, passes) for trial in trials)

    def ratio(trial: _Trial) -> _Joules | None:
        alone, together = _sum(_layers(trial, passes)), _sum(_whole(trial, passes))
        return alone.over(together) if alone and together else None

    return Closure(
        pass_=name,
        layers_j=_mean(trials, lambda trial: _sum(_layers(trial, passes))),
        whole_j=whole,
        ratio=_mean(trials, ratio) if is_sure else None,
        duration_ratio=alone_s / together_s if alone_s is not None and together_s else None,
    )


def _ablation(ablated: PartCost, trials: Sequence[_Trial]) -> Ablation:
    def isolated(trial: _Trial) -> _Joules | None:
        return _sum(_layers(trial, (ablated.pass_,), ablated.ablated))

    def saved(trial: _Trial) -> _Joules | None:
        alike = [p for p in trial if p.kind == "ablated" and (p.pass_, p.ablated) == (ablated.pass_, ablated.ablated)]
        full, rest = _sum(_whole(trial, (ablated.pass_,))), _sum(alike)
        return full.minus(rest) if full and rest else None

    def gap(trial: _Trial) -> _Joules | None:
        alone, less = isolated(trial), saved(trial)
        return alone.minus(less) if alone and less else None

    return Ablation(
        type=ablated.ablated or "",
        pass_=ablated.pass_,
        isolated_j=_mean(trials, isolated),
        saved_j=_mean(trials, saved),
        gap_j=_mean(trials, gap),
    )


def _layers(trial: _Trial, passes: Sequence[Pass] = PASSES, type_: str | None = None) -> list[PartCost]:
    """Return the layers of these passes, of one type or of all."""
    return [p for p in trial if p.kind == "layer" and p.pass_ in passes and type_ in {None, p.type}]


def _whole(trial: _Trial, passes: Sequence[Pass]) -> list[PartCost]:
    return [part for part in trial if part.kind == "whole" and part.pass_ in passes]


def _sum(parts: Sequence[PartCost]) -> _Joules | None:
    """Return the energy of all calls in a trial; None if one is unknown or there is no part."""
    values = [part.count * part.energy_j for part in parts if part.energy_j is not None]
    if not parts or len(values) < len(parts):
        return None
    uncertainties = [part.count * part.energy_u_j for part in parts if part.energy_u_j is not None]
    u_j = sum(uncertainties) if len(uncertainties) == len(parts) else None
    return _Joules(sum(values), u_j, sum(part.count * part.shared_u_j for part in parts))


def _mean(trials: Sequence[_Trial], figure: Callable[[_Trial], _Joules | None]) -> Interval | None:
    """Return the mean of a figure over the trials in which it is known; of one trial, its meter's uncertainty."""
    known = [found for trial in trials if (found := figure(trial)) is not None]
    if len(known) == 1:
        return metered(known[0].value, known[0].u)
    shared_us = [found.shared_u for found in known]
    return mean_interval([found.value for found in known], shared_us=shared_us) if known else None


def _duration(trials: Iterable[Sequence[PartCost]]) -> float | None:
    """Return the mean seconds of all calls; None if one is unknown in every trial, or there is no part."""
    known = [[part.count * part.duration_s if part.duration_s is not None else None for part in own] for own in trials]
    sums = [sum(value or 0.0 for value in values) for values in known if values and None not in values]
    return fmean(sums) if sums else None
