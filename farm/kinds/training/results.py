"""The results of a sweep of kind training: accuracy, energy and time, also until a wanted accuracy."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from farm.analysis.samples import unit_samples
from farm.kinds.training.charts import charts
from farm.kinds.training.runs import Run, TargetCost, TrainingSummary, runs, summarise
from farm.kinds.training.sweep import Training
from farm.model import Stopped, SweepData
from farm.report import notes, summaries
from farm.report.charts import label
from farm.report.columns import Columns
from farm.report.document import Column, Document, Findings, Form, Note, Paragraph, Row, Table, Value, key
from farm.report.numbers import count, net, percent_interval
from farm.report.selection import Selected, Selection, select

COLUMNS = Columns(
    always=("model", "dataset"),
    context=("machine", "device", "epochs", "batch_size", "optimizer", "lr", "precision", "weights"),
    factors=tuple(Training.model_fields),
)
_SHOWN = (
    Column("net_j_per_unit", "net J/image\n(95%)", Form.NET),
    Column("epochs_done", "\nepochs", Form.COUNT),
    Column("last_accuracy", "accuracy\n% (95%)", Form.PERCENT_INTERVAL),
    Column("best_accuracy", form=Form.INTERVAL),
    Column("epoch_s", "s\n/epoch", Form.MEAN),
)
_STAGES = (
    Column("epoch_net_j", form=Form.NET),
    Column("setup_gross_j", form=Form.NET_MEAN),
    Column("setup_net_j", form=Form.NET),
    Column("setup_s", form=Form.MEAN),
    Column("training_gross_j", "training\ngross J", Form.NET_MEAN),
    Column("training_net_j", form=Form.NET),
    Column("training_s", form=Form.MEAN),
    Column("validation_gross_j", "valid.\ngross J", Form.NET_MEAN),
    Column("validation_net_j", form=Form.NET),
    Column("validation_s", form=Form.MEAN),
    *(Column(f"stopped_{reason}") for reason in Stopped),
)
_UNTIL = (
    key("until"),
    Column("reached", "\nreached", Form.TEXT),
    Column("epochs_done", "epochs\ndone", Form.COUNT),
)


@dataclass(frozen=True, slots=True)
class Results:
    """Summaries of trainings."""

    selected: Selected
    summaries: Sequence[TrainingSummary]
    runs: Mapping[str, Run]  #: trainings by trial


def results(data: SweepData, selection: Selection) -> Results:
    """Group the trainings of a sweep; raises InputError if the selection does not fit it."""
    selected = select(data.record, unit_samples(data), selection, COLUMNS)
    known = runs(data.trials, data.stages, data.domain, selection.targets)
    return Results(selected, summarise(selected.samples, known, selected.keys, selection.include_flagged), known)


def document(found: Results) -> Document:
    """Return caption, table, energy until each wanted accuracy, notes, charts and findings."""
    of = found.summaries
    if not of:
        return found.selected.unmeasured()
    document = Document(
        [
            Paragraph(found.selected.title),
            *found.selected.about(),
            table(of, found.selected.keys),
            *([until_table(of, found.selected.keys)] if of[0].targets else []),
            *map(Note, _footnotes(of)),
            *charts(of, found.runs, found.selected),
            Findings([sentence(summary) for summary in of]),
        ]
    )
    return found.selected.with_context(document)


def table(of: Sequence[TrainingSummary], keys: Sequence[str]) -> Table:
    """Return a table with a row for each group; joules of an epoch are shown only if some are known."""
    heading = "J/epoch\ngross" if any(s.epoch_gross_j for s in of) else None
    epoch = Column("epoch_gross_j", heading, Form.NET_MEAN)
    until = (column for target in of[0].targets for column in _until_columns(target.accuracy))
    columns = summaries.columns(keys, (*_SHOWN, epoch, *_STAGES, *until), but=summaries.LATENCIES)
    return Table(columns, [summaries.row(s.work, **_values(s)) for s in of])


def _values(summary: TrainingSummary) -> dict[str, Value]:
    stages = {"setup": summary.setup, "training": summary.training, "validation": summary.validation}
    return {
        "epochs_done": summary.epochs.mean,
        "last_accuracy": summary.last_accuracy,
        "best_accuracy": summary.best_accuracy,
        "epoch_s": summary.epoch_s,
        "epoch_gross_j": summary.epoch_gross_j,
        "epoch_net_j": summary.epoch_net_j,
        **{f"{name}_gross_j": cost.gross_j for name, cost in stages.items()},
        **{f"{name}_net_j": cost.net_j for name, cost in stages.items()},
        **{f"{name}_s": cost.duration_s for name, cost in stages.items()},
        **{f"stopped_{reason}": summary.stopped.get(reason, 0) for reason in Stopped},
        **{name: value for target in summary.targets for name, value in _until_values(target).items()},
    }


def _until_columns(accuracy: float) -> Iterator[Column]:
    """Yield the columns of files for one wanted accuracy."""
    yield from (Column(f"until_{accuracy:g}_{name}") for name in ("reached", "interpolated"))
    yield from (
        Column(f"until_{accuracy:g}_{name}", form=Form.NET_MEAN)
        for name in ("epochs", "gross_j", "net_j", "s", "gross_j_per_success", "net_j_per_success")
    )


def _until_values(target: TargetCost) -> dict[str, Value]:
    return {
        f"until_{target.accuracy:g}_{name}": value
        for name, value in (
            ("reached", target.reached),
            ("interpolated", target.is_interpolated),
            ("epochs", target.epochs),
            ("gross_j", target.gross_j),
            ("net_j", target.net_j),
            ("s", target.duration_s),
            ("gross_j_per_success", target.gross_j_per_success),
            ("net_j_per_success", target.net_j_per_success),
        )
    }


def until_table(of: Sequence[TrainingSummary], keys: Sequence[str]) -> Table:
    """Return a table for people with a row for each group and wanted accuracy; joules are gross if net is unknown."""
    targets = [target for summary in of for target in summary.targets]
    is_net = any(target.net_j for target in targets)
    name = "net" if is_net else "gross"
    columns = [*map(key, keys), *_UNTIL, Column("j", f"{name} J\n(95%)", Form.NET), Column("s", "\ns", Form.POSITIVE)]
    if _has_failures(targets):
        columns.append(Column("j_per_success", f"{name} J per\nsuccess (95%)", Form.ESTIMATE))
    return Table(
        columns,
        [
            Row(
                {
                    **summary.work.labels,
                    "until": target.accuracy,
                    "reached": f"{target.reached} of {target.trainings}",
                    "epochs_done": target.epochs,
                    "j": target.net_j if is_net else target.gross_j,
                    "s": target.duration_s,
                    "j_per_success": target.net_j_per_success if is_net else target.gross_j_per_success,
                },
                {"reached": "~"} if target.is_interpolated else {},
            )
            for summary in of
            for target in summary.targets
        ],
    )


def _has_failures(targets: Iterable[TargetCost]) -> bool:
    """Return True if a training did not reach an accuracy that others reached."""
    return any(0 < target.reached < target.trainings for target in targets)


def _footnotes(of: Sequence[TrainingSummary]) -> list[str]:
    targets = [target for s in of for target in s.targets]
    own = ["J/image and s/epoch: of training alone; accuracy: of validation after the last epoch."]
    if targets:
        own.append("until: joules and seconds of training and validation, without the setup.")
    if any(target.is_interpolated for target in targets):
        own.append("~ some epochs share a window: each has an equal share of the window's joules.")
    if any(target.reached < target.trainings for target in targets):
        own.append("Trainings that never reach an accuracy are counted, but are in no mean.")
    if _has_failures(targets):
        own.append(
            "per success: joules of all trainings, those in vain too, over the number that reached the accuracy."
        )
        own.append("The interval of joules per success needs three successes and a failure.")
    stopped = sum((Counter(s.stopped) for s in of), Counter[Stopped]())
    if stopped:
        how = ", ".join(f"{reason} {times}" for reason, times in stopped.most_common())
        own.append(f"Stopped before the last epoch: {how}.")
    own += notes.spread(figure for s in of for figure in (s.work.net_j, s.last_accuracy))
    own += notes.wide(s.work.net_j for s in of)
    return [*own, *notes.reservations([s.work for s in of])]


def sentence(summary: TrainingSummary) -> str:
    """Return which accuracy was reached, and the energy that this took."""
    work, epochs = summary.work, count(summary.epochs.mean)
    after = f"accuracy {percent_interval(summary.last_accuracy)} % after {epochs} epoch{'' if epochs == '1' else 's'}"
    joules = f"{net(work.net_j)} J net per image of training{summaries.doubts(work)}"
    return f"{label(work)}: {after}, for {joules}."
