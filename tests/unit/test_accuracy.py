"""The scores and tables of the accuracy benchmark, from made-up trials; the benchmark itself is no test."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.table import Table

from farm.model import Flag, Probe
from tests.benchmarks.accuracy.__main__ import COVERAGE, coverage_table, error_table
from tests.benchmarks.accuracy.cases import EXACT, OFF_RESONANCE, ON_RESONANCE, SENSORS, Meters, settings_for
from tests.benchmarks.accuracy.child_trials import merged
from tests.benchmarks.accuracy.live import judged
from tests.benchmarks.accuracy.methods import METHODS, Cell, Outcome, outcome, p95
from tests.benchmarks.accuracy.virtual import known


def cell(meters: Meters, window_s: float, errors: Sequence[float], covered: int, flagged: int = 0) -> Cell:
    """Trials whose methods all err alike; the first of them are covered, and flagged."""
    outcomes = [
        Outcome(
            dict.fromkeys(METHODS, error),
            index < covered,
            0.01,
            frozenset({Flag.ALIAS_RISK} if index < flagged else ()),
        )
        for index, error in enumerate(errors)
    ]
    return Cell(meters, window_s, outcomes)


def rows(table: Table) -> list[list[str]]:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table)
    return [line.split() for line in captured.get().splitlines() if line.strip()]


def test_the_95th_percentile_is_the_smallest_value_that_95_percent_do_not_exceed() -> None:
    assert p95([*range(100, 0, -1)]) == 95
    assert p95([1.0]) == 1.0
    assert p95([0.0] * 19 + [7.0]) == 0.0
    assert p95([0.0] * 18 + [7.0]) == 7.0


@pytest.mark.parametrize(
    ("meters", "window_s", "error", "verdict"),
    [
        (EXACT, 5.0, 0.004, "met"),
        (EXACT, 5.0, 0.006, "not met"),
        (OFF_RESONANCE, 10.0, 0.039, "met"),
        (OFF_RESONANCE, 10.0, 0.041, "not met"),
    ],
)
def test_an_error_is_held_against_what_is_required(meters: Meters, window_s: float, error: float, verdict: str) -> None:
    found = rows(error_table([cell(meters, window_s, [error] * 20, covered=19)]))[-1]
    assert f"{100 * error:.2f}" in found
    assert " ".join(found).endswith(f"% {verdict}")


def test_where_nothing_is_required_there_is_no_verdict() -> None:
    found = rows(error_table([cell(EXACT, 1.0, [0.5] * 20, covered=19)]))[-1]
    assert "met" not in found


@pytest.mark.parametrize(("flagged", "verdict"), [(20, "20 of 20 met"), (19, "19 of 20 not met")])
def test_on_resonance_every_trial_has_to_be_flagged(flagged: int, verdict: str) -> None:
    found = rows(error_table([cell(ON_RESONANCE, 5.0, [0.5] * 20, covered=0, flagged=flagged)]))[-1]
    assert " ".join(found).endswith(verdict)


@pytest.mark.parametrize(("covered", "verdict"), [(89, "not met"), (90, "met"), (99, "met"), (100, "not met")])
def test_an_interval_may_be_neither_too_narrow_nor_too_wide(covered: int, verdict: str) -> None:
    cells = [cell(meters, 5.0, [0.01] * 100, covered) for meters in SENSORS]
    found = [" ".join(row) for row in rows(coverage_table(cells))]
    required = f"{COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}"
    of_exact = next(row for row in found if row.startswith(f"{EXACT.name} all"))
    assert of_exact == f"{EXACT.name} all 100 {covered:.1f}% {required} {verdict}"
    assert next(row for row in found if row.startswith(f"{ON_RESONANCE.name} all")).endswith("flagged")


@pytest.mark.parametrize(("window_s", "idle_s"), [(1.0, 2.0), (2.0, 2.0), (5.0, 5.0), (10.0, 10.0)])
def test_the_idle_is_that_of_the_profile_with_such_windows(window_s: float, idle_s: float) -> None:
    settings = settings_for(window_s)
    assert (settings.window_s, settings.context_idle_s, settings.windows) == (window_s, idle_s, 1)


def test_in_real_time_the_counters_rhythm_is_the_one_that_was_found() -> None:
    found = Probe(
        probed_at=datetime(2026, 1, 2, tzinfo=UTC), counter_update_period_s=0.05, counter_update_period_u_s=1e-6,
        counter_update_jitter_s=0.002, counter_trusted=False,
    )  # fmt: skip
    given = known(EXACT.preset)
    both = merged(given, found)
    assert (both.counter_update_period_s, both.counter_update_period_u_s) == (0.05, 1e-6)
    assert both.counter_update_jitter_s == 0.002
    assert (both.averaging_window_s, both.counter_trusted) == (given.averaging_window_s, True)
    assert merged(given, None) == given


def test_codecarbon_is_known_by_the_readings_that_it_counts() -> None:
    def window(energy_j: float) -> dict[str, object]:
        reads = [(980_000_000, 5_000), (998_000_000, 7_000), (3_001_000_000, 107_000)]
        return {"begin_ns": 1_000_000_000, "end_ns": 3_000_000_000, "energy_j": energy_j, "reads": reads}

    from_the_second = judged([window(100.0)] * 3)
    assert (from_the_second.before_s, from_the_second.after_s) == pytest.approx((0.002, 0.001))
    assert from_the_second.off_j == pytest.approx(0.0)
    assert judged([window(101.9)]).before_s == pytest.approx(0.02)
    assert judged([window(100.5)]).off_j == pytest.approx(0.5)


def test_a_trial_in_virtual_time_finds_the_true_net_energy() -> None:
    found = outcome(EXACT, 5.0, index=0)
    assert found.errors["ours"] < 0.005
    assert found.covered
    assert found.flags == frozenset()


def test_a_trial_in_step_with_the_sensor_is_flagged() -> None:
    assert Flag.ALIAS_RISK in outcome(ON_RESONANCE, 2.0, index=0).flags
