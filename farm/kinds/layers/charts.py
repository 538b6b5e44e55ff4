"""Charts of kind layers: the share of each type of layer in the energy."""

from collections.abc import Sequence
from functools import partial

from farm.kinds.layers.costs import LayersSummary
from farm.report.charts import by_kind, in_parts, label
from farm.report.document import Figure
from farm.report.drawing import Value, bars
from farm.report.selection import Selected


def charts(summaries: Sequence[LayersSummary], selected: Selected) -> list[Figure]:
    """Draw the share of each type of layer, network by network, for each kind of joules."""
    found = []
    for (domain, _, how), group in by_kind([s.whole for s in summaries], selected).items():
        values: list[Value] = [
            {"series": label(s.whole), "row": cost.type, "value": cost.share}
            for s in summaries
            if any(s.whole is whole for whole in group)
            for cost in s.costs.ranked
        ]
        caption = f"Shares of the sum of all layers, each measured alone, forward and backward. Joules: {how}."
        what = f"Shares of {domain.upper()} energy by type of layer"
        found += in_parts(values, partial(_shares, what, caption))
    return found


def _shares(what: str, caption: str, values: Sequence[Value]) -> Figure:
    return Figure(what, caption, bars(values, "share of the energy"))
