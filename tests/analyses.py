"""Trials with known effects, for what analyses them."""

from collections.abc import Sequence
from math import exp
from random import Random
from typing import Any

from farm.report.analyses import Method, Options, analysis
from farm.report.document import Document
from farm.report.observations import Observations, of_sweep
from farm.report.selection import Selection
from tests.loaded import Measured, loaded
from tests.summaries import POINT, measurement_row, trial_row
from tests.trainings import sweep_of

SWEEP = sweep_of("inference")
FACTORS = ("model", "batch_size")


def measured(name: str, net_j: float, model: str = "alexnet", batch: int = 1, **changes: Any) -> Measured:
    """A trial with 10 images; gross is twice net. `row_...` changes the measurement, the rest the trial."""
    own = {key.removeprefix("row_"): value for key, value in changes.items() if key.startswith("row_")}
    rest = {key: value for key, value in changes.items() if not key.startswith("row_")}
    factors = {**POINT, "model": model, "batch_size": batch}
    figures = {"net_j": net_j * 10, "net_j_low": net_j * 9.9, "net_j_high": net_j * 10.1, "gross_j": net_j * 20}
    trial = trial_row(trial=name, job=name, factors=factors, **rest)
    return trial, [measurement_row(trial=name, **{**figures, **own})]


def trials(repetitions: int = 5, spread: float = 0.02, prefix: str = "", **changes: Any) -> list[Measured]:
    """Batch 16 takes half of batch 1; vit_b_16 three times alexnet."""
    random = Random(11)
    return [
        measured(
            f"{prefix}{model}.{batch}.{n}",
            times * share * exp(random.gauss(0, spread)),
            model,
            batch,
            repetition=n,
            **changes,
        )
        for model, times in (("alexnet", 1.0), ("vit_b_16", 3.0))
        for batch, share in ((1, 1.0), (16, 0.5))
        for n in range(repetitions)
    ]


def seen(
    *measurements: Measured, response: str = "energy", factors: Sequence[str] = FACTORS, **chosen: Any
) -> Observations:
    return of_sweep(loaded(SWEEP, *measurements, domain=chosen.get("domain")), response, factors, Selection(**chosen))


def analysed(how: Method, found: Observations, factors: Sequence[str] = FACTORS, **options: Any) -> Document:
    return analysis(how, found, factors, Options(**options))
