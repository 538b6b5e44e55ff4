"""Text from others: what no terminal, page, chart, log or database may obey becomes visible."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.model.text import LINES, clipped, visible


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


def test_a_long_text_says_how_much_is_left_out() -> None:
    assert clipped("abcde", 5) == "abcde"
    assert clipped("x" * 1234, 4) == "xxxx… (1,230 more characters)"
