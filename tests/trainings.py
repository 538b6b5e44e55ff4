"""Rows of trainings, of searches and of networks taken apart, for tests of analysis and report."""

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from farm.model import Asked, Epoch, Failure, FailureKind, MeasurementRow, Point, StoppingRule, SweepRecord, WindowKind
from farm.model.energies import COVERAGE_FACTOR
from tests.loaded import Measured
from tests.summaries import NOON, measurement_row, trial_row

SHORT, LONG = 4.0, 12.0
TRAINING_POINT: Point = {
    "model": "simple_cnn", "dataset": "digits", "epochs": 4, "batch_size": 128, "optimizer": "adam", "lr": 0.001,
    "beta1": 0.9, "precision": "fp32", "device": "auto", "relu": True, "patience": None,
}  # fmt: skip


def sweep_of(kind: str, meaning: str = "{}") -> SweepRecord:
    rule = StoppingRule(min=2, max=2, target=0.05)
    return SweepRecord(
        id="abcdef012345",
        name="study",
        kind=kind,
        submitted_at=NOON,
        text="",
        meaning=meaning,
        rule=rule,
        settled=True,
        submitter="anne",
        is_search=kind == "tuning",
    )


def epoch(index: int, accuracy: float, window: int | None) -> Epoch:
    return Epoch(
        index=index, window=window, train_loss=1.0, validation_loss=1.0, validation_accuracy=accuracy, train_s=2.0
    )


def row(kind: WindowKind, index: int, gross_j: float | None, duration_s: float, **changes: Any) -> MeasurementRow:
    """100 images. Net is gross less 1 J for each second; its standard uncertainty is 0.5 J."""
    net = None if gross_j is None else gross_j - duration_s
    ends = (None, None) if net is None else (net - 0.5 * COVERAGE_FACTOR, net + 0.5 * COVERAGE_FACTOR)
    figures = {"gross_j": gross_j, "net_j": net, "net_j_low": ends[0], "net_j_high": ends[1], "units": 100}
    return measurement_row(window=kind, window_index=index, duration_s=duration_s, **figures | changes)


def setup(gross_j: float | None, **changes: Any) -> MeasurementRow:
    return row(WindowKind.SETUP, 0, gross_j, 2.0, **changes)


def training(index: int, gross_j: float | None, duration_s: float = SHORT, **changes: Any) -> MeasurementRow:
    return row(WindowKind.TRAINING, index, gross_j, duration_s, **changes)


def validation(index: int, gross_j: float | None, **changes: Any) -> MeasurementRow:
    return row(WindowKind.VALIDATION, index, gross_j, 1.0, **changes)


def trained(name: str, *accuracies: float, gross_j: float = 10.0, **changes: Any) -> Measured:
    """A training with a window of 4 s and `gross_j` for each epoch; validation 1 J, setup 2 J, which are 0 J net.

    `row_...` changes the measurements, `point_...` a factor, the rest the trial.
    """
    point = {key.removeprefix("point_"): value for key, value in changes.items() if key.startswith("point_")}
    own = {key.removeprefix("row_"): value for key, value in changes.items() if key.startswith("row_")}
    rest = {key: value for key, value in changes.items() if not key.startswith(("point_", "row_"))}
    epochs = tuple(epoch(index, accuracy, index) for index, accuracy in enumerate(accuracies))
    trial = trial_row(trial=name, job=name, kind="training", factors={**TRAINING_POINT, **point}, epochs=epochs, **rest)
    rows = [setup(2.0, trial=name, **own)]
    for index, _ in enumerate(accuracies):
        rows += [training(index, gross_j, trial=name, **own), validation(index, 1.0, trial=name, **own)]
    return trial, rows


def asked(strategy: str, seed: int, number: int, *accuracies: float, **changes: Any) -> Measured:
    """A training that a study asked for; one without accuracies failed."""
    lost = Failure(kind=FailureKind.LOST, message="lost") if not accuracies else None
    search: dict[str, Any] = {"point_strategy": strategy, "point_tuning_seed": seed, "point_configuration": number}
    ask = Asked(study=f"{strategy}/{seed}", number=number, sampler_s=0.5, sampler_cpu_s=0.25)
    return trained(f"{strategy}.{seed}.{number}", *accuracies, **{"failure": lost, "asked": ask, **search, **changes})


def part(label: str, pass_: str, kind: str = "layer", **changes: JsonValue) -> dict[str, JsonValue]:
    """An entry of the fact `parts`."""
    type_ = label.split(maxsplit=1)[0]
    return {"label": label, "pass": pass_, "kind": kind, "type": type_, "count": 1, "ablated": None, **changes}


def taken_apart(name: str, parts: Sequence[dict[str, JsonValue]], net_j: Sequence[float], **changes: Any) -> Measured:
    """A trial of kind layers: ten calls of each part in a window of 2 s, with these net joules a call."""
    facts = {"device": "cpu", "unit": "call", "parts": list(parts)}
    point: Point = {"model": "simple_cnn", "input": "digits", "batch_size": 16, "relu": True, "backward": True}
    trial = trial_row(trial=name, job=name, kind="layers", factors=point, facts=facts, **changes)
    rows = [
        measurement_row(
            trial=name,
            window_index=index,
            gross_j=joules * 10 + 10,
            net_j=joules * 10,
            net_j_low=(joules - 0.01 * COVERAGE_FACTOR) * 10,
            net_j_high=(joules + 0.01 * COVERAGE_FACTOR) * 10,
        )
        for index, joules in enumerate(net_j)
    ]
    return trial, rows
