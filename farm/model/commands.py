"""Command lines with placeholders: `python train.py --lr {lr}`. Pure.

The words of a command line are split first and filled in afterwards, so a value never becomes two words and is never
read by a shell. A line for a shell has its values quoted.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from string import Formatter
from typing import Self

from farm.model.words import Point, Scalar

#: What comes before the name of an environment variable that is a factor.
ENV = "env_"
#: What begins the pattern that allows command lines to be given to a shell.
SHELL = "shell: "

#: The environment variable with the descriptors to which programs write; without it they write to the trial's log.
OUTPUT = "WATTFARM_OUTPUT"


def passed_output() -> tuple[int, int] | None:
    """Return the descriptors of standard output and error that this process has for programs, or None."""
    out, _, err = os.environ.get(OUTPUT, "").partition(",")
    return (int(out), int(err)) if out.isdecimal() and err.isdecimal() else None


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command line with all values filled in."""

    words: tuple[str, ...]  #: the program and its arguments; for a shell, one word
    is_shell: bool

    @classmethod
    def of(cls, template: str, values: Mapping[str, Scalar], is_shell: bool) -> Self:
        """Fill values in.

        Raises:
            ValueError: The template has an error, or a placeholder without a value.
        """
        missing = [name for name in placeholders(template) if name not in values]
        if missing:
            raise ValueError(f"{{{missing[0]}}} stands for no factor")
        texts = {name: as_text(value) for name, value in values.items()}
        if is_shell:
            return cls((_filled(template, {name: shlex.quote(text) for name, text in texts.items()}),), is_shell)
        return cls(tuple(_filled(word, texts) for word in _words(template)), is_shell)

    def __str__(self) -> str:
        return SHELL + self.words[0] if self.is_shell else shlex.join(self.words)

    def is_allowed(self, patterns: Sequence[str]) -> bool:
        """Return whether one of the patterns matches; those that begin with `shell: ` are for a shell."""
        fit = (pattern for pattern in patterns if pattern.startswith(SHELL) == self.is_shell)
        return any(fnmatchcase(str(self), pattern) for pattern in fit)


def command_line(point: Point) -> CommandLine:
    """Return the command line of a point of kind command; raises ValueError where the point has none."""
    return CommandLine.of(str(point["command"]), point, bool(point.get("shell")))


def placeholders(template: str) -> Sequence[str]:
    """Return the names between braces, each once, in order.

    Raises:
        ValueError: Braces or quotes do not match, or a placeholder is no plain name.
    """
    names: dict[str, None] = {}
    if not _words(template):
        raise ValueError("it is empty")
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        raise ValueError("a brace stands alone: write a brace that is no placeholder twice") from None
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise ValueError(f"{{{name}}} is no name of a factor: write a brace that is no placeholder twice")
        names[name] = None
    return list(names)


def _words(template: str) -> Sequence[str]:
    try:
        return shlex.split(template)
    except ValueError:
        raise ValueError("a quote has no end") from None


def as_text(value: Scalar) -> str:
    """Return a value as a sweep file writes it: `true`, `0.1`, `adam`."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _filled(template: str, texts: Mapping[str, str]) -> str:
    return "".join(
        literal + (texts[name] if name is not None else "") for literal, name, _, _ in Formatter().parse(template)
    )
