"""The contract of a meter, as steps that any meter on any machine can be put through."""

import threading
import time
from collections.abc import Callable, Mapping

import pytest

from farm.model import Domain, Reading
from farm.model.errors import MeterLost, MeterUnavailable
from workers.meters import Meter

#: A busy machine may stop a test or a meter's thread for so long between a reading and its use. Clocks that are not the
#: monotonic one are off by years.
STOPPED_S = 5.0


def assert_reads(meter: Meter) -> None:
    """One reading a domain, stamped when it was true, with something in it; nothing that is unknown is 0."""
    before_ns = time.monotonic_ns()
    readings = next_readings(meter)
    after_ns = time.monotonic_ns()
    assert set(readings) == meter.domains != set()
    for reading in readings.values():
        assert before_ns - (meter.update_period_s + STOPPED_S) * 1e9 <= reading.at_ns <= after_ns
        assert reading.energy_j is not None or reading.power_w is not None
        assert all(value is None or value > 0 for value in (reading.power_w, reading.temperature_c, reading.clock_hz))


def next_readings(meter: Meter) -> Mapping[Domain, Reading]:
    """The next readings; a meter that is not asked itself has none before it has heard of something new."""
    pause = threading.Event()
    for _ in range(1000):
        if readings := meter.read():
            return readings
        pause.wait(0.01)
    raise AssertionError(f"{meter.name} had nothing new for 10 s")


def assert_never_falls(meter: Meter, readings: int) -> None:
    """Neither time nor energy goes backwards from one reading to the next."""
    series = [next_readings(meter), *(meter.read() for _ in range(readings - 1))]
    for domain in meter.domains:
        of_domain: list[Reading] = [reading[domain] for reading in series if domain in reading]
        assert of_domain == sorted(of_domain, key=lambda r: r.at_ns)
        energies_j = [r.energy_j for r in of_domain if r.energy_j is not None]
        assert energies_j == sorted(energies_j)


def assert_leaves_at_any_time(make: Callable[[], Meter]) -> None:
    """Before entering, once, twice; no thread outlives it; and it can be entered again."""
    threads = set(threading.enumerate())
    meter = make()
    meter.__exit__(None, None, None)
    for _ in range(2):
        with meter:
            assert_reads(meter)
        meter.__exit__(None, None, None)
        assert_is_closed(meter)
    assert set(threading.enumerate()) == threads


def assert_is_closed(meter: Meter) -> None:
    """What is closed gives no reading."""
    with pytest.raises(MeterLost):
        meter.read()


def assert_unavailable(meter: Meter) -> str:
    """It is not entered, not even half-way; returns the message, which is one line."""
    with pytest.raises(MeterUnavailable) as caught:
        meter.__enter__()
    assert_is_closed(meter)
    meter.__exit__(None, None, None)
    assert_one_line(caught.value)
    return str(caught.value)


def assert_lost(meter: Meter) -> None:
    """A meter that stopped working says so, in one line."""
    with pytest.raises(MeterLost) as caught:
        meter.read()
    assert_one_line(caught.value)


def assert_one_line(error: Exception) -> None:
    """A message for a user."""
    assert str(error).strip()
    assert "\n" not in str(error)
