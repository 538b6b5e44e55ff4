"""Accuracy, energy and time of trainings: by stage, by epoch, and until each wanted accuracy. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from farm.analysis.aggregate import Summary, UnitSample, grouped
from farm.analysis.intervals import Interval, mean_interval
from farm.analysis.samples import device_domain, rows_by_trial
from farm.kinds.training.successes import joules_per_success
from farm.model import Domain, Epoch, MeasurementRow, Stopped, TrialRow, WindowKind
from farm.model.energies import Joules, combined, sum_of, total

#: Shortest window from which the joules of a single epoch are taken.
EPOCH_NEEDS_S = 10.0


@dataclass(frozen=True, slots=True)
class Spent:
    """Energy and time of a part of a training; unknown values are None."""

    joules: Joules = Joules()  # noqa: RUF009 - frozen
    duration_s: float | None = None


_UNMETERED = Spent()


@dataclass(frozen=True, slots=True)
class Crossing:
    """Energy and time of training and validation, without the setup, until an accuracy was first reached."""

    accuracy: float  #: wanted accuracy
    epochs: int | None  #: epochs until then; None: never reached (censored)
    spent: Spent = _UNMETERED  #: until then; if it is never reached, what the whole training spent in vain
    is_interpolated: bool = False  #: the epoch shares its window with later ones, and has an equal share of its joules


@dataclass(frozen=True, slots=True)
class Run:
    """One training, in one domain."""

    epochs: tuple[Epoch, ...]
    stopped: Stopped | None
    setup: Spent
    training: Spent
    validation: Spent
    epoch: Joules  #: mean of the epochs that alone had a window of 10 s or more
    crossings: tuple[Crossing, ...]  #: one for each wanted accuracy
    #: Gross joules of training and validation in each epoch, an equal share of its window's; None: unknown.
    gross_j_of_epochs: tuple[float | None, ...] = ()

    @property
    def last_accuracy(self) -> float | None:
        """Return the validation accuracy of the last epoch; None if no epoch was finished."""
        return self.epochs[-1].validation_accuracy if self.epochs else None

    @property
    def best_accuracy(self) -> float | None:
        """Return the best validation accuracy of all epochs; None if no epoch was finished."""
        return max((epoch.validation_accuracy for epoch in self.epochs), default=None)


@dataclass(frozen=True, slots=True)
class TargetCost:
    """Energy and time until an accuracy: means over the trainings that reached it, and joules per success."""

    accuracy: float
    reached: int
    trainings: int
    epochs: Interval | None
    gross_j: Interval | None
    net_j: Interval | None
    duration_s: Interval | None
    gross_j_per_success: Interval | None  #: joules of all trainings, divided by the number of those that reached it
    net_j_per_success: Interval | None
    is_interpolated: bool  #: some of the values are interpolated


@dataclass(frozen=True, slots=True)
class StageCost:
    """Mean energy and time of one stage of a training."""

    gross_j: Interval | None
    net_j: Interval | None
    duration_s: Interval | None


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """Summary of one group of trainings."""

    work: Summary  #: summary per training image
    epochs: Interval  #: epochs done
    last_accuracy: Interval | None
    best_accuracy: Interval | None
    epoch_s: Interval | None  #: time of training in an epoch, without validation
    epoch_gross_j: Interval | None
    epoch_net_j: Interval | None
    setup: StageCost
    training: StageCost
    validation: StageCost
    targets: tuple[TargetCost, ...]
    stopped: Mapping[Stopped, int]


def runs(
    trials: Iterable[TrialRow],
    rows: Iterable[MeasurementRow],
    domain: Domain | None = None,
    targets: Sequence[float] = (),
) -> dict[str, Run]:
    """Return every training by its trial's id, failed ones too.

    Args:
        trials: trials of trainings.
        rows: measurements of setup, training and validation.
        domain: where joules are metered; None: the device of each trial.
        targets: wanted accuracies.
    """
    by_trial = rows_by_trial(rows)
    return {t.trial: _run(t, by_trial[t.trial], domain or device_domain(t), targets) for t in trials}


def summarise(
    samples: Iterable[UnitSample], known: Mapping[str, Run], by: Sequence[str], include_flagged: bool = False
) -> list[TrainingSummary]:
    """Group samples by labels, as `aggregate.grouped` does; `known` has the training of each trial."""
    return [
        _summary(group.summary, [known[str(sample.labels["trial"])] for sample in group.samples])
        for group in grouped(samples, by, include_flagged)
    ]


def _run(trial: TrialRow, rows: Sequence[MeasurementRow], domain: Domain, targets: Sequence[float]) -> Run:
    stages: dict[WindowKind, dict[int, Spent]] = defaultdict(dict)
    for row in rows:
        stages[row.window].setdefault(row.window_index, Spent(duration_s=row.duration_s))
        if row.domain == domain:
            stages[row.window][row.window_index] = Spent(sum_of([row]), row.duration_s)
    training, validation = stages[WindowKind.TRAINING], stages[WindowKind.VALIDATION]
    return Run(
        epochs=trial.epochs,
        stopped=trial.stopped,
        setup=_together(stages[WindowKind.SETUP].values()),
        training=_together(training.values()),
        validation=_together(validation.values()),
        epoch=_own_epochs(trial.epochs, training),
        crossings=tuple(_crossing(target, trial.epochs, training, validation) for target in targets),
        gross_j_of_epochs=_shares(trial.epochs, training, validation),
    )


def _together(parts: Iterable[Spent]) -> Spent:
    """Return the sum of several parts; it is unknown if one of them is, or if there is none."""
    known = list(parts)
    durations = [part.duration_s for part in known if part.duration_s is not None]
    duration_s = sum(durations) if known and len(durations) == len(known) else None
    return Spent(total(part.joules for part in known), duration_s)


def _own_epochs(epochs: Iterable[Epoch], windows: Mapping[int, Spent]) -> Joules:
    """Return the mean joules of the epochs that alone had a long window."""
    sharing_epochs = Counter(epoch.window for epoch in epochs)
    own = [
        window.joules
        for index, window in windows.items()
        if sharing_epochs[index] == 1 and (window.duration_s or 0.0) >= EPOCH_NEEDS_S
    ]
    return total(own).per(len(own))


def _crossing(
    accuracy: float, epochs: Sequence[Epoch], training: Mapping[int, Spent], validation: Mapping[int, Spent]
) -> Crossing:
    place = next((place for place, epoch in enumerate(epochs) if epoch.validation_accuracy >= accuracy), None)
    if place is None:
        return Crossing(accuracy, epochs=None, spent=_together((*training.values(), *validation.values())))
    last = epochs[place].window
    done = sum(epoch.window == last for epoch in epochs[: place + 1])
    sharing_epochs = sum(epoch.window == last for epoch in epochs)
    spent = [
        _share(
            _UNMETERED if index is None else stage.get(index, _UNMETERED),
            done / sharing_epochs if index == last else 1.0,
        )
        for stage in (training, validation)
        for index in {epoch.window for epoch in epochs[: place + 1]}
    ]
    return Crossing(accuracy, epochs[place].index + 1, _together(spent), is_interpolated=done < sharing_epochs)


def _shares(
    epochs: Sequence[Epoch], training: Mapping[int, Spent], validation: Mapping[int, Spent]
) -> tuple[float | None, ...]:
    """Return the gross joules of each epoch; None if those of its windows are unknown."""
    windows = Counter(epoch.window for epoch in epochs)
    joules: dict[int | None, float | None] = {None: None}
    for index in windows:
        if index is not None:
            both = [stage.get(index, _UNMETERED).joules.gross for stage in (training, validation)]
            known = [gross for gross in both if gross is not None]
            joules[index] = sum(known) / windows[index] if len(known) == len(both) else None
    return tuple(joules[epoch.window] for epoch in epochs)


def _share(spent: Spent, share: float) -> Spent:
    duration = None if spent.duration_s is None else spent.duration_s * share
    return replace(spent, joules=spent.joules.times(share), duration_s=duration)


def _epoch_s(run: Run) -> float | None:
    """Return the mean time of the epochs of this trial, without epochs of an attempt before it."""
    own_s = [epoch.train_s for epoch in run.epochs if epoch.window is not None]
    return fmean(own_s) if own_s else None


def _summary(work: Summary, group: Sequence[Run]) -> TrainingSummary:
    own = [run.epoch for run in group]
    return TrainingSummary(
        work=work,
        epochs=mean_interval([float(len(run.epochs)) for run in group]),
        last_accuracy=mean_known(run.last_accuracy for run in group),
        best_accuracy=mean_known(run.best_accuracy for run in group),
        epoch_s=mean_known(_epoch_s(run) for run in group),
        epoch_gross_j=mean_known(joules.gross for joules in own),
        epoch_net_j=_net(own),
        setup=_stage(group, lambda run: run.setup),
        training=_stage(group, lambda run: run.training),
        validation=_stage(group, lambda run: run.validation),
        targets=tuple(map(_target, zip(*(run.crossings for run in group), strict=True))),
        stopped=Counter(run.stopped for run in group if run.stopped is not None),
    )


def _stage(group: Sequence[Run], stage: Callable[[Run], Spent]) -> StageCost:
    spent = [stage(run) for run in group]
    return StageCost(mean_known(s.joules.gross for s in spent), _net([s.joules for s in spent]), _mean_s(spent))


def _target(crossings: Sequence[Crossing]) -> TargetCost:
    reached = [crossing for crossing in crossings if crossing.epochs is not None]
    spent = [crossing.spent for crossing in reached]
    return TargetCost(
        accuracy=crossings[0].accuracy,
        reached=len(reached),
        trainings=len(crossings),
        epochs=mean_known(crossing.epochs for crossing in reached),
        gross_j=mean_known(s.joules.gross for s in spent),
        net_j=_net([s.joules for s in spent]),
        duration_s=_mean_s(spent),
        gross_j_per_success=_per_success(crossings, lambda joules: joules.gross),
        net_j_per_success=_per_success(crossings, lambda joules: joules.net),
        is_interpolated=any(crossing.is_interpolated for crossing in reached),
    )


def _per_success(crossings: Sequence[Crossing], of: Callable[[Joules], float | None]) -> Interval | None:
    """Return the joules per success; None if those of a training are unknown."""
    joules = [(crossing.epochs is not None, of(crossing.spent.joules)) for crossing in crossings]
    successes, failures = ([j for has, j in joules if has is wanted and j is not None] for wanted in (True, False))
    return joules_per_success(successes, failures) if len(successes) + len(failures) == len(joules) else None


def mean_known(values: Iterable[float | None]) -> Interval | None:
    """Return the mean of the known values."""
    known = [value for value in values if value is not None]
    return mean_interval(known) if known else None


def _mean_s(spent: Iterable[Spent]) -> Interval | None:
    return mean_known(s.duration_s for s in spent)


def _net(joules: Iterable[Joules]) -> Interval | None:
    """Return the mean of the known net joules, with the uncertainty of the meters."""
    known = [(j.net, j.net_u, combined(j.net_budget, shared=True)) for j in joules if j.net is not None]
    if not known:
        return None
    values, us, shared_us = zip(*known, strict=True)
    return mean_interval(values, us=[u for u in us if u is not None], shared_us=[u for u in shared_us if u is not None])
