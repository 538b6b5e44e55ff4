"""Where settings come from: variables FARM_*, and keys of farm.toml in the home. An unknown one is an error."""

import os
import re
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from farm.model import files
from farm.model.errors import MOST_LINES, InputError
from farm.model.suggestions import suggestion
from farm.settings.reading import as_path

#: Variables that compose.yaml reads, not the farm.
OF_COMPOSE = ("FARM_LISTEN", "FARM_RAPL_GROUP", "FARM_SERVER")
#: A settings file is read whole.
_MOST_BYTES = files.MIB


def default_home() -> Path:
    """Return the default home; a simulation has another one, so that its results never pass for measured ones."""
    name = "wattfarm-simulated" if os.environ.get("FARM_SIMULATOR") else "wattfarm"
    given = os.environ.get("FARM_HOME")
    try:
        return as_path(given) if given else user_data_path(name)
    except InputError as error:
        raise InputError(f"FARM_HOME: {error}") from None


def file() -> Path:
    """Return the path of the settings file, which need not exist."""
    return default_home() / "farm.toml"


def read_file() -> dict[str, Any]:
    """Return the content of the settings file; raises InputError where it cannot be read."""
    try:
        return tomllib.loads(files.read_text(file(), _MOST_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{file()}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return why a settings file cannot be read: in words for its author, where Python's are for programmers."""
    match error:
        case OSError():
            return str(error.strerror)
        case UnicodeDecodeError():
            return f"expected text in UTF-8, got the byte 0x{error.object[error.start]:02x} at offset {error.start}"
        case RecursionError():
            return "a value is nested too deep: expected plain values such as lease_s = 60"
        case tomllib.TOMLDecodeError():
            return str(error)
        case _:
            return "a number has too many digits"


def variable(name: str) -> str:
    """Return the variable of a setting."""
    return f"FARM_{name.upper()}"


def refuse_unknown(known: Collection[str]) -> None:
    """Raise InputError, with a line for each variable and each key of the file that is no setting."""
    problems = [*_unknown_variables(known), *_unknown_keys(known)]
    if problems:
        raise InputError("\n".join(problems))


def named(text: str) -> str:
    """Return an error that names the key of farm.toml instead of the variable, where the value comes from there."""
    try:
        keys = set(read_file()) - _given()
    except InputError:  # nothing comes from a file that cannot be read
        return text

    def origin(found: re.Match[str]) -> str:
        key = found[1].lower()
        return f"{key} in {file()}" if key in keys else found[0]

    return re.sub(r"\bFARM_([A-Z0-9_]+)\b", origin, text)


def _given() -> set[str]:
    """Return the names of the variables that have a value, without FARM_ and in lower case."""
    return {
        name.lower().removeprefix("farm_")
        for name, value in os.environ.items()
        if value and name.upper().startswith("FARM_")
    }


def _unknown_variables(known: Collection[str]) -> Iterator[str]:
    variables = {name: variable(name) for name in known}
    foreign = {name.lower().removeprefix("farm_") for name in OF_COMPOSE}
    for name in sorted(_given() - set(known) - foreign):
        yield f"{variable(name)}: no such setting{suggestion(name, variables) or ': unset it, or update wattfarm'}"


def _unknown_keys(known: Collection[str]) -> Iterator[str]:
    for number, key in enumerate(key for key in read_file() if key not in known):
        is_read = number < MOST_LINES  # to look for what a key was meant to be takes its time
        likely = suggestion(key.lower().removeprefix("farm_"), {name: name for name in known}) if is_read else ""
        yield f"{file()}: no such setting: {key}{likely or ': remove it, or update wattfarm'}"
