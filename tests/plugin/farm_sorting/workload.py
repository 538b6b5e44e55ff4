"""The workload sorting, which runs on the workers."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, JsonValue

from farm.model import Frozen, Point
from workers.trial.loops import run_windows
from workers.trial.params import parsed
from workers.trial.stage import Stage

Kinds = Literal["quicksort", "heapsort", "stable"]
KINDS: Mapping[str, Kinds] = {"quick": "quicksort", "heap": "heapsort", "stable": "stable"}


class Params(Frozen):
    """A point of kind sorting."""

    algorithm: Literal["quick", "heap", "stable"]
    n: int = Field(ge=1)


class Sorting:
    """Sorts one array again and again; a step sorts it once."""

    unit: ClassVar[str] = "element"

    def __init__(self) -> None:
        self._array = np.empty(0)
        self._kind: Kinds = "quicksort"

    def setup(self, point: Point, device: str, seed: int) -> None:
        """Draw the numbers; the same seed draws the same."""
        params = parsed(point, Params)
        self._array = np.random.default_rng(seed).random(params.n)
        self._kind = KINDS[params.algorithm]

    def run(self, stage: Stage) -> None:
        """Warm up, and repeat the step in each measure window."""
        run_windows(stage, self)

    def step(self) -> int:
        """Sort a copy; returns the number of elements."""
        np.sort(self._array, kind=self._kind)
        return self._array.size

    def synchronize(self) -> None:
        """Do nothing: a step is over when it returns."""

    def facts(self) -> Mapping[str, JsonValue]:
        """Return what ran, for the record of the trial."""
        return {"numpy": np.__version__, "bytes": self._array.nbytes}

    def close(self) -> None:
        """Free the array."""
        self._array = np.empty(0)
