"""The simulated board, loads and powercap tree in virtual time: do they obey physics, and mislead as real ones do?"""

import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.model import Domain
from farm.settings import Settings
from workers.meters.rapl import Rapl
from workers.simulator import (
    A100,
    H100,
    IDLE,
    RTX4090,
    SERVER,
    V100,
    Board,
    Constant,
    Counter,
    Foreign,
    Load,
    Powercap,
    Preset,
    Reasons,
    Sampled,
    Square,
    drive,
)
from workers.simulator.loads import as_load
from workers.simulator.powercap import Zone
from workers.simulator.world import World

PRESETS = (V100, A100, H100, RTX4090)
#: Long enough for every preset's temperature to settle.
SETTLED_S = 250.0


def quiet(preset: Preset, **sensor: object) -> Preset:
    """A board without flicker, its sensor changed."""
    return replace(
        preset,
        silicon=replace(preset.silicon, flicker_w=0.0),
        sensor=replace(preset.sensor, **sensor),  # type: ignore[arg-type]
    )


def settled(preset: Preset, load: float, seed: int = 0) -> Board:
    board = Board(preset, seed)
    board.context_held = True
    board.advance(SETTLED_S, load)
    return board


def totals(board: Board) -> tuple[float, float]:
    """The counter as a program reads it, and the truth."""
    return board.read_counter_j(), board.true_energy_j


def consumed(board: Board, since: tuple[float, float]) -> tuple[float, float]:
    """What a board has consumed since then: by its counter, and in truth."""
    counter_j, true_j = totals(board)
    return counter_j - since[0], true_j - since[1]


class TestEnergy:
    @given(cuts=st.lists(st.integers(1, 5 * 10**9), max_size=8), seed=st.integers(0, 9))
    def test_it_adds_up_wherever_time_is_cut(self, cuts: list[int], seed: int) -> None:
        whole, pieces = Board(A100, seed), Board(A100, seed)
        end_ns = 5 * 10**9
        whole.advance_to(end_ns, 0.6)
        for cut_ns in sorted({*cuts, end_ns}):
            pieces.advance_to(cut_ns, 0.6)
        assert pieces.true_energy_j == pytest.approx(whole.true_energy_j, rel=1e-9)
        assert pieces.temperature_c == pytest.approx(whole.temperature_c, rel=1e-9)
        assert pieces.published().energy_mj == pytest.approx(whole.published().energy_mj, abs=1)
        assert pieces.published().instant_mw == pytest.approx(whole.published().instant_mw, abs=1)

    def test_it_agrees_with_small_steps(self) -> None:
        preset, step_s = quiet(A100), 1e-3
        board = Board(preset)
        silicon, cooling = preset.silicon, preset.cooling
        temperature_c, energy_j = preset.rest_c, 0.0
        for load in (0.0, 0.9, 0.3):
            board.advance(10.0, load)
            for _ in range(round(10.0 / step_s)):
                power_w = silicon.idle_w + silicon.dynamic_w * load
                power_w += silicon.leakage_w_per_c * (temperature_c - preset.rest_c)
                energy_j += power_w * step_s
                heating = cooling.ambient_c + cooling.c_per_w * power_w - temperature_c
                temperature_c += heating / cooling.time_constant_s * step_s
        assert board.true_energy_j == pytest.approx(energy_j, rel=1e-4)
        assert board.temperature_c == pytest.approx(temperature_c, abs=0.01)

    @pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p.name)
    def test_a_settled_board_consumes_power_times_time(self, preset: Preset) -> None:
        board = settled(quiet(preset), 0.6)
        since = totals(board)
        board.advance(7.0, 0.6)
        _, true_j = consumed(board, since)
        assert true_j == pytest.approx(7.0 * preset.settled_w(0.6), rel=1e-5)
        assert preset.settled_w(0.6) > preset.settled_w(0.0) > preset.settled_w(0.0, context=False)

    def test_a_board_left_alone_stays_as_it_is(self) -> None:
        board = Board(quiet(A100))
        board.advance(100.0, 0.0)
        assert board.true_energy_j == pytest.approx(100.0 * A100.silicon.idle_w)
        assert board.temperature_c == pytest.approx(A100.rest_c)

    def test_power_may_be_less_than_linear_in_load(self) -> None:
        linear = quiet(A100)
        curved = replace(linear, silicon=replace(linear.silicon, exponent=0.5))
        assert curved.settled_w(0.25) - curved.settled_w(0.0) == pytest.approx(
            linear.settled_w(0.5) - linear.settled_w(0.0)
        )

    def test_one_seed_is_one_history(self) -> None:
        histories = []
        for seed in (1, 1, 2):
            board = Board(A100, seed)
            drive(board, Square(0.13), 5.0)
            histories.append((board.true_energy_j, board.published()))
        assert histories[0] == histories[1] != histories[2]


