"""Tuning sweeps, and trainings that bring what their hyperparameters say."""

import math
from collections.abc import Iterable
from typing import Any

from farm.kinds.tuning.sweep import TuningSweep
from farm.model import (
    Domain,
    Epoch,
    FailureKind,
    JobMessage,
    JobSpec,
    JobState,
    Measurement,
    Quality,
    Stopped,
    SweepRecord,
    TrialReport,
    Window,
    WindowKind,
)
from farm.scheduling.plan import PlannedJob
from farm.scheduling.tuner import Known, plan
from farm.store import AskedJob, Store, Trained
from tests.contract.store_records import ANNE, MACHINE, UTC_NOON, report

EPOCHS = 4
SPACE = {"lr": {"low": 1e-4, "high": 0.1, "log": True}, "beta1": {"low": 0.1, "high": 0.9}}


def tuning_sweep(**changes: Any) -> TuningSweep:
    """Two strategies with two seeds, of five configurations; `tuning` and the other fields may be changed."""
    tuning = {"space": SPACE, "strategies": ["random", "tpe"], "trials": 5, "seeds": 2, **changes.pop("tuning", {})}
    workload = {"model": "simple_cnn", "epochs": EPOCHS}
    return TuningSweep.model_validate(
        {"name": "search", "kind": "tuning", "workload": workload, "tuning": tuning, **changes}
    )


def accuracies(spec: JobSpec, epochs: int = EPOCHS) -> tuple[float, ...]:
    """Best at a learning rate of 0.01, and better with every epoch."""
    lr = spec.point["lr"]
    assert isinstance(lr, float)
    last = 0.9 - 0.2 * abs(math.log10(lr) + 2) - 0.01 * spec.repetition
    return tuple(last * (epoch + 1) / EPOCHS for epoch in range(epochs))


def uninterrupted(sweep: TuningSweep) -> list[PlannedJob]:
    """Every job that a sweep comes to have, where all that is open is done before more is asked for."""
    jobs = list(plan(sweep, []).jobs)
    while new := plan(sweep, [], known=Known([asked(j) for j in jobs], [trained(j) for j in jobs])).jobs:
        jobs += new
    return jobs


def asked(job: PlannedJob, state: JobState = JobState.DONE) -> AskedJob:
    spec = job.spec
    assert spec.asked is not None
    return AskedJob(spec.asked.study, spec.asked.number, spec.repetition, spec.target, spec.point, state)


def trained(job: PlannedJob, **changes: Any) -> Trained:
    assert job.spec.asked is not None
    fields = {
        "accuracies": accuracies(job.spec),
        "stopped": None,
        "device": "cpu",
        "energies_j": {Domain.CPU: 5.0, Domain.GPU: 50.0},
        **changes,
    }
    return Trained(job.spec.asked.study, job.spec.asked.number, **fields)


def training_report(spec: JobSpec, attempt: int = 1, **changes: Any) -> TrialReport:
    """Of a training on a CPU whose meter counted 3 J gross and 2 J net in each of two training windows."""
    kinds = ((WindowKind.TRAINING, 0), (WindowKind.VALIDATION, 0), (WindowKind.TRAINING, 1))
    windows = tuple(
        Window(kind=kind, index=index, begin_at_ns=at, end_at_ns=at + 10**9, started_at_utc=UTC_NOON, units=64)
        for at, (kind, index) in zip((10**15, 2 * 10**15, 3 * 10**15), kinds, strict=True)
    )
    measurements = tuple(
        Measurement(
            window_kind=kind, window_index=index, domain=Domain.CPU, quality=Quality.COUNTER, source="rapl",
            gross_j=3.0, net_j=2.0,
        )
        for kind, index in kinds
    )  # fmt: skip
    epochs = tuple(
        Epoch(
            index=n, window=n // 2, train_loss=1.0, validation_loss=1.0, validation_accuracy=accuracy, train_s=0.5
        )
        for n, accuracy in enumerate(accuracies(spec))
    )  # fmt: skip
    fields = {"windows": windows, "measurements": measurements, "epochs": epochs, "facts": {"device": "cpu"}}
    return report(spec.job, attempt, **fields | changes)


def train(store: Store, messages: Iterable[JobMessage], failing: Iterable[str] = ()) -> list[JobSpec]:
    """Do what is published, as a worker would; jobs named as failing fail for good."""
    done = []
    for message in messages:
        won = store.claim(message.job, message.attempt, ANNE, MACHINE.id, 60)
        assert won is not None
        lost = message.job in failing
        told = report(message.job, won.attempt, FailureKind.ERROR) if lost else training_report(won.spec, won.attempt)
        assert store.complete(told)
        done.append(won.spec)
    return done


def pruned(spec: JobSpec, attempt: int, epochs: int) -> TrialReport:
    """Of a training that was cut short after so many epochs."""
    whole = training_report(spec, attempt)
    return whole.model_copy(update={"epochs": whole.epochs[:epochs], "stopped": Stopped.PRUNED})


def record_of(sweep: TuningSweep, sweep_id: str) -> SweepRecord:
    return SweepRecord(
        id=sweep_id,
        name=sweep.name,
        kind="tuning",
        is_search=True,
        submitted_at=UTC_NOON,
        text="",
        meaning=sweep.model_dump_json(exclude_unset=True),
        rule={"min": 1, "max": 1, "target": 0.05},
        settled=False,
        submitter="anne",
    )
