"""How the settings of a trial follow what the probe found about the meters."""

from datetime import UTC, datetime

import pytest

from farm.model import Probe
from farm.spec.profiles import PROFILES
from workers.supervisor.report import COUNTER, suit_meters, ticks_within_s

BARE = Probe(probed_at=datetime(2026, 1, 1, tzinfo=UTC))
FULL = PROFILES["full"]


def found(**facts: object) -> Probe:
    return BARE.model_copy(update=facts)


@pytest.mark.parametrize(
    ("probe", "guard_s"),
    [
        (None, 0.25),
        (BARE, 0.25),
        (found(sensor="smoothed"), 2.4),
        (found(sensor="smoothed", counter_update_period_s=0.1, counter_trusted=False), 2.4),
        (found(sensor="smoothed", counter_update_period_s=0.1, counter_trusted=True), 0.25),
        (found(sensor="smoothed", counter_update_period_s=0.1), 0.25),
        (found(sensor="instant", averaging_window_s=0.1), 0.25),
        (found(sensor="instant", averaging_window_s=0.5), 1.2),
    ],
)
def test_guards_outlast_the_average_of_the_power_that_is_integrated(probe: Probe | None, guard_s: float) -> None:
    assert suit_meters(FULL, probe).guard_s == pytest.approx(guard_s)


def test_guards_that_the_user_made_longer_stay() -> None:
    assert suit_meters(FULL.model_copy(update={"guard_s": 5.0}), found(sensor="smoothed")).guard_s == 5.0


def test_who_wants_no_guards_gets_none() -> None:
    assert suit_meters(FULL.model_copy(update={"guard_s": 0.0}), found(sensor="smoothed")).guard_s == 0.0


def test_windows_span_100_updates_of_the_slowest_meter() -> None:
    assert suit_meters(FULL, found(sensor_update_period_s=0.5, counter_update_period_s=0.1)).window_s == 50.0
    assert suit_meters(FULL, found(sensor_update_period_s=0.1)).window_s == 10.0


@pytest.mark.parametrize(("trusted", "period_s", "wait_s"), [(True, 0.1, 0.2), (True, 0.02, 0.04), (True, None, None)])
def test_a_trusted_counter_is_polled_for_two_of_its_periods(
    trusted: bool, period_s: float | None, wait_s: float | None
) -> None:
    waits_s = ticks_within_s(found(counter_update_period_s=period_s, counter_trusted=trusted))
    assert waits_s == ({} if wait_s is None else {COUNTER: wait_s})


@pytest.mark.parametrize("trusted", [False, None])
def test_a_counter_that_may_lose_energy_when_polled_is_not_polled(trusted: bool | None) -> None:
    assert ticks_within_s(found(counter_update_period_s=0.1, counter_trusted=trusted)) == {}


def test_without_a_probe_nothing_is_polled() -> None:
    assert ticks_within_s(None) == {}
