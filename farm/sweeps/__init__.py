"""Ready-made sweeps, beside this file."""

from importlib.resources import files
from pathlib import Path

from farm.errors import InputError


def names() -> list[str]:
    """Of the ready-made sweeps."""
    return sorted(f.name.removesuffix(".yaml") for f in files(__name__).iterdir() if f.name.endswith(".yaml"))


def text(name: str) -> str:
    """Of a ready-made sweep."""
    return (files(__name__) / f"{name}.yaml").read_text(encoding="utf-8")


def copy(name: str, folder: Path) -> Path:
    """Write a ready-made sweep into a folder; raises InputError rather than overwrite a file."""
    if name not in names():
        raise InputError(f"no ready-made sweep {name!r}: there are {', '.join(names())}")
    path = folder / f"{name}.yaml"
    try:
        with path.open("x") as file:
            file.write(text(name))
    except FileExistsError:
        raise InputError(f"{path} is there already: rename it first") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    return path
