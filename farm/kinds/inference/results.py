"""The results of sweeps whose trials run batch after batch: a row for each point, and the best batch size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from farm.analysis.across import Figure
from farm.analysis.aggregate import P99_NEEDS, Group, Key, Summary, grouped
from farm.analysis.best import Saving, best_batches
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
    """Trials of a sweep by point."""

    selected: Selected
    groups: Sequence[Group]
    accuracy: Mapping[str, float]  #: published ImageNet top-1 in %, by model

    @property
    def summaries(self) -> list[Summary]:
        """Their summaries."""
        return [group.summary for group in self.groups]


def results(data: SweepData, selection: Selection, columns: Columns) -> Results:
    """Group the samples of a sweep; factors that differ are columns too.

    Raises:
        InputError: the selection does not fit the sweep.
    """
    chosen = selection.without_targets(data.record.kind)
    factors = dict.fromkeys(name for sample in data.samples for name in sample.factors)
    columns = replace(columns, factors=(*columns.factors, *factors))
    selected = select(data.record, unit_samples(data), chosen, columns)
    return Results(selected, grouped(selected.samples, selected.keys, chosen.include_flagged), data.accuracy)


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
            *findings(sentences(found.groups, found.selected.unit)),
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


def sentences(of: Sequence[Group], unit: str = "image") -> list[str]:
    """Return the best batch size and what it saves, for each model, machine and so on."""
    return [_sentence(rest, saving, unit) for rest, saving in best_batches(of)]


def _sentence(rest: Key, saving: Saving, unit: str) -> str:
    """Return how much less the best batch needs than the smallest one and the next, or that it is not known yet."""
    who = named(dict(rest)) or "all"
    best, reference, rival = (f"batch {s.labels['batch_size']}" for s in (saving.best, saving.reference, saving.next))
    needs = f"{saving.figure.value} energy per {unit}"
    if saving.figure is Figure.SECONDS:
        who, needs = f"{who}: energy is modelled here, so seconds decide", f"time per {unit}"
    own = _joules(saving)
    to_rival, to_reference = f"{notes.less(saving.lead)} than {rival}", f"{notes.less(saving.ratio)} than {reference}"
    if saving.is_clear:
        others = dict.fromkeys(([] if best == reference else [to_reference]) + ([] if rival == reference and best != reference else [to_rival]))
        return f"{who}: {best} needs the least {needs}, {own}{' and '.join(others)}."
    doubt = f"{notes.UNSURE[saving.is_clear]}. Add repetitions."
    if saving.ratio.high is not None and saving.ratio.high < 1:
        return f"{who}: {best} needs {to_reference} in {needs}{own}; cannot tell yet whether {rival} needs more: {doubt}"
    shown = to_rival if best == reference else to_reference
    return f"{who}: cannot tell yet which batch size needs the least {needs}: {best} needs {shown}, but {doubt}"
