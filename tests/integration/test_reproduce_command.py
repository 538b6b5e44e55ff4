"""`farm reproduce` to its end, with tiny sweeps in the place of the ready-made ones."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from farm.cli.app import main
from farm.kinds import ready_made
from tests.acceptance.person import MEASURE
from tests.summaries import widest

SWEEPS = {
    "batching-quick": "kind: inference\nworkload: {model: shufflenet_v2_x0_5, batch_size: 1, device: cpu}\n",
    "serving-quick": "kind: serving\nworkload: {model: shufflenet_v2_x0_5, policy: greedy:2, rate_per_s: 20, "
    "requests: 8, device: cpu}\n",
}
Farm = Callable[..., tuple[int, str, str]]


@pytest.fixture
def farm_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Farm:
    """Runs a command in this process; returns its status, its output, and what it said beside."""
    texts = {name: f"name: {name}\n{text}measure: {MEASURE}\nrepetitions: 1\n" for name, text in SWEEPS.items()}
    monkeypatch.setattr(ready_made, "text", texts.__getitem__)
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FARM_LOCK_FILE", str(tmp_path / "lock"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["farm", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_one_command_measures_judges_and_writes_it_up(farm_: Farm, tmp_path: Path) -> None:
    reproduce = ("reproduce", "batching", "--quick", "--include-flagged")
    status, out, err = farm_(*reproduce)
    assert status == 0, err
    assert widest(out) <= 80
    assert "Of 7 claims" in out
    assert "batching-quick: 1/1 done" in err
    assert "serving-quick: 1/1 done" in err
    assert err.splitlines()[-1] == "wrote reproduce-batching.html"
    page = (tmp_path / "reproduce-batching.html").read_text()
    assert "Claims of the study" in page
    assert "<h1>Repeated: Batching for Green AI - An Exploratory Study on Inference</h1>" in page
    again = farm_(*reproduce)  # nothing is measured twice
    assert (again[0], again[1]) == (0, out)
    assert "done" not in again[2]
    judged = farm_(*reproduce, "--no-run", "--json", "-o", "claims.json")
    assert judged[0] == 0
    told = json.loads(judged[1])
    assert (told["study"], len(told["sweeps"]), len(told["claims"])) == ("batching", 2, 7)
    assert json.loads((tmp_path / "claims.json").read_text())["reproduction"] == told
