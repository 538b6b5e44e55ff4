"""Files on this machine's disk: replaced whole or not at all, and private where they hold measurements or messages."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
#: As many links as Linux follows.
_MOST_LINKS = 40


@contextmanager
def replacing(path: Path, *, is_private: bool = False) -> Iterator[BinaryIO]:
    """Open a draft in the folder of a file; it replaces the file at the end of the block, unless the block fails.

    The draft has a name that nobody can foresee, and is a new file: what another user put into the folder is neither
    followed nor written to. A file that is replaced keeps its rights. A link of this user or of root stays, and the
    file that it names is replaced.

    Args:
        path: The file, which need not exist.
        is_private: Whether only this user may read a new file; otherwise the umask decides.

    Raises:
        OSError: The path is no file, is a link of another user, or cannot be written.
    """
    mode = _mode_of(path)
    path = _followed(path)
    draft = path.with_name(f"wattfarm-{secrets.token_hex(8)}.part")
    new = PRIVATE_FILE if is_private else 0o666
    fd, has_name = _open_draft(draft, new if mode is None else PRIVATE_FILE)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            if mode is not None:
                os.fchmod(fd, mode)
            file.flush()
            os.fsync(fd)
            if not has_name:
                _name(fd, draft)
                has_name = True
        draft.replace(path)
    except BaseException:
        if has_name:
            with suppress(OSError):
                draft.unlink()
        raise


def _open_draft(draft: Path, mode: int) -> tuple[int, bool]:
    """Open a new file, and tell whether it has its name; one without a name is gone when its process is killed."""
    with suppress(OSError, AttributeError):  # not every file system, or system, makes files without a name
        return os.open(draft.parent, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, mode), False
    return os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode), True


def _name(fd: int, draft: Path) -> None:
    """Give a file its name; Python follows the link of /proc only where it is given a folder's descriptor."""
    folder = os.open(draft.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        os.link(f"/proc/self/fd/{fd}", draft.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone; existing ones keep their rights."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(PRIVATE_FOLDER, exist_ok=True)
    folder.mkdir(PRIVATE_FOLDER, exist_ok=True)  # raises FileExistsError where it is something else


def private(path: str, flags: int) -> int:
    """Open a file that only this user may read if it is new: an `opener` for `open`; links are refused."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)


def _followed(path: Path) -> Path:
    """Follow the links to a file that this user or root made; a link of somebody else may lead anywhere."""
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            return path
        if path.lstat().st_uid not in {os.geteuid(), 0}:
            raise PermissionError(errno.EPERM, "it is a link that another user made", str(path))
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _mode_of(path: Path) -> int | None:
    """Return the rights of a file, or None where there is none."""
    try:
        found = path.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found):
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    return stat.S_IMODE(found) & 0o777
