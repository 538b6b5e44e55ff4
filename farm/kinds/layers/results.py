"""The results of a sweep of kind layers: energy by type of layer, how well the layers add up, and ablation."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from farm.analysis.samples import unit_samples
from farm.kinds.layers.costs import CLOSURE, Ablation, Closure, LayersSummary, TypeCost, measured_parts, summarise
from farm.kinds.layers.sweep import LayersOf
from farm.model import Scalar, SweepData
from farm.report import notes
from farm.report import results as inference
from farm.report.columns import Columns
from farm.report.grids import Row, grids
from farm.report.numbers import UNKNOWN, interval, net, number, percent
from farm.report.selection import Selected, Selection, select

COLUMNS = Columns(
    always=("model", "input"),
    context=("machine", "device", "batch_size", "precision"),
    factors=tuple(LayersOf.model_fields),
)
#: No batch of a network that is taken apart is timed by itself.
_UNTIMED = {"p50_s", "p95_s", "p99_s", "batches"}
_TYPES = ("\ncalls", "forward J\n/pass (95%)", "backward J\n/pass (95%)", "\nshare", "ms\n/pass")
_CLOSURES = ("layers J\n/pass (95%)", "whole J\n/pass (95%)", "layers\n/ whole", "of\ntime")
_ABLATIONS = ("alone J\n/pass (95%)", "saved J\n/pass (95%)", "\nagree")


@dataclass(frozen=True, slots=True)
class Results:
    """Networks, taken apart."""

    selected: Selected
    summaries: Sequence[LayersSummary]

    def rendered(self) -> RenderableType:
        """Caption, types of layers, closure, ablation, footnotes."""
        if not self.summaries:
            return Text(self.selected.nothing())
        caption = Text("\n".join((*self.selected.caption(), "")))
        footnotes = [Text(note, style="dim") for note in _footnotes(self.summaries)]
        return Group(caption, *tables(self.summaries), *footnotes)

    def records(self) -> list[dict[str, Scalar]]:
        """For csv, json and parquet: one record a type of layer, one a pass of the whole, one an ablation."""
        return [record for summary in self.summaries for record in _records(summary)]


def results(data: SweepData, selection: Selection) -> Results:
    """Filter and group; raises InputError as `select` does. Different networks are never averaged."""
    chosen = selection.without_targets(data.record.kind)
    selected = select(data.record, unit_samples(data), chosen, COLUMNS)
    networks = [name for name in selected.averaged if name in LayersOf.model_fields]
    known = measured_parts(data.trials, data.parts)
    summaries = summarise(selected.samples, known, (*selected.keys, *networks), chosen.include_flagged)
    return Results(selected, summaries)


def tables(summaries: Sequence[LayersSummary]) -> list[RenderableType]:
    """By type; closure; ablation, where something could be taken out."""
    types = [Row((*s.whole.key, ("type", cost.type)), _type(cost)) for s in summaries for cost in s.costs.types]
    closures = [Row((*s.whole.key, ("closure", c.pass_)), _closure(c)) for s in summaries for c in s.costs.closures]
    ablations = [
        Row((*s.whole.key, ("without", a.type), ("pass", a.pass_)), _ablation(a))
        for s in summaries
        for a in s.costs.ablations
    ]
    each = ((types, _TYPES), (closures, _CLOSURES), (ablations, _ABLATIONS))
    return [grids(rows, headings) for rows, headings in each if rows]


def _type(cost: TypeCost) -> list[str]:
    share = UNKNOWN if cost.share is None else percent(cost.share)
    duration = number(None if cost.duration_s is None else cost.duration_s * 1e3)
    return [str(cost.calls), net(cost.forward_j), net(cost.backward_j), share, duration]


def _closure(closure: Closure) -> list[str]:
    mark = "!" if closure.is_closed is False else ""
    ratio = f"{interval(closure.ratio)}{mark}"
    return [net(closure.layers_j), net(closure.whole_j), ratio, number(closure.duration_ratio)]


def _ablation(ablation: Ablation) -> list[str]:
    agree = {True: "yes", False: "no", None: UNKNOWN}[ablation.agrees]
    return [net(ablation.isolated_j), net(ablation.saved_j), agree]


def _footnotes(summaries: Sequence[LayersSummary]) -> list[str]:
    closures = [closure for s in summaries for closure in s.costs.closures]
    ablations = [ablation for s in summaries for ablation in s.costs.ablations]
    are_net = all(s.is_net for s in summaries)
    joules = "net" if are_net else "gross, since net energies of the whole are within the noise"
    own = [f"J/pass: {joules}; of one batch, each layer measured alone with its real input.", "share: of all layers."]
    if any(closure.is_closed is False for closure in closures):
        own.append(f"! outside {CLOSURE[0]:g} to {CLOSURE[1]:g}: layers measured alone do not explain the whole.")
    if ablations:
        own.append("without: what layers of the type take alone, and what the whole saves without them.")
    return [*own, *notes.reservations([s.whole for s in summaries])]


def _records(summary: LayersSummary) -> list[dict[str, Scalar]]:
    whole = {name: value for name, value in inference.records([summary.whole])[0].items() if name not in _UNTIMED}
    whole["is_net"] = summary.is_net
    return [
        *(whole | _type_record(cost) for cost in summary.costs.types),
        *(whole | _closure_record(closure) for closure in summary.costs.closures),
        *(whole | _ablation_record(ablation) for ablation in summary.costs.ablations),
    ]


def _type_record(cost: TypeCost) -> dict[str, Scalar]:
    return {
        "row": "type",
        "type": cost.type,
        "calls": cost.calls,
        "share": cost.share,
        "duration_s": cost.duration_s,
        **inference.ends("forward_j", cost.forward_j),
        **inference.ends("backward_j", cost.backward_j),
        **inference.ends("total_j", cost.total_j),
    }


def _closure_record(closure: Closure) -> dict[str, Scalar]:
    return {
        "row": "closure",
        "pass": closure.pass_,
        **inference.ends("layers_j", closure.layers_j),
        **inference.ends("whole_j", closure.whole_j),
        **inference.ends("ratio", closure.ratio),
        "duration_ratio": closure.duration_ratio,
        "is_closed": closure.is_closed,
    }


def _ablation_record(ablation: Ablation) -> dict[str, Scalar]:
    return {
        "row": "ablation",
        "type": ablation.type,
        "pass": ablation.pass_,
        **inference.ends("isolated_j", ablation.isolated_j),
        **inference.ends("saved_j", ablation.saved_j),
        **inference.ends("gap_j", ablation.gap_j),
        "agrees": ablation.agrees,
    }
