"""The results of a sweep of kind training: what networks reached, what that took, and until which accuracy."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from farm.analysis.intervals import Interval
from farm.analysis.samples import unit_samples
from farm.kinds.training.runs import StageCost, TargetCost, TrainingSummary, runs, summarise
from farm.kinds.training.sweep import Training
from farm.model import Scalar, Stopped, SweepData
from farm.report import notes
from farm.report import results as inference
from farm.report.columns import Columns
from farm.report.grids import Row, grids
from farm.report.numbers import count, interval, net, number, percent_interval
from farm.report.selection import Selected, Selection, select

COLUMNS = Columns(
    always=("model", "dataset"),
    context=("machine", "device", "epochs", "batch_size", "optimizer", "lr", "precision", "weights"),
    factors=tuple(Training.model_fields),
)
_HEADINGS = ("\nepochs", "accuracy\n% (95%)", "net J/image\n(95%)", "training\ngross J", "valid.\ngross J", "s\n/epoch")
_UNTIL = ("\nreached", "epochs\ndone", "net J\n(95%)", "\ngross J", "\ns")


@dataclass(frozen=True, slots=True)
class Results:
    """Trainings, summed up."""

    selected: Selected
    summaries: Sequence[TrainingSummary]

    def rendered(self) -> RenderableType:
        """Caption, table, what each accuracy took, footnotes."""
        if not self.summaries:
            return Text(self.selected.nothing())
        caption = Text("\n".join((*self.selected.caption(), "")))
        until = [until_table(self.summaries)] if self.summaries[0].targets else []
        footnotes = [Text(note, style="dim") for note in _footnotes(self.summaries)]
        return Group(caption, table(self.summaries), *until, *footnotes)

    def records(self) -> list[dict[str, Scalar]]:
        """For csv, json and parquet."""
        return [_record(summary) for summary in self.summaries]


def results(data: SweepData, selection: Selection) -> Results:
    """Filter and group; raises InputError as `select` does."""
    selected = select(data.record, unit_samples(data), selection, COLUMNS)
    known = runs(data.trials, data.stages, data.domain, selection.targets)
    return Results(selected, summarise(selected.samples, known, selected.keys, selection.include_flagged))


def table(summaries: Sequence[TrainingSummary]) -> RenderableType:
    """One row a group; joules of an epoch only where one is known."""
    has_epochs = any(s.epoch_gross_j for s in summaries)
    headings = (*_HEADINGS, "J/epoch\ngross") if has_epochs else _HEADINGS
    return grids([Row(s.work.key, _cells(s)[: len(headings)]) for s in summaries], headings)


def until_table(summaries: Sequence[TrainingSummary]) -> RenderableType:
    """One row a group and accuracy that was wanted."""
    rows = [Row((*s.work.key, ("until", target.accuracy)), _until(target)) for s in summaries for target in s.targets]
    return grids(rows, _UNTIL)


def _cells(summary: TrainingSummary) -> list[str]:
    return [
        count(summary.epochs.mean),
        percent_interval(summary.last_accuracy),
        f"{net(summary.work.net_j)}{'!' if summary.work.is_doubtful else ''}",
        _mean(summary.training.gross_j),
        _mean(summary.validation.gross_j),
        _mean(summary.epoch_s),
        _mean(summary.epoch_gross_j),
    ]


def _until(target: TargetCost) -> list[str]:
    return [
        f"{target.reached} of {target.trainings}{'~' if target.is_interpolated else ''}",
        count(target.epochs.mean if target.epochs else None),
        net(target.net_j),
        _mean(target.gross_j),
        interval(target.duration_s),
    ]


def _mean(value: Interval | None) -> str:
    """Without its interval; below nothing, as noise in a short window may leave it, it is a bound."""
    if value is not None and value.mean < 0:
        return net(value)
    return number(value.mean if value else None)


def _footnotes(summaries: Sequence[TrainingSummary]) -> list[str]:
    targets = [target for s in summaries for target in s.targets]
    own = ["J/image, s/epoch: of training alone; accuracy: validation, after the last epoch."]
    if targets:
        own.append("until: joules and seconds of training and validation, without the setup.")
    if any(target.is_interpolated for target in targets):
        own.append("~ an epoch in the middle of a window has its share of the window's joules.")
    if any(target.reached < target.trainings for target in targets):
        own.append("Trainings that never reach an accuracy are counted, and are in no mean.")
    stopped = sum((Counter(s.stopped) for s in summaries), Counter[Stopped]())
    if stopped:
        how = ", ".join(f"{reason} {count}" for reason, count in stopped.most_common())
        own.append(f"Stopped before the last epoch: {how}.")
    own += notes.spread(figure for s in summaries for figure in (s.work.net_j, s.last_accuracy))
    return [*own, *notes.reservations([s.work for s in summaries])]


def _record(summary: TrainingSummary) -> dict[str, Scalar]:
    work = inference.records([summary.work])[0]
    own = {name: value for name, value in work.items() if name not in {"p50_s", "p95_s", "p99_s", "batches"}}
    return {
        **own,
        "epochs_done": summary.epochs.mean,
        **inference.ends("last_accuracy", summary.last_accuracy),
        **inference.ends("best_accuracy", summary.best_accuracy),
        **inference.ends("epoch_s", summary.epoch_s),
        **inference.ends("epoch_gross_j", summary.epoch_gross_j),
        **inference.ends("epoch_net_j", summary.epoch_net_j),
        **_stage("setup", summary.setup),
        **_stage("training", summary.training),
        **_stage("validation", summary.validation),
        **{f"stopped_{reason}": summary.stopped.get(reason, 0) for reason in Stopped},
        **{name: value for target in summary.targets for name, value in _target(target).items()},
    }


def _stage(name: str, cost: StageCost) -> dict[str, Scalar]:
    return {
        **inference.ends(f"{name}_gross_j", cost.gross_j),
        **inference.ends(f"{name}_net_j", cost.net_j),
        **inference.ends(f"{name}_s", cost.duration_s),
    }


def _target(target: TargetCost) -> dict[str, Scalar]:
    until = f"until_{target.accuracy:g}"
    return {
        f"{until}_reached": target.reached,
        f"{until}_interpolated": target.is_interpolated,
        **inference.ends(f"{until}_epochs", target.epochs),
        **inference.ends(f"{until}_gross_j", target.gross_j),
        **inference.ends(f"{until}_net_j", target.net_j),
        **inference.ends(f"{until}_s", target.duration_s),
    }
