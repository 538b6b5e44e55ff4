"""The table of results, the sentences under it, and the same as plain records for csv, json and parquet."""

from collections.abc import Iterable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from farm.analysis.aggregate import P99_NEEDS, Interval, Saving, Summary, best_batch
from farm.model import Scalar
from farm.report.numbers import UNKNOWN, interval, milliseconds, number, percent


def table(summaries: Sequence[Summary], accuracy: Mapping[str, float]) -> Table:
    """One row a group; fits 80 columns for the usual two keys. `accuracy`: published ImageNet top-1 in %, by model."""
    keys = [name for name, _ in summaries[0].key] if summaries else []
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in keys:
        out.add_column(_HEADINGS.get(name, name), no_wrap=name != "model", overflow="fold")
    for heading in ("images\n/s", "ms/batch\np50", "\np95", "\np99", "gross J\n/image", "net J/image\n(95 %)"):
        out.add_column(heading, justify="right", no_wrap=True)
    out.add_column("gCO2e\n/1000", justify="right", no_wrap=True)
    if "model" in keys:
        out.add_column("top-1\n%", justify="right", no_wrap=True)
    previous: Scalar = None
    for summary in summaries:
        labels = summary.labels
        cells = [_label(labels[name]) for name in keys]
        if keys and labels[keys[0]] == previous:
            cells[0] = ""
        elif previous is not None:
            out.add_section()
        previous = labels[keys[0]] if keys else None
        cells += _figures(summary)
        if "model" in keys:
            cells.append(number(accuracy.get(str(labels["model"]))))
        out.add_row(*cells)
    return out


_HEADINGS = {"batch_size": "batch", "hardware_class": "hardware"}


def _label(value: Scalar) -> str:
    return UNKNOWN if value is None else str(value)


def _figures(summary: Summary) -> list[str]:
    p99 = milliseconds(summary.p99_s)
    return [
        number(summary.units_per_s),
        milliseconds(summary.p50_s),
        milliseconds(summary.p95_s),
        p99 if summary.p99_s is None or summary.batches >= P99_NEEDS else f"{p99}*",
        number(summary.gross_j.mean if summary.gross_j else None),
        interval(summary.net_j),
        number(None if summary.carbon_g is None else summary.carbon_g * 1000),
    ]


def footnotes(summaries: Sequence[Summary]) -> list[str]:
    """What a reader must know to read the table right."""
    notes = []
    if any(s.p99_s is not None and s.batches < P99_NEEDS for s in summaries):
        notes.append(f"* fewer than {P99_NEEDS} batches: too few to claim a 99th percentile.")
    flagged = sum(s.flagged for s in summaries)
    if flagged:
        total = sum(s.trials for s in summaries)
        notes.append(f"{flagged} of {total} trials carry a flag: `farm export` lists them.")
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
    if best == reference:
        return f"{who}: batch {best} already takes the least energy per image."
    doubt = "" if saving.is_clear else " (intervals overlap: more repetitions would tell)"
    energy = number(saving.best.net_j.mean if saving.best.net_j else None)
    return (
        f"{who}: batch {best} takes the least energy, {energy} J net per image, "
        f"{percent(saving.share)} less than batch {reference}{doubt}."
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
            "carbon_g": summary.carbon_g,
        }
        for summary in summaries
    ]


def _ends(name: str, value: Interval | None) -> dict[str, Scalar]:
    return {
        f"{name}_per_unit": value.mean if value else None,
        f"{name}_per_unit_low": value.low if value else None,
        f"{name}_per_unit_high": value.high if value else None,
    }
