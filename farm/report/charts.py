"""What charts of any kind of sweep share: which joules stand in one chart, and how many charts there are."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from farm.analysis.aggregate import Sample, Summary
from farm.report.document import Figure
from farm.report.drawing import Value, parted
from farm.report.layout import named
from farm.report.selection import KINDS_OF_JOULES, Selected, obtained

#: Charts of one sort, and rows of a chart; what does not fit is in the tables.
MOST_CHARTS, MOST_ROWS = 4, 40

Kind = tuple[str, str, str]


def by_kind(summaries: Iterable[Summary], selected: Selected) -> dict[Kind, list[Summary]]:
    """Summaries whose joules may stand in one chart: by domain, unit of work, and how they were obtained."""
    groups: dict[Kind, list[Summary]] = defaultdict(list)
    for summary in summaries:
        domain = str(summary.labels.get("domain") or " and ".join(selected.domains))
        unit = str(summary.labels.get("unit") or selected.unit)
        groups[domain, unit, origin(summary)].append(summary)
    return groups


def origin(summary: Summary | Sample) -> str:
    """How its joules were obtained, and whether they are real and ours."""
    words = [obtained(summary.quality, summary.imported)]
    words += ["SIMULATED hardware"] if summary.simulated else []
    words += ["IMPORTED"] if summary.imported else []
    return "; ".join(words)


def label(summary: Summary, but: Sequence[str] = ()) -> str:
    """Its key, without what the chart says anyway."""
    apart = {*but, *KINDS_OF_JOULES}
    return named({name: value for name, value in summary.key if name not in apart}) or "all"


def split(values: Sequence[Value], draw: Callable[[list[Value]], Figure]) -> list[Figure]:
    """Draw one chart, or several where there are more series than colours."""
    parts = parted(values)
    drawn = [draw(part) for part in parts[:MOST_CHARTS]]
    if len(parts) < 2:
        return drawn
    more = "" if len(parts) == len(drawn) else " The rest is in the table."
    return [
        replace(figure, name=f"{figure.name} ({place} of {len(drawn)})", caption=f"{figure.caption}{more}")
        for place, figure in enumerate(drawn, start=1)
    ]
