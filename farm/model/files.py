"""Files that others name: read whole if they are regular and not too large, so that none hangs or fills the memory."""

import errno
import os
import stat
from pathlib import Path

MIB = 1 << 20


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


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a FIFO without a writer would take for ever."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
