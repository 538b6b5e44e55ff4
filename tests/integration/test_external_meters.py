"""A meter at the wall, asked over a real network socket: two kinds of source, each way to fail, and the joules."""

import base64
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.energy.gross import window_energy
from farm.energy.joules import mean_power
from farm.model import Domain, Quality, Reading, Trace, Window, WindowKind
from farm.model.errors import InputError, MeterLost
from farm.settings import load_settings
from tests.contract.meter_contract import assert_lost, assert_one_line, assert_unavailable, next_readings
from tests.contract.meter_fakes import FakePlug
from workers.meters import open_meters
from workers.meters.external import STALE_PERIODS, Wall
from workers.meters.sources import Answer, ServerClock
from workers.supervisor.sampler import Sampler

PERIOD_S = 0.2
SECRET = "hunter2-is-secret"
POWER = {"wall_query": "plug_power_watts"}
COUNTER = {"wall_query": "plug_energy_kwh", "wall_unit": "kWh"}
SHELLY = "switch:0.apower"
SHELLY_COUNTER = {"wall_path": "switch:0.aenergy.total", "wall_unit": "Wh"}
EACH_SOURCE = pytest.mark.parametrize("says", [POWER, COUNTER, {"wall_path": SHELLY}, SHELLY_COUNTER])


@pytest.fixture
def plug() -> Iterator[FakePlug]:
    with FakePlug().listening() as listening:
        yield listening


def wall(plug: FakePlug, **says: Any) -> Wall:
    return Wall(load_settings(**{"wall_url": plug.url, "wall_period_s": PERIOD_S, **says}))


def test_an_error_up_to_the_stated_accuracy_is_as_likely_as_any_other() -> None:
    assert Wall(load_settings(wall_accuracy=0.01)).class_u_share == pytest.approx(0.01 / 3**0.5)
    assert Wall(load_settings()).class_u_share is None


def next_reading(meter: Wall) -> Reading:
    return next_readings(meter)[Domain.WALL]


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("waited 10 s in vain")


class TestValues:
    @pytest.mark.parametrize(
        ("says", "power_w"),
        [
            (POWER, 10.0),
            ({"wall_query": "sum(plug_phases_watts)"}, 10.0),
            ({"wall_path": SHELLY}, 10.0),
            ({"wall_path": "StatusSNS.ENERGY.Power", "wall_unit": "kW"}, 10.0),
            ({"wall_path": "psu.0.w + psu.1.w"}, 10.0),
            ({"wall_path": "psu.1.w"}, 7.5),
        ],
    )
    def test_power_is_sampled_in_watts(self, plug: FakePlug, says: dict[str, str], power_w: float) -> None:
        with wall(plug, **says) as meter:
            reading = next_reading(meter)
        assert reading.power_w == pytest.approx(power_w)
        assert reading.energy_j is None
        assert meter.quality is Quality.SAMPLED

    @pytest.mark.parametrize("says", [COUNTER, SHELLY_COUNTER])
    def test_energy_is_counted_in_joules(self, plug: FakePlug, says: dict[str, str]) -> None:
        with wall(plug, **says) as meter:
            before, after = next_reading(meter), next_reading(meter)
        for reading in (before, after):
            assert reading.energy_j == pytest.approx(plug.energy_j(reading.at_ns), abs=0.1)
            assert reading.power_w is None
        assert before.at_ns < after.at_ns
        assert meter.quality is Quality.COUNTER

    def test_a_base_url_may_end_as_people_write_it(self, plug: FakePlug) -> None:
        for end in ("/", "/api/v1/query"):
            with wall(plug, **POWER, wall_url=plug.url + end) as meter:
                assert next_reading(meter).power_w == 10.0

    def test_an_address_is_asked_as_it_is_written(self, plug: FakePlug) -> None:
        with wall(plug, wall_url=f"{plug.url}/rpc/Shelly.GetStatus?id=0&x=%20", wall_path=SHELLY):
            assert plug.asked[0] == "/rpc/Shelly.GetStatus?id=0&x=%20"

    def test_the_farm_meters_the_wall_beside_the_rest(self, plug: FakePlug) -> None:
        settings = load_settings(wall_url=plug.url, **POWER)
        with ExitStack() as stack:
            meters, missing = open_meters(settings, stack)
            assert "wall" in [meter.name for meter in meters]
        assert not any("wall" in line for line in missing)

    def test_a_farm_without_one_shows_how_to_set_it_up(self) -> None:
        assert "FARM_WALL_URL" in assert_unavailable(Wall(load_settings()))


