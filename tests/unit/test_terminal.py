"""Others' words on a terminal: they say something and do nothing."""

from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from farm.report.terminal import plain
from farm.scheduling.status.live import Plain


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("alexnet, Gr\u00f6\u00dfe \u2013 \u4e2d", "alexnet, Gr\u00f6\u00dfe \u2013 \u4e2d"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07", "]0;title"),
        ("\x9b2J\x07\x08\r", "2J"),
        ("abc\u202egpj.exe", "abcgpj.exe"),
    ],
)
def test_what_a_terminal_would_obey_is_left_out(text: str, left: str) -> None:
    assert plain(text) == left


def test_a_view_keeps_its_own_styles_and_none_of_others() -> None:
    table = Table("name")
    table.add_row("\x1b]52;c;stolen\x07\x1b[2J")
    console = Console(file=StringIO(), force_terminal=True, color_system="standard", width=40)
    with console.capture() as captured:
        console.print(Plain(table))
        console.print(Plain(Text("bold", style="bold")))
    shown = captured.get()
    assert "stolen" in shown
    assert "\x1b]" not in shown
    assert "\x1b[2J" not in shown
    assert "\x07" not in shown
    assert "\x1b[1mbold" in shown
