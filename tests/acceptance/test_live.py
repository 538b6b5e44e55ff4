"""Requests in real time, as a person serves them: `farm run` of a sweep of kind serving, and what it leaves.

On a busy machine a window may be cut short: it has fewer than 20 requests then.
"""

import csv
import re
from collections import Counter

import pytest

from tests.acceptance.person import MEASURE, Person
from tests.summaries import widest

LIVE = {"model": "shufflenet_v2_x0_5", "policy": "[greedy:4, fixed:4]", "rate_per_s": "20", "requests": "20"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Has served two policies, twice each."""
    person = Person(tmp_path_factory.mktemp("live"))
    sweep = person.writes("live", {**LIVE, "device": "cpu"}, MEASURE, kind="serving", repetitions="2")
    run = person.runs("run", sweep)
    assert run.status == 0
    assert run.err.splitlines()[-1].startswith("live: 4/4 done; shufflenet_v2_x0_5, policy ")
    return person


def requests_of(person: Person) -> list[dict[str, str]]:
    return list(csv.DictReader(person.runs("export", "live", "--rows", "request").out.splitlines()))


def test_response_times_are_reported_by_policy(served: Person) -> None:
    told = served.runs("results", "live", "--include-flagged")
    assert told.status == 0
    assert widest(told.out) <= 80
    assert len(re.findall(r"^.*(?:greedy|fixed):4 .*\d", told.out, re.MULTILINE)) >= 2
    rows = {row["policy"]: row for row in served.runs("results", "live", "--include-flagged", "--json").json}
    greedy, fixed = rows["greedy:4"], rows["fixed:4"]
    assert {row["response_times"] for row in rows.values()} == {"live"}
    assert fixed["mean_batch"] == 4 > greedy["mean_batch"] >= 1
    for row in rows.values():
        assert 2 <= row["requests"] <= 2 * 20
        times = [row[f"response_{name}_s"] for name in ("p50", "p99", "max")]
        assert row["saturated"] or times == sorted(times)


def test_every_request_is_a_unit_of_the_export(served: Person) -> None:
    export = list(csv.DictReader(served.runs("export", "live").out.splitlines()))
    measured = [row for row in export if row["window"] == "measure"]
    windows = {(row["trial"], row["kind"], row["policy"], int(row["units"])) for row in measured}
    assert Counter(policy for _, _, policy, _ in windows) == {"greedy:4": 2, "fixed:4": 2}
    assert all(kind == "serving" and 1 <= units <= 20 for _, kind, _, units in windows)
    served_in = Counter(row["trial"] for row in requests_of(served))
    assert served_in == {trial: units for trial, _, _, units in windows}


def test_every_request_can_be_exported_with_its_times(served: Person) -> None:
    for row in requests_of(served):
        times = [float(row[name]) for name in ("arrival_s", "enqueue_s", "dequeue_s", "start_s", "done_s")]
        assert times == sorted(times)
        assert float(row["response_s"]) == pytest.approx(times[-1] - times[0])
    none = served.runs("export", "live", "--rows", "batch")
    assert (none.status, none.complaint) == (2, "farm: --rows batch: live, of kind serving, has no timed batches")
    refused = served.runs("export", "live", "--rows", "requests")
    assert (refused.status, refused.complaint) == (
        2, "farm: --rows: expected measurement, batch, request, epoch, got 'requests'",
    )  # fmt: skip


def test_a_trace_that_is_not_there_is_one_line_and_nothing_runs(person: Person) -> None:
    live = {"model": "shufflenet_v2_x0_5", "policy": "greedy:4", "arrivals": "./nowhere.txt", "device": "cpu"}
    run = person.runs("run", person.writes("trace", live, MEASURE, kind="serving"))
    assert run.status == 2
    assert run.err.endswith("nowhere.txt: No such file or directory\n")
