"""Charts of trainings: what each costs, and accuracy and loss over the joules that it has spent."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from farm.analysis.intervals import Interval
from farm.analysis.rules import may_rank_energy, stands_out
from farm.kinds.training.runs import Run, TrainingSummary
from farm.model import Scalar
from farm.report.charts import (
    bar,
    by_kind,
    in_parts,
    in_rows,
    label,
    leader,
    origin,
    sentences,
    shared,
    signs,
    stated,
    with_bars,
)
from farm.report.document import Bars, Column, Figure, Form
from farm.report.drawing import Spec, Value, chart, curves, ends, points, quantity, series, spans, within
from farm.report.layout import named
from farm.report.numbers import number, percent_interval
from farm.report.selection import KINDS_OF_JOULES, Selected

#: Largest number of trainings in a chart of epochs; more lines would cover each other.
_MOST_LINES = 100
#: Largest number of epochs for which each epoch has its own tick.
_TICKS = 12


@dataclass(frozen=True, slots=True)
class _Cost:
    """What decides between trainings."""

    what: str  #: "energy" or "time"
    per: str
    unit: str  #: "net J", "s"
    of: Callable[[TrainingSummary], Interval | None]


def charts(summaries: Sequence[TrainingSummary], runs: Mapping[str, Run], selected: Selected) -> list[Figure]:
    """Draw costs and accuracy of trainings for each kind of joules, then accuracy and loss while they ran."""
    found = []
    same = shared([s.work.labels for s in summaries])
    for (domain, _, how), group in by_kind([s.work for s in summaries], selected).items():
        members = [s for s in summaries if any(s.work is work for work in group)]
        found += _costs(members, same, domain, how)
        spent = [value for s in members for value in _spent(s, same)]
        best = [(label(s.work, same), s.best_accuracy) for s in members if s.best_accuracy and not s.work.is_doubtful]
        seen = leader(best, "is the most accurate", lambda accuracy: f"{percent_interval(accuracy)} %", sign=-1)
        found += in_parts(spent, partial(_accuracy_of_joules, domain, how, sentences(seen, stated(same))))
    return [*found, *_curves(selected, same, runs)]


def _costs(members: Sequence[TrainingSummary], same: Mapping[str, Scalar], domain: str, how: str) -> list[Figure]:
    """Draw what the trainings of a group cost."""
    cost = _decisive(members)
    known = [(s.work, cost.of(s)) for s in members]
    rows: list[Value] = [
        {"row": label(work, same), "series": "", "value": value.mean, "hollow": work.is_doubtful} | ends(value)
        for work, value in known
        if value is not None and value.mean > 0
    ]
    compared = [(label(work, same), value) for work, value in known if value is not None and not work.is_doubtful]
    is_energy = cost.what == "energy"
    seen = leader(compared, f"takes the least {cost.what} {cost.per}", lambda v: f"{number(v.mean)} {cost.unit}")
    name = f"{f'{domain.upper()} energy' if is_energy else 'Time'} {cost.per}"
    title = f"{cost.unit} {cost.per}"
    drawn = in_rows(rows, name, sentences(seen, stated(same)), title, how if is_energy else "")
    column = Column("cost", f"{f'{domain} ' if is_energy else ''}{title}", Form.NET_MEAN)
    return with_bars(drawn, Bars(column, [bar(work, value) for work, value in known]))


def _decisive(members: Sequence[TrainingSummary]) -> _Cost:
    """Return the joules until the accuracy that was asked for, or of an epoch, or of an image; else seconds."""
    if not all(may_rank_energy(s.work.quality) and s.work.gross_j for s in members):
        return _Cost("time", "per epoch", "s", lambda s: s.epoch_s)
    if members[0].targets:
        per = f"until an accuracy of {members[0].targets[-1].accuracy:g}"
        if all(stands_out(s.targets[-1].net_j) for s in members if s.targets[-1].reached):
            return _Cost("energy", per, "net J", lambda s: s.targets[-1].net_j)
        return _Cost("energy", per, "gross J", lambda s: s.targets[-1].gross_j)
    if all(stands_out(s.epoch_net_j) for s in members):
        return _Cost("energy", "per epoch", "net J", lambda s: s.epoch_net_j)
    if all(stands_out(s.work.net_j) for s in members):
        return _Cost("energy", "per image of training", "net J", lambda s: s.work.net_j)
    return _Cost("energy", "per image of training", "gross J", lambda s: s.work.gross_j)


def _spent(summary: TrainingSummary, same: Collection[str]) -> list[Value]:
    """Return a list with one value, or an empty list if the accuracy or all joules are unknown."""
    stages = (summary.setup, summary.training, summary.validation)
    joules = [cost.gross_j.mean for cost in stages if cost.gross_j is not None]
    if summary.best_accuracy is None or not joules:
        return []
    spent = {"series": label(summary.work, same), "j": sum(joules), "hollow": summary.work.is_doubtful}
    return [spent | {"best": summary.best_accuracy.mean * 100} | ends(summary.best_accuracy, 100)]


def _accuracy_of_joules(domain: str, how: str, seen: str, found: Sequence[Value]) -> Figure:
    values = within(found, "best")
    x = quantity("j", f"gross J ({domain}) of a training", [{"j": value["j"]} for value in values])
    y, of = quantity("best", "best validation accuracy, %"), series(values)
    what = "Joules of setup, training and validation."
    return Figure(
        "Best accuracy against joules spent",
        sentences(seen, what, signs(values, how)),
        chart(values, [*spans(values, x, y, of), points(x, y, of)]),
    )


def _curves(selected: Selected, same: Mapping[str, Scalar], runs: Mapping[str, Run]) -> list[Figure]:
    """Draw accuracy and loss of each training over the joules that it has spent, or by epoch.

    Joules that are unknown, modelled or of several kinds are no common axis.
    """
    shown = selected.samples[:_MOST_LINES]
    keys = [name for name in selected.keys if name not in {*KINDS_OF_JOULES, *same}]
    values = [value for sample in shown for value in _epochs(sample.labels, keys, runs)]
    origins = {origin(sample) for sample in shown}
    are_alike = len(origins) == len(selected.domains) == 1 and all(may_rank_energy(s.quality) for s in shown)
    is_metered = are_alike and all(value["j"] is not None for value in values)
    x = quantity("j", f"gross J ({selected.domains[0]}) spent", values) if is_metered else _epoch_axis(values)
    what = "over joules spent" if is_metered else "by epoch"
    how = f"Gross joules of training and validation, without the setup: {origins.pop()}." if is_metered else ""
    more = f"The first {len(shown)} of {len(selected.samples)} trainings." if len(shown) < len(selected.samples) else ""
    caption = sentences("One line for each training.", stated(same), how, more)
    return [
        *in_parts(values, partial(_curve, x, "accuracy", "validation accuracy, %", f"Accuracy {what}", caption)),
        *in_parts(values, partial(_curve, x, "loss", "validation loss", f"Loss {what}", caption)),
    ]


def _epochs(labels: Mapping[str, Scalar], keys: Sequence[str], runs: Mapping[str, Run]) -> list[Value]:
    """Return a value for each epoch of a training, with the joules until its end."""
    name = named({key: labels.get(key) for key in keys}) or "all"
    trial = str(labels["trial"])
    run = runs[trial]
    known = [j for j in run.gross_j_of_epochs if j is not None]
    joules = list(accumulate(known)) if len(known) == len(run.epochs) else [None] * len(run.epochs)
    return [
        {"series": name, "trial": trial, "epoch": epoch.index + 1, "j": j}
        | {"accuracy": epoch.validation_accuracy * 100, "loss": epoch.validation_loss}
        for epoch, j in zip(run.epochs, joules, strict=True)
    ]


def _epoch_axis(values: Sequence[Value]) -> Spec:
    axis: Spec = {"format": "d", "grid": False}
    epochs = sorted({value["epoch"] for value in values})
    if len(epochs) <= _TICKS:
        axis["values"] = epochs
    return {"field": "epoch", "type": "quantitative", "title": "epoch", "axis": axis, "scale": {"zero": False}}


def _curve(x: Spec, field: str, title: str, name: str, caption: str, values: Sequence[Value]) -> Figure:
    line = curves(x, quantity(field, title, values), series(values), opacity=0.8)
    line["encoding"]["detail"] = {"field": "trial"}
    return Figure(name, caption, chart(values, [line]))
