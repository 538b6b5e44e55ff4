"""What people can read: the quality that every error must have."""

from farm.model.errors import LONGEST_LINE, MOST_LINES
from farm.model.text import LINES, visible


class Unclear(Exception):
    """An error, or another text for people, that is too long, or holds what a terminal obeys."""


def require_clear(text: str) -> None:
    """Raise Unclear unless people can read a text: within a screen, without control characters and tracebacks."""
    lines = text.split("\n")
    if not text.strip():
        raise Unclear("an error without words")
    if len(lines) > MOST_LINES or max(map(len, lines)) > LONGEST_LINE + 100:
        raise Unclear(f"an error of {len(lines)} lines and {len(text)} characters")
    if visible(text, LINES) != text:
        raise Unclear(f"control characters in {text[:200]!r}")
    if "Traceback" in text or "set_int_max_str_digits" in text:
        raise Unclear(f"words for programmers in {text[:200]!r}")
