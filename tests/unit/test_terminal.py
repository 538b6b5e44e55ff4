"""Others' words on a terminal: they say something and do nothing."""

from io import StringIO

import pytest
from rich import table as rich_table
from rich.console import Console
from rich.text import Text

from farm.model.text import visible
from farm.report.document import Block, Code, Document, Facts, Findings, Paragraph, Row, Table, key
from farm.report.terminal import Screen, styled
from farm.scheduling.status.live import Plain


@pytest.mark.parametrize("has_styles", [False, True])
def test_what_a_terminal_would_obey_is_visible(has_styles: bool) -> None:
    evil = "\x1b[31mred\x1b]0;title\x07\x9b2J\r\x08 \u202egpj.exe \u2028"
    table = Table([key("model"), key("b")], [Row({"model": evil + "\n", "b": evil})], evil)
    blocks: list[Block] = [Paragraph(evil), Facts([(evil, evil)], evil), Code(evil), Findings([evil]), table]
    shown = styled(Document(blocks), Screen(200, has_styles, has_unicode=True))
    own = shown.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "") if has_styles else shown
    assert visible(own, "\n") == own
    assert shown.count("\\x1b[31mred\\x1b]0;title\\x07\\x9b2J\\r\\x08 \\u202egpj.exe \\u2028") == 9


def test_a_view_keeps_its_own_styles_and_none_of_others() -> None:
    table = rich_table.Table("name")
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
