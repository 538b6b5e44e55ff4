"""The course of a live trial, with a network that takes a nap for each batch and requests that really come."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from itertools import chain, groupby, pairwise
from typing import ClassVar

import pytest
from pydantic import JsonValue

from farm.load.arrivals import Arrivals, Constant, Poisson, Recorded
from farm.load.policy import Policy
from farm.model import Flag, JobSpec, MeasureSettings, Point, Requests, WindowKind
from tests.factories import TINY, job_spec
from workers.kinds.serving import course as serving
from workers.trial import protocol
from workers.trial.stage import Line, Stage
from workers.trial.workload import InvalidWorkload

MEASURE = TINY.model_copy(
    update={"window_s": 0.05, "windows": 2, "warmup_s": 0.03, "warmup_max_s": 0.1, "latency_s": 0.05, "guard_s": 0.01}
)
NAP_S = 0.004


class Napping:
    """Serves by sleeping, and remembers what it took."""

    unit: ClassVar[str] = "request"

    def __init__(self, policy: Policy, arrivals: Arrivals, requests: int | None) -> None:
        self.policy, self.arrivals, self.requests = policy, arrivals, requests
        self.taken: list[tuple[int, int]] = []
        self.synchronized = 0
        self.step_s = NAP_S

    def setup(self, point: Point, device: str, seed: int) -> None: ...

    def take(self, first: int, count: int) -> None:
        self.taken.append((first, count))

    def serve(self, count: int) -> None:
        assert count == self.taken[-1][1]
        time.sleep(NAP_S)

    def step(self) -> int:
        time.sleep(self.step_s)
        return self.policy.size

    def synchronize(self) -> None:
        self.synchronized += 1

    def facts(self) -> Mapping[str, JsonValue]:
        return {}

    def close(self) -> None: ...


def job(measure: MeasureSettings = MEASURE, repetition: int = 0) -> JobSpec:
    return job_spec(kind="serving", point={}, repetition=repetition, measure=measure, seed=7)


def led(workload: Napping, measure: MeasureSettings = MEASURE) -> list[protocol.Event]:
    """What a trial says while it is led through its course."""
    ours, theirs = socket.socketpair()
    stage = Stage(Line(theirs), protocol.Start(spec=job(measure)), "cpu")

    def lead() -> None:
        with theirs:
            serving.run(stage, workload)

    thread = threading.Thread(target=lead)
    thread.start()
    said: list[protocol.Event] = []
    with ours:
        channel = protocol.Channel(ours)
        try:
            while True:
                for line in channel.feed():
                    said.append(protocol.EVENT.validate_json(line))
                    if isinstance(said[-1], protocol.Edge | protocol.Settle):
                        channel.send(protocol.Go())
        except EOFError:
            pass
    thread.join(30)
    assert not thread.is_alive()
    return said


def served(said: list[protocol.Event]) -> list[Requests]:
    return [event.requests for event in said if isinstance(event, protocol.Served)]


def batches(requests: Requests) -> list[list[tuple[float, ...]]]:
    """The requests of each batch, with all their times."""
    each = zip(
        requests.enqueue_s, requests.dequeue_s, requests.start_s, requests.done_s, requests.arrival_s, strict=True
    )
    return [list(own) for _, own in groupby(each, key=lambda times: times[1])]


POLICIES = [Policy.greedy(4), Policy.greedy(1), Policy.fixed(4), Policy(4, 0.02)]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_each_request_is_served_once_as_the_policy_has_it(policy: Policy) -> None:
    workload = Napping(policy, Poisson(400.0), 24)
    for requests in served(led(workload)):
        found = batches(requests)
        assert sum(len(own) for own in found) == len(requests.arrival_s) >= 24
        for own in found:
            newest_s, oldest_s, (_, dequeue_s, start_s, done_s, _) = own[-1][0], own[0][0], own[0]
            assert len({times[1:4] for times in own}) == 1
            assert newest_s <= dequeue_s <= start_s <= done_s - NAP_S
            assert len(own) <= policy.size
            if len(own) < policy.size and own is not found[-1]:
                assert not policy.is_fixed
                assert dequeue_s >= oldest_s + policy.timeout_s
        assert all(before[0][3] <= after[0][1] for before, after in pairwise(found))
        assert all(arrival_s <= enqueue_s for enqueue_s, *_, arrival_s in chain.from_iterable(found))


def test_a_window_is_over_when_its_last_request_is() -> None:
    said = led(Napping(Policy.greedy(4), Constant(200.0), 12))
    windows = [e.window for e in said if isinstance(e, protocol.Closed) and e.window.kind == WindowKind.MEASURE]
    for window, requests in zip(windows, served(said), strict=True):
        assert window.index == requests.window
        assert window.units == len(requests.arrival_s) == 12
        assert 0 < requests.done_s[-1] <= window.duration_s


def test_a_fixed_batch_is_always_full() -> None:
    workload = Napping(Policy.fixed(4), Constant(500.0), 10)
    found = [requests.dequeue_s for requests in served(led(workload))]
    assert [set(Counter(times).values()) for times in found] == [{4}, {4}]
    assert {len(times) % 4 for times in found} == {0}


@pytest.mark.slow
def test_what_comes_faster_than_it_can_be_served_is_reported() -> None:
    said = led(Napping(Policy.greedy(1), Constant(2000.0), 20))
    (doubt,) = [event for event in said if isinstance(event, protocol.Doubt) and event.flag == Flag.SATURATED]
    assert doubt.note.startswith("2000 requests/s, and greedy:1 can serve ")
    (first, _) = served(said)
    assert first.capacity_per_s <= 1 / NAP_S
    calm = led(Napping(Policy.greedy(64), Constant(200.0), 20))
    assert not [event for event in calm if isinstance(event, protocol.Doubt) and event.flag == Flag.SATURATED]


def test_what_a_window_serves_is_no_less_than_can_be_served() -> None:
    """A warm-up that other programs disturbed says too little."""
    workload = Napping(Policy.greedy(1), Constant(20.0), 10)
    workload.step_s = 0.1
    said = led(workload)
    assert not [event for event in said if isinstance(event, protocol.Doubt) and event.flag == Flag.SATURATED]
    assert all(10 < requests.capacity_per_s <= 1 / NAP_S for requests in served(said))


@pytest.mark.slow
def test_far_more_than_can_be_served_is_cut_short() -> None:
    said = led(Napping(Policy.fixed(4), Constant(50_000.0), 8000), MEASURE.model_copy(update={"windows": 1}))
    (requests,) = served(said)
    count = len(requests.arrival_s)
    assert count < 8000
    assert count % 4 == 0
    notes = [event.note for event in said if isinstance(event, protocol.Doubt)]
    assert f"window 0 was cut to {count} of 8000 requests: all take too long" in notes


def test_what_would_come_after_the_time_limit_is_refused() -> None:
    trace = Recorded("requests.txt", (0.0, 1e18, 2e18))
    with pytest.raises(InvalidWorkload, match=r"would arrive after 2e\+18 s, beyond the trial's time limit of 60 s"):
        serving.arrivals_ns(job(), Napping(Policy.greedy(4), trace, None), 0)


def test_a_window_lasts_as_long_as_the_settings_want() -> None:
    workload = Napping(Policy.greedy(4), Constant(100.0), 1)
    times_ns = serving.arrivals_ns(job(MEASURE.model_copy(update={"window_s": 0.5})), workload, 0)
    assert len(times_ns) == 50


def test_a_trace_is_served_as_it_was_recorded() -> None:
    trace = Recorded("requests.txt", (5.0, 5.01, 5.01, 5.05))
    assert serving.arrivals_ns(job(), Napping(Policy.greedy(4), trace, 4), 0) == [0, 10**7, 10**7, 5 * 10**7]
    assert serving.arrivals_ns(job(), Napping(Policy.fixed(4), trace, 2), 1) == [0, 10**7]
    assert len(serving.arrivals_ns(job(), Napping(Policy.fixed(4), trace, None), 1)) == 4


def test_a_repetition_gives_every_policy_the_same_arrivals() -> None:
    first, second = (Napping(policy, Poisson(100.0), 32) for policy in POLICIES[:2])
    assert serving.arrivals_ns(job(), first, 0) == serving.arrivals_ns(job(), second, 0)
    assert serving.arrivals_ns(job(), first, 0) != serving.arrivals_ns(job(repetition=1), first, 0)
    assert serving.arrivals_ns(job(), first, 0) != serving.arrivals_ns(job(), first, 1)
