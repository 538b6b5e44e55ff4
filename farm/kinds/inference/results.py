"""The results of sweeps whose trials run batch after batch: a row for each point, and the best batch size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from farm.analysis.aggregate import P99_NEEDS, Key, Summary, summarise
from farm.analysis.best import Saving, best_batch
from farm.analysis.samples import unit_samples
from farm.kinds.inference.charts import charts
from farm.model import Quality, SweepData
from farm.report import notes, summaries
from farm.report.columns import Columns
from farm.report.document import Column, Document, Form, Note, Paragraph, Table, findings
from farm.report.layout import named
from farm.report.numbers import number, percent
from farm.report.selection import Selected, Selection, select


@dataclass(frozen=True, slots=True)
class Results:
    """Summaries of a sweep."""

    selected: Selected
    summaries: Sequence[Summary]
    accuracy: Mapping[str, float]  #: published ImageNet top-1 in %, by model


def results(data: SweepData, selection: Selection, columns: Columns) -> Results:
    """Group the samples of a sweep; factors that differ are columns too.

    Raises:
        InputError: the selection does not fit the sweep.
    """
    chosen = selection.without_targets(data.record.kind)
    factors = dict.fromkeys(name for sample in data.samples for name in sample.factors)
    columns = replace(columns, factors=(*columns.factors, *factors))
    selected = select(data.record, unit_samples(data), chosen, columns)
    return Results(selected, summarise(selected.samples, selected.keys, chosen.include_flagged), data.accuracy)


def document(found: Results) -> Document:
    """Return caption, table, notes, charts and findings."""
    if not found.summaries:
        return found.selected.unmeasured()
    return Document(
        [
            Paragraph(found.selected.title),
            *found.selected.about(),
            table(found.summaries, found.accuracy, found.selected.keys, found.selected.unit),
            *map(Note, footnotes(found.summaries)),
            *charts(found.summaries, found.selected),
            *findings(sentences(found.summaries, found.selected.unit)),
        ]
    )


def table(of: Sequence[Summary], accuracy: Mapping[str, float], keys: Sequence[str], unit: str = "image") -> Table:
    """Return a table with a row for each summary.

    Args:
        of: summaries of units of work.
        accuracy: published ImageNet top-1 in %, by model.
        keys: names of the labels by which the summaries are grouped.
        unit: the unit of work.
    """
    shown = (
        Column("units_per_s", f"{unit}\n/s"),
        Column("p50_s", "ms/batch\np50", scale=1e3),
        Column("p95_s", "\np95", scale=1e3),
        Column("p99_s", "\np99", scale=1e3),
        Column("gross_j_per_unit", f"gross J\n/{unit}", Form.NET_MEAN),
        Column("net_j_per_unit", f"net J/{unit}\n(95%)", Form.NET),
        Column("carbon_g_per_unit", "gCO2e\n/1000", scale=1e3),
        *([Column("published_top1_percent")] if "model" in keys else []),
    )
    return Table(
        summaries.columns(keys, shown),
        [summaries.row(s, published_top1_percent=accuracy.get(str(s.labels.get("model")))) for s in of],
        heading_notes={model: f"published ImageNet top-1 {number(top1)}%" for model, top1 in accuracy.items()},
    )


def footnotes(of: Sequence[Summary]) -> list[str]:
    """Return the notes below the table."""
    own = []
    if any(s.p99_s is not None and s.batches < P99_NEEDS for s in of):
        own.append(f"* fewer than {P99_NEEDS} batches are too few to claim a 99th percentile.")
    own += notes.spread(s.net_j for s in of)
    if any(s.carbon_g is None and s.gross_j is not None for s in of):
        own.append("gCO2e is known only if the sweep names a country: carbon: {country: NLD}.")
    return [*own, *notes.reservations(of)]


def sentences(of: Sequence[Summary], unit: str = "image") -> list[str]:
    """Return the batch size with the least energy, and what it saves, for each model, machine and so on."""
    groups: dict[Key, list[Summary]] = {}
    for summary in of:
        rest = tuple(item for item in summary.key if item[0] != "batch_size")
        groups.setdefault(rest, []).append(summary)
    savings = ((rest, best_batch(group)) for rest, group in groups.items())
    return [_sentence(rest, saving, unit) for rest, saving in savings if saving is not None]


def _sentence(rest: Key, saving: Saving, unit: str) -> str:
    who = named(dict(rest)) or "all"
    best, reference = saving.best.labels["batch_size"], saving.reference.labels["batch_size"]
    modelled = " (modelled)" if saving.best.quality is Quality.MODELLED else ""
    is_known = saving.best.net_j is not None or saving.reference.net_j is not None
    why = "within its noise" if is_known else "unknown"
    basis = "" if saving.is_net else f" (compared on gross energy, because net is {why})"
    least = "takes the least energy" if saving.is_clear else "has the least mean energy"
    doubt = notes.doubt(saving.is_clear, basis)
    if best == reference:
        return f"{who}: batch {best} {least} per {unit}{modelled}{doubt}."
    joules = f"{number(saving.best_j)} J {'net' if saving.is_net else 'gross'} per {unit}{modelled}"
    return f"{who}: batch {best} {least}, {joules}, {percent(saving.share)} less than batch {reference}{doubt}."
