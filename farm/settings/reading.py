"""Read small files and paths of settings: what is too long, waits for ever or cannot be shown is an error."""

import os
import select
from pathlib import Path

from farm.model.errors import InputError

#: More than settings or a secret take.
MOST_BYTES = 2**20
#: What file systems of Linux take, with room for the names of files below a folder.
_LONGEST_PATH, _LONGEST_NAME = 3800, 255
#: Whoever writes into a pipe, such as `<(pass show farm)`, has so many seconds.
_PIPE_WITHIN_S = 5.0


def read_small(path: Path) -> bytes:
    """Return what a file or a pipe holds; raises OSError, or ValueError where that is no small file."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = b""
    try:
        while select.select([fd], [], [], _PIPE_WITHIN_S)[0]:
            some = os.read(fd, MOST_BYTES)
            found += some
            if len(found) > MOST_BYTES:
                raise ValueError("it is too long")
            if not some:
                break
    finally:
        os.close(fd)
    return found


def as_path(text: str) -> Path:
    """Return the path that a setting names; ~ is the user's home. Raises InputError for what no shell would write."""
    if not text.isprintable():  # bytes that are not UTF-8 neither
        raise InputError("expected a path of printable characters in UTF-8")
    if len(os.fsencode(text)) > _LONGEST_PATH or any(
        len(os.fsencode(name)) > _LONGEST_NAME for name in text.split("/")
    ):
        raise InputError(f"expected a path of at most {_LONGEST_PATH} bytes, and {_LONGEST_NAME} in each of its names")
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~nobody-of-that-name, or no home at all
        raise InputError("~ names a user that does not exist or has no home") from None
