"""The results of a sweep of kind command: its runs, their metrics, and the windows that the program marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from farm.analysis.aggregate import Group, Summary, UnitSample, grouped
from farm.analysis.intervals import Interval, mean_interval
from farm.analysis.samples import per_unit, unit_samples
from farm.kinds.inference.results import footnotes
from farm.model import Sample, SweepData, TrialRow
from farm.model.energies import parts
from farm.report import summaries
from farm.report.columns import Columns
from farm.report.document import Block, Column, Document, Form, Heading, Note, Paragraph, Table, Value, key
from farm.report.selection import Selected, Selection, select

#: The label of the name of a marked window.
WINDOW = "window"


@dataclass(frozen=True, slots=True)
class Results:
    """Runs of a program by point."""

    selected: Selected
    groups: Sequence[Group]
    windows: Sequence[Summary]  #: of the windows that the program marked, in each run
    trials: Mapping[str, TrialRow]
    durations_s: Mapping[str, float | None]  #: of each run

    @property
    def metrics(self) -> Sequence[str]:
        """The names of the metrics that the program reported."""
        return list(dict.fromkeys(name for trial in self.trials.values() for name in _metrics(trial)))


def results(data: SweepData, selection: Selection, columns: Columns) -> Results:
    """Group the runs of a sweep; factors that differ are columns too.

    Raises:
        InputError: the selection does not fit the sweep.
    """
    chosen = selection.without_targets(data.record.kind)
    factors = dict.fromkeys(name for sample in data.samples for name in sample.factors)
    columns = replace(columns, factors=tuple(factors))
    selected = select(data.record, unit_samples(data), chosen, columns)
    trials = {trial.trial: trial for trial in data.trials}
    kept = {sample.labels["trial"] for sample in selected.samples}
    marked = [sample for sample in _of_windows(data.parts, trials) if sample.labels["trial"] in kept]
    groups = grouped(selected.samples, selected.keys, chosen.include_flagged)
    place = {group.summary.key: number for number, group in enumerate(groups)}
    windows = [group.summary for group in grouped(marked, (*selected.keys, WINDOW), chosen.include_flagged)]
    return Results(
        selected,
        groups,
        sorted(windows, key=lambda one: place.get(one.key[:-1], len(place))),
        trials,
        {sample.trial: sample.duration_s for sample in data.samples},
    )


def document(found: Results) -> Document:
    """Return caption, runs, marked windows and notes."""
    if not found.groups:
        return found.selected.unmeasured()
    runs = _runs(found)
    windows: list[Block] = [Heading("Windows that the program marked"), _windows(found)] if found.windows else []
    document = Document(
        [
            Paragraph(found.selected.title),
            *found.selected.about(),
            runs,
            *map(Note, footnotes([group.summary for group in found.groups])),
            *windows,
        ],
        rows=[
            *runs.records(),
            *(record for block in windows if isinstance(block, Table) for record in block.records()),
        ],
    )
    return found.selected.with_context(document)


def _runs(found: Results) -> Table:
    unit = found.selected.unit
    shown = (
        Column("seconds", "s\n/run", Form.INTERVAL),
        Column("units_per_s", None if unit == "run" else f"{unit}\n/s"),
        Column("gross_j_per_unit", f"gross J\n/{unit}", Form.POSITIVE),
        Column("net_j_per_unit", f"net J/{unit}\n(95%)", Form.NET),
        Column("carbon_g_per_unit", "gCO2e\n/1000", scale=1e3),
        Column("peak_rss_bytes", "peak\nMB", scale=1e-6),
        *(Column(f"metric_{name}", f"\n{name}", Form.INTERVAL) for name in found.metrics),
    )
    rows = []
    for group in found.groups:
        names = [str(sample.labels["trial"]) for sample in group.samples]
        own = [found.trials[trial] for trial in names]
        metrics: dict[str, Value] = {
            f"metric_{name}": _mean([_metrics(trial).get(name) for trial in own]) for name in found.metrics
        }
        rows.append(
            summaries.row(
                group.summary,
                seconds=_mean([found.durations_s[trial] for trial in names]),
                peak_rss_bytes=max(filter(None, map(_peak_bytes, own)), default=None),
                **metrics,
            )
        )
    return Table(summaries.columns(found.selected.keys, shown, but=summaries.LATENCIES), rows)


def _windows(found: Results) -> Table:
    shown = (
        Column("seconds", "s\n/run"),
        Column("gross_j_per_unit", "gross J\n/run", Form.POSITIVE),
        Column("net_j_per_unit", "net J/run\n(95%)", Form.NET),
    )
    rows = [summaries.row(one, seconds=1 / one.units_per_s if one.units_per_s else None) for one in found.windows]
    keys = [key(name) for name in (*found.selected.keys, WINDOW)]
    return Table([*keys, *summaries.columns((), shown, but=summaries.LATENCIES)], rows)


def _of_windows(found: Sequence[Sample], trials: Mapping[str, TrialRow]) -> list[UnitSample]:
    """Return the marked windows of each run, those of one name together, as samples of one run."""

    def named(sample: Sample, part: int) -> Sample:
        name = parts(trials[sample.trial].facts)[part]["name"]
        return replace(sample, units=1, unit="run", factors={**sample.factors, WINDOW: str(name)})

    return per_unit(named(sample, sample.part) for sample in found if sample.part is not None)


def _metrics(trial: TrialRow) -> Mapping[str, float]:
    """Return the metrics that a run reported."""
    found = trial.facts.get("metrics")
    named = found if isinstance(found, dict) else {}
    return {name: float(value) for name, value in named.items() if isinstance(value, int | float)}


def _peak_bytes(trial: TrialRow) -> int | None:
    found = trial.facts.get("peak_rss_bytes")
    return found if isinstance(found, int) else None


def _mean(values: Sequence[float | None]) -> Interval | None:
    """Return the mean of what is known, with its interval."""
    known = [value for value in values if value is not None]
    return mean_interval(known) if known else None
