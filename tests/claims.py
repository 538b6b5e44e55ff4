"""Trials with known effects, for what judges the claims of a study."""

from collections.abc import Mapping, Sequence
from math import exp
from random import Random
from typing import Any

from farm.analysis.aggregate import UnitSample
from farm.kinds.tuning.searches import Attempt, Configuration, Outcome, Study
from farm.model import Quality, Scalar
from farm.studies.claims.finding import Finding, Trials
from tests.summaries import sample

#: Joules per image of each network by batch size.
Joules = Mapping[str, Mapping[int, float]]
#: That of a training by convolutions, linear layers, ReLU.
Cells = Mapping[tuple[int, int, bool], float]


def one(labels: Mapping[str, Scalar], net_j: float, /, **changes: Any) -> UnitSample:
    """A trial; gross is half as much again, and net is sure to 1 %."""
    quality = changes.get("quality", Quality.COUNTER).value
    known = {"machine": "lab1", "device": "cuda", "domain": "gpu", "quality": quality, "trial": "t", **labels}
    energies = {"net_j": net_j, "gross_j": 1.5 * net_j, "net_u_j": 0.01 * net_j}
    return sample(labels=known, latencies_s=(), **energies | changes)


def inference(joules: Joules, repetitions: int = 5, spread: float = 0.01, **changes: Any) -> list[UnitSample]:
    """Trials of each network and batch size."""
    random = Random(3)
    return [
        one(
            {"model": model, "batch_size": size, "repetition": n},
            value * exp(random.gauss(0, spread)),
            **changes,
        )
        for model, by_size in joules.items()
        for size, value in by_size.items()
        for n in range(repetitions)
    ]


def trainings(
    cells: Cells, repetitions: int = 5, spread: float = 0.01, factors: Mapping[str, Scalar] | None = None
) -> list[UnitSample]:
    """Trials of each cell, each with an id of its own."""
    random = Random(5)
    return [
        one(
            {
                "model": "simple_cnn",
                "dataset": "fashion_mnist",
                "conv_layers": conv,
                "linear_layers": linear,
                "relu": relu,
                "repetition": n,
                "trial": f"{conv}.{linear}.{relu}.{n}",
                **(factors or {}),
            },
            value * exp(random.gauss(0, spread)),
        )
        for (conv, linear, relu), value in cells.items()
        for n in range(repetitions)
    ]


def cells(conv: float = 2.0, linear: float = 1.04, relu: float = 1.02) -> dict[tuple[int, int, bool], float]:
    """What each factor multiplies the energy by."""
    return {
        (c, n, r): 10.0 * (conv if c == 4 else 1) * (linear if n == 7 else 1) * (relu if r else 1)
        for c in (1, 4)
        for n in (3, 7)
        for r in (False, True)
    }


def study(strategy: str, seed: int, accuracies: Sequence[float], joules: float = 10.0) -> Study:
    """A configuration of one training for each accuracy."""
    return Study(
        workload=(("dataset", "digits"),),
        strategy=strategy,
        seed=seed,
        configurations=tuple(
            Configuration(n, {}, (Attempt(n, {}, Outcome.COMPLETE, accuracy, joules),))
            for n, accuracy in enumerate(accuracies)
        ),
    )


def found(findings: Sequence[Finding], claim: str) -> Finding:
    """That of one claim."""
    (own,) = [finding for finding in findings if finding.claim.id == claim]
    return own


def trials(samples: Sequence[UnitSample], include_flagged: bool = False) -> Trials:
    return Trials(samples, include_flagged)
