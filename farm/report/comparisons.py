"""`farm compare`: two sweeps, or two selections of one sweep, point by point."""

from collections.abc import Sequence
from dataclasses import replace

from farm.analysis.samples import differing_settings
from farm.analysis.statistics.matching import Comparison, Side, compare
from farm.analysis.statistics.multiplicity import Correction
from farm.model import SweepData
from farm.model.errors import InputError
from farm.report import conclusions
from farm.report.analyses import PAIR, document, field_values
from farm.report.document import Block, Column, Document, Form, Paragraph, Row, Table, key
from farm.report.numbers import label
from farm.report.observations import (
    RESPONSES,
    Chosen,
    caption_blocks,
    check_kinds,
    choose_trials,
    pooling_notes,
    response_name,
    responses,
)
from farm.report.selection import Selection, known_names


def comparison(sweeps: tuple[SweepData, SweepData], selections: tuple[Selection, Selection], response: str) -> Document:
    """Compare the second sweep with the first; raises InputError if they overlap or have no point in common."""
    if sweeps[0].record.id == sweeps[1].record.id and selections[0].where == selections[1].where:
        raise InputError("both sides are the same: name two sweeps, or choose the sides by --a and --b")
    a, b = (choose_trials(data, (), selection) for data, selection in zip(sweeps, selections, strict=True))
    if {t.labels["trial"] for t in a.trials} & {t.labels["trial"] for t in b.trials}:
        raise InputError("a trial is on both sides: choose the sides by --a and --b so that they do not overlap")
    both = (*a.trials, *b.trials)
    labels = [trial.labels for trial in both]
    name, values = responses(both, response)
    check_kinds(labels, is_energy=RESPONSES[name].is_energy)
    if min(values) <= 0:
        raise InputError(f"--response: {name} is 0 or less in a trial, and has no ratio")
    cut = len(a.trials)
    picked = set(known_names(labels, [one[0] for one in set(selections[0].where) ^ set(selections[1].where)]))
    found = compare(_side(a, values[:cut]), _side(b, values[cut:]), sorted(picked))
    caption = [*map(Paragraph, _titles(a, b, found)), *caption_blocks(a, both, response, name)]
    notes = [*(f"A: {note}" for note in a.notes), *(f"B: {note}" for note in b.notes)]
    notes += pooling_notes(labels, sorted(picked))
    notes += [f"A and B were measured in different ways: {' and '.join(own)}." for own in _settings(sweeps)]
    return _document(found, response_name(response, both), caption, notes)


def _settings(sweeps: tuple[SweepData, SweepData]) -> list[list[str]]:
    """Return the settings of measuring in which two sweeps differ, of each in turn; an empty list if they do not."""
    differing = differing_settings(sweeps)
    return [[differing[one.record.id] for one in sweeps]] if differing else []


#: Whether both sides were measured in the same blocks.
_HOW = {
    True: "within blocks (repetitions of a sweep)",
    False: "by Welch where no repetition of a sweep has both sides",
}
#: The column of the overall ratio in a file.
_RATIO = Column("ratio", form=Form.ESTIMATE)


def _side(chosen: Chosen, values: Sequence[float]) -> Side:
    labels = [trial.labels for trial in chosen.trials]
    bookkeeping = {"repetition", "job", "trial", "environment", "sweep", "machine", "hardware_class"}
    return Side(labels, values, [name for name in labels[0] if name not in bookkeeping])


def _titles(a: Chosen, b: Chosen, found: Comparison) -> list[str]:
    """Return a line for each side, with the levels in which it differs from the other side."""
    lines = []
    for side, (name, trials) in enumerate((("A", a), ("B", b))):
        own = [f"{factor} {' '.join(map(label, levels[side]))}" for factor, levels in found.compared.items()]
        lines.append(", ".join((f"{name}: {trials.title}", *own)))
    return lines


def _document(found: Comparison, response: str, caption: Sequence[Block], notes: Sequence[str]) -> Document:
    names = [name for name, _ in found.matches[0].key]
    shown = found.differing or names[:1]
    columns = [
        *(key(name) if name in shown else Column(name) for name in names),
        Column("mean_a", "A"),
        Column("mean_b", "B"),
        *(replace(column, heading="\np") if column.name == "p_adjusted" else column for column in PAIR[:-1]),
        Column(PAIR[-1].name),
    ]
    rows = [
        Row({**dict(match.key), "mean_a": match.mean_a, "mean_b": match.mean_b, **field_values(match.pair)})
        for match in found.matches
    ]
    own = [
        f"A, B: geometric means; ratios and p: t of the logarithms, {_HOW[found.are_paired]}.",
        *conclusions.corrected(len(found.matches), Correction.HOLM, "95%"),
    ]
    if found.only_a or found.only_b:
        own.append(f"Points without a partner are left out: {found.only_a} of A, {found.only_b} of B.")
    own += conclusions.pair_doubts(match.pair for match in found.matches)
    table = Table(columns, rows)
    record = {
        "table": table.records(),
        "overall": {**dict(_RATIO.records(found.ratio)), "p": found.p, "points": len(found.matches)},
        "compared": {name: {"a": a, "b": b} for name, (a, b) in found.compared.items()},
        "only_a": found.only_a,
        "only_b": found.only_b,
        "response": response,
    }
    return document([*caption, table], (*own, *notes), conclusions.comparison_findings(found, response), record)
