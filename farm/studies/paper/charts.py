"""The charts of each kind of sweep; no two kinds of joules ever share one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from farm.analysis.aggregate import P99_NEEDS, Summary
from farm.analysis.intervals import Interval
from farm.kinds.layers import results as layers
from farm.kinds.serving import results as live
from farm.kinds.serving.loads import in_ms
from farm.kinds.serving.simulated import Live
from farm.kinds.serving.times import needed
from farm.kinds.training import results as training
from farm.kinds.tuning import results as tuning
from farm.kinds.views import Results, View
from farm.model import TrialRow
from farm.report.charts import by_kind, in_parts, in_rows, label, origin
from farm.report.document import Figure
from farm.report.drawing import (
    WIDE,
    Spec,
    Value,
    bars,
    batches,
    chart,
    curves,
    ends,
    points,
    quantity,
    series,
    spans,
)
from farm.report.grids import named
from farm.report.selection import KINDS_OF_JOULES, Selected

#: Trainings whose lines a chart shows.
_MOST_LINES = 100
#: More epochs than this share ticks.
_TICKS = 12


def figures(view: View, trials: Mapping[str, TrialRow]) -> list[Figure]:
    """Of a sweep of any kind; `trials` by their ids."""
    match view:
        case Results():
            return of_inference(view.summaries, view.selected)
        case live.Results():
            return of_serving(view)
        case training.Results():
            return of_training(view, trials)
        case tuning.Results():
            return of_tuning(view)
        case layers.Results():
            return of_layers(view)
        case _:
            return []


def of_inference(summaries: Sequence[Summary], selected: Selected) -> list[Figure]:
    """Energy, latency and throughput against batch size, for each kind of joules."""
    found: list[Figure] = []
    for (domain, unit, how), group in by_kind(summaries, selected).items():
        energies, word = _energies(group)
        title, caption = f"{word} J per {unit}", _caption(word, how)
        if len({value["batch"] for value in energies}) < 2:
            rows = [value | {"row": value["series"], "value": value["j"], "series": ""} for value in energies]
            found += in_rows(rows, f"{domain.upper()} energy per {unit}", caption, title)
            continue
        sized = [value for value in energies if value["batch"]]
        what = f"{domain.upper()} energy per {unit} against batch size"
        found += in_parts(sized, partial(_energy, title, what, caption))
        found += in_parts([value for s in group for value in _latencies(s)], _latency)
        trade = [value for value in sized if value["rate"]]
        found += in_parts(trade, partial(_trade, unit, title, f"Hollow: every trial is flagged. Joules: {how}."))
    return found


def _caption(word: str, how: str) -> str:
    gross = "" if word == "net" else " Gross, since some net energy is within its uncertainty, or unknown."
    return f"Mean and 95 % interval over trials.{gross} Hollow: every trial is flagged. Joules: {how}."


def _energies(summaries: Sequence[Summary]) -> tuple[list[Value], str]:
    """Net where every one stands out of its uncertainty, else gross, of all that are known."""
    is_net = all(s.net_j and s.net_j.mean > 0 and (s.net_j.low is None or s.net_j.low > 0) for s in summaries)
    found = [(s, s.net_j if is_net else s.gross_j) for s in summaries]
    values = [
        {"series": label(s, ["batch_size"]), "batch": _batch(s), "j": joules.mean, "rate": s.units_per_s}
        | {"hollow": s.is_doubtful}
        | ends(joules)
        for s, joules in found
        if joules is not None and joules.mean > 0
    ]
    return values, "net" if is_net else "gross"


def _energy(title: str, what: str, caption: str, values: Sequence[Value]) -> Figure:
    x, of = batches(values), series(values)
    reach = [end for value in values for end in (value["low"], value["high"])]
    y = quantity("j", title, reach)
    span = spans("y", x, of)
    span["encoding"]["y"] = y | {"field": "low"}
    return Figure(
        what,
        caption,
        chart(values, [span, curves(x, y, of), points(x, y, of)]),
    )


def _latencies(summary: Summary) -> list[Value]:
    is_few = summary.batches < P99_NEEDS
    each = (("p50", summary.p50_s, False), ("p99", summary.p99_s, is_few))
    plain = {"series": label(summary, ["batch_size"]), "batch": _batch(summary)}
    return [
        plain | {"which": name, "ms": s * 1e3, "hollow": few}
        for name, s, few in each
        if s is not None and plain["batch"]
    ]


def _batch(summary: Summary) -> int | None:
    """Its size, where it has one that can be drawn."""
    size = summary.labels.get("batch_size")
    return size if isinstance(size, int) and size > 0 else None


def _latency(values: Sequence[Value]) -> Figure:
    x, of = batches(values), series(values)
    y = quantity("ms", "ms per batch", (value["ms"] for value in values))
    line = curves(x, y, of)
    dashes = {"domain": ["p50", "p99"], "range": [[1, 0], [5, 3]]}
    line["encoding"]["strokeDash"] = {"field": "which", "type": "nominal", "scale": dashes, "legend": None}
    return Figure(
        "Latency of a batch against batch size",
        f"Median (solid) and 99th percentile (dashed). Hollow: fewer than {P99_NEEDS} batches, too few to claim it.",
        chart(values, [line, points(x, y, of)]),
    )


def _trade(unit: str, title: str, caption: str, values: Sequence[Value]) -> Figure:
    x = quantity("rate", f"{unit}s per second", (value["rate"] for value in values))
    y, of = quantity("j", title, (value["j"] for value in values)), series(values)
    sizes = {"mark": {"type": "text", "dy": -11, "fontSize": 10, "fill": "currentColor"}} | {
        "encoding": {"x": x, "y": y, "text": {"field": "batch"}}
    }
    line = curves(x, y, of, opacity=0.5)
    line["encoding"]["order"] = {"field": "batch"}
    return Figure(
        "Throughput against energy",
        f"Right and below is better. The numbers are batch sizes. {caption}",
        chart(values, [line, points(x, y, of), sizes]),
    )


def of_serving(view: live.Results) -> list[Figure]:
    """Response times and joules a request, for each kind of joules; loads that saturate have no place in them."""
    found = []
    kept = [s for s in view.lives if s.figures.response_s and not s.figures.is_saturated]
    left = " Saturated loads are left out." if len(kept) < len(view.lives) else ""
    for (domain, _, how), group in by_kind([s.work for s in kept], view.selected).items():
        members = [s for s in kept if any(s.work is work for work in group)]
        caption = f"With 95 % interval over trials.{left} Hollow: every trial is flagged"
        for name, word in (("mean", "Mean response time"), ("p99", "99th percentile of the response time")):
            times = [_loaded(s, _drawn_ms(s.figures.response_s[name]), not s.figures.is_claim(name)) for s in members]
            few = f", or fewer than {needed(name)} requests, too few to claim it" if name != "mean" else ""
            found += _under_load(times, word, f"ms, {name}", f"{caption}{few}.")
        joules = {"gross": [s.work.gross_j for s in members], "net": [s.work.net_j for s in members]}
        for word in ("gross", "net") if live.are_net(members) else ("gross",):
            energies = [
                _loaded(s, value)
                for s, value in zip(members, joules[word], strict=True)
                if value is not None and value.mean > 0
            ]
            what = f"{domain.upper()} energy per request, {word}"
            found += _under_load(energies, what, f"{word} J per request", f"{caption}. Joules: {how}.")
    return found


def _drawn_ms(value_s: Interval) -> Interval | None:
    """No time is below 0, whatever few trials let an interval reach."""
    return in_ms(replace(value_s, low=None if value_s.low is None else max(value_s.low, 0.0)))


def _loaded(one: Live, value: Interval | None, is_doubtful: bool = False) -> Value:
    key = live.shown(one)
    rest = {name: own for name, own in key if name not in {"rate", *KINDS_OF_JOULES}}
    row = {"rate": one.rate_per_s, "at": dict(key).get("rate"), "series": named(rest) or "all"}
    row |= {"hollow": is_doubtful or one.work.is_doubtful}
    return row | {"value": None if value is None else value.mean} | ends(value)


def _under_load(values: Sequence[Value], what: str, title: str, caption: str) -> list[Figure]:
    """Against the rate; a row for each where there is one rate alone."""
    drawn = [value for value in values if value["rate"] and value["value"]]
    if len({value["at"] for value in drawn}) > 1:
        return in_parts(drawn, partial(_of_rate, f"{what}, against the rate", title, caption))
    return in_rows([value | {"row": value["series"], "series": ""} for value in drawn], what, caption, title)


def _of_rate(what: str, title: str, caption: str, values: Sequence[Value]) -> Figure:
    ticks = {"values": sorted({value["rate"] for value in values}), "labelOverlap": "greedy", "grid": False}
    scale = {"type": "log", "nice": False, "padding": 12}
    x = quantity("rate", "requests a second", axis=ticks | {"format": "~g"}, scale=scale)
    y = quantity("value", title, (end for value in values for end in (value["low"], value["high"])))
    of = series(values)
    span = spans("y", x, of)
    span["encoding"]["y"] = y | {"field": "low"}
    return Figure(what, caption, chart(values, [span, curves(x, y, of), points(x, y, of)]))


def of_training(view: training.Results, trials: Mapping[str, TrialRow]) -> list[Figure]:
    """What accuracy took in joules, and how it grew."""
    found = []
    kinds = by_kind([s.work for s in view.summaries], view.selected)
    for (domain, _, how), group in kinds.items():
        members = [s for s in view.summaries if any(s.work is work for work in group)]
        values = []
        for s in members:
            joules = [cost.gross_j for cost in (s.setup, s.training, s.validation) if cost.gross_j is not None]
            if s.best_accuracy is not None and joules:
                spent = {"series": label(s.work), "j": sum(j.mean for j in joules), "hollow": s.work.is_doubtful}
                values.append(spent | {"best": s.best_accuracy.mean * 100} | ends(s.best_accuracy, 100))
        caption = f"Gross joules of setup, training and validation; accuracy with its 95 % interval. Joules: {how}."
        found += in_parts(values, partial(_accuracy_of_joules, domain, caption))
    return [*found, *in_parts(_epochs(view.selected, trials), _accuracy_of_epochs)]


def _accuracy_of_joules(domain: str, caption: str, values: Sequence[Value]) -> Figure:
    x = quantity("j", f"gross J ({domain}) of a training", (value["j"] for value in values))
    y, of = quantity("best", "best validation accuracy, %"), series(values)
    span = spans("y", x, of)
    span["encoding"]["y"] = y | {"field": "low"}
    return Figure("Best accuracy against joules spent", caption, chart(values, [span, points(x, y, of)]))


def _epochs(selected: Selected, trials: Mapping[str, TrialRow]) -> list[Value]:
    values = []
    for sample in selected.samples[:_MOST_LINES]:
        key = {n: sample.labels.get(n) for n in selected.keys if n not in KINDS_OF_JOULES}
        trial = trials[str(sample.labels["trial"])]
        values += [
            {"series": named(key) or "all", "trial": trial.trial, "epoch": e.index + 1}
            | {"accuracy": e.validation_accuracy * 100}
            for e in trial.epochs
        ]
    return values


def _accuracy_of_epochs(values: Sequence[Value]) -> Figure:
    axis: Spec = {"format": "d", "grid": False}
    epochs = sorted({value["epoch"] for value in values})
    if len(epochs) <= _TICKS:
        axis["values"] = epochs
    x: Spec = {"field": "epoch", "type": "quantitative", "title": "epoch", "axis": axis, "scale": {"zero": False}}
    line = curves(x, quantity("accuracy", "validation accuracy, %"), series(values), opacity=0.7)
    line["encoding"]["detail"] = {"field": "trial"}
    return Figure(
        "Accuracy by epoch", "A line a training; a network is validated in evaluation mode.", chart(values, [line])
    )


def of_tuning(view: tuning.Results) -> list[Figure]:
    """The best accuracy so far against what the search has spent, a line a study."""
    if view.found.is_mixed or not view.selected.samples:
        return []
    how = origin(view.selected.samples[0])
    word = "net" if view.found.is_net else "gross"
    caption = f"A line a study: each step is a configuration. {word.capitalize()} J so far. Joules: {how}."
    found = []
    for workload in view.workloads:
        values = [
            {"series": study.strategy, "study": f"{study.strategy}/{study.seed}", "j": step.joules}
            | {"accuracy": step.accuracy * 100, "trials": step.trials}
            for study in workload.studies
            if study.is_metered
            for step in study.curve()
            if step.accuracy is not None
        ]
        where = f", {named(dict(workload.key))}" if workload.key else ""
        found += in_parts(values, partial(_search, word, where, caption))
    return found


def _search(word: str, where: str, caption: str, values: Sequence[Value]) -> Figure:
    x = quantity("j", f"{word} J spent by the study", (value["j"] for value in values))
    line = curves(x, quantity("accuracy", "best accuracy so far, %"), series(values))
    line["mark"] |= {"interpolate": "step-after", "opacity": 0.8}
    line["encoding"]["detail"] = {"field": "study"}
    return Figure(
        f"Best accuracy against joules spent{where}", caption, chart(values, [line], width=WIDE), is_wide=True
    )


def of_layers(view: layers.Results) -> list[Figure]:
    """The share of each type of layer, network by network."""
    found = []
    for (domain, _, how), group in by_kind([s.whole for s in view.summaries], view.selected).items():
        values = [
            {"series": label(s.whole), "row": cost.type, "value": cost.share}
            for s in view.summaries
            if any(s.whole is whole for whole in group)
            for cost in sorted(s.costs.types, key=lambda cost: -(cost.share or 0.0))
            if cost.share is not None
        ]
        caption = f"Of the sum of all layers, each measured alone, forward and backward. Joules: {how}."
        what = f"Shares of {domain.upper()} energy by type of layer"
        found += in_parts(values, partial(_shares, what, caption))
    return found


def _shares(what: str, caption: str, values: Sequence[Value]) -> Figure:
    return Figure(what, caption, bars(values, "share of the energy"))
