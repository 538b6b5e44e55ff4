"""The tables of results, the sentences under them, and the same as plain records for csv, json and parquet."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.aggregate import P99_NEEDS, Interval, Saving, Summary, best_batch
from farm.model import Scalar
from farm.report.numbers import UNKNOWN, interval, milliseconds, number, percent

_KEY_HEADINGS = {"batch_size": "batch", "hardware_class": "hardware"}
_HEADINGS = ("images\n/s", "ms/batch\np50", "\np95", "\np99", "gross J\n/image", "net J/image\n(95 %)", "gCO2e\n/1000")


def tables(summaries: Sequence[Summary], accuracy: Mapping[str, float]) -> RenderableType:
    """One row a group. The model, where it is a key, becomes a heading, so that 80 columns hold the rest.

    `accuracy`: published ImageNet top-1 in %, by model.
    """
    if not any(name == "model" for name, _ in summaries[0].key):
        return _table(summaries, _widths(summaries, ()))
    widths = _widths(summaries, ("model",))
    parts: list[RenderableType] = []
    for order, (model, group) in enumerate(groupby(summaries, key=lambda s: s.labels["model"])):
        published = accuracy.get(str(model))
        claim = f"  published ImageNet top-1 {number(published)} %" if published is not None else ""
        table = _table(list(group), widths, ("model",))
        table.show_header = order == 0
        parts += [Text.assemble((str(model), "bold"), (claim, "dim")), table]
    return Group(*parts)


def _table(summaries: Sequence[Summary], widths: Sequence[int], hidden: Sequence[str] = ()) -> Table:
    keys = [name for name, _ in summaries[0].key if name not in hidden]
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for position, name in enumerate(keys):
        out.add_column(_KEY_HEADINGS.get(name, name), min_width=widths[position], overflow="fold")
    for position, heading in enumerate(_HEADINGS, start=len(keys)):
        out.add_column(heading, justify="right", no_wrap=True, min_width=widths[position])
    for summary in summaries:
        out.add_row(*_cells(summary, keys))
    out.add_row()
    return out


def _widths(summaries: Sequence[Summary], hidden: Sequence[str]) -> list[int]:
    """Of every column over all tables, so that they line up."""
    keys = [name for name, _ in summaries[0].key if name not in hidden]
    headings = [*(_KEY_HEADINGS.get(name, name) for name in keys), *_HEADINGS]
    rows = [_cells(summary, keys) for summary in summaries]
    columns = zip(*rows, strict=True)
    return [
        max(*(len(line) for line in heading.split("\n")), *(len(cell) for cell in column))
        for heading, column in zip(headings, columns, strict=True)
    ]


def _cells(summary: Summary, keys: Sequence[str]) -> list[str]:
    p99 = milliseconds(summary.p99_s)
    return [
        *(_label(summary.labels[name]) for name in keys),
        number(summary.units_per_s),
        milliseconds(summary.p50_s),
        milliseconds(summary.p95_s),
        p99 if summary.p99_s is None or summary.batches >= P99_NEEDS else f"{p99}*",
        number(summary.gross_j.mean if summary.gross_j else None),
        interval(summary.net_j),
        number(None if summary.carbon_g is None else summary.carbon_g * 1000),
    ]


def _label(value: Scalar) -> str:
    return UNKNOWN if value is None else str(value)


def footnotes(summaries: Sequence[Summary]) -> list[str]:
    """What a reader must know to read the table right."""
    notes = []
    if any(s.p99_s is not None and s.batches < P99_NEEDS for s in summaries):
        notes.append(f"* fewer than {P99_NEEDS} batches: too few to claim a 99th percentile.")
    flagged = sum(s.flagged for s in summaries)
    if flagged:
        total = sum(s.trials for s in summaries)
        notes.append(f"{flagged} of {total} trials carry a flag, a reason to doubt them: `farm export` lists them.")
    if any(s.net_j is not None and s.net_j.half_width is None for s in summaries):
        notes.append("±? one trial alone says nothing of the spread: raise repetitions.")
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
    who = ", ".join(_label(value) for _, value in rest) or "all"
    best, reference = saving.best.labels["batch_size"], saving.reference.labels["batch_size"]
    noise = "" if saving.is_net else "; its net energy is within the noise, so gross is compared"
    doubt = "" if saving.is_clear else "; the intervals overlap, more repetitions would tell"
    if best == reference:
        return f"{who}: batch {best} takes the least energy per image{noise}{doubt}."
    kind = "net" if saving.is_net else "gross"
    return (
        f"{who}: batch {best} takes the least energy, {number(saving.best_j)} J {kind} per image, "
        f"{percent(saving.share)} less than batch {reference}{noise}{doubt}."
    )


def records(summaries: Iterable[Summary]) -> list[dict[str, Scalar]]:
    """The table as flat records, SI units in the names, None for unknown."""
    return [
        {
            **summary.labels,
            "trials": summary.trials,
            "flagged": summary.flagged,
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
