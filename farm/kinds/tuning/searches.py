"""Accuracy and energy of searches for hyperparameters; failed and pruned trainings count too. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from farm.analysis.aggregate import Key
from farm.analysis.intervals import Interval
from farm.analysis.rules import net_stands_out
from farm.analysis.samples import device_domain, rows_by_trial
from farm.kinds.training.runs import Run, mean_known, runs
from farm.model import SEARCH_FACTORS, Asked, Domain, Flag, MeasurementRow, Point, Quality, Scalar, Stopped, TrialRow
from farm.model.energies import Joules, total


class Outcome(StrEnum):
    """End of a training of a study."""

    COMPLETE = "complete"  #: the training ran to its last epoch, or stopped early without a better accuracy
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One training of one configuration; a configuration has several if it is repeated, or if one failed."""

    number: int  #: number of the configuration in its study
    params: Point  #: values of the hyperparameters that are searched
    outcome: Outcome
    accuracy: float | None  #: accuracy of the last epoch; None: the training failed
    energy_j: float | None  #: energy of setup, training and validation; if the training failed, the known part
    saved_j: float | None = None  #: estimate of what pruning saved: the remaining epochs at the joules of those done
    sampler_s: float = 0.0  #: time in which the strategy chose the configuration
    sampler_cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Configuration:
    """One point of a search space that a study tried."""

    number: int  #: position in the study, from 0, in the order in which the strategy chose configurations
    params: Point
    attempts: tuple[Attempt, ...]

    @property
    def accuracy(self) -> float | None:
        """Return the mean over repetitions; None if all of them failed."""
        known = [a.accuracy for a in self.attempts if a.accuracy is not None]
        return fmean(known) if known else None

    @property
    def energy_j(self) -> float | None:
        """Return the mean energy of a complete training; None if one is unknown or was pruned, or all failed."""
        whole = [a.energy_j for a in self.attempts if a.outcome is not Outcome.FAILED]
        known = [energy for energy in whole if energy is not None]
        was_cut = any(a.outcome is Outcome.PRUNED for a in self.attempts)
        return fmean(known) if known and len(known) == len(whole) and not was_cut else None


@dataclass(frozen=True, slots=True)
class Step:
    """State of a study after a configuration."""

    trials: int  #: trials so far
    joules: float  #: known joules so far
    accuracy: float | None  #: best accuracy so far


@dataclass(frozen=True, slots=True)
class Study:
    """One strategy with one seed on one workload."""

    workload: Key
    strategy: str
    seed: Scalar
    configurations: tuple[Configuration, ...]  #: in order of their numbers

    @property
    def attempts(self) -> list[Attempt]:
        """Return all trainings."""
        return [attempt for configuration in self.configurations for attempt in configuration.attempts]

    @property
    def total_j(self) -> float | None:
        """Return the known joules of all trainings; None if all are unknown."""
        return _sum(self.attempts)

    @property
    def unknown(self) -> int:
        """Return the number of trainings whose energy is unknown."""
        return sum(attempt.energy_j is None for attempt in self.attempts)

    @property
    def is_metered(self) -> bool:
        """Return True if the energy of every training that did not fail is known."""
        return all(a.energy_j is not None or a.outcome is Outcome.FAILED for a in self.attempts)

    @property
    def best_accuracy(self) -> float | None:
        """Return the best accuracy of all configurations."""
        return max((c.accuracy for c in self.configurations if c.accuracy is not None), default=None)

    @property
    def dominated(self) -> list[Configuration]:
        """Return the configurations that another one of the study beats in accuracy and energy."""
        return [c for c, is_beaten in zip(self.configurations, beaten(self.configurations), strict=True) if is_beaten]

    def curve(self) -> list[Step]:
        """Return a step for each configuration."""
        steps: list[Step] = []
        trials, joules, best = 0, 0.0, None
        for configuration in self.configurations:
            trials += len(configuration.attempts)
            joules += _sum(configuration.attempts) or 0.0
            best = max((a for a in (best, configuration.accuracy) if a is not None), default=None)
            steps.append(Step(trials, joules, best))
        return steps

    def until(self, accuracy: float) -> Step | None:
        """Return the first step with at least that accuracy; None if it is never reached (censored)."""
        return next((s for s in self.curve() if s.accuracy is not None and s.accuracy >= accuracy), None)


