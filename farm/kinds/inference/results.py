"""The results of sweeps whose trials run batch after batch: a row for each point, and the best batch size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from farm.analysis.across import Figure
from farm.analysis.aggregate import P99_NEEDS, Group, Key, Summary, grouped
from farm.analysis.best import Saving, best_batches
from farm.analysis.samples import unit_samples
from farm.kinds.inference.charts import charts
from farm.model import MeasureSettings, SweepData
from farm.report import notes, summaries
from farm.report.columns import Columns
from farm.report.document import Column, Document, Form, Note, Paragraph, Table, findings
from farm.report.layout import named
from farm.report.numbers import number
from farm.report.selection import Selected, Selection, select


@dataclass(frozen=True, slots=True)
class Results:
    """Trials of a sweep by point."""

    selected: Selected
    groups: Sequence[Group]
    accuracy: Mapping[str, float]  #: published ImageNet top-1 in %, by model
    measures: Sequence[MeasureSettings] = ()  #: how its trials measured

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
    groups = grouped(selected.samples, selected.keys, chosen.include_flagged)
    return Results(selected, groups, data.accuracy, data.measures)


def document(found: Results) -> Document:
    """Return caption, table, notes, charts and findings."""
    if not found.summaries:
        return found.selected.unmeasured()
    document = Document(
        [
            Paragraph(found.selected.title),
            *found.selected.about(),
            table(found.summaries, found.accuracy, found.selected.keys, found.selected.unit),
            *map(Note, (*origins(found), *footnotes(found.summaries))),
            *charts(found.groups, found.selected),
            *findings(sentences(found.groups, found.selected.unit)),
        ]
    )
    return found.selected.with_context(document)


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
        Column("gross_j_per_unit", f"gross J\n/{unit}", Form.POSITIVE),
        Column("net_j_per_unit", f"net J/{unit}\n(95%)", Form.NET),
        Column("carbon_g_per_unit", "gCO2e\n/1000", scale=1e3),
        *([Column("published_top1_percent")] if "model" in keys else []),
    )
    return Table(
        summaries.columns(keys, shown),
        [summaries.row(s, published_top1_percent=accuracy.get(str(s.labels.get("model")))) for s in of],
        heading_notes={model: f"published ImageNet top-1 {number(top1)}%" for model, top1 in accuracy.items()},
    )


def origins(found: Results) -> list[str]:
    """Return a note on the windows that each figure is from; none where they are unknown."""
    timed = any(summary.batches for summary in found.summaries)
    passes = {measure.latency_s > 0 for measure in found.measures} if timed else set()
    from_where = {False: "of each batch in these windows", True: "of a later pass that times each batch alone"}
    batches = [f"ms/batch: {' or '.join(from_where[one] for one in sorted(passes))}"] if passes else []
    own = [f"{found.selected.unit}/s and J: of the measure windows, where batches follow each other"]
    return [f"{'; '.join((*own, *batches))}."] if found.measures else []


def footnotes(of: Sequence[Summary]) -> list[str]:
    """Return the notes below the table."""
    own = []
    if any(s.p99_s is not None and s.batches < P99_NEEDS for s in of):
        own.append(f"* fewer than {P99_NEEDS} batches are too few to claim a 99th percentile.")
    energies = [energy for s in of for energy in (s.gross_j, s.net_j)]
    own += [*notes.spread(energies), *notes.wide(energies)]
    if any(s.carbon_g is None and s.gross_j is not None for s in of):
        own.append(
            "gCO2e –: the electricity is not known: give --country NLD, carbon: NLD in the sweep, or "
            "FARM_CARBON_COUNTRY; `farm logs` says what a file of intensities lacks."
        )
    return [*own, *notes.reservations(of)]


def sentences(of: Sequence[Group], unit: str = "image") -> list[str]:
    """Return the best batch size for each model, machine and so on: by energy, or by seconds if that is modelled."""
    return [_sentence(rest, saving, unit) + _left_out(saving) for rest, saving in best_batches(of)]


def _sentence(rest: Key, saving: Saving, unit: str) -> str:
    """Return how much less the best batch needs than the smallest one and the next, or that it is not known yet."""
    best, smallest, rival = (f"batch {s.labels['batch_size']}" for s in (saving.best, saving.reference, saving.next))
    is_energy = saving.figure is not Figure.SECONDS
    who = (named(dict(rest)) or "all") + (":" if is_energy else f": {notes.MODELLED};")
    words = notes.less if is_energy else notes.faster
    to_smallest, to_rival = words(saving.ratio, smallest), words(saving.lead, rival)
    superlative = f"needs the least {saving.figure} energy per {unit}" if is_energy else "is the fastest"
    joules = f", {_joules(saving)}" if is_energy else ""
    if saving.is_clear:
        against = [to_rival] if smallest in {best, rival} else [to_smallest, to_rival]
        return f"{who} {best} {superlative}{joules}, {' and '.join(against)}."
    doubt = f"{notes.UNSURE[saving.is_clear]}. Add repetitions."
    shown = f"{'needs' if is_energy else 'is'} {to_rival if best == smallest else to_smallest}{joules}"
    if best != smallest and saving.ratio.high is not None and saving.ratio.high < 1:
        return f"{who} {best} {shown}; cannot tell yet whether {rival} is as good: {doubt}"
    return f"{who} cannot tell yet which batch size {superlative}: {best} {shown}, but {doubt}"


def _left_out(saving: Saving) -> str:
    """Return a sentence on the batch sizes that are not compared; empty if all are."""
    if not saving.flagged:
        return ""
    sizes = " and ".join(map(str, saving.flagged))
    return f" Batch {sizes} {'is' if len(saving.flagged) == 1 else 'are'} not compared: all trials are flagged."


def _joules(saving: Saving) -> str:
    """Return the energy of the best; gross energy, if net is not compared, with the reason."""
    if saving.figure is Figure.NET:
        return f"{number(saving.best.net_j.mean if saving.best.net_j else None)} J"
    is_known = saving.best.net_j is not None or saving.reference.net_j is not None
    why = f"compared on gross energy, because net is {'within its noise' if is_known else 'unknown'}"
    return f"{number(saving.best.gross_j.mean if saving.best.gross_j else None)} J ({why})"
