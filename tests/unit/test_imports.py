"""The controller starts fast and never loads what only a worker needs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from farm.cli.app import app

ROOT = Path(__file__).parents[2]
#: Characters that the list of commands leaves to each.
LONGEST = 66
#: Name and help of every command but `worker`, which joins from another package.
HELP = {name: command.help or "" for name, command in get_command(app).commands.items()}  # type: ignore[attr-defined]


def loaded_by(program: str) -> set[str]:
    """Top-level modules in memory after a program ran in a fresh interpreter."""
    ending = "\nimport sys, json\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", program + ending], capture_output=True, text=True, check=True, cwd=ROOT
    )
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return set(names)


def test_help_loads_nothing_heavy() -> None:
    program = """
import sys
sys.argv = ["farm", "--help"]
from farm.cli.app import main
try:
    main()
except SystemExit as end:
    assert end.code == 0"""
    loaded = loaded_by(program)
    assert "typer" in loaded
    heavy = {"torch", "numpy", "pandas", "celery", "kombu", "sqlalchemy", "scipy", "pydantic", "rich"}
    assert not loaded & heavy


@pytest.mark.slow
def test_the_controller_never_loads_workers_or_what_they_need() -> None:
    program = """
import importlib, pkgutil, farm
names = [m.name for m in pkgutil.walk_packages(farm.__path__, "farm.")]
assert {"farm.cli.app", "farm.scheduling.controller", "farm.kinds.views", "farm.store.tables"} <= set(names)
for name in names:
    if name != "farm.__main__":
        importlib.import_module(name)"""
    loaded = loaded_by(program)
    assert "celery" in loaded
    heavy = {"torch", "torchvision", "codecarbon", "pynvml", "pandas", "pyarrow", "matplotlib", "vl_convert"}
    assert not loaded & {"workers", *heavy}


def test_each_command_shows_in_one_line_what_it_does() -> None:
    lines = {name: text.partition("\n")[0] for name, text in HELP.items()}
    assert [name for name, line in lines.items() if not line.endswith(".") or len(line) > LONGEST] == []


def test_results_and_status_load_only_what_they_use() -> None:
    program = """
import farm.exchange.loading, farm.report.across, farm.kinds.inference.results, farm.scheduling.status.progress
from farm.analysis.intervals import mean_interval
mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])"""
    assert not loaded_by(program) & {"numpy", "scipy", "rich", "celery", "psycopg"}
