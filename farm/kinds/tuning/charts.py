"""Charts of searches: how accuracy grows with the joules spent, what each configuration costs, and what matters."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from math import inf, isfinite
from statistics import median

from farm.analysis import intervals
from farm.kinds.tuning.searches import Configuration, Step, Study, front
from farm.kinds.tuning.workloads import Workload
from farm.report.charts import in_parts, sentences, with_bars
from farm.report.document import Bar, Bars, Column, Figure, Form, Table
from farm.report.drawing import Spec, Value, bars, chart, curves, points, quantity, series
from farm.report.layout import named
from farm.report.numbers import UNKNOWN, number, percent


def charts(workloads: Sequence[Workload], how: str, is_net: bool, is_ranked: bool) -> list[Figure]:
    """Draw the best accuracy so far against the joules spent, and accuracy against joules of each configuration.

    Args:
        workloads: the results of the sweep; studies with unknown joules are left out.
        how: how the joules were obtained.
        is_net: True if the joules are net.
        is_ranked: True if joules may decide what is better.
    """
    word = "net" if is_net else "gross"
    found = []
    for workload in workloads:
        where = f", {named(dict(workload.key))}" if workload.key else ""
        so_far = in_parts(
            _so_far(workload), partial(_growing, word, where, sentences(_seen(workload), f"Joules: {how}."))
        )
        found += with_bars(so_far, _until(workload, word, is_ranked))
        unbeaten = front(workload.studies) if is_ranked else []
        tried = [_tried(*one) for one in workload.configurations if None not in (one[1].energy_j, one[1].accuracy)]
        found += in_parts(tried, partial(_scattered, word, where, how, [_tried(*pair) for pair in unbeaten]))
    return found


def importance(matters: Table) -> list[Figure]:
    """Draw the share of the variance of accuracy and joules that each hyperparameter explains."""
    values: list[Value] = [
        {"series": series, "row": str(row.values["hyperparameter"]), "value": row.values[name]}
        for row in matters.rows
        for name, series in (("accuracy", "accuracy"), ("j", "joules"))
        if row.values[name] is not None
    ]
    if not values:
        return []
    most = max(values, key=lambda value: float(value["value"]))
    caption = (
        f"{most['row']} explains most: {percent(most['value'])} of the variance of {most['series']}. Each "
        "hyperparameter alone (fANOVA); what only several explain together is in no bar."
    )
    return [Figure("Importance of hyperparameters", caption, bars(values, "share of the variance"))]


def _until(workload: Workload, word: str, is_ranked: bool) -> Bars:
    """Return what each strategy took until the target of the comparison; its best accuracy if none gets there."""
    key = dict(workload.key)
    found: list[Bar] = []
    for comparison in workload.comparisons:
        steps = [pair.own for pair in comparison.pairs]
        spent = [inf if step is None else step.joules if is_ranked else step.trials for step in steps]
        middle = intervals.median(spent)
        is_known = isfinite(middle.value) and (middle.high is None or isfinite(middle.high))
        found.append(Bar(key | {"strategy": comparison.strategy}, middle if is_known else _finite(middle.value)))
    if all(bar.middle is None for bar in found):
        best = [Bar(key | {"strategy": s.strategy}, s.best_accuracy) for s in workload.strategies]
        return Bars(Column("best_accuracy", "best accuracy, %", Form.MEAN, 100), best)
    what = f"{word} J" if is_ranked else "trials"
    return Bars(Column("until", f"{what} until the target, median over seeds ({UNKNOWN} never)", Form.MEAN), found)


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _by_strategy(workload: Workload) -> dict[str, list[Sequence[Step]]]:
    """Return the steps of each metered study, from its first known accuracy on."""
    found: dict[str, list[Sequence[Step]]] = defaultdict(list)
    for study in workload.studies:
        steps = [step for step in study.curve() if step.accuracy is not None]
        if study.is_metered and steps:
            found[study.strategy].append(steps)
    return found


def _so_far(workload: Workload) -> list[Value]:
    """Return the median over seeds of the best accuracy so far, and that of the worst and the best seed."""
    return [
        {
            "series": strategy,
            "j": joules,
            "accuracy": median(best),
            "low": min(best),
            "high": max(best),
        }
        for strategy, studies in _by_strategy(workload).items()
        for joules in _grid(studies)
        if (best := [_at(steps, joules) for steps in studies])
    ]


def _grid(studies: Sequence[Sequence[Step]]) -> list[float]:
    """Return the joules at which a study took a step, from where all have one."""
    first = max(steps[0].joules for steps in studies)
    return sorted({step.joules for steps in studies for step in steps if step.joules >= first})


def _at(steps: Sequence[Step], joules: float) -> float:
    """Return the best accuracy, in percent, that a study had when it had spent so many joules."""
    return 100 * (steps[bisect_right(steps, joules, key=lambda step: step.joules) - 1].accuracy or 0.0)


def _seen(workload: Workload) -> str:
    """Return the strategy whose searches end with the best accuracy, and whether those of others are as good."""
    ends = {name: [_at(steps, inf) for steps in own] for name, own in _by_strategy(workload).items()}
    if len(ends) < 2:
        return ""
    best, *others = sorted(ends, key=lambda name: -median(ends[name]))
    alike = [name for name in others if max(ends[name]) >= min(ends[best])]
    doubt = f", but seeds of {' and '.join(alike)} are as good as its worst" if alike else ""
    return f"{best} ends highest, at {number(median(ends[best]))} %{doubt}."


def _growing(word: str, where: str, caption: str, values: Sequence[Value]) -> Figure:
    x, of = quantity("j", f"{word} J spent by the study", [{"j": value["j"]} for value in values]), series(values)
    y = quantity("accuracy", "best accuracy so far, %")
    band: Spec = {
        "mark": {"type": "area", "opacity": 0.15, "interpolate": "step-after"},
        "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": of["color"]},
    }
    line = curves(x, y, of, interpolate="step-after", strokeWidth=2)
    last = {"data": {"values": list({value["series"]: value for value in values}.values())}} | points(x, y, of)
    what = "Line: median over seeds; band: from the worst to the best seed. A search that has ended keeps its best."
    return Figure(f"Best accuracy so far{where}", sentences(caption, what), chart(values, [band, line, last]))


def _tried(study: Study, configuration: Configuration) -> Value:
    return {
        "series": study.strategy,
        "j": configuration.energy_j,
        "accuracy": 100 * (configuration.accuracy or 0.0),
    }


def _scattered(word: str, where: str, how: str, unbeaten: Sequence[Value], values: Sequence[Value]) -> Figure:
    x = quantity("j", f"{word} J of a training", values)
    y, of = quantity("accuracy", "accuracy, %"), series(values)
    line: Spec = {
        "data": {"values": list(unbeaten)},
        "mark": {"type": "line", "interpolate": "step-after", "strokeDash": [4, 3], "color": "currentColor"},
        "encoding": {"x": x, "y": y},
    }
    dots = points(x, y, of)
    dots["mark"] |= {"size": 30, "opacity": 0.8}
    seen = ""
    if unbeaten:
        low, high = unbeaten[0], unbeaten[-1]
        seen = (
            f"The Pareto front (dashed) goes from {number(low['accuracy'])} % for {number(low['j'])} J to "
            f"{number(high['accuracy'])} % for {number(high['j'])} J: nothing that was tried is better in both."
        )
    caption = sentences(seen, "Each point is a configuration.", f"Joules: {how}.")
    return Figure(f"Accuracy against joules{where}", caption, chart(values, [*([line] if unbeaten else []), dots]))
