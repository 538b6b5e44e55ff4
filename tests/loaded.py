"""What a command loads of a sweep, made from rows instead of a database."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from farm.energy.samples import WORK, samples
from farm.model import (
    CPU_RATING,
    Domain,
    FailedTrial,
    JobState,
    Measurement,
    MeasurementRow,
    Plan,
    Progress,
    Sample,
    SweepData,
    SweepRecord,
    TrialRow,
    Window,
)
from farm.model.energies import own_domain
from tests.contract.store_records import new_job
from tests.summaries import TimedRow

Measured = tuple[TimedRow, list[MeasurementRow]]
_ENERGIES = ("gross_j", "gross_u_j", "gross_shared_u_j", "net_j", "net_u_j", "net_shared_u_j")
_UNKNOWN: dict[str, Any] = dict.fromkeys((*_ENERGIES, "idle_w", "quality"))


def loaded(sweep: SweepRecord, *trials: Measured, domain: Domain | None = None, **more: Any) -> SweepData:
    """Everything that these trials tell, as if all of it was asked for."""
    every = [sample for trial, rows in trials for sample in samples_of_rows(trial, rows, domain)]
    done = sum(trial.failure is None for trial, _ in trials)
    published = ((t.factors.get("model"), t.facts.get("published_acc1_percent")) for t, _ in trials)
    planned = [new_job(number).spec for number, _ in enumerate(trials)]
    plain: dict[str, Any] = {
        "parts": [sample for sample in every if sample.part is not None],
        "trials": [trial for trial, _ in trials],
        "stages": [row for _, rows in trials for row in rows],
        "work": [row for _, rows in trials for row in rows if row.window in WORK],
        "latencies_s": {trial.trial: trial.latencies_s for trial, _ in trials if trial.latencies_s},
        "accuracy": {str(model): float(value) for model, value in published if isinstance(value, int | float)},
        "last_accuracy": {t.trial: t.epochs[-1].validation_accuracy for t, _ in trials if t.epochs},
        "plan": Plan(
            points=[trial.factors for trial, _ in trials],
            targets=list(dict.fromkeys(spec.target for spec in planned)),
            measure=planned[0].measure if planned else None,
            seed=planned[0].seed if planned else None,
        ),
        "failures": [
            FailedTrial(t.job, t.factors, t.repetition, t.attempt, t.failure, JobState.FAILED)
            for t, _ in trials
            if t.failure is not None
        ],
        "progress": Progress({JobState.DONE: done, JobState.FAILED: len(trials) - done}),
        "environments": {"env": {"torch": {"version": "2.14"}}},
        "meters": Counter((r.domain, r.source, r.quality) for _, rows in trials for r in rows if r.window in WORK),
    }
    return SweepData(sweep, domain, [sample for sample in every if sample.part is None], **plain | more)


def samples_of_rows(trial: TrialRow, rows: Sequence[MeasurementRow], domain: Domain | None = None) -> list[Sample]:
    """The samples of one trial and its parts, in one domain, as the store finds them."""
    if trial.failure is not None:
        return []
    wanted, own = domain or own_domain(trial.facts), own_domain(trial.facts)
    found = [
        _sample(trial, asdict(figures))
        for figures in samples(_windows(rows), _measured(rows), trial.facts, trial.flags)
    ]
    metered = [sample for sample in found if sample.domain is wanted]
    known = {sample.part for sample in metered}
    others = [sample for sample in found if sample.domain is own and sample.part not in known]
    return metered + [replace(s, domain=wanted, own_device=False, flags=trial.flags, **_UNKNOWN) for s in others]


def _sample(trial: TrialRow, figures: dict[str, Any]) -> Sample:
    own = ("sweep", "job", "trial", "repetition", "factors", "machine", "hardware_class", "environment")
    rest = ("carbon", "simulated", "imported")
    rating = cast("str | None", trial.facts.get(CPU_RATING))
    return Sample(**figures, **{name: getattr(trial, name) for name in (*own, *rest)}, rating=rating)


def _windows(rows: Iterable[MeasurementRow]) -> list[Window]:
    """One of each window; every domain has the same windows."""
    each = {(row.window, row.window_index): row for row in rows}
    return [
        Window(
            kind=row.window,
            index=row.window_index,
            begin_at_ns=0,
            end_at_ns=round((row.duration_s or 0) * 1e9),
            started_at_utc=row.started_at_utc,
            units=row.units,
        )
        for row in each.values()
    ]


def _measured(rows: Iterable[MeasurementRow]) -> list[Measurement]:
    named = {"window_kind": "window", "window_index": "window_index"}
    plain = [name for name in Measurement.model_fields if name not in named]
    return [
        Measurement.model_construct(
            **{name: getattr(row, of) for name, of in named.items()}, **{name: getattr(row, name) for name in plain}
        )
        for row in rows
    ]
