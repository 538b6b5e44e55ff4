"""The wait for a board's rest: a board at rest passes at once, a tail is waited for and metered, and not for ever."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, pairwise, repeat

import pytest

from farm.model import Domain, FailureKind, Quality, Reading, Trace, Window, WindowKind
from tests.factories import TINY
from workers.supervisor.edges import Edges
from workers.supervisor.rest import SILENT_S, Rest, rest_of, temperature_c
from workers.supervisor.sampler import Sampler
from workers.supervisor.stop import Stop
from workers.supervisor.watch import Watch

REST = Rest(power_w=50.0, noise_w=1.0, temperature_c=30.0)
COLD, HIGH = (50.0, 30.0), (70.0, 35.0)
PATIENT = TINY.model_copy(update={"cool_down_max_s": 60.0, "poll_period_s": 0.001})


def trace(*readings: Reading, domain: Domain = Domain.GPU) -> Trace:
    return Trace(domain, "board", Quality.SAMPLED, 0.1, readings)


def seen(*states: tuple[float, float | None], now_ns: int = 10**9) -> tuple[Trace, ...]:
    """The newest readings, a tenth of a second apart."""
    at_ns = range(now_ns - 10**8 * (len(states) - 1), now_ns + 1, 10**8)
    return (trace(*(Reading(at, power_w=w, temperature_c=c) for at, (w, c) in zip(at_ns, states, strict=True))),)


def window(kind: WindowKind, begin_ns: int, end_ns: int) -> Window:
    return Window(kind=kind, begin_at_ns=begin_ns, end_at_ns=end_ns, started_at_utc=datetime(2026, 1, 1, tzinfo=UTC))


class Board(Sampler):
    """Shows one state after the other, and then the last for ever."""

    def __init__(self, *states: tuple[float, float]) -> None:
        super().__init__([], 1.0)
        self.states = chain(states, repeat(states[-1]))
        self.edges = 0

    def read_now(self) -> None:
        self.edges += 1

    def traces(self) -> tuple[Trace, ...]:
        state = next(self.states)
        return seen(state, state, now_ns=time.monotonic_ns())


class Nobody(Watch):
    def __init__(self) -> None: ...

    def look(self) -> None: ...


@pytest.fixture
def stop() -> Iterator[Stop]:
    made = Stop()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("states", "is_met"),
    [
        ([COLD, COLD], True),
        ([(40.0, 20.0)] * 2, True),  # cooler than when the rest was learnt
        ([(53.0, 30.0)] * 2, True),  # within three standard deviations
        ([(53.1, 30.0)] * 2, False),
        ([(58.0, 40.0)] * 2, True),  # a board 10 °C warmer leaks more
        ([(58.1, 40.0)] * 2, False),
        ([(53.1, None)] * 2, False),
        ([HIGH, COLD], False),
        ([COLD, HIGH], False),
        ([HIGH, COLD, COLD], True),
    ],
)
def test_rest_is_the_power_that_idle_and_leakage_explain(
    states: list[tuple[float, float | None]], is_met: bool
) -> None:
    assert REST.is_met(seen(*states), 10**9) is is_met


def test_a_known_slope_replaces_the_assumed_one() -> None:
    warm = seen((65.0, 40.0), (65.0, 40.0))
    assert not REST.is_met(warm, 10**9)
    assert REST.is_met(warm, 10**9, leakage_w_per_c=1.5)


def test_there_is_nothing_to_wait_for_without_a_meter() -> None:
    assert REST.is_met((), 10**9)
    assert REST.is_met(seen(HIGH, HIGH), 10**9 + round((SILENT_S + 1) * 1e9))
    assert REST.is_met((trace(Reading(10**9, power_w=99.0), domain=Domain.CPU),), 10**9)


def test_the_rest_is_what_an_idle_window_shows() -> None:
    readings = [Reading(at, power_w=float(40 + at), temperature_c=float(at)) for at in (0, 10, 20, 30)]
    idle = window(WindowKind.IDLE_BEFORE, 10, 20)
    assert rest_of([trace(*readings)], idle) == Rest(55.0, 5.0, 15.0, 20.0)
    assert rest_of([trace(Reading(15, power_w=7.0))], idle) == Rest(7.0, 0.0, None, None)
    assert rest_of([trace(Reading(15, energy_j=1.0))], idle) is None
    assert rest_of([trace(*readings)], None) is None
    assert temperature_c([trace(*readings)]) == 30.0
    assert temperature_c([]) is None


def test_a_board_at_rest_has_no_tail(stop: Stop) -> None:
    board = Board(COLD)
    (idle,) = Edges(board, Nobody(), PATIENT, stop).idle(WindowKind.IDLE_BEFORE, REST)
    assert idle.kind is WindowKind.IDLE_BEFORE
    assert board.edges == 2


def test_a_tail_is_waited_for_and_is_a_window_of_its_own(stop: Stop) -> None:
    edges = Edges(Board(HIGH, HIGH, HIGH, COLD), Nobody(), PATIENT, stop)
    tail, idle = edges.idle(WindowKind.IDLE_AFTER, REST)
    assert (tail.kind, tail.index, idle.kind) == (WindowKind.TAIL, 0, WindowKind.IDLE_AFTER)
    assert tail.end_at_ns <= idle.begin_at_ns
    assert edges.notes == []


def test_a_trial_settles_at_the_power_of_its_own_loaded_model(stop: Stop) -> None:
    begin_ns = time.monotonic_ns()
    board = Board(HIGH)
    context = window(WindowKind.CONTEXT_IDLE, begin_ns, begin_ns + 10**12)
    edges = Edges(board, Nobody(), PATIENT, stop)
    assert edges.settle([context]) == []  # 70 W with the model loaded is its rest
    assert edges.settle([]) == []  # nothing is known yet
    assert board.edges == 0


def test_a_board_that_never_rests_is_metered_and_noted(stop: Stop) -> None:
    brief = PATIENT.model_copy(update={"cool_down_max_s": 0.02})
    edges = Edges(Board(HIGH), Nobody(), brief, stop)
    windows = [*edges.idle(WindowKind.IDLE_BEFORE, REST), *edges.idle(WindowKind.IDLE_AFTER, REST)]
    assert [(w.kind, w.index) for w in windows] == [
        (WindowKind.TAIL, 0), (WindowKind.IDLE_BEFORE, 0), (WindowKind.TAIL, 1), (WindowKind.IDLE_AFTER, 0),
    ]  # fmt: skip
    assert all(a.end_at_ns <= b.begin_at_ns for a, b in pairwise(windows))
    assert windows[0].duration_s >= 0.02
    assert edges.notes == ["the GPU still drew more than at rest after 0.02 s: raise cool_down_max_s"] * 2


def test_without_a_limit_nothing_is_waited_for(stop: Stop) -> None:
    at_once = PATIENT.model_copy(update={"cool_down_max_s": 0.0})
    edges = Edges(Board(HIGH), Nobody(), at_once, stop)
    assert [w.kind for w in edges.idle(WindowKind.IDLE_BEFORE, REST)] == [WindowKind.IDLE_BEFORE]
    assert edges.notes == []


def test_a_stop_ends_the_wait(stop: Stop) -> None:
    stop.request(FailureKind.CANCELLED)
    windows = Edges(Board(HIGH), Nobody(), PATIENT.model_copy(update={"idle_s": 60.0}), stop).idle(
        WindowKind.IDLE_BEFORE, REST
    )
    assert [w.kind for w in windows] == [WindowKind.TAIL]
