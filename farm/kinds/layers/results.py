"""The results of a sweep of kind layers: energy by type of layer, closure and ablation."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from farm.analysis.samples import unit_samples
from farm.kinds.layers.charts import charts
from farm.kinds.layers.costs import CLOSURE, Ablation, Closure, LayersSummary, TypeCost, measured_parts, summarise
from farm.kinds.layers.sweep import LayersOf
from farm.model import SweepData
from farm.report import notes, summaries
from farm.report.charts import label
from farm.report.columns import Columns
from farm.report.document import Column, Document, Findings, Form, Note, Paragraph, Row, Table, Value, key
from farm.report.numbers import percent
from farm.report.selection import Selected, Selection, select

COLUMNS = Columns(
    always=("model", "input"),
    context=("machine", "device", "batch_size", "precision"),
    factors=tuple(LayersOf.model_fields),
)
_ROW = (Column("is_net"), Column("row", form=Form.TEXT))
_TYPES = (
    key("type"),
    Column("calls", "\ncalls", Form.COUNT),
    Column("share", "\nshare", Form.PERCENT),
    Column("duration_s", "ms\n/pass", scale=1e3),
    Column("forward_j", "forward J\n/pass (95%)", Form.NET),
    Column("backward_j", "backward J\n/pass (95%)", Form.NET),
    Column("total_j", form=Form.NET),
)
_CLOSURES = (
    key("pass", "closure"),
    Column("layers_j", "layers J\n/pass (95%)", Form.NET),
    Column("whole_j", "whole J\n/pass (95%)", Form.NET),
    Column("ratio", "layers\n/ whole", Form.RATIO),
    Column("duration_ratio", "of\ntime"),
    Column("is_closed"),
)
_ABLATIONS = (
    key("type", "without"),
    key("pass"),
    Column("isolated_j", "alone J\n/pass (95%)", Form.NET),
    Column("saved_j", "saved J\n/pass (95%)", Form.NET),
    Column("gap_j", form=Form.INTERVAL),
    Column("agrees"),
    Column("agree", "\nagree", Form.TEXT, in_files=False),
)


@dataclass(frozen=True, slots=True)
class Results:
    """Summaries of a sweep of kind layers."""

    selected: Selected
    summaries: Sequence[LayersSummary]


def results(data: SweepData, selection: Selection) -> Results:
    """Group the trials of a sweep; different networks are never averaged.

    Raises:
        InputError: the selection does not fit the sweep.
    """
    chosen = selection.without_targets(data.record.kind)
    selected = select(data.record, unit_samples(data), chosen, COLUMNS)
    networks = [name for name in selected.averaged if name in LayersOf.model_fields]
    known = measured_parts(data.trials, data.parts)
    found = summarise(selected.samples, known, (*selected.keys, *networks), chosen.include_flagged)
    return Results(selected, found)


def document(found: Results) -> Document:
    """Return caption, types of layers, closure, ablation, notes, chart and findings."""
    if not found.summaries:
        return found.selected.unmeasured()
    document = Document(
        [
            Paragraph(found.selected.title),
            *found.selected.about(),
            *tables(found.summaries),
            *map(Note, _footnotes(found.summaries)),
            *charts(found.summaries, found.selected),
            Findings([sentence(summary) for summary in found.summaries]),
        ],
        rows=[record for summary in found.summaries for table in tables([summary]) for record in table.records()],
    )
    return found.selected.with_context(document)


def tables(of: Sequence[LayersSummary]) -> list[Table]:
    """Return the tables of types of layers, closures and ablations that are not empty."""
    keys = [name for name, _ in of[0].whole.key]
    found = (
        (_TYPES, [_row(s, "type", cost) for s in of for cost in s.costs.types]),
        (_CLOSURES, [_closure_row(s, closure) for s in of for closure in s.costs.closures]),
        (_ABLATIONS, [_row(s, "ablation", ablation) for s in of for ablation in s.costs.ablations]),
    )
    return [
        Table(summaries.columns(keys, (*_ROW, *columns), but=summaries.LATENCIES), rows)
        for columns, rows in found
        if rows
    ]


def _closure_row(summary: LayersSummary, closure: Closure) -> Row:
    return replace(_row(summary, "closure", closure), marks={"ratio": "!"} if closure.is_closed is False else {})


def _row(summary: LayersSummary, name: str, cost: TypeCost | Closure | Ablation) -> Row:
    """Return a row with the fields of a cost."""
    values: dict[str, Value] = {field.name.rstrip("_"): getattr(cost, field.name) for field in fields(cost)}
    if isinstance(cost, Closure):
        values["is_closed"] = cost.is_closed
    elif isinstance(cost, Ablation):
        values |= {"agrees": cost.agrees, "agree": None if cost.agrees is None else "yes" if cost.agrees else "no"}
    return summaries.row(summary.whole, is_net=summary.is_net, row=name, **values)


def _footnotes(of: Sequence[LayersSummary]) -> list[str]:
    closures = [closure for s in of for closure in s.costs.closures]
    are_net = all(s.is_net for s in of)
    joules = "net" if are_net else "gross, because the net energy of the whole is within its noise"
    own = [
        f"J/pass: {joules}; for one batch, with each layer measured alone on its real input.",
        "share: share of the energy of all layers.",
    ]
    if any(closure.is_closed is False for closure in closures):
        own.append(f"! outside {CLOSURE[0]:g} to {CLOSURE[1]:g}: layers measured alone do not explain the whole.")
    if any(s.costs.ablations for s in of):
        own.append("without: the energy of the layers of a type alone, and what the whole network saves without them.")
    energies = [energy for s in of for cost in s.costs.types for energy in (cost.forward_j, cost.backward_j)]
    own += [*notes.spread(energies), *notes.wide(energies)]
    return [*own, *notes.reservations([s.whole for s in of])]


def sentence(summary: LayersSummary) -> str:
    """Return which type of layer takes most energy, and whether the layers explain the whole network."""
    who, ranked = label(summary.whole), summary.costs.ranked
    if summary.whole.is_doubtful:
        return f"{who}: every trial is flagged, so nothing is concluded."
    if not ranked:
        return f"{who}: the shares of its layers are unknown."
    most = f"{ranked[0].type} takes most, {percent(ranked[0].share or 0.0)} of the energy of all layers"
    unexplained = [closure.pass_ for closure in summary.costs.closures if closure.is_closed is False]
    doubt = f"; layers measured alone do not explain the whole ({', '.join(unexplained)})" if unexplained else ""
    return f"{who}: {most}{summaries.doubts(summary.whole)}{doubt}."