class TestTime:
    @pytest.mark.parametrize("ahead_s", [0.0, 5.25, -86400.0])
    def test_a_sample_is_stamped_with_its_scrape_whatever_the_server_calls_the_time(self, ahead_s: float) -> None:
        with FakePlug(ahead_s=ahead_s, scrape_s=0.5).listening() as plug, wall(plug, **POWER) as meter:
            assert meter._source is not None
            for _ in range(2):
                utc_ns = next_reading(meter).at_ns + plug.utc_less_monotonic_ns
                offset = meter._source.clock.offset
                assert offset is not None
                from_scrape_ns = (utc_ns + 250_000_000) % 500_000_000 - 250_000_000
                assert abs(from_scrape_ns) <= offset.u_ns + 1e6

    def test_each_scrape_is_handed_out_once(self, plug: FakePlug) -> None:
        plug.scrape_s = 3 * PERIOD_S
        with wall(plug, **POWER) as meter:
            next_reading(meter)
            assert meter.read() == {}
            readings = [next_reading(meter) for _ in range(3)]
        assert all(b.at_ns - a.at_ns > 2 * PERIOD_S * 1e9 for a, b in pairwise(readings))
        assert meter.update_period_s > 2 * PERIOD_S

    def test_a_power_that_stays_the_same_is_returned_again(self, plug: FakePlug) -> None:
        with wall(plug, **POWER) as meter:
            readings = [next_reading(meter) for _ in range(3)]
        assert [r.power_w for r in readings] == [10.0] * 3
        assert readings[0].at_ns < readings[1].at_ns < readings[2].at_ns

    @pytest.mark.parametrize("says", [{"wall_query": "sum(plug_phases_watts)"}, {"wall_path": SHELLY}])
    def test_what_has_no_scrape_is_true_when_asked(self, plug: FakePlug, says: dict[str, str]) -> None:
        plug.ahead_s = 100
        before_ns = time.monotonic_ns()
        with wall(plug, **says) as meter:
            assert before_ns < next_reading(meter).at_ns < time.monotonic_ns()

    @EACH_SOURCE
    def test_its_clock_and_its_resolution_are_reported(self, says: dict[str, str]) -> None:
        with FakePlug(ahead_s=5.25, step_j=0.5).listening() as plug, wall(plug, **says) as meter:
            next_reading(meter)
            plug.switch()
            until(lambda: "unknown" not in meter.notes[0])
            assert meter._source is not None
            offset = meter._source.clock.offset
            (note,) = meter.notes
        assert offset is not None
        assert offset.low_ns <= plug.utc_less_monotonic_ns <= offset.high_ns
        assert note.startswith(f"wall meter {'prometheus' if 'wall_query' in says else 'http-json'}: clock offset ")
        told_s, u_s = (float(text) for text in note.split("offset ")[1].split(" s,")[0].split(" ± "))
        assert abs(told_s - 5.25) <= u_s + 0.01
        rest, _, period = note.removesuffix(" s").rpartition(" ")
        assert rest.endswith(f" {'J' if 'wall_unit' in says else 'W'} or finer, period")
        assert float(period) >= PERIOD_S
        assert meter.notes == ()

    def test_a_device_without_a_clock_has_no_offset(self, plug: FakePlug) -> None:
        plug.sends_date = False
        with wall(plug, wall_path=SHELLY) as meter:
            assert meter.notes == ("wall meter http-json: clock offset unknown, resolution unknown, period 0.2 s",)

    def test_a_coarse_counter_is_read_where_it_has_moved(self, plug: FakePlug) -> None:
        plug.step_j = 6.0  # 0.6 s of idle
        with wall(plug, **SHELLY_COUNTER) as meter:
            assert meter.update_period_s == PERIOD_S
            readings = [next_reading(meter) for _ in range(4)]
            assert meter.update_period_s > 2 * PERIOD_S
            assert "resolution 6 J" in meter.notes[0]
        steps_j = [b.energy_j - a.energy_j for a, b in pairwise(readings) if a.energy_j and b.energy_j]
        assert len(steps_j) == 3
        assert all(step_j >= 5.9 for step_j in steps_j)


