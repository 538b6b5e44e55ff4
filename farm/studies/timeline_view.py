"""Networks by the year they were published in, with what an image costs, in tables and words: for `farm timeline`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm import kinds
from farm.analysis.across import Figure
from farm.analysis.aggregate import summarise
from farm.analysis.samples import unit_samples
from farm.errors import InputError
from farm.kinds.inference.kind import COLUMNS
from farm.model import Quality, Scalar, SweepData
from farm.report import notes
from farm.report.grids import listed, named
from farm.report.numbers import UNKNOWN, label, net, number, several
from farm.report.results import ends
from farm.report.results import records as result_records
from farm.report.selection import Selected, Selection, select
from farm.spec.catalog import Accuracy
from farm.studies.timeline import ENOUGH_PAPERS, LEAST_PAPERS, Entry, Timeline, Trend, timelines

_HEADINGS = ("\nyear", "", "\nnetwork", "top-1\n%", "\nGFLOPs", "\nbatch", "gross J\n/image", "net J/image\n(95%)")
_VERDICTS = {"rises": "rises", "falls": "falls", "unclear": "cannot tell"}


@dataclass(frozen=True, slots=True)
class Timelines:
    """Of each machine that a sweep ran on."""

    selected: Selected
    accuracy: Accuracy
    found: Sequence[Timeline]
    left_out: Sequence[str]  #: the network of each batch size whose every trial is flagged

    def rendered(self) -> RenderableType:
        """Caption; networks, growth and front of each machine; then what a reader must know."""
        weights = "the first weights" if self.accuracy is Accuracy.V1 else "the default weights"
        caption = [*self.selected.caption(), f"top-1: published with {weights} of torchvision, not measured here", ""]
        parts = [part for timeline in self.found for part in self._parts(timeline)]
        footnotes = [Text(note, style="dim") for note in self._footnotes()]
        return Group(Text("\n".join(caption)), *parts, *footnotes)

    def _parts(self, timeline: Timeline) -> list[RenderableType]:
        place = self._place(timeline)
        heading: list[RenderableType] = [Text(named(place), style="bold")] if len(self.found) > 1 else []
        trends: list[RenderableType] = [Text(_growth_title(timeline))]
        trends += [_growth(timeline)] if timeline.trends else [Text()]
        sentences = Table.grid(padding=(0, 1))
        for sentence in conclusions(timeline):
            sentences.add_row("•", sentence)
        return [*heading, _networks(timeline), *trends, sentences, Text()]

    def _place(self, timeline: Timeline) -> dict[str, Scalar]:
        """What tells it from the others of the sweep."""
        places = [dict(other.place) for other in self.found]
        return {name: value for name, value in timeline.place if len({place[name] for place in places}) > 1}

    def _footnotes(self) -> list[str]:
        entries = [entry for timeline in self.found for entry in timeline.entries]
        own = [
            "* on the front: no other network is as accurate for less energy; ~ so far: intervals overlap, or rest on "
            "one trial."
        ]
        own += self._of_trends()
        if any(len(entry.sizes) == 1 for entry in entries):
            own.append("Of a network with one batch size that is its best: more sizes would tell.")
        largest = sum(entry.is_largest and len(entry.sizes) > 1 for entry in entries)
        if largest:
            own.append(f"The largest batch is the best of {several(largest, 'network')}: a larger one may take less.")
        lost = sorted({model for timeline in self.found for model in timeline.lost})
        if lost:
            own.append(f"Left out, since an energy is unknown or within its noise: {', '.join(lost)}.")
        if self.left_out:
            count, names = several(len(self.left_out), "batch size"), ", ".join(sorted(set(self.left_out)))
            own.append(f"{count} left out, since every trial is flagged (--include-flagged): {names}.")
        if any(entry.best.is_doubtful for entry in entries):
            own.append("! every trial is flagged; compared since --include-flagged asks for it.")
        own += notes.spread(entry.energy_j for entry in entries)
        return [*own, *notes.reservations([entry.best for entry in entries if not entry.best.is_doubtful])]

    def _of_trends(self) -> Iterable[str]:
        if any(0 < trend.papers < ENOUGH_PAPERS for timeline in self.found for trend in timeline.trends):
            yield f"So few papers cannot tell growth: a claim needs {ENOUGH_PAPERS} or more."
        if any(timeline.figure is Figure.GROSS for timeline in self.found):
            yield "Gross joules decide, idle power included: net ones are within their noise, or --of asked."
        silent = {e.model for timeline in self.found for e in timeline.entries if e.top1_percent is None}
        if silent:
            hint = "; --accuracy default has more" if self.accuracy is Accuracy.V1 else ""
            yield f"No such accuracy is published, so in no trend: {', '.join(sorted(silent))}{hint}."

    def records(self) -> list[dict[str, Scalar]]:
        """A row a network and machine, for csv and parquet."""
        return [self._record(timeline, entry) for timeline in self.found for entry in timeline.entries]

    def record(self) -> dict[str, Any]:
        """For json, which has growth and words besides."""
        return {
            "sweep": self.selected.sweep.id,
            "accuracy": self.accuracy.value,
            "timelines": [
                {
                    **self.selected.shared,
                    **dict(timeline.place),
                    "energy": timeline.figure.value,
                    "conclusions": conclusions(timeline),
                    "trends": [_trend_record(trend) for trend in timeline.trends],
                    "front": [entry.model for entry in timeline.front],
                    "networks": [self._record(timeline, entry) for entry in timeline.entries],
                    "left_out": list(timeline.lost),
                }
                for timeline in self.found
            ],
            "notes": self._footnotes(),
        }

    def _record(self, timeline: Timeline, entry: Entry) -> dict[str, Scalar]:
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
            **self.selected.shared,
            **result,
            **dict(timeline.place),
            **known,
            "published_top1_percent": entry.top1_percent,
            "batch_sizes": ";".join(map(str, entry.sizes)),
            "energy": timeline.figure.value,
            "on_front": entry in timeline.front,
            "front_is_clear": timeline.is_clear(entry) if entry in timeline.front else None,
        }


def view(data: SweepData, selection: Selection, accuracy: Accuracy, figure: Figure | None) -> Timelines:
    """Filter and group by batch size; raises InputError where there is no network to show."""
    sweep = data.record
    if not kinds.get(sweep.kind).times_batches:
        raise InputError(f"{sweep.name}: of kind {sweep.kind}: only sweeps of kind inference have an energy per image")
    selected = select(sweep, unit_samples(data), selection, COLUMNS)
    every = summarise(selected.samples, selected.keys, selection.include_flagged)
    if not every:
        raise InputError(selected.nothing().replace("\n", ": "))
    counted = [s for s in every if selection.include_flagged or not s.is_doubtful]
    if not counted:
        raise InputError(f"{sweep.name}: every trial is flagged: --include-flagged takes them all the same")
    lines = timelines(counted, accuracy, figure)
    if not any(line.entries for line in lines):
        raise InputError(f"{sweep.name}: no energy per image is known to be more than its noise: see `farm results`")
    left_out = [str(s.labels["model"]) for s in every if s not in counted]
    return Timelines(selected, accuracy, [line for line in lines if line.entries], left_out)


def parse_accuracy(name: str) -> Accuracy:
    """From the command line; raises InputError."""
    if name not in set(Accuracy):
        raise InputError(f"--accuracy: expected {' or '.join(Accuracy)}, got {name!r}")
    return Accuracy(name)


def parse_figure(name: str | None) -> Figure | None:
    """From the command line; raises InputError."""
    if name not in {None, Figure.NET, Figure.GROSS}:
        raise InputError(f"--of: expected net or gross, got {name!r}")
    return Figure(name) if name else None


def conclusions(timeline: Timeline) -> list[str]:
    """Effect first: how energy and accuracy grow, which grows faster, and who is on the front."""
    trends = {trend.of: trend for trend in timeline.trends}
    modelled = " (modelled)" if ("quality", Quality.MODELLED) in timeline.place else ""
    found = []
    if trends:
        what = f"{timeline.figure} energy per image{modelled}"
        found.append(f"{_said(trends['energy'], what)}; {_said(trends['accuracy'], 'top-1 accuracy')}.")
        steeper = {
            "rises": "energy outgrows accuracy",
            "falls": "accuracy outgrows energy",
            "unclear": "cannot tell which outgrows the other",
        }
        per = trends["energy_per_accuracy"]
        found.append(
            f"Joules per point of accuracy: {_change(per)} a year (95 %: {_range(per)}): {steeper[per.verdict]}."
        )
    if timeline.front:
        names = ", ".join(f"{entry.model} ({number(entry.top1_percent)}%)" for entry in timeline.front)
        found.append(f"Most accurate for their energy, the least energy first: {names}.")
    return found


def _said(trend: Trend, what: str) -> str:
    verdict = f"{what} {trend.verdict}" if trend.verdict != "unclear" else f"cannot tell whether {what} rises or falls"
    return f"{_change(trend)} a year (95 %: {_range(trend)}): {verdict}"


def _change(trend: Trend) -> str:
    return _signed(trend.growth.mean)


def _range(trend: Trend) -> str:
    low, high = trend.growth.low, trend.growth.high
    return f"{_signed(low)} to {_signed(high)}"


def _signed(share: float | None) -> str:
    if share is None:
        return UNKNOWN
    return f"{'+' if share > 0 else ''}{number(share * 100, 2)}%"


def _growth_title(timeline: Timeline) -> str:
    if not timeline.trends:
        return f"Growth: cannot tell, it needs {LEAST_PAPERS} papers of two years at least."
    trend = timeline.trends[0]
    rests = f"{several(trend.networks, 'network')} of {several(trend.papers, 'paper')}"
    return f"Growth a year of publication, {trend.years[0]} to {trend.years[1]}: {rests}, each paper counted once"


def _growth(timeline: Timeline) -> Table:
    words = {
        "energy": f"{timeline.figure} J/image, best batch",
        "accuracy": "top-1",
        "energy_per_accuracy": "J/image per point of top-1",
        "gflops": "GFLOPs/image",
    }
    rows = [[words[t.of], _change(t), _range(t), _VERDICTS[t.verdict]] for t in timeline.trends]
    return listed(("figure", "a year", "95%", "verdict"), rows)


def _networks(timeline: Timeline) -> Table:
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in _HEADINGS:
        is_name = heading.strip() in {"year", "", "network"}
        out.add_column(heading, justify="left" if is_name else "right", no_wrap=not is_name, overflow="fold")
    for entry in timeline.entries:
        out.add_row(*_cells(timeline, entry))
    out.add_row()
    return out


def _cells(timeline: Timeline, entry: Entry) -> Iterable[str]:
    mark = ("*" if timeline.is_clear(entry) else "~") if entry in timeline.front else ""
    published, best = entry.published, entry.best
    return (
        label(published.year if published else None),
        mark,
        entry.model,
        number(entry.top1_percent),
        number(published.gflops if published else None),
        label(best.labels["batch_size"]),
        number(best.gross_j.mean if best.gross_j else None),
        f"{net(best.net_j)}{'!' if best.is_doubtful else ''}",
    )


def _trend_record(trend: Trend) -> dict[str, Scalar]:
    return {
        "of": trend.of,
        **ends("growth_per_year", trend.growth),
        "verdict": trend.verdict,
        "networks": trend.networks,
        "papers": trend.papers,
        "first_year": trend.years[0],
        "last_year": trend.years[1],
    }
