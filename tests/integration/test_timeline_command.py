"""`farm timeline`, from the command line to a real store and back, in this process."""

import csv
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from farm.cli import app as cli
from farm.store import Store
from tests.contract.store_records import ANNE, MACHINE, claim, new_job, record, report
from tests.summaries import widest

Farm = Callable[..., tuple[int, str, str]]
#: In the measure window of a report.
IMAGES = 64
#: Net joules of an image at batches of 1 and 4.
JOULES = {"alexnet": (0.4, 0.2), "resnet18": (0.8, 0.3), "convnext_tiny": (2.0, 2.4)}


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Farm:
    """A command in a home of its own, where a sweep of three networks is measured: exit status, stdout, stderr."""
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    with Store.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as store:
        _fill(store)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["farm", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run


def _fill(store: Store) -> None:
    points = [(model, size, each) for model, both in JOULES.items() for size, each in zip((1, 4), both, strict=True)]
    jobs = [new_job(n) for n in range(len(points))]
    specs = [
        job.spec.model_copy(update={"point": {"model": model, "batch_size": size}})
        for job, (model, size, _) in zip(jobs, points, strict=True)
    ]
    store.register_machine(MACHINE, ANNE, "0.1.0")
    store.submit(record(), [replace(job, spec=spec) for job, spec in zip(jobs, specs, strict=True)])
    for job, (_, _, each_j) in zip(jobs, points, strict=True):
        assert claim(store, job.id) is not None
        done = report(job.id, 1)
        net_j = each_j * IMAGES
        known = {
            "gross_j": 2 * net_j,
            "net_j": net_j,
            "net_j_low": net_j * 0.99,
            "net_j_high": net_j * 1.01,
            "flags": (),
        }
        assert store.complete(
            done.model_copy(update={"measurements": tuple(m.model_copy(update=known) for m in done.measurements)})
        )


def test_a_person_reads_a_timeline_and_a_script_the_same(farm: Farm, tmp_path: Path) -> None:
    status, out, err = farm("timeline", "batching")
    assert (status, err) == (0, "")
    assert widest(out) <= 80
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("20")] == [
        ["2012", "alexnet~"], ["2015", "resnet18~"], ["2022", "convnext_tiny*"],
    ]  # fmt: skip
    status, out, _ = farm("timeline", "--json")
    (timeline,) = json.loads(out)["timelines"]
    best = {network["model"]: network["batch_size"] for network in timeline["networks"]}
    assert (status, best) == (0, {"alexnet": 4, "resnet18": 4, "convnext_tiny": 1})
    file = tmp_path / "timeline.csv"
    assert farm("timeline", "--of", "gross", "--accuracy", "default", "-o", str(file))[:2] == (0, "")
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [(row["model"], row["energy"]) for row in rows] == [(model, "gross") for model in JOULES]
    assert [float(row["gross_j_per_unit"]) for row in rows] == pytest.approx([0.4, 0.6, 4.0])


def test_a_mistake_is_one_line(farm: Farm) -> None:
    for asked, message in [
        (("--accuracy", "v2"), "--accuracy: expected v1 or default, got 'v2'"),
        (("--of", "seconds"), "--of: expected net or gross, got 'seconds'"),
        (("--where", "model=vgg11"), "no trial has model=vgg11"),
    ]:
        status, out, err = farm("timeline", *asked)
        assert (status, out, len(err.splitlines())) == (2, "", 1)
        assert message in err
