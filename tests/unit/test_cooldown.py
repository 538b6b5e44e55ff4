"""The gate before an idle: a board at rest passes, a warm one is waited for, and said to be warm when time is up."""

import time
from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from farm.model import Domain, FailureKind, Quality, Reading, Trace
from workers.supervisor.cooldown import READINGS, SILENT_S, Rest, cool_down, rest_of
from workers.supervisor.sampler import Sampler
from workers.supervisor.stop import Stop

REST = Rest(power_w=50.0, temperature_c=30.0)
COLD, WARM = (50.0, 30.0), (60.0, 35.0)
PERIOD_S = 0.001


class Board(Sampler):
    """Says one thing after the other, and then the last for ever."""

    def __init__(self, *states: tuple[float, float], age_s: float = 0.0) -> None:
        super().__init__([], 1.0)
        self.states = chain(states, repeat(states[-1]))
        self.age_s = age_s
        self.looks = 0

    def traces(self) -> tuple[Trace, ...]:
        self.looks += 1
        power_w, temperature_c = next(self.states)
        at_ns = time.monotonic_ns() - round(self.age_s * 1e9)
        return (trace(Reading(at_ns, power_w=power_w, temperature_c=temperature_c)),)


def trace(*readings: Reading) -> Trace:
    return Trace(Domain.GPU, "board", Quality.SAMPLED, 0.1, readings)


@pytest.fixture
def stop() -> Iterator[Stop]:
    made = Stop()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("states", "looks"),
    [
        ([COLD], READINGS),
        ([(40.0, 20.0)], READINGS),  # cooler than when the rest was learnt
        ([WARM, WARM, COLD], READINGS + 2),
        ([COLD, WARM, COLD], READINGS + 2),  # in a row
        ([(51.4, 31.9)], READINGS),
    ],
)
def test_a_board_passes_once_it_is_at_rest(stop: Stop, states: list[tuple[float, float]], looks: int) -> None:
    board = Board(*states)
    assert cool_down(board, REST, PERIOD_S, at_most_s=10.0, stop=stop) is None
    assert board.looks == looks


@pytest.mark.parametrize("state", [WARM, (51.6, 30.0), (50.0, 32.1)])
def test_a_board_that_stays_warm_has_a_note(stop: Stop, state: tuple[float, float]) -> None:
    note = cool_down(Board(state), REST, PERIOD_S, at_most_s=0.02, stop=stop)
    assert note == f"not at rest after 0.02 s: {state[0]:.0f} W at {state[1]:.0f} °C, rest is 50 W at 30 °C"


@pytest.mark.parametrize(("state", "passes"), [(COLD, True), (WARM, False)])
def test_who_does_not_wait_looks_once(stop: Stop, state: tuple[float, float], passes: bool) -> None:
    board = Board(state)
    note = cool_down(board, REST, PERIOD_S, at_most_s=0.0, stop=stop)
    assert (note is None, board.looks) == (passes, 1)


def test_a_board_whose_meter_is_lost_is_not_waited_for(stop: Stop) -> None:
    board = Board(WARM, age_s=SILENT_S + 1)
    assert cool_down(board, REST, PERIOD_S, at_most_s=60.0, stop=stop) is None
    assert board.looks == 1


def test_a_stop_ends_the_wait(stop: Stop) -> None:
    stop.request(FailureKind.CANCELLED)
    board = Board(WARM)
    assert cool_down(board, REST, period_s=60.0, at_most_s=60.0, stop=stop) is None
    assert board.looks == 0


def test_the_rest_is_the_mean_of_an_idle_window() -> None:
    readings = [Reading(at, power_w=float(40 + at), temperature_c=float(at)) for at in (0, 10, 20, 30)]
    assert rest_of([trace(*readings)], 10, 20) == Rest(power_w=55.0, temperature_c=15.0)
    assert rest_of([trace(Reading(15, energy_j=1.0))], 10, 20) is None
