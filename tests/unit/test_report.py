"""Measure windows that differ more than a sensor that sees all of them would say."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from farm.model import Domain, Flag, Measurement, Probe, Quality, Window, WindowKind
from tests.factories import FACTS
from workers.supervisor.conversation import TrialEvents
from workers.supervisor.report import resonances

ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)
STEADY_J, VARIED_J = (100.0, 101.0, 102.0), (100.0, 115.0, 130.0)


def probe(averaging_window_s: float | None = 0.025, update_period_s: float | None = 0.1) -> Probe:
    return Probe(probed_at=ANY_DAY, sensor_update_period_s=update_period_s, averaging_window_s=averaging_window_s)


def events(units: Sequence[int | None] = (10, 10, 10), device: str = "cuda:0") -> TrialEvents:
    windows = [
        Window(kind=WindowKind.MEASURE, index=index, begin_at_ns=0, end_at_ns=1, started_at_utc=ANY_DAY, units=count)
        for index, count in enumerate(units)
    ]
    return TrialEvents(windows=windows, facts=FACTS.model_copy(update={"device": device}))


def measured(
    nets_j: Sequence[float | None],
    kind: WindowKind = WindowKind.MEASURE,
    domain: Domain = Domain.GPU,
    source: str = "nvml-counter",
    flags: tuple[Flag, ...] = (),
    u_j: float = 1.0,
) -> list[Measurement]:
    """A window for each net energy; the flags are those of the last."""
    return [
        Measurement(
            window_kind=kind, window_index=index, domain=domain, quality=Quality.COUNTER, source=source,
            gross_j=net_j, net_j=net_j, flags=flags if index == len(nets_j) - 1 else (),
            net_j_low=net_j if net_j is None else net_j - u_j, net_j_high=net_j if net_j is None else net_j + u_j,
        )
        for index, net_j in enumerate(nets_j)
    ]  # fmt: skip


@pytest.mark.parametrize("source", ["nvml-counter", "nvml-power"])
@pytest.mark.parametrize("averaging_window_s", [0.025, 0.08, None])
def test_windows_that_vary_are_reported_in_one_line(source: str, averaging_window_s: float | None) -> None:
    (line,) = resonances(events(), measured(VARIED_J, source=source), probe(averaging_window_s))
    assert line.startswith("net joules per image varied by over 5% between measure windows")
    assert resonances(events(), measured(STEADY_J, source=source), probe(averaging_window_s)) == []


def test_energies_are_compared_by_the_unit_of_work() -> None:
    assert resonances(events((100, 115, 130)), measured(VARIED_J), probe()) == []
    assert resonances(events((100, 115, 130)), measured((100.0, 100.0, 100.0)), probe()) != []


@pytest.mark.parametrize("seen", [None, probe(0.1), probe(1.0), probe(0.025, update_period_s=None)])
def test_a_sensor_that_sees_nearly_all_or_is_unknown_gives_no_reason(seen: Probe | None) -> None:
    assert resonances(events(), measured(VARIED_J), seen) == []


@pytest.mark.parametrize(
    "others",
    [
        measured(VARIED_J, kind=WindowKind.LATENCY),
        measured(VARIED_J, domain=Domain.CPU),
        measured(VARIED_J, domain=Domain.WALL),
        measured(VARIED_J, source="codecarbon"),
    ],
)
def test_only_the_sensors_measure_windows_count(others: list[Measurement]) -> None:
    assert resonances(events(), [*measured(STEADY_J), *others], probe()) == []


@pytest.mark.parametrize("flag", [Flag.THROTTLED, Flag.TOO_SHORT])
def test_a_window_with_a_doubt_of_its_own_is_left_out(flag: Flag) -> None:
    assert resonances(events(), measured((100.0, 101.0, 150.0), flags=(flag,)), probe()) == []
    assert resonances(events(), measured((100.0, 101.0, 150.0), flags=(Flag.POWER_CAPPED,)), probe()) != []


def test_windows_that_noise_alone_sets_apart_are_no_sign() -> None:
    assert resonances(events(), measured(VARIED_J, u_j=16.0), probe()) == []
    assert resonances(events(), measured(VARIED_J, u_j=14.0), probe()) != []


def test_a_window_in_which_the_sensor_saw_nothing_is_the_best_sign() -> None:
    assert resonances(events(), measured((100.0, 100.0, 0.1), flags=(Flag.BELOW_NOISE,)), probe()) != []


@pytest.mark.parametrize("nets_j", [(), (100.0,), (None, 100.0), (None, None)])
def test_a_window_alone_has_none_to_differ_from(nets_j: Sequence[float | None]) -> None:
    assert resonances(events(), measured(nets_j), probe()) == []


def test_a_window_without_units_is_left_out() -> None:
    assert resonances(events((10, 0, None)), measured(VARIED_J), probe()) == []


def test_a_trial_on_the_cpu_or_without_facts_runs_in_step_with_nothing() -> None:
    assert resonances(events(device="cpu"), measured(VARIED_J), probe()) == []
    assert resonances(TrialEvents(windows=events().windows), measured(VARIED_J), probe()) == []
