"""A tuning sweep, as a person runs it: planned, interrupted, taken up again, and run to its end."""

import csv
import os
import re
import signal
from collections import Counter

from tests.acceptance.person import MEASURE, Person, ended

WORKLOAD = {"model": "simple_cnn", "dataset": "digits", "epochs": "2", "train_size": "64", "device": "cpu"}
TUNING = "{space: {lr: {low: 0.0001, high: 0.1, log: true}}, strategies: [random, tpe], trials: 3, seeds: 1}"


def configurations(person: Person) -> Counter[tuple[str, str]]:
    """How many trainings each configuration had."""
    rows = csv.DictReader(person.runs("export", "search").out.splitlines())
    return Counter(key for key, _ in {((row["strategy"], row["configuration"]), row["trial"]) for row in rows})


def test_a_search_is_interrupted_and_goes_on_to_its_end(person: Person) -> None:
    sweep = person.writes("search", WORKLOAD, MEASURE, kind="tuning", tuning=TUNING)
    planned = person.runs("submit", sweep, "--dry-run")
    assert "6 in all, 2 of them at once, the others as results come in" in planned.out
    with person.starts("run", sweep) as process:
        assert process.stderr is not None
        while not re.search(r"[1-5]/6 done", process.stderr.readline()):
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        stopped = ended(process)
    assert stopped.status == 130
    to_go = re.search(r"farm: stopped with (\d) jobs? to go: `farm run search.yaml` goes on from here", stopped.err)
    assert to_go is not None
    before = configurations(person)
    assert before.total() == 6 - int(to_go[1]) >= 1
    (status,) = person.runs("status", "search", "--json").json
    assert status["done"] + status["queued"] + status["to_come"] == 6

    resumed = person.runs("run", sweep)
    assert resumed.status == 0, resumed.err
    assert resumed.err.splitlines()[-1].startswith("search: 6/6 done; ")
    every = {(strategy, str(number)) for strategy in ("random", "tpe") for number in range(3)}
    assert configurations(person) == dict.fromkeys(every, 1)
    assert person.runs("run", sweep).err == "farm: 6 of 6 measured, 0 to go: nothing is measured again\n"
    assert person.left_behind() == []


def test_a_cancelled_search_asks_for_nothing_more_until_it_is_submitted_again(person: Person) -> None:
    sweep = person.writes("search", WORKLOAD, MEASURE, kind="tuning", tuning=TUNING)
    first = person.runs("submit", sweep)
    assert "2 jobs queued, 4 more as results come in" in first.out
    assert person.runs("cancel", "search", "--json").json["queued"] == 2
    (status,) = person.runs("status", "search", "--json").json
    assert (status["cancelled"], status["queued"], status["to_come"]) == (2, 0, 0)
    again = person.runs("submit", sweep, "--json").json
    assert (again["jobs"], again["added"], again["total"]) == (2, 2, 6)
