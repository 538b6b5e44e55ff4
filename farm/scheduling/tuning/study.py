"""The arguments of a strategy: the study, and the trials that are known."""

import hashlib
from dataclasses import dataclass

from farm.kinds.tuning.space import Space
from farm.kinds.tuning.strategies import Objective, Strategy
from farm.model import Point


@dataclass(frozen=True, slots=True)
class Study:
    """One strategy on one space with one seed."""

    strategy: Strategy
    space: Space
    trials: int  #: the wanted number of trials; a small grid has fewer
    seed: int
    objectives: tuple[Objective, ...] = ("accuracy",)

    def seed_of(self, number: int) -> int:
        """Return the seed of one trial: the same at every ask.

        It does not depend on the strategy, so strategies with a random start begin with the same points.
        """
        digest = hashlib.sha256(f"{self.seed}/{number}".encode()).digest()
        return int.from_bytes(digest[:4], "big")


@dataclass(frozen=True, slots=True)
class Pending:
    """A trial that was asked for and has not finished."""

    number: int  #: counts the trials of a study from 0
    params: Point


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial that is over."""

    number: int  #: counts the trials of a study from 0
    params: Point
    values: tuple[float, ...] | None  #: one finite value for each objective; None: the trial failed
    accuracies: tuple[float, ...] = ()  #: validation accuracy after each epoch that was trained
    is_pruned: bool = False  #: the trial was pruned: its values are those at its last epoch
