"""What makes a trial doubtful: other programs, stolen time, a slowed board, a window too short."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from farm.energy import validity
from farm.energy.validity import Glance
from farm.model import Domain, Flag, Quality, Reading, Trace, Window, WindowKind
from tests.factories import TINY

S = 1_000_000_000
QUIET = Glance(at_ns=0, cores=2, busy_s=0.0, own_s=0.0, stolen_s=0.0, waited_s=0.0)


def window(kind: WindowKind = WindowKind.MEASURE, begin_s: float = 0, end_s: float = 10) -> Window:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    return Window(kind=kind, begin_at_ns=round(begin_s * S), end_at_ns=round(end_s * S), started_at_utc=started)


def after(**changes: float | None) -> Glance:
    return replace(QUIET, at_ns=10 * S, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("glance", "kind", "found"),
    [
        (after(busy_s=20.0, own_s=19.8), WindowKind.MEASURE, []),
        (after(busy_s=20.0, own_s=19.0), WindowKind.MEASURE, ["measure: other programs used 10% of a core"]),
        (after(busy_s=1.0), WindowKind.IDLE_BEFORE, ["idle_before: other programs used 10% of a core"]),
        (after(stolen_s=0.5), WindowKind.MEASURE, ["measure: the hypervisor took 2% of the time"]),
        (after(waited_s=1.0), WindowKind.IDLE_AFTER, ["idle_after: programs waited for a CPU 10% of the time"]),
        (after(waited_s=9.0), WindowKind.MEASURE, []),  # the trial's own threads wait for each other
        (after(waited_s=None), WindowKind.IDLE_AFTER, []),
        (after(busy_s=9.0), WindowKind.SETUP, []),
        (after(busy_s=1.0), WindowKind.VALIDATION, ["validation: other programs used 10% of a core"]),
    ],
)
def test_others_on_the_machine_are_noticed(glance: Glance, kind: WindowKind, found: list[str]) -> None:
    assert validity.contaminations([window(kind)], [QUIET, glance]) == found


def test_a_window_without_glances_shows_nothing() -> None:
    assert validity.contaminations([window()], [QUIET]) == []
    assert validity.contaminations([window()], []) == []


def test_the_trials_own_gpu_process_is_not_foreign_but_one_before_or_after_it_is() -> None:
    def seen(*pids: int, at_s: int) -> Glance:
        return replace(QUIET, at_ns=at_s * S, gpu_pids=frozenset(pids))

    own = [seen(at_s=0), seen(7, at_s=1), seen(7, at_s=2), seen(at_s=3)]
    assert validity.contaminations([], own) == []
    before = [seen(5, at_s=0), seen(5, 7, at_s=1), seen(5, at_s=2)]
    assert validity.contaminations([], before) == ["process 5 used the GPU too"]
    later = [seen(at_s=0), seen(7, at_s=1), seen(7, 9, at_s=2)]
    assert validity.contaminations([], later) == ["process 9 used the GPU too"]


@pytest.mark.parametrize(
    ("reasons", "flags"),
    [
        ([0x1, 0x0], []),
        ([0x0, 0x8], [Flag.THROTTLED]),
        ([0x20], [Flag.THROTTLED]),
        ([0x40], [Flag.THROTTLED]),
        ([0x80], [Flag.THROTTLED]),
        ([0x4], [Flag.POWER_CAPPED]),
        ([0x4, 0x40], [Flag.THROTTLED, Flag.POWER_CAPPED]),
        ([None], []),
    ],
)
def test_clock_event_reasons_become_flags(reasons: list[int | None], flags: list[Flag]) -> None:
    readings = [Reading(at_ns=i, throttle_reasons=r) for i, r in enumerate(reasons)]
    assert validity.of_clocks(window(), readings) == flags
    assert validity.of_clocks(window(WindowKind.TRAINING), readings) == flags
    assert validity.of_clocks(window(WindowKind.SETUP), readings) == []


def test_a_window_is_too_short_for_a_slow_meter() -> None:
    quick = TINY.model_copy(update={"profile": "quick"})
    slow = Trace(Domain.WALL, "plug", Quality.SAMPLED, 1.0, ())
    assert validity.of_length(window(end_s=10), slow, quick) == [Flag.TOO_SHORT]
    assert validity.of_length(window(end_s=20), slow, quick) == []
    assert validity.of_length(window(end_s=99), slow, TINY.model_copy(update={"profile": "full"})) == [Flag.TOO_SHORT]


@pytest.mark.parametrize("kind", [WindowKind.LATENCY, WindowKind.TRAINING, WindowKind.VALIDATION])
def test_only_a_measure_window_can_be_too_short(kind: WindowKind) -> None:
    slow = Trace(Domain.WALL, "plug", Quality.SAMPLED, 1.0, ())
    assert validity.of_length(window(kind), slow, TINY) == []


@pytest.mark.parametrize(
    ("energies_j", "update_s", "stopped"),
    [
        ([0, 1, 2, 3, 4], 0.1, False),
        ([0, 1, 1, 2, 3], 0.1, False),  # for a second: not long enough
        ([0, 1, 1, 1, 2], 0.1, True),
        ([1, 1, 1, 1, 1], 0.1, True),
        ([0, 1, 1, 1, 2], 0.3, False),  # it is slow
        ([9, 8, 1, 1, None], 0.1, False),
        ([None] * 5, 0.1, False),
        ([], 0.1, False),
    ],
)
def test_a_counter_that_stands_still_is_noticed(energies_j: list[float | None], update_s: float, stopped: bool) -> None:
    readings = tuple(Reading(at_ns=i * S, energy_j=j, power_w=7.0) for i, j in enumerate(energies_j))
    trace = Trace(Domain.GPU, "board", Quality.COUNTER, update_s, readings)
    assert validity.stands_still(trace) == stopped
    line = "board: the gpu energy counter stood still, it is not used"
    assert validity.stopped_counters([trace]) == ([line] if stopped else [])