@dataclass(frozen=True, slots=True)
class Found:
    """All studies of a tuning sweep."""

    studies: tuple[Study, ...]
    is_net: bool  #: False: energies are gross, because some net ones are unknown or within their noise
    is_mixed: bool  #: True: there are joules of kinds that must not be added, so all energies are unknown


@dataclass(frozen=True, slots=True)
class StrategySummary:
    """Summary of one strategy on one workload over its seeds; shares are shares of the known joules."""

    workload: Key
    strategy: str
    seeds: int
    trials: int
    failed: int
    pruned: int
    dominated: int
    unknown: int  #: trials whose energy is unknown
    best_accuracy: Interval | None
    total_j: Interval | None  #: joules of one study
    failed_share: float | None
    pruned_share: float | None
    dominated_share: float | None
    saved_j: float | None  #: estimate of what pruning saved in a study; None: nothing was pruned, or it is unknown
    sampler_s: float  #: time in which the strategy chose a configuration
    sampler_cpu_s: float


def studies(
    trials: Iterable[TrialRow], rows: Iterable[MeasurementRow], searched: Collection[str], domain: Domain | None = None
) -> Found:
    """Return the studies of a tuning sweep.

    Args:
        trials: the trials of the sweep.
        rows: measurements of setup, training and validation.
        searched: names of the hyperparameters in the search space.
        domain: where joules are metered; None: the device of each trial.
    """
    asked = [(trial, trial.asked) for trial in trials if trial.asked is not None]
    by_trial = rows_by_trial(rows)
    own = {t.trial: [r for r in by_trial[t.trial] if r.domain == (domain or device_domain(t))] for t, _ in asked}
    known = runs((t for t, _ in asked), (row for several in own.values() for row in several), domain)
    kinds = {(r.quality is Quality.MODELLED, r.simulated) for several in own.values() for r in several if r.quality}
    is_mixed = len(kinds) > 1
    lost = {t.trial for t, _ in asked if is_mixed or Flag.RESUMED in t.flags}
    energies = {t.trial: Joules() if t.trial in lost else _energy(t, known[t.trial]) for t, _ in asked}
    whole = [energies[t.trial] for t, _ in asked if t.failure is None and t.stopped is not Stopped.PRUNED]
    is_net = all(net_stands_out(energy.net, energy.net_u) for energy in whole if energy.gross is not None)
    by_study: dict[str, list[tuple[TrialRow, Attempt]]] = defaultdict(list)
    for t, ask in asked:
        energy_j = energies[t.trial].net if is_net else energies[t.trial].gross
        saved_j = None if t.trial in lost else _saved(t, known[t.trial], is_net)
        by_study[ask.study].append((t, _attempt(t, ask, known[t.trial], energy_j, saved_j, searched)))
    return Found(tuple(_study(members, searched) for members in by_study.values()), is_net, is_mixed)


def summarise(found: Iterable[Study]) -> list[StrategySummary]:
    """Sum up studies by workload and strategy, in the order in which these first appear."""
    groups: dict[tuple[Key, str], list[Study]] = defaultdict(list)
    for study in found:
        groups[study.workload, study.strategy].append(study)
    return [_summary(group) for group in groups.values()]


def beaten(found: Sequence[Configuration]) -> list[bool]:
    """Return for each whether another one is no worse in accuracy and energy, and better in one.

    Unknown values neither beat nor are beaten. From the least energy on, the best accuracy so far beats all below it.
    """
    known = [
        (energy_j, -accuracy, place)
        for place, c in enumerate(found)
        if (energy_j := c.energy_j) is not None and (accuracy := c.accuracy) is not None
    ]
    are_beaten = [False] * len(found)
    best: tuple[float, float] | None = None  # energy, and accuracy with its sign turned
    for energy_j, loss, place in sorted(known):
        are_beaten[place] = best is not None and best != (energy_j, loss) and best[1] <= loss
        if best is None or loss < best[1]:
            best = energy_j, loss
    return are_beaten


def front(found: Iterable[Study]) -> list[tuple[Study, Configuration]]:
    """Return the configurations that no other one beats, with their studies, which are of one workload.

    The configuration with the least energy comes first.
    """
    all_of_them = [(study, c) for study in found for c in study.configurations if c.energy_j is not None]
    are_beaten = beaten([configuration for _, configuration in all_of_them])
    unbeaten = [pair for pair, is_beaten in zip(all_of_them, are_beaten, strict=True) if not is_beaten]
    return sorted(unbeaten, key=lambda pair: pair[1].energy_j or 0.0)


