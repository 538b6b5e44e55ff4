"""The best batch size and its saving."""

import pytest

from farm.analysis.best import best_batch
from farm.model import Quality
from tests.summaries import batches, ends, summary


def test_the_cheapest_batch_and_its_saving_against_the_smallest() -> None:
    found = best_batch(batches(b16=ends(0.5, 0.1), b1=ends(2.0, 0.1), b4=ends(1.0, 0.1)))
    assert found is not None
    assert (found.best.labels["batch_size"], found.reference.labels["batch_size"]) == (16, 1)
    assert (found.best_j, found.share, found.is_net, found.is_clear) == (0.5, 0.75, True, True)


def test_the_smallest_may_be_the_cheapest() -> None:
    found = best_batch(batches(b1=ends(1.0, 0.1), b4=ends(2.0, 0.1)))
    assert found is not None
    assert (found.best.labels["batch_size"], found.share, found.is_clear) == (1, 0.0, True)


@pytest.mark.parametrize(
    ("less", "more", "is_clear"),
    [(ends(1.0, 0.6), ends(2.0, 0.6), False), (ends(1.0), ends(2.0, 0.1), None), (ends(1.0, 0.1), ends(2.0), None)],
    ids=["overlap", "one spread unknown", "the other unknown"],
)
def test_what_overlaps_is_not_clear(less: object, more: object, is_clear: bool | None) -> None:
    found = best_batch([summary({"batch_size": 4}, net_j=less), summary({"batch_size": 1}, net_j=more)])
    assert found is not None
    assert found.is_clear is is_clear


@pytest.mark.parametrize("trials", [(1, 1, 2), (2, 1, 2), (1, 2, 2)])
@pytest.mark.parametrize("cheapest", [1, 4])
def test_one_trial_knows_its_meter_alone_and_is_not_clear(trials: tuple[int, int, int], cheapest: int) -> None:
    """Batch 1 and 4 are held against each other; 16 has no say."""
    joules = {1: 2.0, 4: 2.0, 16: 9.0} | {cheapest: 1.0}
    counted = zip(joules.items(), trials, strict=True)
    found = best_batch([summary({"batch_size": b}, net_j=ends(j, 0.1), trials=n) for (b, j), n in counted])
    assert found is not None
    assert (found.best.labels["batch_size"], found.is_clear) == (cheapest, None)


@pytest.mark.parametrize("noisy", [ends(0.1, 0.2), ends(-0.1, 0.01), None], ids=["noise", "negative", "unknown"])
def test_net_energy_within_the_noise_is_not_compared(noisy: object) -> None:
    others = [summary({"batch_size": 1}, gross_j=ends(3.0, 0.1)), summary({"batch_size": 4}, gross_j=ends(2.0, 0.1))]
    found = best_batch([*others, summary({"batch_size": 16}, net_j=noisy, gross_j=ends(1.5, 0.1))])
    assert found is not None
    assert (found.is_net, found.best_j, found.share) == (False, 1.5, 0.5)


def test_one_trial_that_knows_no_spread_is_compared_by_its_net_energy() -> None:
    found = best_batch(batches(b1=ends(2.0), b4=ends(1.0)))
    assert found is not None
    assert (found.is_net, found.is_clear) == (True, None)


def test_nothing_is_ranked_where_nothing_can_be_compared() -> None:
    assert best_batch([]) is None
    assert best_batch(batches(b1=ends(1.0, 0.1))) is None
    assert best_batch(batches(b1=ends(1.0, 0.1), b4=None)) is None
    assert best_batch([summary({"model": "alexnet"}), summary({"model": "vgg11"})]) is None


@pytest.mark.parametrize("other", [{"quality": Quality.MODELLED}, {"simulated": True}])
def test_joules_of_different_kinds_are_never_ranked(other: dict[str, object]) -> None:
    pair = [summary({"batch_size": 1}), summary({"batch_size": 4}, **other)]
    assert best_batch(pair) is None
    assert best_batch([summary({"batch_size": 1}, **other), pair[1]]) is not None
