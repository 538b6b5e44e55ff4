"""Inputs that once were failures stay none, and a short run of the fuzzer finds no new one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.__main__ import CASES
from tests.fuzz.guard import check
from tests.fuzz.targets import TARGETS, Target

#: Inputs that still fail, by TARGET/NAME, each with what is to be mended.
STILL_FAIL: dict[str, str] = {}
_BY_NAME = {target.name: target for target in TARGETS}
_KEPT = sorted(CASES.glob("*/*.bin"))


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", _KEPT, ids=_name)
def test_what_once_failed_is_accepted_or_refused_clearly(
    path: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if _name(path) in STILL_FAIL:
        request.applymarker(pytest.mark.xfail(reason=STILL_FAIL[_name(path)], strict=True))
    target = _BY_NAME[path.parent.name]
    check(target, target.corpus[0], tmp_path)  # what is imported and opened once counts for no input
    outcome = check(target, path.read_bytes(), tmp_path)
    assert not outcome.failure, outcome.detail


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_real_input_of_each_target_is_no_failure(target: Target, tmp_path: Path) -> None:
    outcome = check(target, target.corpus[0], tmp_path)
    assert (outcome.failure, outcome.is_refused) == ("", False), outcome.detail


@pytest.mark.slow
def test_a_short_run_finds_no_failure() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", "2000", "--seed", "short", "--processes", "2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "failures" in done.stdout


def _fail(data: bytes, folder: Path) -> None:
    if b"x" in data:
        raise ZeroDivisionError
    if b"y" in data:
        raise ValueError("\x1b" * 5000)
    while b"z" in data:
        pass


@pytest.mark.parametrize(
    ("data", "failure"), [(b"a", ""), (b"axb", "ZeroDivisionError"), (b"y", "Unclear"), (b"z", "Hang")]
)
def test_the_guard_finds_wrong_exceptions_unclear_errors_and_hangs(
    data: bytes, failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fuzz.guard.MOST_CPU_S", 0.05)
    found = check(Target("fails", _fail, (b"a",), refuses=(ValueError,)), data, tmp_path)
    assert found.failure.partition(" ")[0] == failure
