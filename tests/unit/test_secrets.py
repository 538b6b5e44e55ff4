"""No command shows a password or a token, whatever goes wrong and however much it is asked to tell."""

import logging
import os
import subprocess
import sys
import traceback
import warnings
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from farm.cli import app as cli
from farm.model.errors import FarmError
from farm.scheduling.embedded import LocalWorker
from farm.scheduling.holds import CarbonNow
from farm.settings import Settings, load_settings
from workers.meters.sources import Endpoint
from workers.supervisor import zygote

MARK = "hunter2"
SWEEP = """
name: tiny
kind: inference
workload: {model: alexnet, batch_size: 1, device: cpu}
"""
#: Every secret that the settings may hold, where a name, a path or an option of a URL may hold it.
SECRETS = {
    "FARM_BROKER_URL": f"redis://controller:{MARK}@127.0.0.1:1/0",
    "FARM_DATABASE_URL": f"postgresql://farm:{MARK}@127.0.0.1:1/farm?sslpassword={MARK}",
    "FARM_WALL_URL": f"http://anna:{MARK}@127.0.0.1:1/power/{MARK}?token={MARK}",
    "FARM_WALL_PATH": "w",
    "FARM_WALL_SECRET": MARK,
    "FARM_CARBON_NOW": f"http://127.0.0.1:1/{MARK}?auth={MARK}",
    "FARM_CARBON_NOW_TOKEN": MARK,
}
#: Every command that ends by itself, with arguments that it accepts.
COMMANDS = {
    "run": "sweep.yaml",
    "measure": "-- true",
    "submit": "sweep.yaml --wait --when carbon<100 --deadline 10m",
    "watch": "x",
    "cancel": "x",
    "retry": "x",
    "init": "",
    "schema": "",
    "status": "",
    "results": "",
    "report": "-o report.html",
    "logs": "0123456789abcdef.1",
    "machines": "",
    "across": "",
    "analyze": "",
    "compare": "a b --by model",
    "timeline": "",
    "response": "",
    "recommend": "x",
    "reproduce": "training",
    "query": "select",
    "export": "-o all.csv",
    "pause": "lab1",
    "resume": "lab1",
    "drain": "lab1",
    "doctor": "",
    "diff": "a b",
    "rename": "a b",
    "rm": "x --yes",
    "models": "",
    "datasets": "",
    "list": "",
    "import": "rows.csv",
    "db": "upgrade",
}
#: Commands that serve until they are stopped: tests/integration/test_deployment.py reads their logs.
SERVING = {"serve"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sweep, and settings full of secrets."""
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        monkeypatch.delenv(name)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FARM_LOCK_FILE", str(tmp_path / "lock"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "rows.csv").write_text("model,joules\nalexnet,1\n")
    return tmp_path


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["farm", *line.split(), "--debug"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def assert_untold(folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    told = capsys.readouterr()
    assert MARK not in told.out + told.err + caplog.text
    assert not [path for path in folder.rglob("*") if path.is_file() and MARK.encode() in path.read_bytes()]


def test_every_command_is_tried() -> None:
    own = {one.name or getattr(one.callback, "__name__", "") for one in cli.app.registered_commands}
    others = {entry.name for entry in entry_points(group="wattfarm.commands")}  # another test may have added them
    assert set(COMMANDS) | SERVING == (own - others) | {"db"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_reaches_no_service_shows_no_secret(
    command: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not even with the traceback, and all that libraries log."""
    caplog.set_level(logging.DEBUG)
    assert run(f"{command} {COMMANDS[command]}", monkeypatch) in {0, 2, 3}
    assert_untold(folder, capsys, caplog)


@pytest.mark.parametrize("line", ["submit sweep.yaml", "status", "report -o r.html", "export -o a.csv", "doctor"])
def test_a_command_that_works_writes_no_secret(
    line: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its database is a file here, so what it stores is looked at too."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.delenv("FARM_DATABASE_URL")
    run("submit sweep.yaml", monkeypatch)
    assert run(line, monkeypatch) in {0, 2, 3}
    assert (folder / "home" / "farm.db").exists()
    assert_untold(folder, capsys, caplog)


@pytest.mark.parametrize("name", sorted({*Settings.model_fields} - {"home"}))
def test_a_wrong_value_is_not_repeated_where_it_may_be_a_secret(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table in farm.toml fits no setting."""
    home = folder / "home"
    home.mkdir()
    monkeypatch.delenv(f"FARM_{name.upper()}", raising=False)
    monkeypatch.delenv("FARM_LOCK_FILE", raising=False)
    (home / "farm.toml").write_text(f'{name} = {{ mine = "{MARK}" }}')
    with pytest.raises(FarmError) as caught:
        load_settings()
    assert "\n" not in str(caught.value)
    may_be_secret = any(word in name for word in ("url", "password", "secret", "token", "carbon_now"))
    assert not (may_be_secret and MARK in "".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize("address", [f"http://h/ {MARK}", f"http://h:{MARK}/", f"http://[{MARK}/", f"http://h\n{MARK}"])
def test_an_address_that_is_none_is_not_repeated(address: str, folder: Path) -> None:
    shown = CarbonNow(Settings(carbon_now=address, home=folder)).read()[1]
    assert shown.startswith("carbon unknown: ")
    assert MARK not in shown
    with pytest.raises(FarmError) as caught:
        Endpoint(Settings(wall_url=address, home=folder))
    assert MARK not in str(caught.value)


@pytest.mark.parametrize("token", [f"{MARK}\n", f"{MARK}é€", f"{MARK}\x00"])
def test_a_token_that_is_none_is_not_repeated(token: str, folder: Path) -> None:
    settings = Settings(carbon_now="http://127.0.0.1:1/", carbon_now_token=token, home=folder)
    assert MARK not in CarbonNow(settings).read()[1]


def test_the_worker_of_farm_run_gets_secrets_by_its_environment_and_trials_get_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ps` shows command lines to everybody, and the environment to the same user only; a trial may print its own."""
    started: list[tuple[list[str], dict[str, str]]] = []

    def popen(command: list[str], *, env: dict[str, str], **_: object) -> None:
        started.append((command, env))
        raise KeyboardInterrupt

    monkeypatch.setenv("PGPASSWORD", MARK)
    settings = load_settings()
    for start in (lambda: LocalWorker(settings), zygote._Helper):
        with monkeypatch.context() as patched, warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            patched.setattr(subprocess, "Popen", popen)
            with pytest.raises(KeyboardInterrupt):
                start()
    (worker, given), (helper, inherited) = started
    assert folder.exists()
    assert MARK not in str(worker) + str(helper)
    assert MARK in given["FARM_DATABASE_URL"]
    assert MARK not in str(inherited)
