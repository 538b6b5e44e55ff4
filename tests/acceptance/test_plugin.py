"""A package of a user brings a kind, a workload and a meter: every command knows them, and nothing else changes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.person import MEASURE, Done, Person

pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).parents[1] / "plugin"
WORKLOAD = {"algorithm": "[quick, heap]", "n": "20000"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder in which the package is installed, as pip does it."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "plugin"
    subprocess.run(["cp", "-r", PACKAGE, source], check=True)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target")
    subprocess.run([sys.executable, "-m", "pip", "install", *options, folder, source], check=True)
    return str(folder)


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(tmp_path_factory.mktemp("sorter"))


@pytest.fixture(scope="module")
def run(person: Person, installed: str) -> Done:
    sweep = person.writes("sorted", WORKLOAD, measure=MEASURE, kind="sorting", repetitions="2")
    return person.runs("run", sweep, PYTHONPATH=installed)


def test_a_run_measures_it(run: Done) -> None:
    assert run.status == os.EX_OK, run.err
    assert "sorted: 4/4 done" in run.err
    assert "cpu joules: counted by the hardware" in run.out
    assert re.search(r"gross J *\n? */element", run.out)


def test_results_keep_its_factors_apart(run: Done, person: Person, installed: str) -> None:
    records = person.runs("results", "sorted", "--json", PYTHONPATH=installed).json
    assert [(r["algorithm"], r["trials"]) for r in records] == [("heap", 2), ("quick", 2)]
    assert all(r["gross_j_per_unit"] > 0 and r["units_per_s"] > 0 for r in records)


def test_an_export_has_its_factors_and_the_joules_of_its_meter(run: Done, person: Person, installed: str) -> None:
    rows = person.runs("export", "sorted", "--format", "json", PYTHONPATH=installed).json
    measured = [row for row in rows if row["window"] == "measure" and row["domain"] == "cpu"]
    assert {row["kind"] for row in rows} == {"sorting"}
    assert {(row["algorithm"], row["n"]) for row in measured} == {("quick", 20000), ("heap", 20000)}
    assert {row["source"] for row in measured} == {"busy-cores"}


def test_a_report_shows_how_it_was_measured(run: Done, person: Person, installed: str) -> None:
    report = person.runs("report", "sorted", "--format", "md", PYTHONPATH=installed)
    assert report.status == os.EX_OK, report.err
    assert "An array of random numbers is copied and sorted" in report.out
    assert "| heap |" in report.out


def test_commands_across_kinds_take_it(run: Done, person: Person, installed: str) -> None:
    assert "algorithm" in person.runs("across", "sorted", PYTHONPATH=installed).out
    assert "sorted" in person.runs("status", PYTHONPATH=installed).out
    plan = person.runs("submit", "--dry-run", "sorted.yaml", PYTHONPATH=installed)
    assert "kind sorting" in plan.out


def test_the_schema_has_its_factors(person: Person, installed: str) -> None:
    schema = person.runs("schema", PYTHONPATH=installed).json
    assert schema["discriminator"]["mapping"]["sorting"] == "#/$defs/SortingSweep"
    assert schema["$defs"]["Sorting"]["properties"]["n"]["description"] == "numbers in the array"


def test_its_ready_made_sweeps_can_be_copied(person: Person, installed: str) -> None:
    listed = person.runs("init", "list", PYTHONPATH=installed).out.split()
    assert {"sorting-quick", "quickstart"} <= set(listed)
    assert person.runs("init", "sorting-quick", PYTHONPATH=installed).status == os.EX_OK
    dry = person.runs("submit", "--dry-run", "sorting-quick.yaml", PYTHONPATH=installed)
    assert "3 points x 2 repetitions" in dry.out


def test_a_mistake_is_placed_as_in_any_sweep(person: Person, installed: str) -> None:
    person.writes_text("wrong.yaml", "name: x\nkind: sorting\nworkload: {algorithm: quik}\nexclude: {m: 1}\n")
    wrong = person.runs("run", "wrong.yaml", PYTHONPATH=installed)
    assert wrong.err.splitlines() == [
        "farm: wrong.yaml:3:23: workload.algorithm: expected one of quick, heap, stable, got 'quik' "
        "(did you mean 'quick'?)",
        "farm: wrong.yaml:4:11: exclude.m: unknown key: expected one of algorithm, n",
    ]


def test_without_the_package_its_sweeps_show_what_to_install(run: Done, person: Person) -> None:
    known = "command, imported, inference, layers, serving, training, tuning"
    assert person.runs("results", "sorted").complaint == (
        f"farm: kind 'sorting' is not installed here, only {known}: install the package that brings it, "
        "or update wattfarm"
    )
    refused = person.runs("run", "sorted.yaml")
    assert "got 'sorting': another kind needs the package that brings it" in refused.complaint
    assert json.loads(person.runs("status", "--json").out)[0]["name"] == "sorted"


def test_the_page_on_extending_shows_the_package_as_it_is() -> None:
    page = (PACKAGE.parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
    files = [_flat(file.read_text(encoding="utf-8")) for file in PACKAGE.rglob("*.*") if file.suffix != ".pyc"]
    blocks = re.findall(r"```(?:python|toml|yaml)\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 9
    assert [block for block in blocks if not any(_flat(block) in file for file in files)] == []


def _flat(text: str) -> str:
    """Without indentation and empty lines, which differ on a page."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())
