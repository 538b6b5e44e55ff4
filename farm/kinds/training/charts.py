"""Charts of trainings: accuracy against joules, and accuracy by epoch."""

from collections.abc import Mapping, Sequence
from functools import partial

from farm.kinds.training.runs import Run, TrainingSummary
from farm.report.charts import by_kind, in_parts, label
from farm.report.document import Figure
from farm.report.drawing import Spec, Value, chart, curves, ends, points, quantity, series, spans
from farm.report.layout import named
from farm.report.selection import KINDS_OF_JOULES, Selected

#: Largest number of trainings in the chart of epochs; more lines would cover each other.
_MOST_LINES = 100
#: Largest number of epochs for which each epoch has its own tick.
_TICKS = 12


def charts(summaries: Sequence[TrainingSummary], runs: Mapping[str, Run], selected: Selected) -> list[Figure]:
    """Draw accuracy against joules, for each kind of joules, and accuracy by epoch."""
    found = []
    for (domain, _, how), group in by_kind([s.work for s in summaries], selected).items():
        members = [s for s in summaries if any(s.work is work for work in group)]
        caption = f"Gross joules of setup, training and validation; accuracy with its 95 % interval. Joules: {how}."
        found += in_parts(
            [value for s in members for value in _spent(s)], partial(_accuracy_of_joules, domain, caption)
        )
    return [*found, *in_parts(_epochs(selected, runs), _accuracy_of_epochs)]


def _spent(summary: TrainingSummary) -> list[Value]:
    """Return a list with one value, or an empty list if the accuracy or all joules are unknown."""
    stages = (summary.setup, summary.training, summary.validation)
    joules = [cost.gross_j.mean for cost in stages if cost.gross_j is not None]
    if summary.best_accuracy is None or not joules:
        return []
    spent = {"series": label(summary.work), "j": sum(joules), "hollow": summary.work.is_doubtful}
    return [spent | {"best": summary.best_accuracy.mean * 100} | ends(summary.best_accuracy, 100)]


def _accuracy_of_joules(domain: str, caption: str, values: Sequence[Value]) -> Figure:
    x = quantity("j", f"gross J ({domain}) of a training", (value["j"] for value in values))
    y, of = quantity("best", "best validation accuracy, %"), series(values)
    span = spans("y", x, of)
    span["encoding"]["y"] = y | {"field": "low"}
    return Figure("Best accuracy against joules spent", caption, chart(values, [span, points(x, y, of)]))


def _epochs(selected: Selected, runs: Mapping[str, Run]) -> list[Value]:
    values = []
    for sample in selected.samples[:_MOST_LINES]:
        key = {name: sample.labels.get(name) for name in selected.keys if name not in KINDS_OF_JOULES}
        trial = str(sample.labels["trial"])
        values += [
            {"series": named(key) or "all", "trial": trial, "epoch": epoch.index + 1}
            | {"accuracy": epoch.validation_accuracy * 100}
            for epoch in runs[trial].epochs
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
    caption = "One line for each training. Networks are validated in evaluation mode."
    return Figure("Accuracy by epoch", caption, chart(values, [line]))
