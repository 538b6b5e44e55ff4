"""Synthetic sweeps: samples of many points over blocks, with a known mean energy, spread and shared error."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from farm.analysis.aggregate import UnitSample
from tests.summaries import sample

#: The mean energy of a point, in J per unit: the points of a sweep differ by some 10 %.
MEAN_J, POINTS_DIFFER = 1.0, 0.1
#: The standard deviation of the logarithm of a machine's energy.
MACHINES_DIFFER = 0.3
#: With unequal spreads, the noisiest point spreads about so many times as much as the calmest.
UNEQUAL = 4.0
#: An outlier is so many times as far from the mean as the spread says, and one trial in so many is one.
OUTLIER_FACTOR, OUTLIER_SHARE = 4.0, 0.05
#: Labels of the machine of all samples, unless a sweep has several.
MACHINE = "lab1"


@dataclass(frozen=True, slots=True)
class Design:
    """The shape of a synthetic sweep, and the errors in it; all are relative to the energy of a point."""

    points: int
    repetitions: int
    spread: float = 0.02  #: standard deviation between trials of a point
    spreads: Literal["equal", "unequal", "outliers"] = "equal"
    block: float = 0.0  #: standard deviation between blocks, common to all points of a block
    shared: float = 0.0  #: standard uncertainty of an error that all trials share; it is drawn so large
    machines: int = 1
    between: float = 0.0  #: standard deviation of the true log ratios between machines
    alike: bool = False  #: all points have the same energy


@dataclass(frozen=True, slots=True)
class Drawn:
    """One synthetic sweep, and the truth about it."""

    samples: Sequence[UnitSample]
    truth_j: Sequence[float] = field(repr=False)  #: the mean energy of each point
    spreads: Sequence[float] = field(repr=False)  #: the true spread of each point

    def noisiest(self) -> frozenset[int]:
        """Return the quarter of the points that spread the most."""
        ordered = np.argsort(self.spreads)
        return frozenset(int(point) for point in ordered[-max(len(ordered) // 4, 1) :])


def draw(design: Design, rng: np.random.Generator) -> Drawn:
    """Draw a sweep; point 0 is the reference of ratios."""
    differ = 0.0 if design.alike else POINTS_DIFFER
    truth_j = MEAN_J * np.exp(rng.normal(0, differ, design.points))
    spreads = np.full(design.points, design.spread)
    if design.spreads == "unequal":
        spreads = design.spread * UNEQUAL ** rng.uniform(-0.5, 0.5, design.points)
    samples = []
    for machine in range(design.machines):
        speed = np.exp(rng.normal(0, MACHINES_DIFFER)) if design.machines > 1 else 1.0
        own = np.exp(rng.normal(0, design.between, design.points))
        error = 1 + rng.normal(0, design.shared) if design.shared else 1.0
        for block in range(design.repetitions):
            common = np.exp(rng.normal(0, design.block)) if design.block else 1.0
            noise = 1 + spreads * _noise(design, rng)
            values = truth_j * own * speed * common * error * noise
            samples += [
                unit_sample(point, block, float(value), f"{MACHINE}{machine or ''}", design.shared * float(value))
                for point, value in enumerate(values)
            ]
    return Drawn(samples, truth_j.tolist(), spreads.tolist())


def _noise(design: Design, rng: np.random.Generator) -> Any:
    noise = rng.normal(0, 1, design.points)
    if design.spreads == "outliers":
        return np.where(rng.random(design.points) < OUTLIER_SHARE, OUTLIER_FACTOR, 1.0) * noise
    return noise


def unit_sample(point: int, block: int, net_j: float, machine: str = MACHINE, shared_u_j: float = 0.0) -> UnitSample:
    """Return the sample of one trial of a point, which is its batch size."""
    job = f"{machine}/{point}/{block}"
    labels = {
        "model": "alexnet", "batch_size": point + 1, "device": "cpu", "machine": machine, "hardware_class": machine,
        "environment": "env", "sweep": "synthetic", "repetition": block, "job": job, "trial": job, "domain": "cpu",
        "quality": "counter", "simulated": False, "imported": False, "unit": "image",
    }  # fmt: skip
    plain = sample(labels=labels, net_j=net_j, gross_j=2 * net_j)
    uncertain = {"net_u_j": shared_u_j, "net_shared_u_j": shared_u_j, "gross_u_j": 0.0, "gross_shared_u_j": 0.0}
    return replace(plain, **{k: v for k, v in uncertain.items() if k in type(plain).__slots__})
