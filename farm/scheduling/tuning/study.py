"""What a strategy is asked about: the study as it was set up, and the trials that it already knows."""

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
    trials: int  #: as many as were asked for; a small grid has fewer
    seed: int
    objectives: tuple[Objective, ...] = ("accuracy",)

    def seed_of(self, number: int) -> int:
        """Return the seed of one trial: the same at every ask.

        It does not depend on the strategy, so those that begin at random begin alike.
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
    values: tuple[float, ...] | None  #: one for each objective, finite; None: it failed
    accuracies: tuple[float, ...] = ()  #: validation accuracy after each epoch that it did
    is_pruned: bool = False  #: it was cut short: its values are what it had reached by then
