"""Rules for the charts of every view: a chart shows one kind of joules, and has no more lines than colours."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from farm.analysis.aggregate import Summary, UnitSample
from farm.report.document import Figure
from farm.report.drawing import Value, dots, parted
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


def label(summary: Summary, but: Sequence[str] = ()) -> str:
    """Return the key of a summary, without the labels in `but` and those that the chart shows."""
    apart = {*but, *KINDS_OF_JOULES}
    return named({name: value for name, value in summary.key if name not in apart}) or "all"


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


def in_rows(values: Sequence[Value], name: str, caption: str, title: str) -> list[Figure]:
    """Draw a row for each configuration.

    Args:
        values: Mappings with `row`, `value`, `low`, `high`, `series` and `hollow`.
        name: The name of the figure.
        caption: The caption of the figure.
        title: The title of the axis.
    """
    shown = values[:_MOST_ROWS]
    more = f" The first {len(shown)} of {several(len(values), 'row')}." if len(shown) < len(values) else ""
    return [Figure(name, f"{caption}{more}", dots(shown, title))] if shown else []
