"""What people see of a running trial, and that it is told without a part in the measurement."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from farm.energy.validity import Glance
from farm.model import Domain, Flag, LiveTrial, Quality, Reading, Window, WindowKind
from tests.factories import FACTS, ConstantMeter, ScriptedTrial, job_spec, measured
from workers.supervisor import sampler
from workers.supervisor.conversation import follow
from workers.supervisor.sampler import Sampler
from workers.supervisor.stop import Stop
from workers.supervisor.view import View
from workers.supervisor.watch import Watch
from workers.trial import protocol


class Glances(Watch):
    """Records that are told."""

    def __init__(self, *busy_s: float) -> None:
        self.glances = [
            Glance(at_ns=n * 10**9, cores=2, busy_s=s, own_s=0.0, stolen_s=0.0, waited_s=None)
            for n, s in enumerate(busy_s)
        ]


class Readings(ConstantMeter):
    """A meter that gives the readings that it is told, one after the other."""

    def __init__(self, *readings: Reading, quality: Quality = Quality.SAMPLED, polled: bool = True) -> None:
        super().__init__()
        self.quality, self.poll_period_s = quality, 60.0 if polled else None
        self._readings = list(readings)

    def read(self) -> Mapping[Domain, Reading]:
        return {Domain.CPU: self._readings.pop(0)}


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture
def shown(view: View) -> Iterator[View]:
    """A view of a trial on a machine that nobody else uses."""
    with view.of_trial(Sampler([], 1.0), Glances(0.0, 0.0, 0.0), Domain.CPU):
        yield view


def now(view: View) -> LiveTrial:
    seen = view.now()
    assert seen is not None
    return seen


def window(kind: WindowKind, units: int | None = None) -> Window:
    """A window from the first to the second glance."""
    return Window(kind=kind, begin_at_ns=10**8, end_at_ns=10**9, started_at_utc=datetime.now(UTC), units=units)


def test_without_a_trial_there_is_nothing_to_see(view: View) -> None:
    view.begin(WindowKind.MEASURE)
    assert view.now() is None


def test_a_phase_begins_with_the_edge_that_opens_its_window(shown: View) -> None:
    changes = []
    shown.on_change = lambda: changes.append(shown.now())
    shown.see(protocol.Edge(opens=WindowKind.MEASURE, index=1, of=3))
    shown.see(protocol.Edge())
    seen = now(shown)
    assert (seen.phase, seen.index, seen.of) == (WindowKind.MEASURE, 1, 3)
    assert changes == [seen]


def test_a_window_that_did_work_shows_the_rate(shown: View) -> None:
    shown.see(FACTS.model_copy(update={"device": "cuda:1"}))
    shown.see(protocol.Closed(window=window(WindowKind.WARMUP, 90)))
    seen = now(shown)
    assert (seen.domain, seen.unit) == (Domain.GPU, "image")
    assert seen.units_per_s == pytest.approx(100.0)
    shown.see(protocol.Closed(window=window(WindowKind.VALIDATION, 900)))
    assert now(shown).units_per_s == pytest.approx(100.0)


def test_the_last_doubt_is_told(view: View) -> None:
    with view.of_trial(Sampler([], 1.0), Glances(0.0, 1.5), Domain.CPU):
        view.see(protocol.Doubt(flag=Flag.NO_STEADY_STATE, note="it never settled"))
        view.see(protocol.Doubt(flag=Flag.ALIAS_RISK, note="it pauses"))
        assert now(view).doubt == "it never settled"
        view.end(window(WindowKind.MEASURE))
        assert now(view).doubt == "measure: other programs used 150% of a core"
    assert view.now() is None


@pytest.mark.parametrize(
    ("meter", "power"),
    [
        (Readings(Reading(0, power_w=5.0), Reading(10**9, power_w=7.0)), (7.0, Quality.SAMPLED)),
        (Readings(Reading(0, energy_j=5.0), Reading(2 * 10**9, energy_j=9.0)), (2.0, Quality.SAMPLED)),
        (Readings(Reading(0, energy_j=5.0), Reading(10**8, energy_j=9.0)), None),  # too short a time
        (Readings(Reading(0, energy_j=5.0), Reading(10**9, energy_j=9.0), polled=False), None),  # of another window
        (
            Readings(*(Reading(n * 10**9, energy_j=3.0 * n) for n in range(3)), quality=Quality.MODELLED, polled=False),
            (3.0, Quality.MODELLED),
        ),
    ],
)  # fmt: skip
def test_the_newest_power_is_that_of_the_readings_so_far(meter: Readings, power: tuple[float, Quality] | None) -> None:
    meters = Sampler([meter], 60.0)
    meters.read_now()
    meters.read_now()
    assert meters.power(Domain.CPU) == power
    assert meters.power(Domain.GPU) is None


def test_looking_adds_no_reading_to_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "LEAST_SPAN_S", 0.0)
    model = ConstantMeter()
    monkeypatch.setattr(model, "quality", Quality.MODELLED)
    meters = Sampler([model], 60.0)
    meters.read_now()
    time.sleep(0.01)
    found = meters.power(Domain.CPU)
    assert found is not None
    assert [len(trace.readings) for trace in meters.traces()] == [1]


def test_a_trial_is_followed_from_window_to_window(shown: View) -> None:
    seen: list[Any] = []

    class Viewer:
        def see(self, event: protocol.Event) -> None:
            shown.see(event)
            seen.append(event.type)

    class Edges(Sampler):
        def settle(self, windows: object) -> list[Window]:
            raise AssertionError

    with ExitStack() as stack:
        stop = Stop()
        stack.callback(stop.close)
        events = follow(ScriptedTrial(measured), protocol.Start(spec=job_spec()), Edges([], 1.0), stop, Viewer())
    assert events.is_done
    assert seen[0] == "facts"
    assert seen[-1] == "done"
    assert now(shown).units_per_s is not None
