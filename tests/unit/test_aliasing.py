"""In step with a sensor or not, and what helps: held against the simulated sensor that sees a quarter of the time."""

from random import Random
from statistics import pstdev

import pytest

from farm.energy.aliasing import (
    LARGEST_DENOMINATOR,
    RESONANCE,
    draw_pause_s,
    has_alias_risk,
    has_variation,
    least_window_s,
)
from farm.spec import PROFILES
from workers.simulator import A100, Board

UPDATE_S, AVERAGING_S = A100.sensor.update_s, A100.sensor.averaging_s


@pytest.mark.parametrize("ratio", [1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 1.25, 4 / 3, 1.5, 2, 3, 7.75])
@pytest.mark.parametrize("off", [-0.9 * RESONANCE, 0.0, 0.9 * RESONANCE])
def test_near_a_small_fraction_of_the_update_period_is_a_risk(ratio: float, off: float) -> None:
    assert has_alias_risk((ratio + off) * UPDATE_S, UPDATE_S, AVERAGING_S)


@pytest.mark.parametrize("count", [5, 6, 7])
def test_a_few_batches_that_fill_the_update_period_are_a_risk(count: int) -> None:
    for off in (-0.9 * RESONANCE, 0.0, 0.9 * RESONANCE):
        assert has_alias_risk((1 + off) * UPDATE_S / count, UPDATE_S, AVERAGING_S)
    assert not has_alias_risk((1 + 1.1 * RESONANCE) * UPDATE_S / count, UPDATE_S, AVERAGING_S)


@pytest.mark.parametrize("ratio", [0.29, 0.4, 0.6, 0.8, 1.1, 1.2, 1.618, 2.618, 1 + 1.1 * RESONANCE])
def test_between_the_fractions_is_none(ratio: float) -> None:
    assert not has_alias_risk(ratio * UPDATE_S, UPDATE_S, AVERAGING_S)


def test_batches_below_half_the_averaging_window_blur() -> None:
    assert not has_alias_risk(0.125 * UPDATE_S - 1e-6, UPDATE_S, 0.25 * UPDATE_S)
    assert has_alias_risk(0.25 * UPDATE_S, UPDATE_S, 0.49 * UPDATE_S)
    assert not has_alias_risk(0.25 * UPDATE_S, UPDATE_S, 0.5 * UPDATE_S)


def test_an_unknown_window_blurs_nothing() -> None:
    assert has_alias_risk(0.25 * UPDATE_S, UPDATE_S, None)
    assert not has_alias_risk(0.001 * UPDATE_S, UPDATE_S, None)  # hundreds in each period


def test_a_sensor_that_sees_all_misses_nothing() -> None:
    assert has_alias_risk(UPDATE_S, UPDATE_S, 0.25 * UPDATE_S)
    assert not has_alias_risk(UPDATE_S, UPDATE_S, UPDATE_S)
    assert not has_alias_risk((1 / LARGEST_DENOMINATOR + 2 * RESONANCE) * UPDATE_S, UPDATE_S, None)


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
    assert has_alias_risk(batch_s, UPDATE_S, AVERAGING_S)
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
