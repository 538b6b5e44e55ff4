"""What a sweep of layers shows in few sentences: the type that takes most, the passes, and how layers add up."""

from collections import Counter
from collections.abc import Sequence

from farm.kinds.layers.costs import CLOSURE, Closure, LayersSummary
from farm.kinds.layers.results import Results, sentence
from farm.report import summaries
from farm.report.charts import label
from farm.report.numbers import interval, number, percent


def findings(found: Results) -> list[str]:
    """Return for one network its largest type, its passes and its closure; for several, what they have in common."""
    sound = [summary for summary in found.summaries if not summary.whole.is_doubtful]
    if len(sound) == 1:
        return [sentence(sound[0]), *_passes(sound[0]), *_closure(sound)]
    return [*_largest(sound), *_closure(sound)]


def _largest(of: Sequence[LayersSummary]) -> list[str]:
    """Return how often each type takes most of the energy of a network."""
    first = [(summary, summary.costs.ranked[0]) for summary in of if summary.costs.ranked]
    found = []
    for type_, count in Counter(cost.type for _, cost in first).most_common(2):
        shares = sorted(cost.share or 0.0 for _, cost in first if cost.type == type_)
        where = [label(summary.whole) for summary, cost in first if cost.type == type_]
        span = " to ".join(dict.fromkeys((percent(shares[0]), percent(shares[-1]))))
        who = f"{count} of {len(of)} networks" if count > 1 else where[0]
        found.append(f"{type_} takes most in {who}: {span} of the energy of all layers{summaries.doubts(of[0].whole)}.")
    return found


def _passes(summary: LayersSummary) -> list[str]:
    """Return how much more energy the layers take backward than forward."""
    known = {closure.pass_: closure.layers_j for closure in summary.costs.closures if closure.layers_j is not None}
    forward, backward = known.get("forward"), known.get("backward")
    if forward is None or backward is None or forward.mean <= 0:
        return []
    doubt = summaries.doubts(summary.whole)
    times = number(backward.mean / forward.mean, 2)
    return [f"The layers take {times} times as many joules backward as forward{doubt}."]


def _closure(of: Sequence[LayersSummary]) -> list[str]:
    """Return whether the layers, measured alone, add up to the whole network."""
    whole = [(s, s.costs.closures[-1]) for s in of if s.costs.closures and s.costs.closures[-1].ratio is not None]
    if not whole:
        return []
    bounds = f"{CLOSURE[0]:g} to {CLOSURE[1]:g}"
    if len(whole) == 1:
        ((_, closure),) = whole
        return [
            f"Measured alone, the layers add up to {interval(closure.ratio)} of the whole network{_verdict(closure)}"
        ]
    closed = sum(bool(closure.is_closed) for _, closure in whole)
    return [
        f"Measured alone, the layers add up to {bounds} of the whole in {closed} of "
        f"{len(whole)} networks; the shares of the others are doubtful."
    ]


def _verdict(closure: Closure) -> str:
    """Return the end of a sentence on whether the layers explain the whole, which a wide interval leaves open."""
    low, high = (closure.ratio.low, closure.ratio.high) if closure.ratio else (None, None)
    if not closure.is_closed:
        return f", outside {CLOSURE[0]:g} to {CLOSURE[1]:g}: they do not explain it."
    if low is None or high is None or low < CLOSURE[0] or high > CLOSURE[1]:
        return ": too uncertain to say that they explain it. Add repetitions."
    return ": they explain it."
