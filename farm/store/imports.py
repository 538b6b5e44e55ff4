"""The command that stores measurements which were made elsewhere."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

import farm.store.tables as t
from farm.energy.samples import samples
from farm.model import (
    Import,
    ImportedTrial,
    JobState,
    MachineState,
    Measurement,
    StoppingRule,
    SweepRecord,
    Window,
    WindowKind,
)
from farm.store.engine import Database
from farm.store.samples import sample_row

#: The kind of imported sweeps: the workload is unknown.
KIND = "imported"


class Imports(Database):
    """The command of users that imports measurements."""

    def add_import(self, found: Import, submitter: str) -> bool:
        """Store the whole import, or nothing on an error; return False if it is stored already."""
        now = datetime.now(UTC)
        repetitions = 1 + max(trial.repetition for trial in found.trials)
        sweep = SweepRecord(
            id=found.id,
            name=found.name,
            kind=KIND,
            submitted_at=now,
            text=f"# imported from {found.source}\n",
            meaning=found.mapped.canonical(),
            rule=StoppingRule(min=repetitions, max=repetitions, target=0.02),
            settled=True,
            submitter=submitter,
            imported=True,
        )
        with self.write() as connection:
            known = self.insert(t.sweep).on_conflict_do_nothing().returning(t.sweep.c.id)
            if connection.execute(known, sweep.model_dump()).one_or_none() is None:
                return False
            machines = {_machine_id(trial): _machine(trial, now) for trial in found.trials}
            connection.execute(self.insert(t.machine).on_conflict_do_nothing(), list(machines.values()))
            for table, rows in _rows(found, now):
                connection.execute(table.insert(), rows)
        return True


def _rows(found: Import, now: datetime) -> Iterator[tuple[Any, Sequence[dict[str, Any]]]]:
    jobs = [_job_id(found, place) for place in range(len(found.trials))]
    placed = list(zip(jobs, found.trials, strict=True))
    yield t.job, [_job(found.id, job, place, trial) for place, (job, trial) in enumerate(placed)]
    yield t.trial, [_trial(found, job, trial, now) for job, trial in placed]
    trials = [(f"{job}.1", _facts(found, trial), _window(trial, now), _measurement(trial)) for job, trial in placed]
    yield t.window, [{"trial_id": id_, **window.model_dump()} for id_, _, window, _ in trials]
    yield t.measurement, [{"trial_id": id_, **measured.model_dump()} for id_, _, _, measured in trials]
    yield (
        t.sample,
        [
            {"trial_id": id_, **sample_row(sample)}
            for id_, facts, window, measured in trials
            for sample in samples([window], [measured], facts, ())
        ],
    )


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _job_id(found: Import, place: int) -> str:
    return _hash(found.id, str(place))[:16]


def _machine_id(trial: ImportedTrial) -> str:
    return _hash(KIND, trial.machine, trial.hardware_class)[:12]


def _machine(trial: ImportedTrial, now: datetime) -> dict[str, Any]:
    """Make a machine on which no worker runs."""
    return {
        "id": _machine_id(trial),
        "name": trial.machine,
        "hardware_class": trial.hardware_class,
        "hardware": {},
        "software": {},
        "abilities": {},
        "simulated": False,
        "worker_owner": "",
        "worker_version": "",
        "last_seen_at": now,
        "wanted_state": MachineState.ACTIVE,
        "spooled": 0,
        "rejected": 0,
        "imported": True,
    }


def _job(sweep: str, job: str, place: int, trial: ImportedTrial) -> dict[str, Any]:
    return {
        "id": job,
        "sweep_id": sweep,
        "key": job,
        "ordinal": place,
        "block": trial.repetition,
        "repetition": trial.repetition,
        "target": f"machine:{trial.machine}",
        "queue": "",
        "priority": 5,
        "state": JobState.DONE,
        "attempt": 1,
        "max_attempts": 1,
        "machine_id": _machine_id(trial),
        "cancel_requested": False,
        "point": trial.factors,
        "spec": {},
    }


def _facts(found: Import, trial: ImportedTrial) -> dict[str, JsonValue]:
    accuracy: dict[str, JsonValue] = {} if trial.accuracy is None else {"accuracy": trial.accuracy}
    return {"unit": found.mapped.unit, "domain": trial.domain, **accuracy}


def _trial(found: Import, job: str, trial: ImportedTrial, now: datetime) -> dict[str, Any]:
    return {
        "id": f"{job}.1",
        "job_id": job,
        "attempt": 1,
        "machine_id": _machine_id(trial),
        "finished_at_utc": now,
        "facts": _facts(found, trial),
        "carbon_is_own": False,
        "flags": [],
        "notes": [f"imported from {found.source}, line {trial.line}"],
        "log_tail": "",
        "simulated": False,
    }


def _window(trial: ImportedTrial, now: datetime) -> Window:
    """Make a window of which only the duration is meaningful; without a known duration it ends as it begins."""
    end_at_ns = round((trial.duration_s or 0) * 1e9)
    return Window(kind=WindowKind.MEASURE, begin_at_ns=0, end_at_ns=end_at_ns, started_at_utc=now, units=trial.units)


def _measurement(trial: ImportedTrial) -> Measurement:
    watts = trial.gross_j / trial.duration_s if trial.gross_j is not None and trial.duration_s else None
    return Measurement(
        window_kind=WindowKind.MEASURE,
        window_index=0,
        domain=trial.domain,
        quality=trial.quality,
        source=KIND,
        gross_j=trial.gross_j,
        net_j=trial.net_j,
        net_j_low=trial.net_j_low,
        net_j_high=trial.net_j_high,
        mean_w=watts,
    )