class TestTemperature:
    def test_it_approaches_its_limit_exponentially(self) -> None:
        preset = quiet(A100)
        time_constant_s = preset.cooling.time_constant_s / (1 - preset.heat_gain)
        end_c = settled(preset, 1.0).temperature_c
        board = Board(preset)
        board.context_held = True
        for _ in range(4):
            before_c = board.temperature_c
            board.advance(time_constant_s, 1.0)
            assert (end_c - board.temperature_c) / (end_c - before_c) == pytest.approx(1 / math.e, rel=1e-3)

    def test_leakage_makes_a_hot_board_draw_more_at_the_same_load(self) -> None:
        board = Board(quiet(A100))
        board.advance(0.1, 0.8)
        cold_w = board.power_w
        board.advance(SETTLED_S, 0.8)
        warmer_c = board.temperature_c - A100.rest_c
        assert board.power_w - cold_w == pytest.approx(A100.silicon.leakage_w_per_c * warmer_c, rel=0.02)


class TestSensor:
    def test_it_sees_a_quarter_of_the_time_and_is_right_on_average(self) -> None:
        """A short pulse is seen from a quarter of all places in the period, and then fourfold."""
        preset, pulse_s, places, resting = quiet(A100), 0.005, 20, Board(quiet(A100), seed=4)
        resting_from = totals(resting)
        resting.advance(2.0, 0.0)
        rest_counted_j, rest_true_j = consumed(resting, resting_from)
        counted, true_j = [], 0.0
        for place in range(places):
            board = Board(preset, seed=4)
            since = totals(board)
            begin_ns = round((1.0 + place * pulse_s) * 1e9)
            drive(board, Square(period_s=100.0, high_share=pulse_s / 100.0, origin_ns=begin_ns), 2.0)
            pulse_counted_j, pulse_true_j = consumed(board, since)
            counted.append(pulse_counted_j - rest_counted_j)
            true_j += pulse_true_j - rest_true_j
        seen = [j for j in counted if j > 0.1]
        assert places / 4 <= len(seen) <= places / 4 + 1
        assert sum(counted) == pytest.approx(true_j, rel=0.02)

    def test_resonance_misleads_a_sensor_that_looks_away(self) -> None:
        errors = [self._error(A100, Square(A100.sensor.update_s, pids=(1,)), seed) for seed in range(20)]
        assert min(errors) < -0.3 < 0.3 < max(errors)

    @pytest.mark.parametrize("period_s", [0.0707, 0.033, 0.237])
    def test_off_resonance_it_is_right(self, period_s: float) -> None:
        errors = [self._error(A100, Square(period_s, pids=(1,)), seed) for seed in range(10)]
        assert max(map(abs, errors)) < 0.04

    @pytest.mark.parametrize(
        "preset", [quiet(RTX4090), quiet(A100, counter=Counter.EXACT)], ids=["whole time", "exact counter"]
    )
    def test_nothing_misleads_one_that_looks_always(self, preset: Preset) -> None:
        errors = [self._error(preset, Square(preset.sensor.update_s, pids=(1,)), seed) for seed in range(10)]
        assert max(map(abs, errors)) < 0.015  # one update in 10 s

    def test_its_gain_error_goes_into_every_reading(self) -> None:
        preset = quiet(A100, gain=1.05)
        board = settled(preset, 0.5)
        says = board.published()
        assert says.instant_mw == says.average_mw == pytest.approx(1050 * board.power_w, rel=1e-3)
        since = totals(board)
        board.advance(10.0, 0.5)
        counter_j, true_j = consumed(board, since)
        assert counter_j == pytest.approx(1.05 * true_j, rel=1e-3)

    def test_the_smoothed_reading_follows_over_a_second(self) -> None:
        board = settled(quiet(H100), 0.0)
        low_w = board.power_w
        board.advance(0.55, 1.0)
        says, high_w = board.published(), board.power_w
        assert says.instant_mw == pytest.approx(1e3 * high_w, rel=0.01)
        assert says.usage_mw == says.average_mw == pytest.approx(500 * (low_w + high_w), rel=0.15)

    def test_older_boards_give_the_instant_as_their_plain_reading(self) -> None:
        board = settled(quiet(A100), 0.0)
        board.advance(0.2, 1.0)
        says = board.published()
        assert says.usage_mw == says.instant_mw > 2 * says.average_mw

    def _error(self, preset: Preset, load: Load, seed: int) -> float:
        """Of the counter over 10 s, as a share of the truth."""
        board = settled(quiet(preset), 0.5, seed)
        since = totals(board)
        drive(board, load, 10.0)
        counter_j, true_j = consumed(board, since)
        return counter_j / true_j - 1