class TestClock:
    @given(
        offset_ns=st.integers(-(10**18), 10**18),
        resolution_ns=st.sampled_from([1, 10**6, 10**9]),
        trips_ns=st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 10**9)), min_size=1, max_size=100),
    )
    def test_the_truth_is_within_the_bounds_however_long_the_trips(
        self, offset_ns: int, resolution_ns: int, trips_ns: list[tuple[int, int]]
    ) -> None:
        clock, sent_ns = ServerClock(), 10**12
        for there_ns, back_ns in trips_ns:
            server_ns = (sent_ns + there_ns + offset_ns) // resolution_ns * resolution_ns
            answer = Answer({}, None, sent_ns, sent_ns + there_ns + back_ns)
            offset = clock.update(answer, server_ns, resolution_ns)
            assert offset.low_ns <= offset_ns <= offset.high_ns
            assert offset.u_ns <= (there_ns + back_ns + resolution_ns) / 2
            sent_ns = answer.received_ns + 7

    def test_a_clock_that_is_set_is_believed_at_once(self) -> None:
        clock = ServerClock()
        clock.update(Answer({}, None, 1000, 1010), 5005, 1)
        assert clock.update(Answer({}, None, 2000, 2010), 9005, 1).middle_ns == 7000
        assert clock.update(Answer({}, None, 3000, 3010), 10005, 1).middle_ns == 7000


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "body", "says", "named"),
        [
            (500, None, POWER, "HTTP 500"),
            (302, None, {"wall_path": SHELLY}, "HTTP 302"),
            (200, "<html>", POWER, "not JSON"),
            (200, "{}", POWER, "Prometheus"),
            (200, '{"data": {"result": [{"metric": 7, "value": [1.5, "1"]}]}}', POWER, "Prometheus"),
            (200, '{"data": {"result": [{"metric": {}, "value": [1e999, "1"]}]}}', POWER, "clock shows inf"),
            (200, '{"data": {"result": [{"metric": {}, "value": [1.5, "NaN"]}]}}', POWER, "nan W"),
            (
                400,
                '{"status": "error", "error": "1:2: parse\\nerror"}',
                POWER,
                "(1:2: parse error): correct FARM_WALL_Q",
            ),
            (200, None, {"wall_query": "nothing"}, "0 series"),
            (200, None, {"wall_query": "plug_phases_watts"}, "2 series"),
            (
                200,
                None,
                {"wall_path": "switch:0.power"},
                "there is id, output, apower, aenergy: correct FARM_WALL_PATH",
            ),
            (200, None, {"wall_path": "psu.2.w"}, "no '2' of 'psu.2.w'"),
            (200, None, {"wall_path": "switch:0.output"}, "not a number"),
            (200, '{"w": NaN}', {"wall_path": "w"}, "nan W"),
            (200, '{"w": 0}', {"wall_path": "w"}, "0 W"),
        ],
    )
    def test_what_is_wrong_at_the_start_is_named_in_one_line(
        self, plug: FakePlug, status: int, body: str | None, says: dict[str, str], named: str
    ) -> None:
        plug.status, plug.body = status, body
        message = assert_unavailable(wall(plug, **says, wall_secret=SECRET))
        assert named in message
        assert plug.url in message
        assert SECRET not in message

    @pytest.mark.parametrize(
        ("says", "named"),
        [
            ({"wall_url": ""}, "FARM_WALL_URL: expected"),
            ({"wall_url": "plug:9090"}, "FARM_WALL_URL: expected"),
            ({"wall_url": "http://plug:99999"}, "FARM_WALL_URL: expected"),
            ({"wall_url": f"http://plug/a b?password={SECRET}"}, "FARM_WALL_URL: expected"),
            ({"wall_url": f"http://{'a' * 64}.example/?password={SECRET}"}, "no answer"),
            ({"wall_query": ""}, "FARM_WALL_QUERY"),
            ({"wall_path": "apower"}, "set one of"),
            ({"wall_secret": "two\nlines"}, "secret"),
            ({"wall_secret_file": "/nowhere/token"}, "/nowhere/token"),
        ],
    )
    def test_a_setting_that_cannot_be_is_named(self, plug: FakePlug, says: dict[str, str], named: str) -> None:
        message = assert_unavailable(wall(plug, **{**POWER, **says}))
        assert named in message
        assert SECRET not in message
        assert plug.asked == []

    def test_nobody_listens(self, plug: FakePlug) -> None:
        with FakePlug().listening() as gone:
            pass
        assert "no answer (Connection refused)" in assert_unavailable(wall(plug, **POWER, wall_url=gone.url))

    def test_nobody_answers(self, plug: FakePlug) -> None:
        plug.answers.clear()
        assert "no answer (timed out)" in assert_unavailable(wall(plug, **POWER, wall_timeout_s=0.1))

    def test_a_server_that_no_longer_scrapes(self, plug: FakePlug) -> None:
        plug.scrape_s = 1e6
        message = assert_unavailable(wall(plug, **POWER))
        assert "nothing new for" in message
        assert "FARM_WALL_PERIOD_S" in message

    @EACH_SOURCE
    def test_one_failure_loses_nothing(self, plug: FakePlug, says: dict[str, str]) -> None:
        with wall(plug, **says) as meter:
            next_reading(meter)
            asked = len(plug.asked)
            plug.body = "<html>"
            until(lambda: len(plug.asked) > asked)
            plug.body = None
            assert next_reading(meter).at_ns > 0

    @EACH_SOURCE
    def test_a_server_that_is_gone_is_lost_and_found_again(self, plug: FakePlug, says: dict[str, str]) -> None:
        meter = wall(plug, **says)
        with FakePlug().listening() as short_lived:
            meter = wall(short_lived, **says)
            meter.__enter__()
            next_reading(meter)
        with pytest.raises(MeterLost, match=r"nothing new for .* s: no answer .*: start it") as caught:
            until(lambda: meter.read() is None)
        assert_one_line(caught.value)
        assert_lost(meter)
        meter.__exit__(None, None, None)
        with short_lived.listening(), meter:
            assert next_reading(meter).at_ns > 0

    def test_a_value_that_stays_the_same_is_no_failure(self, plug: FakePlug) -> None:
        plug.step_j = 1e9
        with wall(plug, **SHELLY_COUNTER) as meter:
            next_reading(meter)
            asked = len(plug.asked)
            until(lambda: len(plug.asked) > asked + STALE_PERIODS + 2)
            assert meter.read() == {}


