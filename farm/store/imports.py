"""Measurements made elsewhere, on their way into the store."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import farm.store.tables as t
from farm.model import Import, ImportedTrial, JobState, MachineState, StoppingRule, SweepRecord, WindowKind
from farm.store.engine import Database

#: The kind of their sweeps: nobody here knows what ran.
KIND = "imported"


class Imports(Database):
    """For users."""

    def add_import(self, found: Import, submitter: str) -> bool:
        """Store all of it, or nothing where an error happens; False where it is there already."""
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
    yield t.window, [_window(job, trial, now) for job, trial in placed]
    yield t.measurement, [_measurement(job, trial) for job, trial in placed]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _job_id(found: Import, place: int) -> str:
    return _hash(found.id, str(place))[:16]


def _machine_id(trial: ImportedTrial) -> str:
    return _hash(KIND, trial.machine, trial.hardware_class)[:12]


def _machine(trial: ImportedTrial, now: datetime) -> dict[str, Any]:
    """No worker runs there."""
    return {
        "id": _machine_id(trial),
        "name": trial.machine,
        "hardware_class": trial.hardware_class,
        "hardware": {},
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


def _trial(found: Import, job: str, trial: ImportedTrial, now: datetime) -> dict[str, Any]:
    accuracy = {} if trial.accuracy is None else {"accuracy": trial.accuracy}
    return {
        "id": f"{job}.1",
        "job_id": job,
        "attempt": 1,
        "machine_id": _machine_id(trial),
        "finished_at_utc": now,
        "facts": {"unit": found.mapped.unit, "domain": trial.domain, **accuracy},
        "flags": [],
        "notes": [f"imported from {found.source}, line {trial.line}"],
        "log_tail": "",
        "simulated": False,
    }


def _window(job: str, trial: ImportedTrial, now: datetime) -> dict[str, Any]:
    """Only its duration says anything; an unknown one is a window that ends as it begins."""
    return {
        "trial_id": f"{job}.1",
        "kind": WindowKind.MEASURE,
        "index": 0,
        "begin_at_ns": 0,
        "end_at_ns": round((trial.duration_s or 0) * 1e9),
        "started_at_utc": now,
        "units": trial.units,
    }


def _measurement(job: str, trial: ImportedTrial) -> dict[str, Any]:
    watts = trial.gross_j / trial.duration_s if trial.gross_j is not None and trial.duration_s else None
    return {
        "trial_id": f"{job}.1",
        "window_kind": WindowKind.MEASURE,
        "window_index": 0,
        "domain": trial.domain,
        "quality": trial.quality,
        "source": KIND,
        "gross_j": trial.gross_j,
        "net_j": trial.net_j,
        "net_j_low": trial.net_j_low,
        "net_j_high": trial.net_j_high,
        "mean_w": watts,
        "flags": [],
    }