def _energy(trial: TrialRow, run: Run) -> Joules:
    stages = [run.setup.joules, run.training.joules, run.validation.joules]
    if trial.failure is None:
        return total(stages)
    return Joules(gross=_added(stage.gross for stage in stages), net=_added(stage.net for stage in stages))


def _attempt(
    trial: TrialRow, ask: Asked, run: Run, energy_j: float | None, saved_j: float | None, searched: Collection[str]
) -> Attempt:
    has_failed = trial.failure is not None or run.last_accuracy is None
    was_cut = trial.stopped is Stopped.PRUNED
    return Attempt(
        number=ask.number,
        params={name: trial.factors[name] for name in searched if name in trial.factors},
        outcome=Outcome.FAILED if has_failed else Outcome.PRUNED if was_cut else Outcome.COMPLETE,
        accuracy=None if has_failed else run.last_accuracy,
        energy_j=energy_j,
        saved_j=saved_j,
        sampler_s=ask.sampler_s,
        sampler_cpu_s=ask.sampler_cpu_s,
    )


def _saved(trial: TrialRow, run: Run, is_net: bool) -> float | None:
    """Return the joules of the epochs that pruning left out, if each took the mean of the epochs that were done."""
    spent = total([run.training.joules, run.validation.joules]).per(len(run.epochs))
    epoch_j, planned = spent.net if is_net else spent.gross, trial.factors.get("epochs")
    if trial.stopped is not Stopped.PRUNED or epoch_j is None or not isinstance(planned, int):
        return None
    return epoch_j * (planned - len(run.epochs))


def _study(members: Sequence[tuple[TrialRow, Attempt]], searched: Collection[str]) -> Study:
    first = members[0][0]
    by_number: dict[int, list[Attempt]] = defaultdict(list)
    for _, attempt in members:
        by_number[attempt.number].append(attempt)
    varied = {*SEARCH_FACTORS, *searched}
    workload = [(name, value) for name, value in first.factors.items() if name not in varied]
    return Study(
        workload=(*workload, ("target", first.target)),
        strategy=str(first.factors.get("strategy")),
        seed=first.factors.get("tuning_seed"),
        configurations=tuple(Configuration(n, by_number[n][0].params, tuple(by_number[n])) for n in sorted(by_number)),
    )


def _summary(group: Sequence[Study]) -> StrategySummary:
    attempts = [attempt for study in group for attempt in study.attempts]
    failed, pruned = ([a for a in attempts if a.outcome is outcome] for outcome in (Outcome.FAILED, Outcome.PRUNED))
    beaten = [configuration for study in group for configuration in study.dominated]
    wasted = [a for c in beaten for a in c.attempts if a.outcome is Outcome.COMPLETE]
    asks = [configuration.attempts[0] for study in group for configuration in study.configurations]
    saved = [a.saved_j for a in pruned if a.saved_j is not None]
    everything = _sum(attempts)
    return StrategySummary(
        workload=group[0].workload,
        strategy=group[0].strategy,
        seeds=len(group),
        trials=len(attempts),
        failed=len(failed),
        pruned=len(pruned),
        dominated=len(beaten),
        unknown=sum(study.unknown for study in group),
        best_accuracy=mean_known(study.best_accuracy for study in group),
        total_j=mean_known(study.total_j for study in group),
        failed_share=_share(failed, everything),
        pruned_share=_share(pruned, everything),
        dominated_share=_share(wasted, everything),
        saved_j=sum(saved) / len(group) if saved and len(saved) == len(pruned) else None,
        sampler_s=fmean(ask.sampler_s for ask in asks),
        sampler_cpu_s=fmean(ask.sampler_cpu_s for ask in asks),
    )


def _share(part: Sequence[Attempt], everything: float | None) -> float | None:
    """Return the share of some trainings; None if their joules are unknown, 0 if there is no such training."""
    joules = _sum(part) if part else 0.0
    return joules / everything if everything and joules is not None else None


def _sum(attempts: Iterable[Attempt]) -> float | None:
    return _added(attempt.energy_j for attempt in attempts)


def _added(values: Iterable[float | None]) -> float | None:
    """Return the sum of the known values; None if all are unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