class TestNeverBlocks:
    def test_a_read_does_not_wait_for_an_answer(self, plug: FakePlug) -> None:
        """The server answers when the test says so, and by then `read` has returned."""
        with wall(plug, **POWER, wall_timeout_s=30) as meter:
            next_reading(meter)
            plug.answers.clear()
            assert plug.waits.wait(10)
            meter.read()
            assert meter.read() == {}
            with pytest.raises(MeterLost, match="nothing new"):
                until(lambda: meter.read() is None)
            assert not plug.answers.is_set()
            plug.answers.set()

    def test_leaving_waits_no_longer_than_an_answer_may_take(self, plug: FakePlug) -> None:
        threads = set(threading.enumerate())
        with wall(plug, **POWER, wall_timeout_s=0.3) as meter:
            plug.answers.clear()
            assert plug.waits.wait(10)
        assert [t for t in set(threading.enumerate()) - threads if t.name == meter.name] == []
        assert not plug.answers.is_set()


class TestSecrets:
    @pytest.mark.parametrize("source", [POWER, {"wall_path": SHELLY}])
    @pytest.mark.parametrize("how", ["token", "file", "url", "user and file"])
    def test_it_is_shown_to_the_server_and_to_nobody_else(
        self, plug: FakePlug, tmp_path: Path, caplog: pytest.LogCaptureFixture, source: dict[str, str], how: str
    ) -> None:
        caplog.set_level(logging.DEBUG)
        (tmp_path / "secret").write_text(f"{SECRET}\n")
        ways: dict[str, dict[str, Any]] = {
            "token": {"wall_secret": SECRET},
            "file": {"wall_secret_file": tmp_path / "secret"},
            "url": {"wall_url": plug.url.replace("//", f"//anna:{SECRET}@")},
            "user and file": {"wall_url": plug.url.replace("//", "//anna@"), "wall_secret_file": tmp_path / "secret"},
        }
        says = ways[how]
        basic = base64.b64encode(f"anna:{SECRET}".encode()).decode()
        plug.authorization = f"Bearer {SECRET}" if how in ("token", "file") else f"Basic {basic}"
        with wall(plug, **source, **says) as meter:
            next_reading(meter)
            notes = meter.notes
        plug.authorization = "Bearer another"
        message = assert_unavailable(wall(plug, **source, **says))
        assert "set FARM_WALL_SECRET" in message
        assert not any(secret in text for secret in (SECRET, basic) for text in (message, *notes, caplog.text))
        assert not any(SECRET in path for path in plug.asked)

    def test_without_one_the_server_refuses(self, plug: FakePlug) -> None:
        plug.authorization = f"Bearer {SECRET}"
        assert "it refuses us (HTTP 401)" in assert_unavailable(wall(plug, **POWER))

    def test_it_is_not_in_what_settings_look_like(self) -> None:
        assert SECRET not in repr(load_settings(wall_secret=SECRET))
        with pytest.raises(InputError, match="FARM_WALL_SECRET") as caught:
            load_settings(wall_secret=12345678)
        assert "12345678" not in str(caught.value)


