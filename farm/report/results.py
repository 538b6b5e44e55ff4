"""The tables of results, the sentences under them, and the same as plain records for csv, json and parquet."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.aggregate import P99_NEEDS, Saving, Summary, best_batch
from farm.intervals import Interval
from farm.model import Flag, Quality, Scalar
from farm.report.numbers import label, milliseconds, net, number, percent

_KEY_HEADINGS = {"batch_size": "batch", "hardware_class": "hardware"}
_HEADINGS = ("images\n/s", "ms/batch\np50", "\np95", "\np99", "gross J\n/image", "net J/image\n(95%)", "gCO2e\n/1000")
#: Columns of a terminal, and those between two columns of a table.
_WIDTH, _GAP = 80, 2


def tables(summaries: Sequence[Summary], accuracy: Mapping[str, float]) -> RenderableType:
    """One row a group. The model, and as many keys as 80 columns cannot hold, become headings of tables.

    `accuracy`: published ImageNet top-1 in %, by model.
    """
    keys = [name for name, _ in summaries[0].key]
    count = int(keys[0] == "model" and len(keys) > 1)
    while count < len(keys) - 1 and _excess(_widths(summaries, keys[count:])) > 0:
        count += 1
    shown = keys[count:]
    widths = _widths(summaries, shown)
    widths[0] -= max(_excess(widths), 0)
    parts: list[RenderableType] = []
    for heading, group in groupby(summaries, key=lambda s: s.key[:count]):
        table = _table(list(group), shown, widths)
        table.show_header = not parts
        parts += [*([_heading(heading, accuracy)] if heading else []), table]
    return Group(*parts)


def _heading(key: Iterable[tuple[str, Scalar]], accuracy: Mapping[str, float]) -> Text:
    values = dict(key)
    published = accuracy.get(str(values.get("model")))
    claim = f"  published ImageNet top-1 {number(published)}%" if published is not None else ""
    return Text.assemble((_named(values), "bold"), (claim, "dim"))


def _named(values: Mapping[str, Scalar]) -> str:
    """A model speaks for itself, other keys are named."""
    return ", ".join(label(v) if name == "model" else f"{name} {label(v)}" for name, v in values.items())


def _table(summaries: Sequence[Summary], keys: Sequence[str], widths: Sequence[int]) -> Table:
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for position, name in enumerate(keys):
        out.add_column(_KEY_HEADINGS.get(name, name), width=widths[position], overflow="fold")
    for position, heading in enumerate(_HEADINGS, start=len(keys)):
        out.add_column(heading, justify="right", no_wrap=True, width=widths[position])
    for summary in summaries:
        out.add_row(*_cells(summary, keys))
    out.add_row()
    return out


def _widths(summaries: Sequence[Summary], keys: Sequence[str]) -> list[int]:
    """Of every column over all tables, so that they line up."""
    headings = [*(_KEY_HEADINGS.get(name, name) for name in keys), *_HEADINGS]
    columns = zip(*(_cells(summary, keys) for summary in summaries), strict=True)
    return [
        max(*(len(line) for line in heading.split("\n")), *(len(cell) for cell in column))
        for heading, column in zip(headings, columns, strict=True)
    ]


def _excess(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1) - _WIDTH


def _cells(summary: Summary, keys: Sequence[str]) -> list[str]:
    p99 = milliseconds(summary.p99_s)
    return [
        *(label(summary.labels[name]) for name in keys),
        number(summary.units_per_s),
        milliseconds(summary.p50_s),
        milliseconds(summary.p95_s),
        p99 if summary.p99_s is None or summary.batches >= P99_NEEDS else f"{p99}*",
        number(summary.gross_j.mean if summary.gross_j else None),
        f"{net(summary.net_j)}{'!' if summary.is_doubtful else ''}",
        number(None if summary.carbon_g is None else summary.carbon_g * 1000),
    ]


def footnotes(summaries: Sequence[Summary]) -> list[str]:
    """What a reader must know to read the table right."""
    notes = []
    if any(s.p99_s is not None and s.batches < P99_NEEDS for s in summaries):
        notes.append(f"* fewer than {P99_NEEDS} batches: too few to claim a 99th percentile.")
    if any(s.net_j is not None and s.net_j.half_width is None for s in summaries):
        notes.append("±? one trial alone says nothing of the spread: raise repetitions.")
    if any(s.carbon_g is None and s.gross_j is not None for s in summaries):
        notes.append("gCO2e is known where the sweep names a country: carbon: {country: NLD}.")
    left_out, trials = sum(s.left_out for s in summaries), sum(s.trials for s in summaries)
    if left_out:
        notes.append(f"{left_out} of {left_out + trials} trials are left out: --include-flagged brings them back.")
    if any(s.is_doubtful for s in summaries):
        notes.append("! every trial of this row is flagged: shown all the same, not compared.")
    flags = sum((Counter(s.flags) for s in summaries), Counter[Flag]())
    if flags:
        named = ", ".join(f"{flag} {count}" for flag, count in flags.most_common())
        notes.append(f"Flags: {named}; `farm export` tells which trials.")
    return notes


def sentences(summaries: Sequence[Summary]) -> list[str]:
    """One a model (and machine, ...): the batch size with the least energy per image, and what it saves."""
    groups: dict[tuple[tuple[str, Scalar], ...], list[Summary]] = {}
    for summary in summaries:
        rest = tuple(item for item in summary.key if item[0] != "batch_size")
        groups.setdefault(rest, []).append(summary)
    savings = ((rest, best_batch(group)) for rest, group in groups.items())
    return [_sentence(rest, saving) for rest, saving in savings if saving is not None]


def _sentence(rest: Iterable[tuple[str, Scalar]], saving: Saving) -> str:
    who = _named(dict(rest)) or "all"
    best, reference = saving.best.labels["batch_size"], saving.reference.labels["batch_size"]
    modelled = " (modelled)" if saving.best.quality is Quality.MODELLED else ""
    noise = "" if saving.is_net else "; net energies are too uncertain here, so gross ones are compared"
    doubt = "" if saving.is_clear else "; the intervals overlap, more repetitions would tell"
    if best == reference:
        return f"{who}: batch {best} takes the least energy per image{modelled}{noise}{doubt}."
    kind = "net" if saving.is_net else "gross"
    return (
        f"{who}: batch {best} takes the least energy, {number(saving.best_j)} J {kind} per image{modelled}, "
        f"{percent(saving.share)} less than batch {reference}{noise}{doubt}."
    )


def records(summaries: Iterable[Summary]) -> list[dict[str, Scalar]]:
    """The table as flat records, SI units in the names, None for unknown."""
    return [
        {
            **summary.labels,
            "trials": summary.trials,
            "left_out": summary.left_out,
            "doubtful": summary.is_doubtful,
            "flags": ";".join(sorted(summary.flags)),
            "quality": summary.quality.value if summary.quality else None,
            "simulated": summary.simulated,
            "units_per_s": summary.units_per_s,
            "p50_s": summary.p50_s,
            "p95_s": summary.p95_s,
            "p99_s": summary.p99_s,
            "batches": summary.batches,
            **_ends("gross_j", summary.gross_j),
            **_ends("net_j", summary.net_j),
            "carbon_g_per_unit": summary.carbon_g,
        }
        for summary in summaries
    ]


def _ends(name: str, value: Interval | None) -> dict[str, Scalar]:
    return {
        f"{name}_per_unit": value.mean if value else None,
        f"{name}_per_unit_low": value.low if value else None,
        f"{name}_per_unit_high": value.high if value else None,
    }
