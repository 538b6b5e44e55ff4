"""Text that came from others: names, levels, failures and logs, whose control characters nobody may obey."""

import re

from pydantic import JsonValue

#: Controls (C0, DEL, C1), separators of lines, what turns the direction of writing, halves of surrogates, and the two
#: noncharacters that XML forbids.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
#: What a text of several lines keeps.
LINES = "\n\t"
#: Sequences by which a program sets colours and moves the cursor.
_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
#: Characters of the line of a fact or a note, and of one that may fill a screen.
LONGEST, MOST_LINE = 500, 2000
_MORE = "… (and more)"


def visible(text: str, kept: str = "") -> str:
    r"""Return text whose control characters are written as escapes: the character ESC becomes the four of `\x1b`.

    The result can be shown on a terminal, in a page, in a chart and in a log, encoded as UTF-8, and stored in
    PostgreSQL. A text without such characters is returned as it is, so the function changes nothing the second time.

    Args:
        text: any text, even with halves of surrogates, as names of files may have them.
        kept: control characters that stay: `LINES` for a text of several lines.
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in kept else _escape(found[0]), text)


def visible_values(value: JsonValue) -> JsonValue:
    """Return a value of JSON in which all text, keys too, is visible."""
    match value:
        case str():
            return visible(value)
        case dict():
            return {visible(name): visible_values(own) for name, own in value.items()}
        case list() | tuple():
            return [visible_values(own) for own in value]
    return value


def clipped(text: str, most: int) -> str:
    """Return at most so many characters of a text; the last of them then say that there were more."""
    return text if len(text) <= most else f"{text[: most - len(_MORE)]}{_MORE}"


def line(text: str, longest: int = LONGEST) -> str:
    """Return a text as one visible line of at most so many characters."""
    return clipped(visible(text[: longest + 1]), longest)


def log_lines(text: str) -> str:
    """Return what a program printed: its lines, without colours; other control characters are visible."""
    return visible(_COLOURS.sub("", text).replace("\r\n", "\n").replace("\r", "\n"), LINES)


def shortened(text: str, most: int) -> str:
    """Return at most so many characters of a text: its two ends, and between them how many are left out."""
    if len(text) <= most:
        return text
    middle = f" … {len(text) - most:,} more characters … "
    head = (most - len(middle)) // 2
    return f"{text[:head]}{middle}{text[len(text) - (most - len(middle) - head) :]}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
