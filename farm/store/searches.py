"""The queries of a search: the trainings that it asked for, their states, and their results."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

import farm.store.tables as t
from farm.model import Domain, Flag, JobState, Point, Stopped, SweepRecord
from farm.model.reading import Unreadable, each
from farm.store.engine import Database
from farm.store.membership import sweep_of

_STUDY = t.job.c.spec["asked", "study"].as_string()
_NUMBER = t.job.c.spec["asked", "number"].as_integer()
_OVER = (JobState.DONE, JobState.FAILED)


@dataclass(frozen=True, slots=True)
class Search:
    """A search that has configurations to ask for."""

    sweep: SweepRecord
    over: int  #: jobs done or failed: while this number stays the same, there are no new results


@dataclass(frozen=True, slots=True)
class AskedJob:
    """One repetition of one configuration of a study."""

    study: str
    number: int  #: the number of the configuration in the study
    repetition: int
    target: str
    point: Point
    state: JobState


@dataclass(frozen=True, slots=True)
class Trained:
    """The results of a training that measured."""

    study: str
    number: int  #: the number of the configuration in the study
    accuracies: tuple[float, ...]  #: validation accuracy after each epoch
    stopped: Stopped | None
    device: str | None
    energies_j: Mapping[Domain, float | None]  #: joules of all training windows; None: some window's are unknown


class Searches(Database):
    """The controller's queries on tuning sweeps."""

    def searches(self, sweep_id: str | None = None) -> list[Search | Unreadable]:
        """Read the tuning sweeps that are not settled, or only the named one if it is among them."""
        is_over = t.job.c.state.in_(_OVER)
        over = select(func.count()).where(t.job.c.sweep_id == t.sweep.c.id, is_over).scalar_subquery()
        query = select(t.sweep, over.label("over")).where(t.sweep.c.is_search, t.sweep.c.settled.is_(False))
        if sweep_id is not None:
            query = query.where(t.sweep.c.id == sweep_id)
        with self.read() as connection:
            return list(each(connection.execute(query), lambda row: Search(sweep_of(row), row.over)))

    def asked_jobs(self, sweep_id: str) -> list[AskedJob]:
        """Read every job that the studies of a sweep asked for, in the order of the plan."""
        query = (
            select(_STUDY, _NUMBER, t.job.c.repetition, t.job.c.target, t.job.c.point, t.job.c.state)
            .where(t.job.c.sweep_id == sweep_id, _STUDY.is_not(None))
            .order_by(t.job.c.ordinal)
        )
        with self.read() as connection:
            return [AskedJob(*row[:-1], state=JobState(row[-1])) for row in connection.execute(query)]

    def trained(self, sweep_id: str, studies: Collection[str]) -> list[Trained]:
        """Read the results of the trainings of some studies of a sweep; failed trainings have none."""
        measured = (t.job.c.sweep_id == sweep_id, _STUDY.in_(studies), t.trial.c.failure_kind.is_(None))
        device = t.trial.c.facts["device"].as_string()
        trials = (
            select(t.trial.c.id, _STUDY, _NUMBER, t.trial.c.stopped, device, t.trial.c.flags)
            .join(t.job, t.job.c.id == t.trial.c.job_id)
            .where(*measured)
            .order_by(t.job.c.ordinal)
        )
        with self.read() as connection:
            accuracies = _accuracies(connection, measured)
            energies_j = _energies_j(connection, measured)
            return [
                Trained(
                    study,
                    number,
                    tuple(accuracies[trial]),
                    Stopped(stopped) if stopped else None,
                    device,
                    # The joules of what ran before a checkpoint are in no window.
                    {} if Flag.RESUMED in flags else energies_j[trial],
                )
                for trial, study, number, stopped, device, flags in connection.execute(trials)
            ]


def _accuracies(connection: Connection, measured: Collection[ColumnElement[bool]]) -> Mapping[str, list[float]]:
    query = (
        select(t.epoch.c.trial_id, t.epoch.c.validation_accuracy)
        .join(t.trial, t.trial.c.id == t.epoch.c.trial_id)
        .join(t.job, t.job.c.id == t.trial.c.job_id)
        .where(*measured)
        .order_by(t.epoch.c.trial_id, t.epoch.c.index)
    )
    found: dict[str, list[float]] = defaultdict(list)
    for trial, accuracy in connection.execute(query):
        found[trial].append(accuracy)
    return found


def _energies_j(
    connection: Connection, measured: Collection[ColumnElement[bool]]
) -> Mapping[str, dict[Domain, float | None]]:
    """Return net joules where they are known of all training windows, else gross joules."""
    sample = t.sample.c
    query = (
        select(sample.trial_id, sample.domain, func.coalesce(sample.net_j, sample.gross_j))
        .join(t.trial, t.trial.c.id == sample.trial_id)
        .join(t.job, t.job.c.id == t.trial.c.job_id)
        .where(*measured, sample.part == t.WHOLE)
    )
    found: dict[str, dict[Domain, float | None]] = defaultdict(dict)
    for trial, domain, joules in connection.execute(query):
        found[trial][Domain(domain)] = joules
    return found
