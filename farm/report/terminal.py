"""What a terminal may get: names, levels and logs are others' words, and it obeys some of what they may hold."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

#: Escape sequences, control characters but newline and tab, and what turns the direction of writing.
_ORDERS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Text that says something and does nothing."""
    return _ORDERS.sub("", text)


@dataclass(frozen=True, slots=True)
class Plain:
    """A view whose text is plain; its own styles stay."""

    view: "RenderableType"

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """As rich asks for it."""
        from rich.segment import Segment  # noqa: PLC0415 - whoever renders has it

        for segment in console.render(self.view, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)