class TestCounter:
    def test_it_is_published_once_a_period(self) -> None:
        board = settled(quiet(A100), 0.5)
        values = set()
        for _ in range(1000):
            board.advance(0.001, 0.5)
            values.add(board.published().energy_mj)
        assert len(values) in (10, 11)

    def test_an_exact_one_is_right_to_one_update(self) -> None:
        board = settled(quiet(A100, counter=Counter.EXACT), 0.5)
        since = totals(board)
        board.advance(2.05, 0.5)
        counter_j, true_j = consumed(board, since)
        assert abs(counter_j - true_j) <= 0.1 * board.power_w + 0.001

    @pytest.mark.parametrize(("pause_s", "left"), [(0.1, 0.05), (1.0, 1.0), (5.0, 1.0)])
    def test_a_fragile_one_loses_only_when_read_often(self, pause_s: float, left: float) -> None:
        board = settled(quiet(RTX4090), 0.5)
        since = totals(board)
        for _ in range(round(20.0 / pause_s)):
            board.advance(pause_s, 0.5)
            board.read_counter_j()
        counter_j, true_j = consumed(board, since)
        assert counter_j / true_j == pytest.approx(left, abs=0.02)

    def test_others_do_not_mind(self) -> None:
        board = settled(quiet(A100), 0.5)
        since = totals(board)
        for _ in range(1000):
            board.advance(0.01, 0.5)
            board.note_reads(5)
        counter_j, true_j = consumed(board, since)
        assert counter_j == pytest.approx(true_j, rel=0.011)

    def test_a_new_driver_begins_at_0(self) -> None:
        board = Board(A100)
        assert board.read_counter_j() > 0
        board.reset_driver()
        assert board.read_counter_j() == 0
        board.advance(10.0, 0.0)
        assert board.read_counter_j() == pytest.approx(10 * A100.silicon.idle_w, rel=0.03)

    def test_a_frozen_one_stands_still_while_the_truth_goes_on(self) -> None:
        board = Board(quiet(A100))
        board.counter_frozen = True
        since = totals(board)
        board.advance(5.0, 1.0)
        counter_j, true_j = consumed(board, since)
        assert counter_j == 0 < true_j
        board.counter_frozen = False
        since = totals(board)
        board.advance(0.1, 1.0)
        counter_j, _ = consumed(board, since)
        assert counter_j == pytest.approx(true_j, rel=0.05)


class TestClock:
    def test_an_idle_board_reports_it(self) -> None:
        board = Board(A100)
        board.advance(1.0, 0.0)
        assert (board.published().reasons, board.published().clock_mhz) == (Reasons.IDLE, A100.idle_clock_mhz)
        board.advance(1.0, 0.5)
        assert (board.published().reasons, board.published().clock_mhz) == (Reasons.NONE, A100.clock_mhz)
        assert board.published().load_percent == 50

    def test_the_power_limit_caps(self) -> None:
        preset = quiet(A100)
        capped = replace(preset, silicon=replace(preset.silicon, limit_w=250.0))
        board = settled(capped, 1.0)
        assert board.power_w == pytest.approx(250.0, rel=1e-3)
        assert board.published().reasons == Reasons.POWER_CAP
        assert board.published().clock_mhz < preset.clock_mhz

    def test_a_badly_cooled_board_slows_before_it_burns(self) -> None:
        preset = quiet(A100)
        board = settled(replace(preset, cooling=replace(preset.cooling, c_per_w=0.25)), 1.0)
        assert preset.cooling.slowdown_c < board.temperature_c < preset.cooling.shutdown_c
        assert board.published().reasons == Reasons.SW_THERMAL
        assert board.power_w < preset.settled_w(1.0)

    def test_a_board_that_is_too_hot_halves_its_clock(self) -> None:
        preset = quiet(A100)
        board = Board(replace(preset, cooling=replace(preset.cooling, ambient_c=100.0)))
        board.advance(1.0, 1.0)
        assert board.published().reasons == Reasons.HW_SLOWDOWN | Reasons.HW_THERMAL
        assert board.published().clock_mhz == preset.clock_mhz / 2

    @pytest.mark.parametrize("reasons", [Reasons(0x8), Reasons(0x20), Reasons(0x40), Reasons(0x80)])
    def test_a_slowdown_may_come_from_outside(self, reasons: Reasons) -> None:
        board = settled(quiet(A100), 1.0)
        full_w = board.power_w
        board.throttle = replace(board.throttle, reasons=reasons, clock_share=0.7)
        board.advance(1.0, 1.0)
        assert board.published().reasons == reasons
        assert board.published().clock_mhz == pytest.approx(0.7 * A100.clock_mhz, abs=1)
        assert board.power_w < 0.85 * full_w


