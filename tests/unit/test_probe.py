"""The probe's verdict, in virtual time on boards whose sensor and counter are known."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from random import Random

import pytest

from farm.model import Domain, Probe, Quality, Reading, Trace
from workers.simulator import A100, H100, IDLE, RTX4090, V100, Board, Constant, Counter, Load, Preset, Square, drive
from workers.supervisor.evidence import (
    Evidence,
    Sensor,
    Span,
    Unknown,
    averaging_window_s,
    judge,
    rhythm,
    update_period_s,
    wave_period_s,
)
from workers.supervisor.report import add_probe

POLL_S = 0.002
NOW = datetime(2026, 1, 2, tzinfo=UTC)
EXACT = replace(A100, name="exact", sensor=replace(A100.sensor, counter=Counter.EXACT))
HALF = replace(A100, name="half", sensor=replace(A100.sensor, averaging_s=0.05))
WRONG = replace(A100, name="wrong", sensor=replace(A100.sensor, counter=Counter.EXACT, gain=1.08))
HONEST = [V100, A100, H100, EXACT, HALF]
each_honest = pytest.mark.parametrize("preset", HONEST, ids=lambda p: p.name)
each = pytest.mark.parametrize("preset", [*HONEST, RTX4090], ids=lambda p: p.name)


@dataclass
class Bench:
    """A board that is read every few milliseconds, now and then late, as a probe reads it."""

    board: Board
    sensor: Sensor
    random: Random = field(default_factory=lambda: Random(7))
    power: list[Reading] = field(default_factory=list)
    counter: list[Reading] = field(default_factory=list)

    def run(self, load: Load, length_s: float) -> Span:
        begin_ns = self.board.now_ns
        while self.board.now_ns < begin_ns + length_s * 1e9:
            is_late = self.random.random() < 0.005
            drive(self.board, load, POLL_S * self.random.uniform(1.0, 1.3) + is_late * 0.05)
            now_ns, says = self.board.now_ns, self.board.published()
            power_mw = says.instant_mw if self.sensor == "instant" else says.usage_mw
            self.power.append(Reading(now_ns, power_w=power_mw / 1e3))
            self.counter.append(Reading(now_ns, energy_j=self.board.read_counter_j()))
        return begin_ns / 1e9, self.board.now_ns / 1e9


@cache
def evidence(preset: Preset, sensor: Sensor = "instant", level: float = 1.0) -> Evidence:
    """All that a probe of a board would see; a load of no level does not reach it."""
    bench = Bench(Board(preset, seed=3, start_ns=10**15), sensor)
    idle = bench.run(IDLE, 10.0)
    pids = (1,) if level else ()
    bench.run(Constant(level, pids), 1.5)
    load = bench.run(Constant(level, pids), 10.0)
    period_s = wave_period_s(update_period_s(bench.power, "power sensor"), sensor)
    wave = bench.run(Square(period_s, high=level, pids=pids), 8.0)
    return Evidence(
        sensor=sensor,
        power=bench.power,
        counter=bench.counter,
        idle=idle,
        load=load,
        wave=wave,
        wave_period_s=period_s,
    )


@cache
def probe(preset: Preset, sensor: Sensor = "instant", level: float = 1.0) -> Probe:
    return judge(evidence(preset, sensor, level), NOW)


@each
def test_the_update_periods_are_found(preset: Preset) -> None:
    assert probe(preset).sensor_update_period_s == pytest.approx(preset.sensor.update_s, rel=0.01)
    assert probe(preset).counter_update_period_s == pytest.approx(preset.sensor.update_s, rel=0.01)


@each_honest
def test_the_uncertainty_of_the_counters_period_is_known(preset: Preset) -> None:
    found = probe(preset)
    assert found.counter_update_period_s is not None
    assert found.counter_update_period_u_s is not None
    off_s = abs(found.counter_update_period_s - preset.sensor.update_s)
    assert off_s <= 3 * found.counter_update_period_u_s < 1e-4 * preset.sensor.update_s
    assert found.counter_update_jitter_s == pytest.approx(POLL_S / 3, rel=0.3)  # the reader's own


@each
def test_the_averaging_window_is_found(preset: Preset) -> None:
    assert probe(preset).averaging_window_s == pytest.approx(preset.sensor.averaging_s, rel=0.1)


@each_honest
def test_a_counter_that_agrees_is_trusted(preset: Preset) -> None:
    found = probe(preset)
    assert found.counter_over_power_idle == pytest.approx(1.0, abs=0.01)
    assert found.counter_over_power_load == pytest.approx(1.0, abs=0.01)
    assert found.counter_trusted is True
    assert found.notes == ()


def test_a_counter_that_loses_when_it_is_read_often_is_not() -> None:
    found = probe(RTX4090)
    assert found.counter_over_power_load == pytest.approx(0.05, abs=0.01)
    assert found.counter_trusted is False


def test_nor_is_one_that_is_8_percent_off() -> None:
    assert probe(WRONG).counter_over_power_load == pytest.approx(1 / 1.08, abs=0.01)
    assert probe(WRONG).counter_trusted is False


def test_nor_is_one_that_stands_still() -> None:
    seen = evidence(A100)
    frozen = judge(replace(seen, counter=[replace(r, energy_j=5.0) for r in seen.counter]), NOW)
    assert (frozen.counter_over_power_load, frozen.counter_trusted) == (0.0, False)
    assert frozen.counter_update_period_s is None
    assert "energy counter: its value changed 0 times" in " ".join(frozen.notes)


def test_a_counter_that_falls_shows_nothing() -> None:
    seen = evidence(A100)
    half = len(seen.counter) // 2
    reset = [*seen.counter[:half], *(replace(r, energy_j=(r.energy_j or 0) / 2) for r in seen.counter[half:])]
    found = judge(replace(seen, counter=reset), NOW)
    assert (found.counter_over_power_load, found.counter_trusted) == (None, None)
    assert found.counter_over_power_idle == pytest.approx(1.0, abs=0.01)
    assert "the driver was reset" in " ".join(found.notes)


def test_the_smoothed_field_is_known_for_what_it_is() -> None:
    found = probe(RTX4090, "smoothed")
    assert found.sensor == "smoothed"
    assert found.sensor_update_period_s == pytest.approx(0.1, rel=0.01)
    assert found.averaging_window_s == pytest.approx(1.0, rel=0.1)


def test_a_load_that_did_not_reach_the_gpu_proves_nothing() -> None:
    found = probe(V100, level=0.0)
    assert (found.counter_over_power_load, found.counter_trusted, found.averaging_window_s) == (None, None, None)
    assert found.counter_over_power_idle == pytest.approx(1.0, abs=0.01)
    assert "did not reach the GPU" in " ".join(found.notes)
    assert len(found.notes) == 1


def test_without_meters_all_is_unknown() -> None:
    found = judge(Evidence(notes=["no NVIDIA driver here"]), NOW)
    assert found == Probe(probed_at=NOW, notes=("no NVIDIA driver here",))


def test_without_a_counter_the_sensor_is_probed_all_the_same() -> None:
    found = judge(replace(evidence(A100), counter=()), NOW)
    assert (found.counter_update_period_s, found.counter_trusted) == (None, None)
    assert found.averaging_window_s is not None
    assert found.notes == ()


def test_the_counter_gets_its_regularity_and_the_sensor_its_averaging_window() -> None:
    found = Probe(
        probed_at=NOW, sensor_update_period_s=0.02, averaging_window_s=0.01, counter_update_period_s=0.05,
        counter_update_period_u_s=1e-6, counter_update_jitter_s=0.002,
    )  # fmt: skip
    counter, power, other = (
        add_probe(Trace(Domain.GPU, source, Quality.COUNTER, 0.1, ()), found)
        for source in ("nvml-counter", "nvml-power", "plug")
    )
    assert (counter.update_period_s, counter.update_period_u_s, counter.update_jitter_s) == (0.05, 1e-6, 0.002)
    assert (power.update_period_s, power.update_period_u_s, power.update_jitter_s) == (0.02, None, None)
    assert (counter.averaging_window_s, power.averaging_window_s, other.averaging_window_s) == (0.01, 0.01, None)
    assert add_probe(other, None) == other


def steps(period_s: float, repeat: float, length_s: float = 20.0, poll_s: float = POLL_S) -> Sequence[Reading]:
    """A meter that publishes its old value again with a probability."""
    random, readings, value, updates = Random(1), [], 0, 0
    for n in range(round(length_s / poll_s)):
        if n * poll_s >= (updates + 1) * period_s:
            updates += 1
            value += random.random() >= repeat
        readings.append(Reading(round(n * poll_s * 1e9), power_w=float(value)))
    return readings


@pytest.mark.parametrize("period_s", [0.0101, 0.02, 0.0333, 0.1, 1.0])
@pytest.mark.parametrize("repeat", [0.0, 0.3, 0.7])
def test_a_value_may_be_published_again(period_s: float, repeat: float) -> None:
    assert update_period_s(steps(period_s, repeat, length_s=400 * period_s), "meter") == pytest.approx(
        period_s, rel=0.02
    )


def late(period_s: float, latest_s: float, length_s: float = 30.0) -> Sequence[Reading]:
    """A counter whose updates are late at random, evenly up to a time."""
    random = Random(4)
    updates_s = [n * period_s + random.uniform(0.0, latest_s) for n in range(1, round(length_s / period_s))]
    at_s = [n * POLL_S for n in range(round(length_s / POLL_S))]
    return [Reading(round(t * 1e9), energy_j=float(bisect_right(updates_s, t))) for t in at_s]


@pytest.mark.parametrize("latest_s", [0.01, 0.03])
def test_how_irregularly_a_counter_publishes_is_found(latest_s: float) -> None:
    found = rhythm(late(0.1, latest_s), "counter")
    assert found.jitter_s == pytest.approx(latest_s / 3, rel=0.15)
    assert abs(found.period_s - 0.1) <= 3 * found.period_u_s


def test_updates_too_late_to_be_counted_are_not_called_regular() -> None:
    assert rhythm(late(0.1, 0.06), "counter").jitter_s > 0.01


def test_a_clock_that_wanders_is_irregular_though_its_intervals_are_alike() -> None:
    length_s = 30.0
    wandering = [
        Reading(r.at_ns + round(0.02 * math.sin(2 * math.pi * r.at_ns / 1e9 / length_s) * 1e9), r.energy_j)
        for r in late(0.1, 0.0, length_s)
    ]
    assert rhythm(wandering, "counter").jitter_s > 0.005


def test_what_changes_with_every_reading_is_too_fast() -> None:
    with pytest.raises(Unknown, match="too short to be seen"):
        update_period_s(steps(0.001, 0.0), "meter")


def test_a_window_longer_than_half_the_wave_is_unknown() -> None:
    period_s = wave_period_s(0.1, "instant")
    bench = Bench(Board(replace(RTX4090, sensor=replace(RTX4090.sensor, smoothed_usage=True)), seed=3), "smoothed")
    bench.run(Square(period_s, pids=(1,)), 8.0)
    updates = [(r.at_ns / 1e9, r.power_w or 0.0) for r in bench.power]
    with pytest.raises(Unknown, match="do not follow"):
        averaging_window_s(updates[::50], period_s, RTX4090.silicon.dynamic_w)


def test_noise_is_not_taken_for_a_wave() -> None:
    random = Random(1)
    updates = [(n * 0.1, random.uniform(50, 300)) for n in range(80)]
    with pytest.raises(Unknown, match="do not follow"):
        averaging_window_s(updates, 0.2618, 250.0)