class TestJoules:
    """From the socket to the energy of a window, by the sampler and the farm's own arithmetic."""

    @EACH_SOURCE
    def test_a_trial_at_the_wall(self, plug: FakePlug, says: dict[str, str]) -> None:
        pause = threading.Event()
        with wall(plug, **says, wall_period_s=0.1) as meter, Sampler([meter], 0.05) as sampler:
            pause.wait(0.8)
            on_ns = plug.switch()
            pause.wait(1.2)
            off_ns = plug.switch()
            pause.wait(0.8)
            begin_ns, end_ns = off_ns + 200_000_000, time.monotonic_ns()
            pause.wait(meter.delay_s)
            until(lambda: sampler.traces()[0].readings[-1].at_ns > end_ns)
        (trace,) = sampler.traces()
        assert (trace.domain, trace.source, trace.quality) == (Domain.WALL, "wall", meter.quality)
        assert all(a.at_ns < b.at_ns for a, b in pairwise(trace.readings))
        assert sampler.lost == ()

        gap_s = widest_gap_s(trace)
        load = window_energy(trace, on_ns, off_ns)
        assert load is not None
        true_j = plug.energy_j(off_ns) - plug.energy_j(on_ns)
        assert true_j == pytest.approx(110.0 * (off_ns - on_ns) / 1e9)
        assert abs(load.j - true_j) <= 100.0 * gap_s

        idle = mean_power(trace, Window.model_validate(idle_window(begin_ns + round(gap_s * 1e9), end_ns)))
        assert idle is not None
        assert idle.mean_w == pytest.approx(10.0, abs=0.1)


def widest_gap_s(trace: Trace) -> float:
    return max(b.at_ns - a.at_ns for a, b in pairwise(trace.readings)) / 1e9


def idle_window(begin_ns: int, end_ns: int) -> dict[str, Any]:
    return {
        "kind": WindowKind.IDLE_AFTER,
        "begin_at_ns": begin_ns,
        "end_at_ns": end_ns,
        "started_at_utc": "2026-01-01T00:00:00Z",
    }