class TestLoads:
    @pytest.mark.parametrize("load", [Constant(0.3), Square(0.7, 0.9, 0.1, 0.25), Sampled(lambda t: t % 1)])
    def test_their_stretches_fill_the_time(self, load: Load) -> None:
        ends = [end_ns for end_ns, _ in load.until(123_456_789, 2_000_000_001)]
        assert ends == sorted(set(ends))
        assert ends[0] > 123_456_789
        assert ends[-1] == 2_000_000_001
        assert list(load.until(5, 5)) == []

    def test_a_square_wave_is_high_for_its_share(self) -> None:
        begin_ns, high_ns = 250_000_000, 0
        for end_ns, level in Square(0.2, high_share=0.3).until(begin_ns, 2_250_000_000):
            high_ns += (end_ns - begin_ns) * (level == 1.0)
            begin_ns = end_ns
        assert high_ns == pytest.approx(0.3 * 2e9)

    def test_a_function_is_taken_as_it_is(self) -> None:
        levels = [level for _, level in Sampled(lambda t: t).until(0, 10**9)]
        assert fmean(levels) == pytest.approx(0.5)

    def test_short_forms(self) -> None:
        assert as_load("square wave") == Square()
        assert as_load(IDLE) is IDLE
        assert as_load(math.sin) == Sampled(math.sin)
        with pytest.raises(ValueError, match="square wave"):
            as_load("sawtooth")


class TestWorld:
    def test_a_foreign_process_adds_its_load_and_its_context(self) -> None:
        world = World(Board(quiet(A100)))
        Foreign(77, load=0.5).apply(world)
        truths = list(world.advance_to(10**9))
        silicon = A100.silicon
        drawn_w = silicon.idle_w + silicon.context_w + 0.5 * silicon.dynamic_w
        assert list(world.pids) == [77]
        assert truths[-1].gpu_j == pytest.approx(drawn_w, rel=0.01)
        Foreign(77, load=None).apply(world)
        assert list(world.pids) == []

    def test_the_powercap_tree_follows_the_same_load(self, tmp_path: Path) -> None:
        world = World(Board(A100), Square(1.0), Powercap(tmp_path, SERVER))
        truths = list(world.advance_to(10 * 10**9))
        assert truths[-1].cpu_j == pytest.approx(10 * 30 + 5 * 120)
        assert truths[-1].dram_j == pytest.approx(10 * 4 + 5 * 10)


class TestPowercap:
    def test_our_meter_reads_what_was_consumed(self, tmp_path: Path) -> None:
        tree = Powercap(tmp_path)
        with Rapl(Settings(powercap_root=tree.root)) as meter:
            before = meter.read()
            tree.advance(5.0, 0.5)
            tree.publish()
            after = meter.read()
        for domain, true_j in tree.true_energy_j.items():
            begin_j, end_j = before[domain].energy_j, after[domain].energy_j
            assert begin_j is not None
            assert end_j is not None
            assert end_j - begin_j == pytest.approx(true_j, abs=1e-5)
        assert tree.true_energy_j == {Domain.CPU: 450.0, Domain.DRAM: 45.0}
        tree.close()

    def test_counters_wrap_and_our_meter_follows(self, tmp_path: Path) -> None:
        tree = Powercap(tmp_path, (Zone("intel-rapl:0", "package-0", 10.0, 0.0, Domain.CPU),), range_uj=25_000_000)
        values = []
        with Rapl(Settings(powercap_root=tree.root)) as meter:
            for _ in range(10):
                tree.advance(1.0, 0.0)
                tree.publish()
                values.append(int((tree.root / "intel-rapl:0/energy_uj").read_text()))
                energy_j = meter.read()[Domain.CPU].energy_j
        assert min(values) < values[0]
        assert max(values) <= 25_000_000
        assert energy_j == pytest.approx(100.0, abs=1e-4)
        tree.close()
