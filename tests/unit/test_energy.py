"""Energy: what integration, baselines and uncertainties must satisfy whatever the trace."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.energy import curve, gross
from farm.energy import joules as energy
from farm.energy.curve import Sides
from farm.energy.gross import CounterReset
from farm.energy.joules import Idle, Power
from farm.model import Baseline, Component, Domain, Flag, MeasureSettings, Quality, Reading, Trace, Window, WindowKind
from farm.model.energies import Joules, combined, total

S = 1_000_000_000
SETTINGS = MeasureSettings(
    profile="full", window_s=10, windows=1, min_iterations=1, idle_s=10, cool_down_max_s=0, context_idle_s=10,
    warmup_s=1, warmup_max_s=2, latency_s=1, latency_max_batches=10, guard_s=0.25, poll_period_s=0.1,
)  # fmt: skip


def counter(points: list[tuple[float, float]], update_period_s: float = 0.001, source: str = "c") -> Trace:
    readings = tuple(Reading(at_ns=round(t * S), energy_j=e) for t, e in points)
    return Trace(Domain.GPU, source, Quality.COUNTER, update_period_s, readings)


def sampled(points: list[tuple[float, float]]) -> Trace:
    readings = tuple(Reading(at_ns=round(t * S), power_w=p) for t, p in points)
    return Trace(Domain.GPU, "s", Quality.SAMPLED, 0.1, readings)


def window(kind: WindowKind, begin_s: float, end_s: float) -> Window:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    return Window(kind=kind, begin_at_ns=round(begin_s * S), end_at_ns=round(end_s * S), started_at_utc=started)


powers = st.floats(0.0, 1000.0)
moments = st.lists(st.integers(1, 10_000), min_size=2, max_size=60, unique=True).map(sorted)


@given(powers, moments, st.data())
def test_constant_power_gives_power_times_time(power_w: float, at_ms: list[int], data: st.DataObject) -> None:
    points = [(ms / 1000, power_w) for ms in at_ms]
    begin_s = data.draw(st.floats(at_ms[0] / 1000, at_ms[-1] / 1000 - 0.0005))
    end_s = data.draw(st.floats(begin_s + 0.0004, at_ms[-1] / 1000))
    found = gross.window_energy(sampled(points), round(begin_s * S), round(end_s * S))
    if any(b - a > curve.LONGEST_GAP_S * 1000 for a, b in pairwise(at_ms)):
        return  # holes are another test's business
    assert found is not None
    assert found.j == pytest.approx(power_w * (round(end_s * S) - round(begin_s * S)) / S, rel=1e-6, abs=1e-9)


@given(moments, st.data(), st.booleans())
def test_energy_is_additive_over_adjacent_windows(at_ms: list[int], data: st.DataObject, count: bool) -> None:
    values = [data.draw(powers) for _ in at_ms]
    if count:
        values = sorted(values)
    points = [(ms / 1000, v) for ms, v in zip(at_ms, values, strict=True)]
    trace = counter(points) if count else sampled(points)
    a, b, c = sorted(data.draw(st.integers(at_ms[0] * 1_000_000, at_ms[-1] * 1_000_000)) for _ in range(3))
    if b in {a, c}:
        return
    whole = gross.window_energy(trace, a, c)
    parts = [gross.window_energy(trace, a, b), gross.window_energy(trace, b, c)]
    if whole is None:
        assert not count
        return
    assert parts[0] is not None
    assert parts[1] is not None
    assert parts[0].j + parts[1].j == pytest.approx(whole.j, rel=1e-6, abs=1e-6)


def test_guards_recover_the_joules_of_a_counter_published_late() -> None:
    # 10 W idle, 110 W from 1 s to 3 s; the counter is 100 ms behind
    def true_j(t: float) -> float:
        return 10 * t + 100 * min(max(t - 1, 0), 2)

    late = [(t, true_j(t - 0.1)) for t in (0.5, 0.75, 3.25, 3.5)]
    naive = gross.window_energy(counter([(1.0, true_j(0.9)), (3.0, true_j(2.9))], 0.1), 1 * S, 3 * S)
    guarded = gross.window_energy(counter(late, 0.1), 1 * S, 3 * S, Sides(10, 10, 0.25))
    assert naive is not None
    assert guarded is not None
    assert guarded.j == pytest.approx(220)
    assert naive.j == pytest.approx(210)
    assert guarded.u_j < naive.u_j


def test_guards_recover_the_step_that_sampling_smears() -> None:
    step = [(t / 10, 110.0 if 10 <= t < 30 else 10.0) for t in range(41)]
    found = gross.window_energy(sampled(step), round(0.95 * S), round(2.95 * S), Sides(10, 10, 0.25))
    assert found is not None
    assert found.j == pytest.approx(220)


def test_a_setup_steps_to_the_loaded_model_and_not_back() -> None:
    """The first step is in doubt by where in its period the sensor looks; with two equal steps that cancels."""
    counted = [(t / 10, t + 2.0 * max(t - 10, 0)) for t in range(41)]
    seen = replace(counter(counted, 0.1), averaging_window_s=0.025)
    stays = gross.window_energy(seen, 1 * S, 3 * S, Sides(10.0, 30.0))
    assert stays is not None
    assert stays.budget[Component.STEP] == pytest.approx(20 * 0.075 * (1 / 12 + 1 / 4) ** 0.5, rel=0.02)


@pytest.mark.parametrize(("free_s", "expected_j"), [((0.4, 3.6), 220.0), ((0.6, 3.6), 215.0), ((0.4, 3.4), 215.0)])
def test_a_guard_is_not_read_in_the_window_beside_it(free_s: tuple[float, float], expected_j: float) -> None:
    # 10 W idle, 110 W from 1 s to 3 s; the meter speaks at its own time: then what it says at the edges is taken
    slow = counter([(0.5, 5.0), (1.0, 15.0), (3.0, 230.0), (3.5, 235.0)])
    guards = Sides(10.0, 10.0, 0.25, None, free_s[0] * S, free_s[1] * S)
    found = gross.window_energy(slow, 1 * S, 3 * S, guards)
    assert found is not None
    assert found.j == pytest.approx(expected_j, rel=1e-3)


def test_what_the_board_draws_more_in_the_guards_is_taken_off() -> None:
    # a board at 10 W before 110 W of work from 1 s to 3 s, and at 14 W after it; its sensor reads 1 W too much
    counted = counter([(0.5, 0.0), (3.5, 5 + 220 + 7)])
    power = replace(
        sampled([(t / 10, 111.0 if 11 <= t <= 30 else 11.0 if t < 11 else 15.0) for t in range(41)]),
        averaging_window_s=0.1,
    )
    plain = gross.window_energy(counted, 1 * S, 3 * S, Sides(10.0, 10.0, 0.25), power)
    found = gross.window_energy(counted, 1 * S, 3 * S, Sides(10.0, 10.0, 0.25, sensor_w=11.0), power)
    assert plain is not None
    assert found is not None
    assert plain.j == pytest.approx(222)
    assert found.j == pytest.approx(220)
    assert found.u_j == pytest.approx((plain.u_j**2 + 2**2 / 12) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ("averaging_s", "rest_since_s"), [(None, 0.0), (1.0, 0.0), (0.1, 0.9)], ids=["unknown", "long", "just after work"]
)
def test_a_sensor_that_may_still_see_work_shows_nothing_of_the_guards(
    averaging_s: float | None, rest_since_s: float
) -> None:
    counted = counter([(0.9, 0.0), (3.15, 1 + 220 + 1.5)])
    power = replace(sampled([(t / 10, 60.0) for t in range(41)]), averaging_window_s=averaging_s)
    guards = Sides(10.0, 10.0, 0.1, sensor_w=10.0, free_from_ns=rest_since_s * S)
    found = gross.window_energy(counted, 1 * S, 3 * S, guards, power)
    assert found is not None
    assert found.j == pytest.approx(220, rel=1e-3)


def test_a_window_that_is_not_covered_is_unknown_not_zero() -> None:
    assert gross.window_energy(counter([(1, 5), (2, 6)]), 0, 2 * S) is None
    assert gross.window_energy(counter([]), 0, 2 * S) is None
    assert gross.window_energy(sampled([(0, 5), (10, 5)]), 1 * S, 9 * S) is None


def test_a_counter_that_fell_invalidates_the_window() -> None:
    trace = counter([(0, 100), (1, 110), (2, 3), (3, 13)])
    with pytest.raises(CounterReset):
        gross.window_energy(trace, 0, 3 * S)
    kept = gross.window_energy(trace, 2 * S, 3 * S)
    assert kept is not None
    assert kept.j == pytest.approx(10)


@given(powers, powers, st.floats(0.1, 100))
def test_net_uncertainty_grows_with_every_part(gross_u: float, idle_u: float, duration_s: float) -> None:
    net = energy.net_energy(gross.Energy(500.0, {Component.AGE: gross_u}), Power(20.0, idle_u), duration_s)
    assert net.j == pytest.approx(500 - 20 * duration_s)
    assert net.u_j >= max(gross_u, idle_u * duration_s)


def test_a_baseline_is_the_mean_of_before_and_after() -> None:
    found = energy.bare_power(Power(100, 0.1, 0.2, 1.0), Power(110, 0.1, 0.3, 1.0))
    assert found is not None
    assert (found.mean_w, found.shared_u_w) == (105, 0.3)
    assert (found.u_w, found.wander_u_w) == pytest.approx((0.005**0.5, 1.5**0.5))


def test_drift_is_flagged_beyond_its_limits() -> None:
    assert energy.drift(Power(100, 0), Power(102.9, 0))[0] == pytest.approx(2.9)
    assert not energy.drift(Power(100, 0), Power(102.9, 0))[1]
    assert energy.drift(Power(100, 0), Power(103.1, 0))[1]
    assert not energy.drift(Power(10, 0), Power(11.9, 0))[1]


def test_what_the_meter_may_have_got_wrong_is_no_drift() -> None:
    assert not energy.drift(Power(100, 2), Power(105, 2))[1]
    assert energy.drift(Power(100, 2), Power(106, 2))[1]
    assert energy.drift(Power(100, 0), Power(105, 2))[1]


@pytest.mark.parametrize(("knows_period", "u_w"), [(True, 0.0), (False, 75 * 0.1 / 6**0.5 / 2)])
def test_an_idle_read_whole_periods_apart_is_known_better(knows_period: bool, u_w: float) -> None:
    known_s = 0.0 if knows_period else None
    readings = (Reading(0, energy_j=0.0), Reading(2 * S, energy_j=150.0))
    trace = Trace(Domain.GPU, "c", Quality.COUNTER, 0.1, readings, known_s, None, known_s)
    found = energy.mean_power(trace, window(WindowKind.IDLE_BEFORE, 0, 2))
    assert found is not None
    assert (found.mean_w, found.u_w) == pytest.approx((75, u_w), abs=1e-3)


def test_two_idles_of_a_slow_counter_do_not_drift_by_chance() -> None:
    # 55 W throughout, published every 100 ms: the second idle holds one update more than it should
    before = energy.mean_power(counter([(0, 0.0), (2, 110.0)], 0.1), window(WindowKind.IDLE_BEFORE, 0, 2))
    after = energy.mean_power(counter([(5, 275.0), (7, 390.5)], 0.1), window(WindowKind.IDLE_AFTER, 5, 7))
    moved_w, is_flagged = energy.drift(before, after)
    assert moved_w == pytest.approx(2.75)
    assert not is_flagged


def steady_trial(load_w: float = 110.0) -> tuple[list[Window], Trace]:
    """Bare idle 10 W to 10 s, context 20 W to 20 s, load to 30 s between guards, idle again to 40 s."""
    level = [(0.0, 10.0), (10.0, 20.0), (20.0, load_w), (30.0, 20.0), (30.5, 10.0), (40.5, 0.0)]
    points, total = [(0.0, 0.0)], 0.0
    for (begin, power), (end, _) in pairwise(level):
        steps = round((end - begin) * 10)
        points += [(begin + i / 10, total + power * i / 10) for i in range(1, steps + 1)]
        total = points[-1][1]
    windows = [
        window(WindowKind.IDLE_BEFORE, 0, 10),
        window(WindowKind.CONTEXT_IDLE, 10, 19),
        window(WindowKind.MEASURE, 20, 30),
        window(WindowKind.IDLE_AFTER, 30.5, 40.5),
    ]
    return windows, counter(points)


def idle_of(windows: list[Window], trace: Trace) -> Idle:
    return Idle(*(energy.idle_powers([trace], windows[i]) for i in (0, -1, 1)))


@pytest.mark.parametrize(("choice", "net_j"), [(Baseline.CONTEXT, 900.0), (Baseline.BARE, 1000.0)])
def test_net_subtracts_the_chosen_idle_and_keeps_both(choice: Baseline, net_j: float) -> None:
    windows, trace = steady_trial()
    settings = SETTINGS.model_copy(update={"baseline": choice})
    found = energy.measurements(windows, [trace], idle_of(windows, trace), settings)
    measured = next(m for m in found if m.window_kind == WindowKind.MEASURE)
    assert measured.gross_j == pytest.approx(1100)
    assert measured.net_j == pytest.approx(net_j)
    assert measured.baseline_bare_w == pytest.approx(10)
    assert measured.baseline_context_w == pytest.approx(20)
    assert measured.net_j_low is not None
    assert measured.net_j_high is not None
    assert measured.net_j_low < net_j < measured.net_j_high
    assert measured.quality == Quality.COUNTER
    assert measured.flags == ()
    context = next(m for m in found if m.window_kind == WindowKind.CONTEXT_IDLE)
    assert context.net_j == pytest.approx(90)  # what the loaded model draws beyond the bare machine
    assert all(m.net_j is None for m in found if m.window_kind in (WindowKind.IDLE_BEFORE, WindowKind.IDLE_AFTER))


@pytest.mark.parametrize("kind", [WindowKind.TRAINING, WindowKind.VALIDATION, WindowKind.LATENCY])
def test_work_of_any_kind_is_metered_between_idles(kind: WindowKind) -> None:
    windows, _ = steady_trial()
    edges = counter([(0, 0), (10, 100), (19, 280), (19.75, 295), (30.25, 1405), (30.5, 1410), (40.5, 1510)])
    windows[2] = windows[2].model_copy(update={"kind": kind})
    found = energy.measurements(windows, [edges], idle_of(windows, edges), SETTINGS)
    gross_j = next(m.gross_j for m in found if m.window_kind == kind)
    assert gross_j == pytest.approx(1100)


def test_a_net_within_its_noise_is_flagged_not_clamped() -> None:
    windows, trace = steady_trial(load_w=20.0)
    noisy = Trace(trace.domain, trace.source, trace.quality, 5.0, trace.readings)
    found = energy.measurements(windows, [noisy], idle_of(windows, noisy), SETTINGS)
    measured = next(m for m in found if m.window_kind == WindowKind.MEASURE)
    assert Flag.BELOW_NOISE in measured.flags
    assert measured.net_j == pytest.approx(0, abs=1e-6)


def test_a_reset_counter_falls_back_to_sampled_power_and_is_flagged() -> None:
    windows, trace = steady_trial()
    broken = counter([(r.at_ns / S, (r.energy_j or 0) - (r.at_ns >= 25 * S) * 800) for r in trace.readings])
    power = sampled([(t / 10, 110.0 if 200 <= t < 300 else 20.0 if 100 <= t < 305 else 10.0) for t in range(406)])
    idle = energy.Idle(
        energy.idle_powers([broken, power], windows[0]),
        energy.idle_powers([broken, power], windows[3]),
        energy.idle_powers([broken, power], windows[1]),
    )
    found = energy.measurements(windows, [broken, power], idle, SETTINGS)
    measured = next(m for m in found if m.window_kind == WindowKind.MEASURE)
    assert measured.quality == Quality.SAMPLED
    assert Flag.COUNTER_RESET in measured.flags
    assert measured.gross_j == pytest.approx(1100, rel=0.01)


@pytest.mark.parametrize("has_power", [True, False])
def test_a_counter_that_stands_still_is_not_used(has_power: bool) -> None:
    windows, trace = steady_trial()
    stopped = counter([(r.at_ns / S, min(r.energy_j or 0.0, 500.0)) for r in trace.readings])
    power = sampled([(t / 10, 110.0 if 200 <= t < 300 else 20.0 if 100 <= t < 305 else 10.0) for t in range(406)])
    traces = [stopped, power] if has_power else [stopped]
    idle = energy.Idle(*(energy.idle_powers(traces, windows[i]) for i in (0, 3, 1)))
    found = energy.measurements(windows, traces, idle, SETTINGS)
    assert all(Flag.COUNTER_UNTRUSTED in m.flags for m in found)
    measured = next(m for m in found if m.window_kind == WindowKind.MEASURE)
    if has_power:
        assert measured.quality == Quality.SAMPLED
        assert measured.gross_j == pytest.approx(1100, rel=0.01)
    else:
        assert (measured.gross_j, measured.net_j, measured.quality) == (None, None, None)
        assert Flag.METER_LOST in measured.flags


def test_a_counter_without_a_baseline_gives_way_to_power() -> None:
    windows, trace = steady_trial()
    power = sampled([(t / 10, 110.0 if 200 <= t < 300 else 20.0 if 100 <= t < 305 else 10.0) for t in range(406)])
    idle = energy.Idle({}, {}, energy.idle_powers([power], windows[1]))
    found = energy.measurements(windows, [trace, power], idle, SETTINGS)
    measured = next(m for m in found if m.window_kind == WindowKind.MEASURE)
    assert (measured.quality, measured.flags) == (Quality.SAMPLED, ())
    assert measured.net_j == pytest.approx(900, rel=0.02)
    bare = next(m for m in found if m.window_kind == WindowKind.IDLE_BEFORE)
    assert (bare.quality, bare.net_j) == (Quality.COUNTER, None)


def test_a_lost_meter_gives_nulls_and_its_flag() -> None:
    windows, trace = steady_trial()
    cut = counter([(r.at_ns / S, r.energy_j or 0.0) for r in trace.readings if r.at_ns < 22 * S])
    found = energy.measurements(windows, [cut], idle_of(windows, cut), SETTINGS)
    measured = next(m for m in found if m.window_kind == WindowKind.MEASURE)
    assert (measured.gross_j, measured.net_j, measured.quality) == (None, None, None)
    assert measured.flags == (Flag.METER_LOST,)


def late_counter(true_j: Callable[[float], float], period_s: float, phase_s: float, *asked_s: float) -> Trace:
    """A counter that publishes each period, read at these moments."""
    readings = []
    for at_s in asked_s:
        published_s = phase_s + math.floor((at_s - phase_s) / period_s) * period_s
        readings.append((at_s, true_j(published_s)))
    return counter(readings, period_s)


def ramp_j(*steps: tuple[float, float]) -> Callable[[float], float]:
    """The energy of power that steps to a value at a moment, from the first moment on."""

    def at(t: float) -> float:
        ends = [*(begin for begin, _ in steps[1:]), math.inf]
        return sum(w * max(min(t, end) - begin, 0.0) for (begin, w), end in zip(steps, ends, strict=True))

    return at


@pytest.mark.parametrize("length_s", [0.3, 0.5, 1.2])
def test_a_setup_without_guards_holds_the_truth_whatever_the_phase(length_s: float) -> None:
    # 20 W bare, 120 W in the setup from 1 s on, 50 W with the model loaded; the counter publishes every 100 ms
    end_s = 1 + length_s
    true_j = ramp_j((0.0, 20.0), (1.0, 120.0), (end_s, 50.0))
    held, widths = [], []
    for phase_s in (i / 100 for i in range(10)):
        trace = late_counter(true_j, 0.1, phase_s, 0.999, end_s + 0.001, end_s + 0.26, end_s + 1.26)
        found = gross.window_energy(trace, 1 * S, round(end_s * S), Sides(20.0, 50.0))
        assert found is not None
        held.append(abs(found.j - 120 * length_s) <= 1.96 * found.u_j)
        widths.append(found.u_j)
    assert all(held)
    assert max(widths) < 10


def test_a_window_shorter_than_the_meter_can_tell_is_unknown_and_flagged() -> None:
    windows, trace = steady_trial()
    windows[2] = windows[2].model_copy(update={"kind": WindowKind.SETUP})
    slow = Trace(trace.domain, trace.source, trace.quality, 60.0, trace.readings)
    found = energy.measurements(windows, [slow], idle_of(windows, slow), SETTINGS)
    setup = next(m for m in found if m.window_kind == WindowKind.SETUP)
    assert (setup.gross_j, setup.net_j, setup.flags) == (None, None, (Flag.TOO_SHORT,))


def test_a_power_sensor_without_a_reading_of_its_own_in_a_setup_knows_nothing_of_it() -> None:
    trace = sampled([(t / 10, 50.0) for t in range(31)])
    with pytest.raises(gross.WindowTooShort):
        gross.window_energy(trace, 1 * S, round(1.06 * S), Sides(20.0, 50.0))
    assert gross.window_energy(trace, 1 * S, 2 * S, Sides(20.0, 50.0)) is not None


def test_readings_at_ticks_have_no_age() -> None:
    points = [(0.7, 0.0), (1.0, 3.0), (3.0, 203.0), (3.3, 206.0)]
    plain = counter(points, 0.1)
    ticks = replace(plain, readings=tuple(replace(r, tick_step_s=0.002) for r in plain.readings))
    aged, tick = (gross.window_energy(t, 1 * S, 3 * S, Sides(10.0, 10.0, 0.25)) for t in (plain, ticks))
    assert aged is not None
    assert tick is not None
    assert aged.j == pytest.approx(tick.j)
    assert aged.budget[Component.AGE] == pytest.approx(10 * 0.1 / 6**0.5)
    assert tick.budget[Component.AGE] == pytest.approx(10 * 0.002 / 6**0.5)


def smoothed(guard_s: float) -> tuple[list[Window], Trace]:
    """The steady trial by a sensor that averages over a second, read each 100 ms; guards of some length."""
    begin_s, end_s = 20.0 + guard_s, 25.0 + guard_s
    after_s = end_s + guard_s
    steps = ((begin_s, 120.0), (end_s, 20.0), (after_s + 0.1, 120.0), (after_s + 0.4, 10.0))
    true_j = ramp_j((0.0, 10.0), (10.0, 20.0), *steps)
    points = [(t / 10, (true_j(t / 10) - true_j(t / 10 - 1)) / 1.0) for t in range(10, 450)]
    windows = [
        window(WindowKind.IDLE_BEFORE, 2, 9),
        window(WindowKind.CONTEXT_IDLE, 11.5, 19),
        window(WindowKind.MEASURE, begin_s, end_s),
        window(WindowKind.LATENCY, after_s + 0.1, after_s + 0.4),
        window(WindowKind.IDLE_AFTER, after_s + 2, after_s + 9),
    ]
    return windows, replace(sampled(points), averaging_window_s=1.0)


@pytest.mark.parametrize(("guard_s", "flags"), [(2.4, ()), (0.25, (Flag.TOO_SHORT,))])
def test_guards_shorter_than_the_sensors_average_widen_the_interval_and_are_flagged(
    guard_s: float, flags: tuple[Flag, ...]
) -> None:
    windows, trace = smoothed(guard_s)
    settings = SETTINGS.model_copy(update={"guard_s": guard_s, "profile": "quick"})
    found = energy.measurements(windows, [trace], idle_of(windows, trace), settings)
    measured = next(m for m in found if m.window_kind == WindowKind.MEASURE)
    assert measured.flags == flags
    assert measured.net_j_low is not None
    assert measured.net_j_high is not None
    assert measured.net_j_low <= 500 <= measured.net_j_high
    assert flags or measured.net_j == pytest.approx(500, rel=0.005)


def test_a_measurement_states_the_components_of_its_uncertainty() -> None:
    windows, trace = steady_trial()
    idle = idle_of(windows, trace)
    wandering = Idle(
        *({key: replace(p, wander_u_w=1.0, shared_u_w=0.5) for key, p in own.items()}
          for own in (idle.before, idle.after, idle.context))
    )  # fmt: skip
    found = energy.measurements(windows, [trace], wandering, SETTINGS)
    measured = next(m for m in found if m.window_kind == WindowKind.MEASURE)
    budget = measured.net_budget
    assert budget[Component.WANDER] == pytest.approx(10 * 2**0.5, rel=1e-3)  # one more idle is drawn: the work's own
    assert budget[Component.IDLE_MODEL] == pytest.approx(5)
    assert set(measured.gross_budget) < set(budget)
    assert measured.net_j_high is not None
    assert measured.net_j is not None
    u_j = combined(budget)
    assert u_j is not None
    assert measured.net_j_high - measured.net_j == pytest.approx(1.96 * u_j, rel=1e-3)
    assert combined(budget, shared=True) == pytest.approx(math.hypot(5, budget[Component.CLOCK]))


@pytest.mark.parametrize(
    ("changes", "component", "share"),
    [({"quality": Quality.MODELLED}, Component.MODEL, 0.4 / 3**0.5), ({"class_u_share": 0.01}, Component.CLASS, 0.01)],
)
def test_the_errors_of_models_and_classes_are_shared_and_in_proportion(
    changes: dict[str, Any], component: Component, share: float
) -> None:
    windows, plain = steady_trial()
    trace = replace(plain, **changes)
    found = energy.measurements(windows, [trace], idle_of(windows, trace), SETTINGS)
    measured = next(m for m in found if m.window_kind == WindowKind.MEASURE)
    assert component.is_shared
    assert measured.gross_budget[component] == pytest.approx(1100 * share, rel=1e-3)
    assert measured.net_budget[component] == pytest.approx(900 * share, rel=1e-3)
    assert measured.flags == ()


def test_over_windows_common_errors_add_and_independent_ones_add_in_squares() -> None:
    one = Joules(10.0, 5.0, {Component.AGE: 1.0}, {Component.AGE: 1.0, Component.IDLE: 2.0, Component.MODEL: 3.0})
    four = total([one] * 4)
    assert (four.gross, four.net, four.gross_budget) == (40.0, 20.0, {Component.AGE: 2.0})
    assert four.net_budget == {Component.AGE: 2.0, Component.IDLE: 8.0, Component.MODEL: 12.0}
    assert total([one, Joules(10.0, None)]).net_budget == {}
    assert one.per(10).net_u == pytest.approx(14**0.5 / 10)
