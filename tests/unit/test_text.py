"""Text from others: what no terminal, page, chart, log or database may obey becomes visible."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from farm.model import Failure, FailureKind, Measurement, Window
from farm.model.text import LINES, MOST_LINE, clipped, log_lines, visible, visible_values
from farm.store import Store
from tests.contract.store_records import claim, job_id, report


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x00", r"\x00"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("\u202etxt.exe\u2066", r"\u202etxt.exe\u2066"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\ud800", r"\ud800"),
        ("\uffff", r"\uffff"),
    ],
)
def test_control_characters_become_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["", "resnet50", "größe µJ ± 2 °C", "模型 🚀 שלום", r"C:\new\x1b", "<b>&amp;</b>"])
def test_other_text_stays(text: str) -> None:
    assert visible(text) == text


def test_text_of_several_lines_keeps_its_lines_only() -> None:
    assert visible("a\n\tb\x1b[2J\r", LINES) == "a\n\tb\\x1b[2J\\r"


@given(st.text(st.characters(codec=None)))
def test_what_is_visible_is_on_one_line_and_can_be_encoded(text: str) -> None:
    shown = visible(text)
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in shown)
    assert shown.encode().decode() == shown
    assert len(shown.splitlines()) <= 1
    assert visible(shown) == shown


def test_a_long_text_says_that_there_was_more() -> None:
    assert clipped("abcde", 5) == "abcde"
    assert clipped("x" * 1234, 20) == "xxxxxxxx… (and more)"
    assert clipped(clipped("x" * 1234, 20), 20) == clipped("x" * 1234, 20)


def test_values_of_json_are_visible_with_their_names() -> None:
    assert visible_values({"a\n": ["\x1b", 1, None, {"b": "\0"}]}) == {"a\\n": ["\\x1b", 1, None, {"b": "\\x00"}]}


def test_a_log_loses_its_colours_and_keeps_its_lines() -> None:
    assert log_lines("10 %\r20 %\r\n\x1b[32mdone\x1b[0m\t\x1b]0;title\x07") == "10 %\n20 %\ndone\t\\x1b]0;title\\x07"


def test_a_message_of_a_failure_is_one_line_of_bounded_length_even_with_what_pydantic_rejects() -> None:
    message = Failure(kind=FailureKind.ERROR, message="no file \udcff\n" + "x" * 9999).message
    assert message.startswith("no file \\udcff\\nxxx")
    assert len(message) == MOST_LINE
    assert Failure(kind=FailureKind.ERROR, message=message).message == message


@pytest.mark.parametrize("value", [1e308, -1e308, float("inf"), float("nan")])
def test_joules_that_no_analysis_can_square_are_no_measurement(value: float) -> None:
    plain = {"window_kind": "measure", "window_index": 0, "domain": "cpu", "quality": None, "source": None}
    with pytest.raises(ValidationError, match="gross_j"):
        Measurement.model_validate({**plain, "gross_j": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("units", "batches", "index") for value in (2**63, 10**400, -1)]
    + [("begin_at_ns", 2**63), ("end_at_ns", -(2**63))],
)
def test_whole_numbers_that_no_column_holds_are_no_part_of_a_report(name: str, value: int) -> None:
    window = report(job_id(0), 1).windows[0].model_dump()
    with pytest.raises(ValidationError, match=name):
        Window.model_validate({**window, name: value})


def test_the_most_units_of_thousands_of_windows_fit_a_column(farm: Store) -> None:
    window = report(job_id(0), 1).windows[0].model_copy(update={"units": 10**15})
    windows = [Window.model_validate(window.model_dump() | {"index": index}) for index in range(100)]
    assert claim(farm, job_id(0))
    assert farm.complete(report(job_id(0), 1).model_copy(update={"windows": tuple(windows)}))
