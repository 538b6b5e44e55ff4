"""The budget of a sweep's uncertainty: where that of each net energy comes from, and what would shrink it most."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from farm.analysis.aggregate import grouped
from farm.analysis.budget import BOARD_GAIN, Budget, Remedy, budgets
from farm.analysis.rules import stands_out
from farm.analysis.samples import unit_samples
from farm.model import Component, MeasurementRow, SweepData
from farm.model.energies import Components, sum_of
from farm.report import notes
from farm.report.columns import Columns
from farm.report.document import Column, Document, Form, Note, Paragraph, Row, Table, Value, key
from farm.report.numbers import number, percent
from farm.report.selection import Selection, select

_UNKNOWN = Paragraph("No net energy is known here, so there is no uncertainty to explain.")
#: Columns hold shares of the mean; people see percent.
_PERCENT = 100.0
#: A smaller share of the mean changes no interval that people read.
_NEGLIGIBLE = 1e-4
#: The names of remedies in the columns of files.
_PREDICTED = {
    Remedy.TRIALS: "half_width_share_more_repetitions",
    Remedy.WINDOWS: "half_width_share_longer_windows",
    Remedy.METER: "half_width_share_another_meter",
}


def document(data: SweepData, selection: Selection, columns: Columns) -> Document:
    """Return a table with a row for each group of trials; raises InputError if the selection does not fit the sweep."""
    chosen = selection.without_targets(data.record.kind)
    factors = dict.fromkeys(name for sample in data.samples for name in sample.factors)
    selected = select(data.record, unit_samples(data), chosen, replace(columns, factors=(*columns.factors, *factors)))
    groups = grouped(selected.samples, selected.keys, chosen.include_flagged)
    found = budgets(groups, _components(data.work))
    if not groups:
        return selected.unmeasured()
    shown = [_table(found, selected.keys, selected.unit), *map(Note, _footnotes(found))] if found else [_UNKNOWN]
    return Document([Paragraph(selected.title), *selected.about(), *shown], rows=None if found else ())


def _components(rows: Sequence[MeasurementRow]) -> Mapping[tuple[str, str], Components]:
    """Return the uncertainties of the net energy of each trial's work in each domain."""
    by_trial: dict[tuple[str, str], list[MeasurementRow]] = defaultdict(list)
    for row in rows:
        by_trial[row.trial, row.domain].append(row)
    return {trial: sum_of(own).net_budget for trial, own in by_trial.items()}


def _table(found: Sequence[Budget], keys: Sequence[str], unit: str) -> Table:
    shared = list(dict.fromkeys(component for budget in found for component in budget.shared))
    columns = [
        *map(key, keys),
        Column("trials", "trials", Form.COUNT),
        Column("net_j_per_unit", f"net J/{unit}\n(95%)", Form.NET),
        Column("u_share_between_trials", "u, %:\ntrials", scale=_PERCENT, digits=2),
        Column("u_share_random", "\nmeter", scale=_PERCENT, digits=2),
        *(Column(_shared(c), _heading(c, found), scale=_PERCENT, digits=2) for c in shared),
        Column("u_share_gain", "absolute:\ngain" if any(b.gain for b in found) else None, scale=_PERCENT, digits=2),
        Column("half_width_share", "now\n± %", scale=_PERCENT, digits=2),
        *(Column(name) for name in _PREDICTED.values()),
        Column("advice", "helps most", Form.TEXT),
    ]
    return Table(columns, [_row(budget) for budget in found])


def _heading(component: Component, found: Sequence[Budget]) -> str | None:
    """Return the heading of a shared component; None, so that files alone have it, where it changes no interval."""
    counts = any(budget.shared.get(component, 0.0) > _NEGLIGIBLE for budget in found)
    return f"shared:\n{component.replace('_', ' ')}" if counts else None


def _shared(component: Component) -> str:
    return f"u_share_{component}"


def _row(budget: Budget) -> Row:
    summary = budget.group.summary
    shares: dict[str, Value] = {
        "u_share_between_trials": budget.between_trials,
        "u_share_random": budget.random,
        **{_shared(component): share for component, share in budget.shared.items()},
        "u_share_gain": budget.gain,
        "half_width_share": budget.half_width,
        **{name: budget.predicted.get(remedy) for remedy, name in _PREDICTED.items()},
    }
    shown = shares if stands_out(summary.net_j) else {}
    values = {**summary.labels, "trials": summary.trials, "net_j_per_unit": summary.net_j, **shown}
    return Row({**values, "advice": _advice(budget)}, {"net_j_per_unit": "!"} if summary.is_doubtful else {})


def _advice(budget: Budget) -> str:
    """Return what would make the interval narrower, and how narrow."""
    if budget.half_width is None:
        return "repetitions: one trial shows no spread"
    if budget.best is None:
        return "nothing: no part of it is known to shrink"
    if not stands_out(budget.group.summary.net_j):
        return f"{budget.best}, or longer work"
    return f"{budget.best}: ±{number(_PERCENT * budget.predicted[budget.best], 2)}%"


def _footnotes(found: Sequence[Budget]) -> list[str]:
    lines = [
        "u: standard uncertainties of the mean, in percent of it: by the root of the sum of their squares, times t, "
        "they make the interval. trials: what trials differ by beyond their meters; shared: the same in all trials, "
        "so repetitions do not shrink it.",
    ]
    if any(budget.gain for budget in found):
        lines.append(
            f"gain: a board's sensor may read all joules too high or too low ({percent(BOARD_GAIN)}). Ratios on one "
            "board are free of it, so it is in no interval; add it to absolute joules."
        )
    summaries = [budget.group.summary for budget in found]
    if not all(stands_out(summary.net_j) for summary in summaries):
        lines.append("A bound (<) has no shares: net energy may be 0, so that a percentage of it means nothing.")
    return [*lines, *notes.spread(summary.net_j for summary in summaries), *notes.reservations(summaries)]
