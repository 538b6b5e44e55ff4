"""Files that others name: read whole if they are regular and not too large, so that none hangs or fills the memory.

Folders that others name are searched within a bound.
"""

import errno
import os
import stat
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path

MIB = 1 << 20
#: Files and folders that a search looks at: one through a whole disk ends here.
MOST_ENTRIES = 2_000_000


def read_bytes(path: Path, most: int) -> bytes:
    """Return the content of a file of at most so many bytes.

    Raises:
        OSError: The file cannot be read, is no regular file (a FIFO, a device), or is larger; `strerror` says which.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(path))
            data = file.read(most + 1)
    except ValueError as error:  # the path has a NUL, or half a surrogate
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    if len(data) > most:
        size = f"{most // MIB} MiB" if most >= MIB else f"{most // 1024} KiB"
        raise OSError(errno.EFBIG, f"larger than {size}", str(path))
    return data


def read_text(path: Path, most: int) -> str:
    """Return the text of such a file, without a byte order mark; raises UnicodeDecodeError besides."""
    return read_bytes(path, most).decode("utf-8-sig")


def below(folder: Path, suffixes: Container[str]) -> Iterator[Path]:
    """Yield the files with such endings in a folder and the folders below it, and follow no link to a folder.

    What this user may not list is left out. Raises OSError in a folder of more than `MOST_ENTRIES`.
    """
    room, left = iter(range(MOST_ENTRIES)), [str(folder)]
    while left:
        for entry in _listed(left.pop()):
            if next(room, None) is None:
                raise OSError(errno.E2BIG, f"more than {MOST_ENTRIES:,} files and folders", str(folder))
            if entry.is_dir(follow_symlinks=False):
                left.append(entry.path)
            elif (path := Path(entry.path)).suffix.lower() in suffixes:
                yield path


def _listed(folder: str) -> "Iterator[os.DirEntry[str]]":
    with suppress(OSError), os.scandir(folder) as entries:
        yield from entries


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a FIFO without a writer would take for ever."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
