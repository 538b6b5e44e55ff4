"""Secrets: they are read from files, and kept out of messages and trials."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from farm.model.errors import InputError
from farm.settings.reading import as_path, read_small

#: Variables of the farm and of PostgreSQL that a trial must not inherit.
_SECRET = re.compile(r"FARM_.*(URL|PASSWORD|SECRET|TOKEN)|FARM_CARBON_NOW|PGPASS|REDISCLI_AUTH|CREDENTIALS_DIRECTORY")


def read_secret(variable: str, path: str) -> str:
    """Return the one line of a file.

    Raises:
        InputError: the file cannot be read; the text names the variable, and repeats nothing of the content.
    """
    try:
        text = read_small(as_path(path)).decode().strip()
    except InputError as error:
        raise InputError(f"{variable}: {error}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text, or too long"
        raise InputError(f"{variable}: cannot read {_shown(path)}: {reason}") from None
    if not text or len(text.splitlines()) > 1:
        raise InputError(f"{variable}: expected one line in {_shown(path)}, found {'several' if text else 'none'}")
    return text


def _shown(path: str) -> str:
    """Return a path for messages, unless it may be the secret itself, given in the place of its file."""
    return path if "/" in path and "://" not in path else "the file that it names"


def with_password(url: str, password: str) -> str:
    """Return the URL of a service with a password, unless it has one or names a file or folder."""
    scheme, mark, rest = url.partition("://")
    login, _, place = rest.rpartition("@")
    if not mark or ":" in login or scheme.startswith(("sqlite", "filesystem")):
        return url
    return f"{scheme}://{login}:{quote(password, safe='')}@{place}"


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that a trial inherits: it holds no password that a workload could print."""
    return {name: value for name, value in environment.items() if not _SECRET.match(name)}
