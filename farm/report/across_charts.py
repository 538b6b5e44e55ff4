"""The charts of `farm across`."""

from collections import defaultdict
from collections.abc import Sequence

from farm.analysis.across import Cell, Comparison
from farm.analysis.across import Figure as Compared
from farm.analysis.aggregate import Key
from farm.report.charts import in_rows, origin
from farm.report.document import Figure
from farm.report.drawing import ends
from farm.report.layout import named


def figures(comparison: Comparison) -> list[Figure]:
    """Return a chart of every configuration on every machine, for each kind of joules."""
    groups: dict[Key, list[Cell]] = defaultdict(list)
    for cell in comparison.cells:
        groups[cell.kind].append(cell)
    return [figure for kind, cells in groups.items() for figure in _figure(kind, cells, comparison.figure)]


def _figure(kind: Key, cells: Sequence[Cell], figure: Compared) -> list[Figure]:
    levels = {name: {dict(cell.configuration).get(name) for cell in cells} for name, _ in cells[0].configuration}
    word = "net" if figure is Compared.NET else "gross"
    values = []
    for cell in cells:
        summary = cell.group.summary
        joules = summary.net_j if figure is Compared.NET else summary.gross_j
        own = {name: value for name, value in cell.configuration if len(levels[name]) > 1}
        if joules is not None and joules.mean > 0:
            row = {"row": named(own) or "all", "series": str(dict(cell.machine)["machine"]), "value": joules.mean}
            values.append(row | {"hollow": summary.is_doubtful} | ends(joules))
    about = dict(kind)
    name = f"{str(about.get('domain')).upper()} energy by machine"
    title = f"{word} J per {about.get('unit') or 'unit'}"
    return in_rows(values, name, "", title, origin(cells[0].group.summary))
