"""`farm run`, as a person runs it: to its end, again, interrupted, and with jobs that cannot run."""

import csv
import os
import re
import shutil
import signal
import subprocess
from collections import Counter

import pytest

from tests.acceptance.person import MEASURE, TINY, Done, Person, ended
from tests.summaries import widest

GIB_KIB = 1 << 20


def rows(out: str) -> list[str]:
    """The lines of the table of results: a batch size, then a rate ("1 of 4 trials are left out" is none)."""
    return [line for line in out.splitlines() if re.match(r"\d+ +\d", line)]


def trials(person: Person, sweep: str) -> Counter[str]:
    """How many trials measured each job of a sweep."""
    found = csv.DictReader(person.runs("export", sweep).out.splitlines())
    measured = {(row["job"], row["trial"]) for row in found if row["window"] == "measure" and not row["failure"]}
    return Counter(job for job, _ in measured)


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C in a terminal reaches the whole foreground group."""
    os.killpg(process.pid, signal.SIGINT)


# To the end


def test_a_run_ends_in_a_table(first_run: Done, reader: Person) -> None:
    assert first_run.status == 0
    assert [row.split()[0] for row in rows(first_run.out)] == ["1", "2"]
    assert "shufflenet_v2_x0_5  published ImageNet top-1 60.6%" in first_run.out
    assert "machine lab1, device cpu, precision fp32, weights random, images sample" in first_run.out
    assert "cpu joules: " in first_run.out
    assert widest(first_run.out) <= 80
    assert reader.left_behind() == []


def test_a_run_without_a_terminal_shows_how_far_it_is(first_run: Done) -> None:
    lines = first_run.err.splitlines()
    assert lines[0] == "tiny: 0/2 done"
    figures = r"shufflenet_v2_x0_5 batch \d, device cpu, repetition 1: \S+ image/s, \S+ J/image gross"
    assert re.match(rf"tiny: 2/2 done; (.*; )?{figures}", lines[-1])
    progress = [line for line in lines if "note: " not in line]
    assert [line[: len("tiny: 0/2 done")] for line in progress] == sorted({line[:14] for line in progress})


def test_running_again_measures_nothing_and_prints_the_same(measured: Person, first_run: Done) -> None:
    (before,) = measured.runs("machines", "--json").json
    again = measured.runs("run", "tiny.yaml")
    assert (again.status, again.out) == (0, first_run.out)
    assert again.err == "farm: 2 of 2 measured, 0 to go: nothing is measured again\n"
    (after,) = measured.runs("machines", "--json").json
    assert [after[name] for name in ("owner", "last_seen_at")] == [before[name] for name in ("owner", "last_seen_at")]
    assert set(trials(measured, "tiny").values()) == {1}


@pytest.mark.slow
def test_fresh_measures_all_again_beside_the_old(measured: Person, person: Person) -> None:
    shutil.copytree(measured.folder, person.folder, dirs_exist_ok=True)
    old = person.runs("results", "tiny", "--json").json
    fresh = person.runs("run", "tiny.yaml", "--fresh", "--json")
    assert fresh.status == 0
    assert [row["units_per_s"] for row in fresh.json] != [row["units_per_s"] for row in old]
    first, second = sorted(status["sweep"] for status in person.runs("status", "--json").json)
    assert person.runs("results", first, "--json").json == old
    assert person.runs("results", second, "--json").json == fresh.json
    assert person.runs("run", "tiny.yaml", "--json").json == fresh.json


# Edited


@pytest.mark.slow
def test_an_edited_sweep_measures_only_what_is_missing(measured: Person, person: Person) -> None:
    shutil.copytree(measured.folder, person.folder, dirs_exist_ok=True)
    old = person.runs("results", "tiny", "--json").json
    person.writes("tiny", {**TINY, "batch_size": "[1, 2, 4]"}, priority="1", carbon="{country: NLD}")
    edited = person.runs("run", "tiny.yaml")
    assert (edited.status, edited.err.splitlines()[0]) == (0, "farm: 2 of 3 measured, 1 to go")
    assert [row.split()[0] for row in rows(edited.out)] == ["1", "2", "4"]
    assert Counter(trials(person, "tiny").values()) == {1: 3}
    new, first = (status["sweep"] for status in person.runs("status", "--json").json)
    shown = person.runs("results", "tiny", "--json")
    assert [row["net_j_per_unit"] for row in shown.json[:2]] == [row["net_j_per_unit"] for row in old]
    assert f"note: also measured under this name: {first} (2 trials, " in shown.err
    assert ", 2 counted here)" in shown.err
    assert [row["units_per_s"] for row in person.runs("results", first, "--json").json] == [
        row["units_per_s"] for row in old
    ]
    assert person.runs("results", new, "--json").json == shown.json


# Interrupted


@pytest.mark.slow
def test_ctrl_c_finishes_the_running_trial_and_the_same_command_goes_on(person: Person) -> None:
    sweep = person.writes("interrupted", TINY, repetitions="2")
    with person.starts("run", sweep) as process:
        assert process.stderr is not None
        while not re.search(r"[123]/4 done", process.stderr.readline()):  # short trials may end between two lines
            assert process.poll() is None
        interrupt(process)
        stopped = ended(process)
    assert stopped.status == 130
    open_jobs = re.search(
        r"farm: stopped with (\d) jobs? to go: `farm run interrupted.yaml` goes on from here", stopped.err
    )
    assert open_jobs is not None
    so_far = trials(person, "interrupted")
    assert len(so_far) == 4 - int(open_jobs[1])
    assert person.left_behind() == []
    resumed = person.runs("run", sweep)
    assert (resumed.status, len(rows(resumed.out))) == (0, 2)
    after = trials(person, "interrupted")
    assert len(after) == 4
    assert set(after.values()) == {1}


@pytest.mark.slow
def test_ctrl_c_before_the_first_trial_stops_at_once(person: Person) -> None:
    sweep = person.writes("early", TINY)
    with person.starts("run", sweep) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "early: 0/2 done\n"  # the worker has yet to load torch
        interrupt(process)
        stopped = ended(process)
    assert (stopped.status, rows(stopped.out)) == (130, [])
    assert "stopped with 2 jobs to go" in stopped.err
    assert person.left_behind() == []


@pytest.mark.slow
def test_ctrl_c_twice_stops_now_and_nothing_is_lost(person: Person) -> None:
    slow = MEASURE.replace("window_s: 0.2", "window_s: 3600")
    sweep = person.writes("slow", {**TINY, "batch_size": "1"}, measure=slow, time_limit="7200")
    with person.starts("run", sweep) as process:
        person.waits_for("slow", "running")
        interrupt(process)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)  # it waits for the trial
        interrupt(process)
        stopped = ended(process)
    assert (stopped.status, rows(stopped.out)) == (130, [])
    assert "stopped with 1 job to go" in stopped.err
    assert person.left_behind() == []
    (status,) = person.runs("status", "slow", "--json").json
    assert (status["queued"], status["running"], status["failed"]) == (1, 0, 0)


# What cannot run


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Person, Done]:
    """A run with one job that can run, and one for each reason that only a trial finds; memory is bounded."""
    person = Person(tmp_path_factory.mktemp("failing"), memory_kib=16 * GIB_KIB)
    (person.folder / "broken").mkdir()
    person.writes_text("broken/photo.png", "no image")
    person.writes_text("odd.pth", "no weights")
    workload = {
        "model": "shufflenet_v2_x0_5",
        "batch_size": "[1, 1000000]",
        "device": "[cpu, cuda]",
        "images": "[sample, ./broken]",
        "weights": "[random, ./odd.pth]",
    }
    two_reasons = (
        "[{batch_size: 1000000, device: cuda}, {batch_size: 1000000, images: ./broken}, "
        "{batch_size: 1000000, weights: ./odd.pth}, {device: cuda, images: ./broken}, "
        "{device: cuda, weights: ./odd.pth}, {images: ./broken, weights: ./odd.pth}]"
    )
    sweep = person.writes("failing", workload, exclude=two_reasons)
    return person, person.runs("run", sweep, CUDA_VISIBLE_DEVICES="")


@pytest.mark.slow
def test_failed_trials_make_the_status_1_and_the_rest_is_measured(failing: tuple[Person, Done]) -> None:
    person, done = failing
    assert done.status == 1
    assert [row.split()[0] for row in rows(done.out)] == ["1"]
    (status,) = person.runs("status", "failing", "--json").json
    assert (status["done"], status["failed"]) == (1, 4)
    assert person.left_behind() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "kind", "remedy"),
    [
        ("batch 1, device cuda", "invalid", "use device: cpu or auto"),
        ("images", "invalid", "not a readable image"),
        ("weights", "invalid", "not a readable state_dict"),
        ("batch 1000000", "oom", "use smaller levels"),
    ],
)
def test_each_failed_job_is_one_line_with_its_reason(
    failing: tuple[Person, Done], point: str, kind: str, remedy: str
) -> None:
    (line,) = [line for line in failing[1].err.splitlines() if line.startswith("failed: ") and point in line]
    assert f": {kind}: " in line
    assert remedy in line


@pytest.mark.slow
def test_invalid_jobs_are_tried_again_by_the_next_run_and_others_on_request(failing: tuple[Person, Done]) -> None:
    person, done = failing
    (hint,) = re.findall(r"`farm (retry \w+)` queues these 4 again", done.err)
    again = person.runs("run", "failing.yaml", CUDA_VISIBLE_DEVICES="")
    assert again.status == 1
    assert rows(again.out) == rows(done.out)
    assert "oom: " in again.err
    assert "invalid: device cuda: this machine has no usable NVIDIA GPU: use device: cpu or auto (2 times)" in again.err
    retried = person.runs(*hint.split())
    assert (retried.status, "4 failed jobs queued again" in retried.out) == (0, True)
    (status,) = person.runs("status", "failing", "--json").json
    assert (status["done"], status["queued"], status["failed"]) == (1, 4, 0)


def test_what_this_machine_lacks_is_said_at_once_and_nothing_runs(person: Person) -> None:
    lists = {"images": "[sample, ./gone]", "weights": "./missing.pth", "model": "['my_nets:Net', alexnet]"}
    sweep = person.writes("lacking", TINY | lists)
    for command in (("run", sweep), ("run", sweep, "--dry-run")):
        done = person.runs(*command)
        assert (done.status, done.out) == (2, "")
        model, images, weights = done.err.splitlines()
        assert model.startswith("farm: lacking.yaml:3:20: workload.model[0]: this machine may not load my_nets:Net: ")
        assert images.endswith("gone: no such folder on this machine")
        assert weights.endswith("missing.pth: no such file on this machine")
    assert person.runs("status", "--json").json == []
    noted = person.runs("submit", sweep, "--dry-run")
    assert (noted.status, noted.out.count("on this machine: workers read it on theirs")) == (0, 2)


def test_a_dry_run_prints_the_plan_and_measures_nothing(person: Person) -> None:
    done = person.runs("run", person.writes("tiny", TINY), "--dry-run", "--fresh")
    assert (done.status, done.err) == (0, "")
    assert "2 = 2 points x 1 repetition" in done.out
    assert done.out.endswith("Nothing was measured.\n")
    assert person.runs("status", "--json").json == []


@pytest.mark.slow
def test_a_network_beside_the_sweep_is_measured_once_its_class_is_mended(person: Person) -> None:
    text = "from torch.nn import Conv2d\n\nclass Nett(Conv2d):\n  def __init__(self):\n    super().__init__(3, 4, 3)\n"
    person.writes_text("my_nets.py", text)
    sweep = person.writes("own", TINY | {"model": "'my_nets:Net'", "batch_size": "1"})
    command = ("run", sweep, "--allow-models", "my_nets.*")
    failed = person.runs(*command)
    assert (failed.status, "has no attribute 'Net'" in failed.err) == (1, True)
    person.writes_text("my_nets.py", text.replace("Nett", "Net"))
    mended = person.runs(*command)
    assert (mended.status, len(rows(mended.out))) == (0, 1)
