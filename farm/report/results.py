"""The table of results of inference, the sentences under it, and the same as plain records."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from farm.analysis.aggregate import P99_NEEDS, Key, Saving, Summary, best_batch
from farm.analysis.intervals import Interval
from farm.model import Quality, Scalar
from farm.report import notes
from farm.report.grids import Row, grids, in_bold, named
from farm.report.numbers import milliseconds, net, number, percent


def _headings(unit: str) -> tuple[str, ...]:
    latency = ("ms/batch\np50", "\np95", "\np99")
    return (f"{unit}\n/s", *latency, f"gross J\n/{unit}", f"net J/{unit}\n(95%)", "gCO2e\n/1000")


def tables(summaries: Sequence[Summary], accuracy: Mapping[str, float], unit: str = "image") -> RenderableType:
    """One row a group, of units of work. `accuracy`: published ImageNet top-1 in %, by model."""

    def heading(key: Key) -> Text:
        published = accuracy.get(str(dict(key).get("model")))
        claim = f"  published ImageNet top-1 {number(published)}%" if published is not None else ""
        return Text.assemble(in_bold(key), (claim, "dim"))

    return grids([Row(s.key, _cells(s)) for s in summaries], _headings(unit), heading)


def _cells(summary: Summary) -> list[str]:
    p99 = milliseconds(summary.p99_s)
    return [
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
    own = []
    if any(s.p99_s is not None and s.batches < P99_NEEDS for s in summaries):
        own.append(f"* fewer than {P99_NEEDS} batches: too few to claim a 99th percentile.")
    own += notes.spread(s.net_j for s in summaries)
    if any(s.carbon_g is None and s.gross_j is not None for s in summaries):
        own.append("gCO2e is known where the sweep names a country: carbon: {country: NLD}.")
    return [*own, *notes.reservations(summaries)]


def sentences(summaries: Sequence[Summary], unit: str = "image") -> list[str]:
    """One a model (and machine, ...): the batch size with the least energy per unit of work, and what it saves."""
    groups: dict[tuple[tuple[str, Scalar], ...], list[Summary]] = {}
    for summary in summaries:
        rest = tuple(item for item in summary.key if item[0] != "batch_size")
        groups.setdefault(rest, []).append(summary)
    savings = ((rest, best_batch(group)) for rest, group in groups.items())
    return [_sentence(rest, saving, unit) for rest, saving in savings if saving is not None]


def _sentence(rest: Iterable[tuple[str, Scalar]], saving: Saving, unit: str) -> str:
    who = named(dict(rest)) or "all"
    best, reference = saving.best.labels["batch_size"], saving.reference.labels["batch_size"]
    modelled = " (modelled)" if saving.best.quality is Quality.MODELLED else ""
    is_known = saving.best.net_j is not None or saving.reference.net_j is not None
    why = "too uncertain" if is_known else "unknown"
    noise = "" if saving.is_net else f"; net energies are {why} here, so gross ones are compared"
    open_ = doubt(saving.is_clear)
    if best == reference:
        return f"{who}: batch {best} takes the least energy per {unit}{modelled}{noise}{open_}."
    kind = "net" if saving.is_net else "gross"
    return (
        f"{who}: batch {best} takes the least energy, {number(saving.best_j)} J {kind} per {unit}{modelled}, "
        f"{percent(saving.share)} less than batch {reference}{noise}{open_}."
    )


def doubt(is_clear: bool | None) -> str:
    """What a comparison leaves open; `is_clear`: whether its intervals are apart."""
    if is_clear is None:
        return "; one trial alone tells nothing of the spread"
    return "" if is_clear else "; the intervals overlap, more repetitions would tell"


def trials_record(summary: Summary) -> dict[str, Scalar]:
    """What a row rests on, whatever it tells."""
    return {
        **summary.labels,
        "trials": summary.trials,
        "left_out": summary.left_out,
        "doubtful": summary.is_doubtful,
        "flags": ";".join(sorted(summary.flags)),
        "quality": summary.quality.value if summary.quality else None,
        "simulated": summary.simulated,
    }


def records(summaries: Iterable[Summary]) -> list[dict[str, Scalar]]:
    """The table as flat records, SI units in the names, None for unknown."""
    return [
        {
            **trials_record(summary),
            "units_per_s": summary.units_per_s,
            "p50_s": summary.p50_s,
            "p95_s": summary.p95_s,
            "p99_s": summary.p99_s,
            "batches": summary.batches,
            **ends("gross_j_per_unit", summary.gross_j),
            **ends("net_j_per_unit", summary.net_j),
            "carbon_g_per_unit": summary.carbon_g,
        }
        for summary in summaries
    ]


def ends(name: str, value: Interval | None) -> dict[str, Scalar]:
    """A mean and the ends of its interval as three columns."""
    return {
        name: value.mean if value else None,
        f"{name}_low": value.low if value else None,
        f"{name}_high": value.high if value else None,
    }
