"""In step with a sensor or not, and what helps: held against sensors that see a quarter of the time."""

from math import exp, floor, log
from random import Random
from statistics import fmean, pstdev

import pytest

from farm.energy.aliasing import (
    LARGEST_BEAT,
    beat_share,
    draw_pause_s,
    has_alias_risk,
    has_variation,
    least_window_s,
)
from farm.model.energies import COVERAGE_FACTOR
from farm.spec import PROFILES
from workers.simulator import A100, Board

UPDATE_S, AVERAGING_S = A100.sensor.update_s, A100.sensor.averaging_s
WINDOW_S = 5.0
#: The probe knows the update period to so much.
PERIOD_U = 3e-5
#: Chosen against the sensor: in step, or next to it.
ADVERSARIAL_S = (UPDATE_S / 9, UPDATE_S / 7, UPDATE_S / 3, UPDATE_S / 2, 0.06, UPDATE_S, 0.102, 2 * UPDATE_S)
PERIODS_S = (*(exp(log(0.004) + (log(0.6) - log(0.004)) * i / 191) for i in range(192)), *ADVERSARIAL_S)


def seen_error(batch_s: float, random: Random) -> float:
    """Of the mean power in a window, as a share of it: each batch is busy from its begin, for a share of it."""
    busy_share, waiting = random.uniform(0.5, 0.9), random.uniform(0.0, 0.4)
    window_s = batch_s * (floor(WINDOW_S / batch_s) + 1)

    def busy_s(until_s: float) -> float:
        batches = floor(until_s / batch_s)
        return batch_s * (batches * busy_share + min(until_s / batch_s - batches, busy_share))

    first_s = random.uniform(0.0, UPDATE_S)
    begins_s = [first_s + i * UPDATE_S for i in range(floor((window_s - first_s - AVERAGING_S) / UPDATE_S) + 1)]
    seen = fmean((busy_s(s + AVERAGING_S) - busy_s(s)) / AVERAGING_S for s in begins_s)
    return (1 - waiting) * (seen - busy_share) / (waiting + (1 - waiting) * busy_share)


def test_whatever_the_batch_lasts_the_interval_holds_the_truth() -> None:
    random, edges = Random(1), (UPDATE_S - AVERAGING_S) / 6**0.5 / WINDOW_S  # the other term of such a sensor
    by_period = {}
    for batch_s in PERIODS_S:
        u = (beat_share(batch_s, WINDOW_S, UPDATE_S, AVERAGING_S, PERIOD_U) ** 2 + edges**2) ** 0.5
        by_period[batch_s] = fmean(abs(seen_error(batch_s, random)) <= COVERAGE_FACTOR * u for _ in range(60))
    assert min(by_period.values()) >= 0.85
    assert 0.95 <= fmean(by_period.values()) < 1


@pytest.mark.parametrize("batch_s", ADVERSARIAL_S)
def test_in_step_the_error_is_said_to_be_large(batch_s: float) -> None:
    assert has_alias_risk(batch_s, WINDOW_S, UPDATE_S, AVERAGING_S)


@pytest.mark.parametrize("ratio", [0.29, 0.618, 1.618, 2.618])
def test_the_error_shrinks_with_the_window_unless_in_step(ratio: float) -> None:
    short, long = (beat_share(ratio * UPDATE_S, s, UPDATE_S, AVERAGING_S, PERIOD_U) for s in (5.0, 50.0))
    in_step = [beat_share(UPDATE_S, s, UPDATE_S, AVERAGING_S, PERIOD_U) for s in (5.0, 50.0)]
    assert 0.09 < long / short < 0.5
    assert in_step[0] == pytest.approx(in_step[1])
    assert in_step[0] > 0.3


def test_batches_far_shorter_than_the_averaging_window_blur() -> None:
    assert beat_share(0.002 * UPDATE_S, WINDOW_S, UPDATE_S, AVERAGING_S, PERIOD_U) < LARGEST_BEAT / 4


def test_a_nominal_period_may_be_in_step_where_a_probed_one_is_not() -> None:
    probed, nominal = (beat_share(1.015 * UPDATE_S, 50.0, UPDATE_S, AVERAGING_S, u) for u in (PERIOD_U, None))
    assert nominal > probed
    assert beat_share(1.001 * UPDATE_S, 5.0, UPDATE_S, AVERAGING_S) > 10 * LARGEST_BEAT


def test_a_sensor_of_which_nothing_is_known_may_see_little() -> None:
    seen = [beat_share(0.5 * UPDATE_S, WINDOW_S, UPDATE_S, s) for s in (AVERAGING_S, 0.5 * AVERAGING_S, None)]
    assert seen == sorted(seen)


def test_a_sensor_that_sees_all_misses_nothing() -> None:
    assert beat_share(UPDATE_S, WINDOW_S, UPDATE_S, UPDATE_S) == 0
    assert not has_alias_risk(UPDATE_S, WINDOW_S, UPDATE_S, 0.95 * UPDATE_S)


@pytest.mark.parametrize(
    ("energies_j", "expected"),
    [((), False), ((3.0,), False), ((3.0, 3.1, 3.2), False), ((3.0, 3.4, 2.9), True), ((-3.0, -3.1, -3.2), False)],
)
def test_repetitions_vary_beyond_5_percent(energies_j: tuple[float, ...], expected: bool) -> None:
    assert has_variation(energies_j) is expected


def counter_error(batch_s: float, seed: int, jitters: bool) -> float:
    """Of the counter over 10 s of batches, each busy in its first half."""
    random, board = Random(seed), Board(A100, seed)
    board.advance(1.0, 0.0)
    counted_mj, true_j = board.published().energy_mj, board.true_energy_j
    end_ns = board.now_ns + 10 * 10**9
    while board.now_ns < end_ns:
        board.advance(batch_s / 2, 1.0)
        board.advance(batch_s / 2, 0.3)
        board.advance(draw_pause_s(batch_s, random) if jitters else 0.0, 0.0)
    return (board.published().energy_mj - counted_mj) / 1e3 / (board.true_energy_j - true_j) - 1


@pytest.mark.parametrize(("ratio", "least_error"), [(1 / 6, 0.04), (0.5, 0.05), (1.0, 0.05), (3.0, 0.05)])
def test_jitter_breaks_the_step(ratio: float, least_error: float) -> None:
    batch_s = ratio * UPDATE_S
    assert has_alias_risk(batch_s, 10.0, UPDATE_S, AVERAGING_S)
    in_step = pstdev(counter_error(batch_s, seed, jitters=False) for seed in range(12))
    jittered = pstdev(counter_error(batch_s, seed, jitters=True) for seed in range(12))
    assert jittered < 0.025
    assert in_step > least_error


@pytest.mark.parametrize(
    ("profile", "update_s", "expected_s"),
    [("full", 0.1, 10.0), ("full", 0.3, 30.0), ("screening", 0.1, 5.0), ("quick", 0.1, 2.0), ("quick", 0.02, 2.0)],
)
def test_a_window_holds_many_updates(profile: str, update_s: float, expected_s: float) -> None:
    assert least_window_s(PROFILES[profile], update_s) == pytest.approx(expected_s)
