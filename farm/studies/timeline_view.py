"""`farm timeline`: the energy of an image for each network, in order of publication."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from farm import kinds
from farm.analysis.across import Figure
from farm.analysis.aggregate import grouped
from farm.analysis.samples import unit_samples
from farm.kinds.inference.kind import COLUMNS
from farm.model import Scalar, SweepData
from farm.model.catalog import Accuracy
from farm.model.errors import InputError
from farm.report import notes as energy_notes
from farm.report.document import (
    Block,
    Column,
    Document,
    Form,
    Heading,
    Record,
    Row,
    Table,
    findings,
    notes,
    paragraphs,
    text_table,
)
from farm.report.layout import named
from farm.report.numbers import UNKNOWN, number, several
from farm.report.selection import Selected, Selection, select
from farm.report.summaries import records as result_records
from farm.studies.timeline import ENOUGH_PAPERS, LEAST_PAPERS, Entry, Timeline, Trend, timelines

_NETWORKS = (
    Column("year", "\nyear", Form.TEXT),
    Column("model", "\nnetwork", Form.TEXT),
    Column("published_top1_percent", "top-1\n%"),
    Column("gflops", "\nGFLOPs"),
    Column("batch_size", "\nbatch", Form.COUNT),
    Column("gross_j_per_unit", "gross J\n/image"),
    Column("net_j_per_unit", "net J/image\n(95%)", Form.NET),
)
_VERDICTS = {"rises": "rises", "falls": "falls", "unclear": "cannot tell"}


@dataclass(frozen=True, slots=True)
class Timelines:
    """One timeline for each machine that a sweep ran on."""

    selected: Selected
    accuracy: Accuracy
    found: Sequence[Timeline]
    left_out: Sequence[str]  #: for each batch size whose every trial is flagged, the network


def view(data: SweepData, selection: Selection, accuracy: Accuracy, figure: Figure | None) -> Timelines:
    """Filter and group trials by batch size; raises InputError if there is no network to show."""
    sweep = data.record
    if not kinds.get(sweep.kind).times_batches:
        raise InputError(f"{sweep.name}: of kind {sweep.kind}: only sweeps of kind inference have an energy per image")
    selected = select(sweep, unit_samples(data), selection, COLUMNS)
    every = grouped(selected.samples, selected.keys, selection.include_flagged)
    if not every:
        raise InputError(selected.nothing().replace("\n", ": "))
    counted = [group for group in every if not group.summary.is_doubtful]
    if not counted:
        raise InputError(f"{sweep.name}: every trial is flagged: --include-flagged includes them")
    lines = timelines(counted, accuracy, figure)
    if not any(line.entries for line in lines):
        raise InputError(f"{sweep.name}: every energy per image is unknown or within its noise: see `farm results`")
    left_out = [str(group.summary.labels["model"]) for group in every if group not in counted]
    return Timelines(selected, accuracy, [line for line in lines if line.entries], left_out)


def parse_accuracy(name: str) -> Accuracy:
    """Read the option --accuracy; raises InputError."""
    if name not in set(Accuracy):
        raise InputError(f"--accuracy: expected {' or '.join(Accuracy)}, got {name!r}")
    return Accuracy(name)


def parse_figure(name: str | None) -> Figure | None:
    """Read the option --of; raises InputError."""
    if name not in {None, Figure.NET, Figure.GROSS}:
        raise InputError(f"--of: expected net or gross, got {name!r}")
    return Figure(name) if name else None


def document(whole: Timelines) -> Document:
    """Return networks, growth and front of each machine, then notes."""
    weights = "the first weights" if whole.accuracy is Accuracy.V1 else "the default weights"
    source = f"top-1: published with {weights} of torchvision, not measured here"
    return Document(
        [
            *paragraphs([*whole.selected.caption(), source]),
            *(block for timeline in whole.found for block in _blocks(whole, timeline)),
            *notes(_notes(whole)),
        ],
        rows=[_record(whole, timeline, entry) for timeline in whole.found for entry in timeline.entries],
        record={
            "sweep": whole.selected.sweep.id,
            "accuracy": whole.accuracy.value,
            "timelines": [_timeline_record(whole, timeline) for timeline in whole.found],
            "notes": _notes(whole),
        },
    )


def _blocks(whole: Timelines, timeline: Timeline) -> Iterator[Block]:
    places = [dict(other.place) for other in whole.found]
    apart = {name: value for name, value in timeline.place if len({place[name] for place in places}) > 1}
    if len(places) > 1:
        yield Heading(named(apart))
    yield Table(_NETWORKS, [_row(timeline, entry) for entry in timeline.entries], is_flat=True)
    if timeline.trends:
        yield _growth(timeline)
    yield from findings(conclusions(timeline))


def _row(timeline: Timeline, entry: Entry) -> Row:
    published, best = entry.published, entry.best
    values = {
        "year": published.year if published else None,
        "model": entry.model,
        "published_top1_percent": entry.top1_percent,
        "gflops": published.gflops if published else None,
        "batch_size": best.labels["batch_size"],
        "gross_j_per_unit": best.gross_j,
        "net_j_per_unit": best.net_j,
    }
    front = {"model": "*" if timeline.is_clear(entry) else "~"} if entry in timeline.front else {}
    return Row(values, front)


def _growth(timeline: Timeline) -> Table:
    unit = "J" if timeline.compared == "energy" else "s"
    words = {
        "energy": f"{timeline.figure} J/image, best batch",
        "seconds": "s/image, best batch",
        "accuracy": "top-1",
        f"{timeline.compared}_per_accuracy": f"{unit}/image per point of top-1",
        "gflops": "GFLOPs/image",
    }
    first, last = timeline.trends[0].years
    networks, papers = timeline.trends[0].networks, timeline.trends[0].papers
    rests = f"{several(networks, 'network')} of {several(papers, 'paper')}, each paper counted once"
    rows = [[words[t.of], _change(t), _range(t), _VERDICTS[t.verdict]] for t in timeline.trends]
    caption = f"Growth a year of publication, {first} to {last}: {rests}"
    return text_table(caption, ("figure", "a year", "95%", "verdict"), rows)


def conclusions(timeline: Timeline) -> list[str]:
    """Return how energy and accuracy grow, which of the two grows faster, and which networks are on the front."""
    trends = {trend.of: trend for trend in timeline.trends}
    is_energy = timeline.compared == "energy"
    cost, per_point = ("energy", "Joules") if is_energy else ("time", "Seconds")
    found = [] if is_energy else [energy_notes.SECONDS_DECIDE]
    if not trends:
        found.append(f"Cannot tell how {cost} grows: at least {LEAST_PAPERS} papers of two years are needed.")
    else:
        what = f"{timeline.figure} energy per image" if is_energy else "time per image"
        both = f"{_grows(trends[timeline.compared], what)}; {_grows(trends['accuracy'], 'top-1 accuracy')}."
        found.append(f"{both[:1].upper()}{both[1:]}")
        steeper = {
            "rises": f"{cost} outgrows accuracy",
            "falls": f"accuracy outgrows {cost}",
            "unclear": "cannot tell which outgrows the other",
        }
        per = trends[f"{timeline.compared}_per_accuracy"]
        change = f"{_change(per)} a year (95 %: {_range(per)})"
        found.append(f"{per_point} per point of accuracy change by {change}: {steeper[per.verdict]}.")
    if timeline.front:
        names = ", ".join(f"{entry.model} ({number(entry.top1_percent)}%)" for entry in timeline.front)
        found.append(f"Most accurate for their {cost}, the least {cost} first: {names}.")
    return found


def _grows(trend: Trend, what: str) -> str:
    verdict = f"{what} {trend.verdict}" if trend.verdict != "unclear" else f"cannot tell whether {what} rises or falls"
    return f"{verdict}: {_change(trend)} a year (95 %: {_range(trend)})"


def _change(trend: Trend) -> str:
    return _signed(trend.growth.mean)


def _range(trend: Trend) -> str:
    low, high = trend.growth.low, trend.growth.high
    return f"{_signed(low)} to {_signed(high)}"


def _signed(share: float | None) -> str:
    if share is None:
        return UNKNOWN
    return f"{'+' if share > 0 else ''}{number(share * 100, 2)}%"


def _notes(whole: Timelines) -> list[str]:
    entries = [entry for timeline in whole.found for entry in timeline.entries]
    own = [
        "* on the front: no other network is as accurate for less. ~ on the front so far: another one as accurate "
        "may cost no more (ratios within blocks, 95%, for all comparisons at once).",
        *_notes_of_trends(whole),
    ]
    if any(len(entry.sizes) == 1 for entry in entries):
        own.append("Where a network has only one batch size, it counts as the best. Measure more sizes to be sure.")
    if largest := sum(entry.is_largest and len(entry.sizes) > 1 for entry in entries):
        own.append(f"The largest batch is the best of {several(largest, 'network')}: a larger one may take less.")
    if lost := sorted({model for timeline in whole.found for model in timeline.lost}):
        own.append(f"Left out because an energy is unknown or within its noise: {', '.join(lost)}.")
    if whole.left_out:
        count, names = several(len(whole.left_out), "batch size"), ", ".join(sorted(set(whole.left_out)))
        own.append(f"{count} left out because every trial is flagged (--include-flagged): {names}.")
    ranked = [timeline for timeline in whole.found if timeline.compared == "energy"]
    own += energy_notes.spread(entry.cost for timeline in ranked for entry in timeline.entries)
    return [*own, *energy_notes.reservations([entry.best for entry in entries])]


def _notes_of_trends(whole: Timelines) -> Iterator[str]:
    if any(0 < trend.papers < ENOUGH_PAPERS for timeline in whole.found for trend in timeline.trends):
        yield f"There are too few papers to claim a growth: {ENOUGH_PAPERS} or more are needed."
    if any(timeline.figure is Figure.GROSS for timeline in whole.found):
        yield (
            "Gross joules are compared, which include the idle power: net joules are within their noise, or --of asks "
            "for gross."
        )
    if silent := {e.model for timeline in whole.found for e in timeline.entries if e.top1_percent is None}:
        hint = "; --accuracy default has more" if whole.accuracy is Accuracy.V1 else ""
        yield f"In no trend, because no such accuracy is published: {', '.join(sorted(silent))}{hint}."


def _timeline_record(whole: Timelines, timeline: Timeline) -> Record:
    """Return a timeline for JSON, which has growth rates and sentences too."""
    return {
        **whole.selected.shared,
        **dict(timeline.place),
        "energy": timeline.figure.value,
        "conclusions": conclusions(timeline),
        "trends": [_trend_record(trend) for trend in timeline.trends],
        "front": [entry.model for entry in timeline.front],
        "networks": [_record(whole, timeline, entry) for entry in timeline.entries],
        "left_out": list(timeline.lost),
    }


def _record(whole: Timelines, timeline: Timeline, entry: Entry) -> dict[str, Scalar]:
    published = entry.published
    (result,) = result_records([entry.best])
    known: Mapping[str, Scalar] = {
        "year": published.year if published else None,
        "paper": published.paper if published else None,
        "source": published.source if published else None,
        "parameters": published.parameters if published else None,
        "gflops": published.gflops if published else None,
    }
    return {
        **whole.selected.shared,
        **result,
        **dict(timeline.place),
        **known,
        "published_top1_percent": entry.top1_percent,
        "batch_sizes": ";".join(map(str, entry.sizes)),
        "energy": timeline.figure.value,
        "on_front": entry in timeline.front,
        "front_is_clear": timeline.is_clear(entry) if entry in timeline.front else None,
    }


def _trend_record(trend: Trend) -> dict[str, Scalar]:
    return {
        "of": trend.of,
        **dict(Column("growth_per_year", form=Form.INTERVAL).records(trend.growth)),
        "verdict": trend.verdict,
        "networks": trend.networks,
        "papers": trend.papers,
        "first_year": trend.years[0],
        "last_year": trend.years[1],
    }
