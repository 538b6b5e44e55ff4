"""What the charts of every view share: no two kinds of joules stand in one, and none has more lines than colours."""

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
#: Charts of one sort, and rows of a chart; what does not fit in them is in the tables.
_MOST_CHARTS, _MOST_ROWS = 4, 40


def by_kind(summaries: Iterable[Summary], selected: Selected) -> dict[Kind, list[Summary]]:
    """Summaries whose joules may stand in one chart: by domain, unit of work, and how they were obtained."""
    groups: dict[Kind, list[Summary]] = defaultdict(list)
    domains, unit = " and ".join(selected.domains), selected.unit  # which looks at every sample
    for summary in summaries:
        labels = summary.labels
        kind = str(labels.get("domain") or domains), str(labels.get("unit") or unit), origin(summary)
        groups[kind].append(summary)
    return groups


def origin(summary: Summary | UnitSample) -> str:
    """How its joules were obtained, and whether they are real and were measured by this farm."""
    words = [obtained(summary.quality, summary.imported)]
    words += ["SIMULATED hardware"] if summary.simulated else []
    words += ["IMPORTED"] if summary.imported else []
    return "; ".join(words)


def label(summary: Summary, but: Sequence[str] = ()) -> str:
    """Its key, without what the chart says anyway."""
    apart = {*but, *KINDS_OF_JOULES}
    return named({name: value for name, value in summary.key if name not in apart}) or "all"


def in_parts(values: Sequence[Value], draw: Callable[[list[Value]], Figure]) -> list[Figure]:
    """One chart, or several where there are more series than colours."""
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
    """A row for each configuration, where there is nothing to draw them against.

    Args:
        values: `row`, `value`, `low`, `high`, `series` and `hollow` of each.
        name: The name of the figure.
        caption: What explains it.
        title: The title of its axis.
    """
    shown = values[:_MOST_ROWS]
    more = f" The first {len(shown)} of {several(len(values), 'row')}." if len(shown) < len(values) else ""
    return [Figure(name, f"{caption}{more}", dots(shown, title))] if shown else []
