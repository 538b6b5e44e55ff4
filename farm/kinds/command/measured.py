"""What one command cost: the view of `farm measure`. Pure."""

from collections.abc import Sequence

from farm.analysis.aggregate import Group, grouped
from farm.analysis.intervals import mean_interval
from farm.analysis.samples import unit_samples
from farm.kinds.inference.results import footnotes
from farm.model import Quality, SweepData
from farm.report import numbers, summaries
from farm.report.document import Alert, Block, Column, Document, Form, Note, Paragraph, Table, key
from farm.report.selection import SIMULATED, obtained

#: The exit status that shells give to a program that a signal ended is this much above the signal's number.
SIGNALLED = 128


def document(by_domain: Sequence[SweepData]) -> Document:
    """Return seconds, joules, watts and grams of the runs of one command.

    Args:
        by_domain: the data of its sweep, once for each domain of the machine.
    """
    known = [(data, group) for data in by_domain for group in grouped(unit_samples(data), ())]
    found = [(data, group) for data, group in known if group.summary.gross_j is not None] or known[:1]
    runs = {sample.trial: sample.duration_s for data in by_domain for sample in data.samples}
    record = by_domain[0].record
    if not found:
        return Document([Paragraph(f"{record.name}: no run was measured. `farm logs {record.id}` says why.")], rows=())
    known_s = [duration_s for duration_s in runs.values() if duration_s is not None]
    each = (
        f"{numbers.interval(mean_interval(known_s))} s each"
        if len(known_s) > 1
        else f"{numbers.number(known_s[0] if known_s else None)} s"
    )
    table = _table(found)
    return Document(
        [
            Paragraph(f"{record.name}: {numbers.several(len(runs), 'run')}, {each}"),
            table,
            *_alerts([group for _, group in found]),
            *map(Note, footnotes([found[0][1].summary])),  # each run is in every domain
            *map(Note, _spread(len(runs))),
            Paragraph(f"`farm results {record.name}` has metrics and marked windows, `farm report` the power traces."),
        ],
        rows=table.records(),
    )


def exit_status(data: SweepData) -> int:
    """Return the exit status of the command: that of the first run that failed, as a shell would give it."""
    for trial in data.trials:
        status = trial.facts.get("exit_status")
        if trial.failure is not None:
            return 1 if not isinstance(status, int) else status if status > 0 else SIGNALLED - status
    return 0


def _table(found: Sequence[tuple[SweepData, Group]]) -> Table:
    unit = found[0][0].samples[0].unit or "run"
    shown = (
        Column("gross_j_per_unit", f"gross J\n/{unit}", Form.POSITIVE),
        Column("net_j_per_unit", f"net J/{unit}\n(95%)", Form.NET),
        Column("mean_w", "mean\nW"),
        Column("idle_share", "\nidle", Form.PERCENT),
        Column("carbon_g_per_unit", "gCO2e\n/1000", scale=1e3),
    )
    rows = []
    for _, group in found:
        one = group.summary
        gross, net = (None if energy is None else energy.mean for energy in (one.gross_j, one.net_j))
        mean_w = None if gross is None or one.units_per_s is None else gross * one.units_per_s
        share = None if not gross or net is None else min(max(1 - net / gross, 0.0), 1.0)
        rows.append(summaries.row(one, domain=group.samples[0].labels["domain"], mean_w=mean_w, idle_share=share))
    return Table([key("domain"), *summaries.columns((), shown, but=summaries.LATENCIES)], rows)


def _alerts(groups: Sequence[Group]) -> list[Block]:
    simulated = [SIMULATED] if any(group.summary.simulated for group in groups) else []
    modelled = {str(sample.labels["rating"]) for group in groups for sample in group.samples if sample.labels["rating"]}
    how = [obtained(Quality.MODELLED, False, tuple(sorted(modelled)))] if modelled else []
    return [Alert(line) for line in (*simulated, *how)]


def _spread(runs: int) -> list[str]:
    return ["Add --repeat 5 to see the interval of the mean."] if runs == 1 else []
