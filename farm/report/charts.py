"""Rules for the charts of every view: a chart shows one kind of joules, and has no more lines than colours."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from farm.analysis.aggregate import Summary, UnitSample
from farm.analysis.intervals import Interval
from farm.analysis.rules import overlap
from farm.model import Scalar
from farm.report import notes
from farm.report.document import KEY_HEADINGS, Bar, Bars, Figure
from farm.report.document import Value as Content
from farm.report.drawing import Value, dots, has_arrows, parted, within
from farm.report.layout import named
from farm.report.numbers import several
from farm.report.selection import KINDS_OF_JOULES, Selected, obtained

#: Domain, unit of work, and how the joules were obtained.
Kind = tuple[str, str, str]
#: Limits on charts of one sort, and on rows of a chart; tables show the rest.
_MOST_CHARTS, _MOST_ROWS = 4, 40


def by_kind(summaries: Iterable[Summary], selected: Selected) -> dict[Kind, list[Summary]]:
    """Return summaries by domain, unit of work, and origin of the joules: one chart may show those of one group."""
    groups: dict[Kind, list[Summary]] = defaultdict(list)
    domains, unit = " and ".join(selected.domains), selected.unit  # which looks at every sample
    for summary in summaries:
        labels = summary.labels
        kind = str(labels.get("domain") or domains), str(labels.get("unit") or unit), origin(summary)
        groups[kind].append(summary)
    return groups


def origin(summary: Summary | UnitSample) -> str:
    """Return how joules were obtained, and whether they are simulated or imported."""
    words = [obtained(summary.quality, summary.imported)]
    words += ["SIMULATED hardware"] if summary.simulated else []
    words += ["IMPORTED"] if summary.imported else []
    return "; ".join(words)


def label(summary: Summary, but: Collection[str] = ()) -> str:
    """Return the key of a summary, without the labels in `but` and those that the chart shows."""
    apart = {*but, *KINDS_OF_JOULES}
    return named({name: value for name, value in summary.key if name not in apart}) or "all"


def shared(labels: Sequence[Mapping[str, Scalar]]) -> dict[str, Scalar]:
    """Return what several keys have in common: a caption states it once, for all."""
    if len(labels) < 2:
        return {}
    first, *others = labels
    kept = ((name, value) for name, value in first.items() if name not in KINDS_OF_JOULES)
    return {name: value for name, value in kept if all(other.get(name) == value for other in others)}


def stated(labels: Mapping[str, Scalar]) -> str:
    """Return a sentence with labels that all values of a chart share; empty without labels."""
    known = {KEY_HEADINGS.get(name, name): value for name, value in labels.items() if value is not None}
    return f"All: {named(known)}." if known else ""


def in_parts(values: Sequence[Value], draw: Callable[[list[Value]], Figure]) -> list[Figure]:
    """Draw one chart, or several if there are more series than colours."""
    parts = parted(values)
    drawn = [draw(part) for part in parts[:_MOST_CHARTS]]
    if len(parts) < 2:
        return drawn
    more = "" if len(parts) == len(drawn) else " The rest is in the table."
    return [
        replace(figure, name=f"{figure.name} ({place} of {len(drawn)})", caption=f"{figure.caption}{more}")
        for place, figure in enumerate(drawn, start=1)
    ]


def in_rows(values: Sequence[Value], name: str, caption: str, title: str, how: str = "") -> list[Figure]:
    """Draw a row for each configuration.

    Args:
        values: Mappings with `row`, `value`, `low`, `high`, `series` and `hollow`.
        name: The name of the figure.
        caption: What is seen.
        title: The title of the axis.
        how: How joules were obtained; empty if there are none.
    """
    shown = within(values[:_MOST_ROWS], "value")
    more = f"The first {len(shown)} of {several(len(values), 'row')}." if len(shown) < len(values) else ""
    return [Figure(name, sentences(caption, signs(shown, how), more), dots(shown, title))] if shown else []


def bar(summary: Summary, value: Content, **more: Scalar) -> Bar:
    """Return a value of a summary as a bar, under the labels of its key that differ, and `more`."""
    labels = {name: own for name, own in summary.key if name not in KINDS_OF_JOULES}
    return Bar(labels | more, value, summary.is_doubtful)


def with_bars(figures: Sequence[Figure], bars: Bars) -> list[Figure]:
    """Return figures, the first of which a terminal shows as these bars."""
    return [replace(figure, bars=bars if place == 0 else None) for place, figure in enumerate(figures)]


def signs(values: Sequence[Value], how: str = "") -> str:
    """Return what the signs of a chart mean, and how its joules were obtained."""
    return sentences(
        "Mean and 95 % interval over trials." if any(value.get("low") is not None for value in values) else "",
        "Hollow: every trial is flagged." if any(value.get("hollow") for value in values) else "",
        "Arrow: the interval goes on outside the chart." if has_arrows(values) else "",
        f"Joules: {how}." if how else "",
    )


def sentences(*texts: str) -> str:
    """Return sentences as one text; empty ones are left out."""
    return " ".join(text for text in texts if text)


def leader(found: Sequence[tuple[str, Interval]], verb: str, write: Callable[[Interval], str], sign: int = 1) -> str:
    """Return which of several has the least value, and whether intervals tell it apart; empty if there are not two.

    Args:
        found: names and values.
        verb: what the name does: "needs the least energy".
        write: how a value is written.
        sign: -1: the greatest value leads.
    """
    if len(found) < 2:
        return ""
    (name, own), *others = sorted(found, key=lambda one: sign * one[1].mean)
    known = [(other, overlap(own, value)) for other, value in others]
    alike = [other for other, is_alike in known if is_alike is not False]
    if not alike:
        return f"{name} {verb}, {write(own)}; no other interval overlaps."
    if any(is_alike is None for _, is_alike in known):
        return f"{name} {verb}, {write(own)}, but cannot tell yet: {notes.UNSURE[None]}."
    which = f"that of {alike[0]}" if len(alike) == 1 else f"those of {len(alike)} others"
    return f"{name} {verb}, {write(own)}, but its interval overlaps {which}: {notes.UNSURE[False]}."
