"""Ready-made sweeps: from `farm.sweeps`, and from the packages of other kinds."""

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import takewhile
from pathlib import Path

from farm.kinds.registry import kinds
from farm.model.errors import InputError


def names() -> list[str]:
    """Return the names of all ready-made sweeps, in alphabetical order."""
    return sorted(_files())


def described() -> dict[str, str]:
    """Return the first sentence of the comment of each ready-made sweep, by name, in alphabetical order."""
    return {name: _first_sentence(text(name)) for name in names()}


def text(name: str) -> str:
    """Return the YAML of a ready-made sweep; raises InputError for an unknown name."""
    known = _files()
    if name not in known:
        raise InputError(f"no ready-made sweep {name!r}: there are {', '.join(sorted(known))}")
    return known[name].read_text(encoding="utf-8")


def copy(name: str, folder: Path) -> Path:
    """Write a ready-made sweep into a folder.

    Returns:
        The path of the new file.

    Raises:
        InputError: the name is unknown, the file exists already, or it cannot be written.
    """
    content, path = text(name), folder / f"{name}.yaml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        raise InputError(f"{path} exists already: rename it first") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def _first_sentence(yaml: str) -> str:
    lines = takewhile(lambda line: line.startswith("# "), yaml.splitlines())
    comment = " ".join(line.removeprefix("# ") for line in lines)
    return re.split(r"(?<=[.?])\s", comment, maxsplit=1)[0]


def _files() -> Mapping[str, Traversable]:
    """Return the files by name; a sweep of this package replaces one of the same name from another package."""
    folders: list[Traversable] = [*(kind.examples for kind in kinds() if kind.examples), files("farm.sweeps")]
    return {
        file.name.removesuffix(".yaml"): file
        for folder in folders
        for file in folder.iterdir()
        if file.name.endswith(".yaml")
    }
