"""An error fits on a screen, whatever the wrong input is."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.exchange import sheets
from farm.load.policy import Policy
from farm.model import Machine
from farm.model.conditions import FACTS, Condition
from farm.model.errors import LONGEST_LINE, MOST_LINES, InputError, SweepError, bounded
from farm.settings import load_settings
from tests.contract.store_records import MACHINE


def test_an_error_has_few_lines_and_its_problems_are_all_kept() -> None:
    error = SweepError([f"line {n}" for n in range(19_000)])
    lines = str(error).split("\n")
    assert (len(lines), lines[-1]) == (MOST_LINES, f"and {19_000 - MOST_LINES + 1:,} more")
    assert len(error.problems) == 19_000


def test_a_long_line_loses_its_middle() -> None:
    text = str(InputError(f"FILE:1: expected a number, got {'9' * 5000}: use fewer"))
    assert len(text) == LONGEST_LINE
    assert re.fullmatch(r"FILE:1: expected a number, got 9+ … 4,\d{3} more characters … 9+: use fewer", text)


def test_an_error_holds_no_control_characters() -> None:
    assert str(InputError("a\x1b[31mb\rc\nd")) == "a\\x1b[31mb\\rc\nd"


@given(st.text(st.characters(codec=None), max_size=5000), st.integers(0, 3))
def test_an_error_that_fits_stays_as_it_is(text: str, times: int) -> None:
    once = bounded(text * 10**times)
    assert bounded(once) == once
    assert once.count("\n") < MOST_LINES
    assert max(map(len, once.split("\n"))) <= LONGEST_LINE


@pytest.mark.parametrize(
    "text", ["fixed:" + "9" * 4400, "fixed:1000000", "greedy:0", "greedy:" + "0" * 99 + "1", "fixed:٣"]
)
def test_a_batch_size_is_bounded_before_it_is_read(text: str) -> None:
    with pytest.raises(InputError, match="expected a batch size from 1 to 999999"):
        Policy.parse(text)


def test_a_cell_with_more_digits_than_a_number_has_is_text() -> None:
    assert sheets.number("0" * 5000) is None
    assert sheets.number("9" * 100) == int("9" * 100)


@pytest.mark.parametrize("fact", [float("inf"), float("nan"), 10**400, "1e999", "nan", "9" * 5000, [], {}])
@pytest.mark.parametrize("path", [path for path, kind in FACTS.items() if kind == "number"])
def test_a_fact_that_is_no_finite_number_meets_no_condition(path: str, fact: object) -> None:
    *folders, name = path.replace("_gib", "_bytes").split(".")
    hardware: dict[str, object] = {name: fact}
    for folder in reversed(folders):
        hardware = {folder: hardware}
    machine = Machine.model_construct(
        **(MACHINE.model_dump() | {"hardware": hardware, "abilities": hardware.get("worker", {})})
    )
    assert not any(Condition(path, sign, 1.0).holds(machine.facts) for sign in ("=", "!=", ">=", "<"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "lease_s = " + "[" * 3000 + "]" * 3000,
            "a value is nested too deep: expected plain values such as lease_s = 60",
        ),
        ("lease_s = " + "9" * 4400, "a number has too many digits"),
        ("\xff", "expected text in UTF-8, got the byte 0xff at offset 0"),
    ],
)
def test_a_settings_file_that_no_parser_can_follow(
    text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    (tmp_path / "farm.toml").write_text(text, encoding="latin-1")
    with pytest.raises(InputError) as caught:
        load_settings()
    assert str(caught.value) == f"{tmp_path}/farm.toml: {problem}"
