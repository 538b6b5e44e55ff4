"""What the points of a sweep need of a machine, as their kinds and the types of their factors say."""

from pathlib import Path

import pytest

from farm.kinds import Kind, Sweep, get, here, parse_sweep, require_here
from farm.kinds.inference.sweep import InferenceSweep
from farm.model import Point
from farm.model.errors import SweepError
from farm.scheduling.plan import plan
from farm.spec.capability import queue_of

OWN = "farm_test_here.small:TinyNet"
HEAD = "name: x\nkind: inference\n"


def parse(text: str, folder: Path = Path("/lab")) -> Sweep:
    return parse_sweep(text, "x.yaml", folder)


def point(**levels: str | int) -> Point:
    return {"model": "alexnet", "batch_size": 1, "device": "auto", "precision": "fp32", **levels}


# Conditions


@pytest.mark.parametrize(
    ("levels", "needs"),
    [
        ({}, []),
        ({"device": "cpu"}, []),
        ({"device": "cuda"}, ["worker.gpus >= 1"]),
        ({"device": "cuda:3"}, ["worker.gpus >= 4"]),
        ({"model": OWN}, [f"worker.models = {OWN}"]),
        ({"batch_size": 100_000}, []),
        ({"batch_size": 100_000, "device": "cpu"}, ["ram_gib >= 56"]),
        ({"batch_size": 100_000, "device": "cpu", "precision": "bf16"}, ["ram_gib >= 28"]),
        ({"batch_size": 100_000, "device": "cuda:0"}, ["gpu.memory_gib >= 56", "worker.gpus >= 1"]),
        ({"batch_size": 100_000, "device": "cpu", "model": OWN}, [f"worker.models = {OWN}"]),
    ],
)
def test_what_a_point_of_inference_needs(levels: dict[str, str | int], needs: list[str]) -> None:
    assert sorted(get("inference").requirements(point(**levels))) == needs


def test_other_kinds_know_the_memory_of_their_points_too() -> None:
    served = point(policy="greedy:100000", device="cpu")
    assert list(get("serving").requirements(served)) == ["ram_gib >= 56"]
    trained = point(model="vit_h_14", device="cuda")
    assert list(get("training").requirements(trained)) == ["worker.gpus >= 1", "gpu.memory_gib >= 4"]
    assert list(get("tuning").requirements(trained)) == list(get("training").requirements(trained))


def test_a_kind_of_another_package_needs_its_workload() -> None:
    kind = Kind(name="sorting", description="", unit="element", sweep=InferenceSweep)
    assert list(kind.requirements(point())) == ["worker.workloads = sorting"]
    assert list(Kind(name="x", workload="training", description="", unit="image", sweep=None).requirements({})) == []


@pytest.mark.parametrize(
    ("target", "queue"),
    [
        ("any", "worker.gpus >= 1"),
        ("machine:lab1", "machine.name = lab1 and worker.gpus >= 1"),
        ("hw:nvidia-a100", "machine.class = nvidia-a100 and worker.gpus >= 1"),
        ("gpu.memory_gib >= 40", "gpu.memory_gib >= 40 and worker.gpus >= 1"),
        ("worker.gpus >= 1", "worker.gpus >= 1"),
    ],
)
def test_the_queue_of_a_job_says_what_its_target_and_its_point_need(target: str, queue: str) -> None:
    assert queue_of(target, ("worker.gpus >= 1",)) == queue


def test_jobs_keep_their_target_and_only_those_with_needs_leave_its_queue() -> None:
    sweep = parse(f"{HEAD}workload: {{model: alexnet, device: [cpu, cuda]}}\nrepetitions: 1\n")
    found = {(job.shared.point["device"], job.shared.target, job.queue) for job in plan(sweep, []).jobs}
    assert found == {("cpu", "any", "farm.any"), ("cuda", "any", "worker.gpus >= 1")}


# This machine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    for place in ("photos/a", "photos/b"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "1.PNG").touch()
    (tmp_path / "net.pth").touch()
    (tmp_path / "good.txt").write_text("0.5\n1\n")
    (tmp_path / "bad.txt").write_text("1\n")
    return tmp_path


def complaints(folder: Path, text: str, *allowed: str) -> list[str]:
    """The lines with which a run refuses a sweep of this folder, without the name of the folder."""
    path = folder / "x.yaml"
    path.write_text(text)
    try:
        require_here(path, parse(text, folder=folder), allowed)
    except SweepError as error:
        return [line.replace(f"{folder}/", "") for line in error.problems]
    return []


def test_files_and_folders_that_are_there_are_fine(folder: Path) -> None:
    lists = "images: [sample, ./photos], weights: [random, default, ./net.pth]"
    assert complaints(folder, f"{HEAD}workload: {{model: alexnet, {lists}}}\n") == []


def test_each_path_that_cannot_be_used_is_one_line_with_its_place(folder: Path) -> None:
    lists = "images: [sample, ./empty, ./gone], weights: ./photos"
    text = f"{HEAD}workload: {{model: alexnet, {lists}}}\n"
    first, *others = complaints(folder, text)
    assert first.startswith("x.yaml:3:45: workload.images[1]: empty: holds no image (.bmp, ")
    assert others == [
        "x.yaml:3:54: workload.images[2]: gone: no such folder on this machine",
        "x.yaml:3:72: workload.weights: photos: not a file",
    ]


def test_a_level_that_every_point_excludes_is_not_looked_for(folder: Path) -> None:
    text = f"{HEAD}workload: {{model: alexnet, images: [sample, ./gone]}}\nexclude: {{images: ./gone}}\n"
    assert complaints(folder, text) == []


def test_data_sets_and_traces(folder: Path) -> None:
    training = "name: x\nkind: training\nworkload: {model: simple_cnn, dataset: [digits, ./photos, ./empty, ./gone]}\n"
    assert [line.partition("dataset")[2] for line in complaints(folder, training)] == [
        "[2]: empty: expected a folder for each of 2 classes or more",
        "[3]: gone: no such folder on this machine, nor one of digits, mnist, fashion_mnist, cifar10, "
        "synthetic_fashion_mnist, synthetic_cifar10",
    ]
    traces = "[./good.txt, ./bad.txt, ./gone.txt]"
    serving = f"name: x\nkind: serving\nworkload: {{model: alexnet, policy: fixed:1, arrivals: {traces}}}\n"
    bad, gone = (line.partition("arrivals")[2] for line in complaints(folder, serving))
    assert bad == "[1]: bad.txt: expected at least two different time stamps, one a line"
    assert "gone.txt" in gone
    assert gone.endswith("No such file or directory")


def test_a_network_of_a_users_package_must_be_allowed_and_be_there(folder: Path) -> None:
    text = f"{HEAD}workload: {{model: [alexnet, '{OWN}']}}\n"
    place = "x.yaml:3:29: workload.model[1]: "
    assert complaints(folder, text) == [
        f"{place}this machine may not load {OWN}: if you trust its code, add "
        "--allow-models 'farm_test_here.*', or set FARM_ALLOW_MODELS"
    ]
    (missing,) = complaints(folder, text, "farm_test_here.*")
    assert missing.startswith(f"{place}there is no package farm_test_here: install it, or put it into ")
    (folder / "farm_test_here").mkdir()
    assert complaints(folder, text, "farm_test_here.*") == []


def test_what_a_submission_notes_of_paths(folder: Path) -> None:
    sweep = parse(f"{HEAD}workload: {{model: '{OWN}', images: ./gone}}\n", folder=folder)
    assert list(here.missing_paths(sweep)) == [
        (("workload", "images", 0), f"{folder}/gone: no such folder on this machine")
    ]
