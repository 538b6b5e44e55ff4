"""The spool: reports wait on this machine's disk until the store has accepted them."""

import errno
import fcntl
import logging
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from farm.model import TrialReport, disk
from farm.model.errors import InputError, StoreUnavailable
from farm.store import WorkerStore
from workers.agent import refused

log = logging.getLogger(__name__)

#: Far above the size of the report of a trial that ran for a day.
MAX_REPORT_BYTES = 256 * 2**20
#: Errors of this process, not of the file that it reads.
_OF_THE_PROCESS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class Spool:
    """A folder with one file for each report, written atomically. Threads and processes may share it."""

    def __init__(self, folder: Path) -> None:
        """Make the folder; raises InputError where that is impossible."""
        self._folder = folder
        self.refused = 0  #: files that are no reports, or that the store rejected
        try:
            self.check()
        except OSError as error:
            raise InputError(f"FARM_HOME: cannot write to {folder} ({error.strerror}): name another folder") from None

    def check(self) -> None:
        """Raise OSError where no report could be kept; a folder that somebody removed is made again."""
        try:
            disk.make_private(self._folder)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, "it is no folder: move it away", str(self._folder)) from None
        with suppress(BlockingIOError), self._locked(waits=False):  # another may drain now
            pass
        try_to_write(self._folder, 0)

    def put(self, report: TrialReport) -> Path:
        """Write a report; raises OSError where the disk fails."""
        disk.make_private(self._folder)
        path = self._folder / f"{report.job}.{report.attempt}.json"
        with disk.replacing(path, is_private=True) as file:
            file.write(report.model_dump_json().encode())
        return path

    def drain(self, store: WorkerStore, within_s: float | None = None) -> int:
        """Give the waiting reports to the store, oldest first, while it is reachable; returns how many it accepted.

        Given `within_s` it stops after that time, and does not wait for another thread or process that drains.
        Raises OSError where the folder cannot be read or written.
        """
        accepted = 0
        if not len(self):  # as in most heartbeats
            return accepted
        end_s = None if within_s is None else time.monotonic() + within_s
        with suppress(BlockingIOError), self._locked(waits=within_s is None):
            for path in self._waiting():
                try:
                    store.complete(_report_in(path))
                except StoreUnavailable as error:
                    log.warning("spool: %s: %d reports are waiting", error, len(self))
                    break
                except Exception as error:  # a damaged or rejected report must not hold up the others
                    if isinstance(error, MemoryError) or getattr(error, "errno", None) in _OF_THE_PROCESS:
                        raise
                    self.refused += 1
                    _quarantine(path, error)
                else:
                    path.unlink()
                    accepted += 1
                if end_s is not None and time.monotonic() >= end_s:
                    break
        return accepted

    def __len__(self) -> int:
        return sum(path.suffix == ".json" for path in self._folder.iterdir())  # a glob takes several times as long

    def _waiting(self) -> list[Path]:
        """Return the files of reports, oldest first."""
        with os.scandir(self._folder) as entries:
            found = [
                (entry.stat(follow_symlinks=False).st_mtime_ns, entry.name)
                for entry in entries
                if entry.name.endswith(".json")
            ]
        return [self._folder / name for _, name in sorted(found)]

    @contextmanager
    def _locked(self, waits: bool = True) -> Iterator[None]:
        """Hold the folder; raises BlockingIOError where another holds it and this one does not wait."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO would be waited for
        fd = os.open(self._folder / "lock", flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
            yield
        finally:
            os.close(fd)


def try_to_write(folder: Path, size: int) -> None:
    """Write a file that has no name and is gone at once; raises OSError, which names the folder."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(size))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None


def _report_in(path: Path) -> TrialReport:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a FIFO would be waited for
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no regular file")
        if status.st_size > MAX_REPORT_BYTES:
            raise ValueError(f"more than {MAX_REPORT_BYTES} bytes")
        return TrialReport.model_validate_json(file.read())


def _quarantine(path: Path, error: Exception) -> None:
    """Rename a file so that nobody reads it again; raises OSError where that is impossible."""
    size, bad = path.lstat().st_size, path.with_suffix(".bad")
    path.rename(bad)
    why = refused.describe(error) if isinstance(error, ValidationError) else str(error).partition("\n")[0]
    log.error("spool: %s of %d bytes cannot be stored (%s): kept as %s", path.name, size, why, bad)
