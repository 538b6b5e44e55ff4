"""How long a strategy takes to name the next point when it knows a thousand trials."""

import time
from collections.abc import Iterator
from random import Random
from statistics import median

from farm.kinds.tuning.space import Choice, Range, Space
from farm.kinds.tuning.strategies import Strategy, StrategyName
from farm.scheduling.tuning import Finished, Pending, Study, ask
from tests.benchmarks.figures import Figure

FINISHED, PENDING, ROUNDS = 1000, 3, 5
#: None: not required, but good to know.
AT_MOST_S: dict[StrategyName, float | None] = {"tpe": 0.5, "gp": 2.0, "nsga2": None, "gp-pi": None}
#: The study's five factors.
SPACE = Space.model_validate(
    {
        "lr": {"low": 1e-5, "high": 0.1, "log": True},
        "beta1": {"low": 0.1, "high": 1},
        "beta2": {"low": 0.8, "high": 1},
        "eps": {"low": 1e-9, "high": 1e-7},
        "weight_decay": {"low": 0, "high": 0.1},
    }
)


def figures() -> Iterator[Figure]:
    """Each strategy in turn, on random trials; the first ask, which loads libraries, does not count."""
    random = Random(1)

    def choose(name: str, parameter: Range | Choice) -> float:
        assert isinstance(parameter, Range), name
        return random.uniform(parameter.low, parameter.high)

    points = [SPACE.fill(choose) for _ in range(FINISHED + PENDING)]
    history = [Finished(number, point, (random.random(),)) for number, point in enumerate(points[:FINISHED])]
    pending = [Pending(FINISHED + number, point) for number, point in enumerate(points[FINISHED:])]
    how = f"wall time, median of {ROUNDS}, {PENDING} more trials pending, 5 parameters; libraries are loaded"
    for name, at_most in AT_MOST_S.items():
        study = Study(Strategy(name=name), SPACE, trials=2 * FINISHED, seed=1)
        ask(study, history[:20], [], 20)
        times_s = []
        for number in range(ROUNDS):
            begin_s = time.perf_counter()
            ask(study, history, pending, FINISHED + PENDING + number)
            times_s.append(time.perf_counter() - begin_s)
        what = f"ask of {name} at {FINISHED:,} finished trials"
        yield Figure(what=what, value=median(times_s), unit="s", digits=3, at_most=at_most, how=how)
