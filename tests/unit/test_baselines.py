"""The model of a machine's idle power: what it learns, what it predicts, and when it asks for another idle."""

from math import sqrt
from random import Random
from statistics import fmean

import pytest

from farm.energy.baselines import BEYOND_C, LATEST, MOST_IDLES, SETTLED_AFTER_S, STALE_AFTER_S, Baselines, SeenIdle
from farm.energy.joules import DRIFT_W, Power
from farm.model import Domain

GPU, CPU = ("nvml-counter", Domain.GPU), ("rapl", Domain.CPU)


def idle(
    power_w: float, temperature_c: float | None = 30.0, at_s: float = 0.0, loaded: str = "", *, rested_s: float = 1.0,
    key: tuple[str, Domain] = GPU, u_w: float = 0.1,
) -> SeenIdle:  # fmt: skip
    return SeenIdle(at_s, loaded, {key: Power(power_w, u_w)}, temperature_c, temperature_c, rested_s)


def known(*idles: SeenIdle) -> Baselines:
    return Baselines().including(idles)


def test_a_machine_that_never_idled_is_unknown() -> None:
    assert Baselines().bare() == {}
    assert Baselines().rest_c is None
    assert Baselines().wander_w(GPU) is None
    assert Baselines().control_reason(0.0, 30.0) == "no idle of this machine is known"


def test_one_idle_predicts_itself_with_the_wander_that_needs_no_flag() -> None:
    predicted = known(idle(50.0)).bare()[GPU]
    assert (predicted.mean_w, predicted.u_w, predicted.shared_u_w) == (50.0, 0.1, 0.0)
    assert predicted.wander_u_w == pytest.approx(DRIFT_W / sqrt(12))


def test_the_latest_idles_predict_the_next() -> None:
    powers_w = [90.0, 49.0, 50.0, 51.0]
    predicted = known(*(idle(power_w) for power_w in powers_w)).bare()[GPU]
    assert predicted.mean_w == pytest.approx(fmean(powers_w[-LATEST:]))
    assert predicted.u_w == pytest.approx(0.1 / sqrt(LATEST))


def test_a_warm_idle_is_corrected_to_the_temperature_at_rest() -> None:
    """Cold at 30 °C and 50 W, warm at 40 °C and 55 W: half a watt a degree."""
    model = known(idle(50.0, 30.0), idle(55.0, 40.0))
    slope = model.slope(GPU)
    assert slope.w_per_c == pytest.approx(0.5)
    assert slope.u_w_per_c == pytest.approx(0.1 / sqrt(50.0))
    corrected = model.at_rest({GPU: Power(75.0, 0.2)}, 42.0)[GPU]
    assert corrected.mean_w == pytest.approx(69.0)
    assert corrected.u_w == 0.2
    assert corrected.shared_u_w == pytest.approx(12 * slope.u_w_per_c)
    assert model.bare()[GPU].mean_w == pytest.approx(50.0)
    assert model.away({GPU: corrected}, 42.0)[GPU].mean_w == pytest.approx(75.0)


def test_what_is_loaded_shifts_the_power_and_not_the_slope() -> None:
    model = known(
        idle(50.0, 30.0), idle(70.0, 31.0, loaded="alexnet"), idle(75.0, 41.0, loaded="alexnet"), idle(54.0, 38.0)
    )
    assert model.slope(GPU).w_per_c == pytest.approx(0.5)
    assert model.bare()[GPU].mean_w == pytest.approx(50.0)


def test_a_slope_needs_temperatures_that_differ_and_is_never_negative() -> None:
    assert known(idle(50.0, 30.0), idle(55.0, 32.0)).slope(GPU).w_per_c == 0.0
    assert known(idle(55.0, 30.0), idle(50.0, 40.0)).slope(GPU).w_per_c == 0.0
    assert known(idle(50.0, None), idle(55.0, None)).slope(GPU).w_per_c == 0.0


def test_the_board_says_nothing_of_the_processors_temperature() -> None:
    model = known(idle(50.0, 30.0, key=CPU), idle(55.0, 40.0, key=CPU))
    assert model.slope(CPU).w_per_c == 0.0
    assert model.at_rest({CPU: Power(60.0, 0.1)}, 60.0)[CPU].mean_w == 60.0


def test_the_wander_is_pooled_over_what_is_loaded_and_widened_for_few_pairs() -> None:
    one = known(idle(50.0, None), idle(52.0, None))
    assert one.wander_w(GPU) == pytest.approx(6.5 * 2.0 / sqrt(2))
    two = one.including([idle(70.0, None, loaded="alexnet"), idle(72.0, None, loaded="alexnet")])
    assert two.wander_w(GPU) == pytest.approx(2.2 * 2.0 / sqrt(2))


def test_the_wander_of_many_idles_is_how_far_they_move() -> None:
    random = Random(1)
    model = known(*(idle(random.gauss(50.0, 1.0), None) for _ in range(MOST_IDLES)))
    assert model.wander_w(GPU) == pytest.approx(1.0, rel=0.25)


def test_heat_is_no_wander() -> None:
    random = Random(2)
    warm_c = [random.uniform(30.0, 60.0) for _ in range(30)]
    model = known(*(idle(50.0 + 0.5 * (c - 30.0) + random.gauss(0.0, 0.1), c) for c in warm_c))
    assert model.slope(GPU).w_per_c == pytest.approx(0.5, abs=0.02)
    wander_w = model.wander_w(GPU)
    assert wander_w is not None
    assert wander_w < 0.2


def test_rest_is_learnt_anew_after_a_long_rest_or_from_a_cooler_idle() -> None:
    model = known(idle(50.0, 30.0))
    assert model.including([idle(55.0, 40.0)]).rest_c == 30.0
    assert model.including([idle(49.0, 28.0)]).rest_c == 28.0
    assert model.including([idle(51.5, 33.0, rested_s=SETTLED_AFTER_S)]).rest_c == 33.0


def test_old_idles_are_forgotten() -> None:
    model = known(*(idle(50.0, at_s=float(i)) for i in range(MOST_IDLES + 5)))
    assert [i.at_s for i in model.idles] == [float(i) for i in range(5, MOST_IDLES + 5)]


@pytest.mark.parametrize(
    ("now_s", "temperature_c", "reason"),
    [
        (1.0, 30.0, None),
        (1.0, None, None),
        (STALE_AFTER_S + 1, 30.0, "the last one is over 15 min old"),
        (1.0, 30.0 + BEYOND_C, None),
        (1.0, 31.0 + BEYOND_C, "no idle at 33 °C is known"),
        (1.0, 29.0 - BEYOND_C, "no idle at 27 °C is known"),
    ],
)
def test_a_control_idle_is_due_where_the_model_knows_nothing(
    now_s: float, temperature_c: float | None, reason: str | None
) -> None:
    assert known(idle(50.0)).control_reason(now_s, temperature_c) == reason


def test_a_surprise_asks_for_another_control_idle() -> None:
    steady = known(*(idle(50.0 + 0.1 * (i % 2)) for i in range(10)))
    assert steady.control_reason(1.0, 30.0) is None
    surprised = steady.including([idle(60.0)])
    assert surprised.control_reason(1.0, 30.0) == "the last one differed from what the model predicted"
    assert not surprised.including([idle(60.0), idle(60.1), idle(60.0)]).is_surprised
