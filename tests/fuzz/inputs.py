"""The inputs of a target: from a seed, in chunks that can be made again one by one."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import Target

#: Inputs that one process takes.
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some inputs of one target, which follow from the seed and the chunk's number."""

    target: Target
    seed: str
    number: int
    size: int
    is_built: bool  #: by rules; else by mutation

    def each(self, take: Callable[[bytes], None]) -> None:
        """Call a function with each input."""
        seed = f"{self.seed}/{self.target.name}/{self.number}"
        if not self.is_built or self.target.built is None:
            random = Random(seed)
            for _ in range(self.size):
                take(mutated(random, self.target.corpus, self.target.words))
            return

        @hypothesis.seed(seed)
        @settings(
            max_examples=self.size, phases=[Phase.generate], database=None, deadline=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(self.target.built)
        def take_each(data: bytes) -> None:
            take(data)

        take_each()


def chunks(target: Target, seed: str, inputs: int) -> list[Chunk]:
    """Return the chunks of a target; where it has rules, every second one is built by them."""
    found: list[Chunk] = []
    size = min(CHUNK, -(-inputs // 2) if target.built is not None else inputs)
    while inputs > 0:
        number = len(found)
        found.append(Chunk(target, seed, number, min(size, inputs), number % 2 == 1 and target.built is not None))
        inputs -= size
    return found
