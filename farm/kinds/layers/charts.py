"""Charts of kind layers: the share of each type of layer in the energy, or in the time where joules decide nothing."""

from collections.abc import Sequence
from functools import partial

from farm.analysis.rules import may_rank_energy
from farm.kinds.layers.costs import LayersSummary
from farm.report import drawing
from farm.report.charts import by_kind, in_parts, label, sentences, shared, stated, with_bars
from farm.report.document import Bar, Bars, Column, Figure, Form
from farm.report.drawing import Value
from farm.report.numbers import percent
from farm.report.selection import Selected

#: Largest number of networks of which a caption says what is seen.
_MOST_SENTENCES = 3
_ALONE = "Shares of the sum of all layers, each measured alone, forward and backward."


def charts(summaries: Sequence[LayersSummary], selected: Selected) -> list[Figure]:
    """Draw the share of each type of layer, network by network, for each kind of joules."""
    found = []
    for (domain, _, how), group in by_kind([s.whole for s in summaries], selected).items():
        own = [s for s in summaries if any(s.whole is whole for whole in group)]
        is_ranked = all(may_rank_energy(s.whole.quality) and s.costs.ranked for s in own)
        subject = f"{domain} energy" if is_ranked else "time"
        shares = [(s, _shares(s, is_ranked)) for s in own]
        each = [(s.whole, type_, share) for s, known in shares for type_, share in known]
        same = shared([s.whole.labels for s in own])
        values: list[Value] = [{"series": label(s, same), "row": type_, "value": share} for s, type_, share in each]
        largest = [
            f"{label(s.whole, same)}: {known[0][0]} takes {percent(known[0][1])} of the {subject}."
            for s, known in shares[:_MOST_SENTENCES]
            if known
        ]
        caption = sentences(*largest, stated(same), _ALONE, f"Joules: {how}." if is_ranked else "")
        name = f"Shares of {domain.upper()} energy by type of layer" if is_ranked else "Shares of time by type of layer"
        drawn = in_parts(values, partial(_drawn, name, caption, f"share of the {subject}"))
        column = Column("share", f"share of the {subject} by type of layer", Form.PERCENT)
        bars = [Bar({"model": label(s), "type": t}, share, s.is_doubtful) for s, t, share in each]
        found += with_bars(drawn, Bars(column, bars))
    return found


def _shares(summary: LayersSummary, is_energy: bool) -> list[tuple[str, float]]:
    """Return the known share of each type, the largest first."""
    costs = summary.costs
    if is_energy:
        return [(cost.type, cost.share) for cost in costs.ranked if cost.share is not None]
    known = [(cost.type, cost.duration_s) for cost in costs.types if cost.duration_s]
    whole = sum(duration_s for _, duration_s in known)
    return sorted(((type_, duration_s / whole) for type_, duration_s in known), key=lambda one: -one[1])


def _drawn(what: str, caption: str, title: str, values: Sequence[Value]) -> Figure:
    return Figure(what, caption, drawing.bars(values, title))
