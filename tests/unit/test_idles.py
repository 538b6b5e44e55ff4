"""What a worker remembers of its machine's idles from trial to trial."""

import time
from datetime import UTC, datetime

import pytest

from farm.energy.baselines import SETTLED_AFTER_S
from farm.model import Domain, Quality, Reading, Trace, Window, WindowKind
from tests.factories import job_spec
from workers.supervisor.idles import POWER, Idles

S = 10**9
ALEXNET = job_spec(point={"model": "alexnet", "batch_size": 1})


def window(kind: WindowKind, begin_s: float, end_s: float) -> Window:
    begin_ns, end_ns = round(begin_s * S), round(end_s * S)
    return Window(kind=kind, begin_at_ns=begin_ns, end_at_ns=end_ns, started_at_utc=datetime(2026, 1, 1, tzinfo=UTC))


def board(begin_s: float, end_s: float, power_w: float, temperature_c: float) -> tuple[Trace, ...]:
    """Ten readings a second."""
    steps = range(round(begin_s * 10), round(end_s * 10) + 1)
    readings = tuple(Reading(step * S // 10, power_w=power_w, temperature_c=temperature_c) for step in steps)
    return (Trace(Domain.GPU, POWER[0], Quality.SAMPLED, 0.1, readings),)


def control(
    idles: Idles, begin_s: float, power_w: float, temperature_c: float, *, is_disturbed: bool = False
) -> list[str]:
    """One trial that is no more than its control idle, and a second of work."""
    windows = [
        window(WindowKind.IDLE_BEFORE, begin_s, begin_s + 5),
        window(WindowKind.MEASURE, begin_s + 5, begin_s + 6),
    ]
    traces = board(begin_s - 1, begin_s + 7, power_w, temperature_c)
    return idles.learn(ALEXNET, windows, traces, is_disturbed=is_disturbed)


def test_idles_are_learnt_with_their_temperature_and_what_was_loaded() -> None:
    idles = Idles()
    assert idles.is_new
    windows = [window(WindowKind.IDLE_BEFORE, 1, 6), window(WindowKind.CONTEXT_IDLE, 7, 12)]
    assert idles.learn(ALEXNET, windows, board(0, 13, 50.0, 30.0), is_disturbed=False) == []
    assert [(i.loaded, i.temperature_c, i.warmest_c) for i in idles.baselines.idles] == [
        ("", 30.0, 30.0), ("inference alexnet", 30.0, 30.0),
    ]  # fmt: skip
    assert idles.baselines.bare()[POWER].mean_w == pytest.approx(50.0)
    assert not idles.is_new
    assert idles.rest is not None
    assert idles.rest.power_w == 50.0


def test_a_room_3_degrees_warmer_is_a_new_rest_with_a_note() -> None:
    idles = Idles()
    control(idles, 0, 50.0, 30.0)
    assert control(idles, 30, 55.0, 40.0) == []  # warm from the work before
    assert idles.baselines.rest_c == 30.0
    assert idles.leakage_w_per_c == pytest.approx(0.5)
    notes = control(idles, 36 + SETTLED_AFTER_S + 1, 51.5, 33.0)
    assert notes == ["the GPU rests at 33 °C now, after 30 °C before: baselines follow it"]
    assert idles.baselines.rest_c == 33.0


def test_a_disturbed_idle_is_not_learnt_and_asks_for_another() -> None:
    idles = Idles()
    control(idles, 0, 50.0, 30.0)
    control(idles, 30, 90.0, 30.0, is_disturbed=True)
    assert len(idles.baselines.idles) == 1
    assert idles.rest is not None
    assert idles.rest.power_w == 50.0
    assert idles.control_reason(10, 30.0) == "other programs used the machine in the last trial"
    control(idles, 60, 50.0, 30.0)
    assert idles.control_reason(10, 31.0) != "other programs used the machine in the last trial"


def test_a_machine_that_has_rested_idles_before_its_next_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its room may be warmer now, which a temperature between those of earlier idles does not show."""
    idles = Idles()
    control(idles, 0, 50.0, 30.0)
    control(idles, 30, 51.0, 40.0)
    ended_s = 36.0
    monkeypatch.setattr(time, "monotonic", lambda: ended_s + SETTLED_AFTER_S - 1)
    assert idles.control_reason(10, 33.0) is None
    monkeypatch.setattr(time, "monotonic", lambda: ended_s + SETTLED_AFTER_S)
    assert idles.control_reason(10, 33.0) == "the machine has rested, and its room may have changed"


@pytest.mark.parametrize(("ends_s", "tail_s"), [(16.0, 5.5), (10.6, 0.0)], ids=["a tail", "a short fall"])
def test_the_tail_after_work_is_known_once_an_idle_has_waited_for_it(ends_s: float, tail_s: float) -> None:
    idles = Idles()
    assert idles.tail_s is None
    windows = [
        window(WindowKind.IDLE_BEFORE, 0, 5),
        window(WindowKind.MEASURE, 6, 10.5),
        window(WindowKind.TAIL, 10.5, ends_s),
        window(WindowKind.IDLE_AFTER, ends_s, ends_s + 5),
    ]
    idles.learn(ALEXNET, windows, board(0, 22, 50.0, 30.0), is_disturbed=False)
    assert idles.tail_s == pytest.approx(tail_s)
