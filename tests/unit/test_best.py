"""The best of several configurations, and the best batch size with its saving."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest

from farm.analysis.across import Figure
from farm.analysis.aggregate import Group, UnitSample, grouped
from farm.analysis.best import Least, Saving, best_batches, least
from farm.analysis.ratios import blocked
from farm.model import Flag, Quality
from tests.summaries import sample

NOISE = (0.99, 1.01, 1.005)


def trial(batch_size: int, net_j: float | None, block: int = 0, **changes: Any) -> UnitSample:
    labels = {"model": "alexnet", "batch_size": batch_size, "machine": "lab1", "sweep": "s", "repetition": block}
    gross_j = None if net_j is None else net_j + 1
    return sample(**{"labels": labels, "net_j": net_j, "gross_j": gross_j, "net_u_j": None} | changes)


def trials(joules: Mapping[int, float], blocks: int = 3, **changes: Any) -> list[UnitSample]:
    """In each block every batch size once, which varies by 1 % in a way of its own."""
    return [
        trial(size, mean_j * NOISE[(place + block) % len(NOISE)], block, **changes)
        for place, (size, mean_j) in enumerate(joules.items())
        for block in range(blocks)
    ]


def groups(samples: Sequence[UnitSample]) -> list[Group]:
    return grouped(samples, ("model", "batch_size"))


def saving(samples: Sequence[UnitSample]) -> Saving:
    ((rest, found),) = best_batches(groups(samples))
    assert rest == (("model", "alexnet"),)
    return found


def drawn(k: int, blocks: int, least_is: float, random: Random) -> Least[int]:
    """One of k configurations takes `least_is` times the others; trials spread by 2 %, blocks by 20 %."""
    days = [random.gauss(1, 0.2) for _ in range(blocks)]
    found = least(
        blocked(
            (key, block, day * (1 if key else least_is) * random.lognormvariate(0, 0.02))
            for key in range(k)
            for block, day in enumerate(days)
        ),
        range(k),
    )
    assert found is not None
    return found


# The least of several


@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_of_seven_equal_ones_none_is_the_best(blocks: int) -> None:
    random = Random(1)
    found = [drawn(7, blocks, 1.0, random) for _ in range(400)]
    assert sum(bool(one.is_clear) for one in found) <= 0.02 * len(found)
    saves = sum(one.best != 1 and (one.against[1].high or 1) < 1 for one in found)
    assert saves <= 0.05 * len(found), "the saving against one of them pays for the selection too"


@pytest.mark.parametrize(("blocks", "least_is", "power"), [(3, 0.9, 0.95), (5, 0.93, 0.9)])
def test_the_best_is_found_where_it_is_best(blocks: int, least_is: float, power: float) -> None:
    random = Random(2)
    found = [drawn(7, blocks, least_is, random) for _ in range(200)]
    assert sum(one.best == 0 and bool(one.is_clear) for one in found) >= power * len(found)
    assert sum((one.lead.low or 0) <= least_is <= (one.lead.high or 2) for one in found) >= 0.95 * len(found)


def test_two_have_a_lead_that_pays_for_nothing() -> None:
    values = blocked((key, block, (1 + key) * NOISE[(key + block) % 3]) for key in (0, 1) for block in range(3))
    found, ratio = least(values, (0, 1)), values.ratio(0, 1)
    assert found is not None
    assert ratio is not None
    assert found.lead == ratio.interval


# The best batch size


def test_the_cheapest_batch_and_its_saving_against_the_smallest_and_the_next() -> None:
    found = saving(trials({16: 0.5, 1: 2.0, 4: 1.0}))
    assert [s.labels["batch_size"] for s in (found.best, found.reference, found.next)] == [16, 1, 4]
    assert found.figure is Figure.NET
    assert [found.ratio.mean, found.lead.mean] == pytest.approx([0.25, 0.5])
    assert found.is_clear


def test_the_smallest_may_be_the_cheapest() -> None:
    found = saving(trials({1: 1.0, 4: 2.0}))
    assert (found.best.labels["batch_size"], found.ratio.mean, found.is_clear) == (1, 1.0, True)


def test_one_block_is_not_clear() -> None:
    assert saving(trials({1: 2.0, 4: 1.0}, blocks=1)).is_clear is None


def test_what_differs_by_less_than_its_noise_is_not_clear() -> None:
    assert saving(trials({1: 1.005, 4: 1.0})).is_clear is False


@pytest.mark.parametrize("noisy", [0.0, -1.0, None], ids=["nothing", "negative", "unknown"])
def test_net_energy_within_the_noise_is_not_compared(noisy: float | None) -> None:
    samples = trials({1: 3.0, 4: 2.0}) + [trial(16, noisy, block, gross_j=1.5) for block in range(3)]
    found = saving(samples)
    assert (found.figure, found.best.labels["batch_size"]) == (Figure.GROSS, 16)
    assert found.ratio.mean == pytest.approx(1.5 / 4, rel=0.01)


def test_seconds_decide_where_energy_is_modelled() -> None:
    found = saving(
        [
            trial(size, joules, block, quality=Quality.MODELLED, units_per_s=rate * NOISE[(size + block) % 3])
            for size, joules, rate in ((1, 1.0, 10.0), (4, 2.0, 20.0))
            for block in range(3)
        ]
    )
    assert (found.figure, found.best.labels["batch_size"]) == (Figure.SECONDS, 4)


def test_nothing_is_ranked_where_nothing_can_be_compared() -> None:
    assert best_batches([]) == []
    assert best_batches(groups(trials({1: 1.0}))) == []
    assert best_batches(groups([*trials({1: 1.0}), trial(4, None)])) == []
    assert best_batches(groups(trials({1: 1.0}) + trials({4: 0.5}, flags=(Flag.THROTTLED,)))) == []


@pytest.mark.parametrize("other", [{"quality": Quality.MODELLED}, {"simulated": True}])
def test_joules_of_different_kinds_are_never_ranked(other: dict[str, Any]) -> None:
    assert best_batches(groups(trials({1: 1.0}) + trials({4: 0.5}, **other))) == []
    assert best_batches(groups(trials({1: 1.0}, **other) + trials({4: 0.5}, **other))) != []


def test_a_batch_size_whose_trials_are_all_flagged_is_named_and_not_compared() -> None:
    found = saving([*trials({1: 2.0, 4: 1.0}), *trials({16: 0.1}, flags=(Flag.THROTTLED,))])
    assert (found.best.labels["batch_size"], found.flagged) == (4, (16,))
