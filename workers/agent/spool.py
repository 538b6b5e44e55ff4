"""The spool: reports wait on this machine's disk until the store has accepted them."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from farm.model import TrialReport, disk
from farm.model.errors import InputError, StoreUnavailable
from farm.store import WorkerStore
from workers.agent import refused

log = logging.getLogger(__name__)

#: Far above the size of the report of a trial that ran for a day.
MAX_REPORT_BYTES = 256 * 2**20


class Spool:
    """A folder with one file for each report, written atomically. Threads and processes may share it."""

    def __init__(self, folder: Path) -> None:
        """Make the folder; raises InputError where that is impossible."""
        self._folder = folder
        self.refused = 0  #: files that are no reports, or that the store rejected
        try:
            disk.make_private(folder)
            with self._locked():
                pass
        except OSError as error:
            raise InputError(f"FARM_HOME: cannot write to {folder} ({error.strerror}): name another folder") from None

    def put(self, report: TrialReport) -> Path:
        """Write a report; raises OSError where the disk fails."""
        path = self._folder / f"{report.job}.{report.attempt}.json"
        with disk.replacing(path, is_private=True) as file:
            file.write(report.model_dump_json().encode())
        return path

    def drain(self, store: WorkerStore) -> int:
        """Give the waiting reports to the store, oldest first, while it is reachable; returns how many it accepted."""
        accepted = 0
        if not len(self):  # as in most heartbeats
            return accepted
        with self._locked():
            for path in sorted(self._folder.glob("*.json"), key=lambda p: p.stat().st_mtime_ns):
                try:
                    store.complete(_report_in(path))
                except StoreUnavailable as error:
                    log.warning("spool: %s: %d reports are waiting", error, len(self))
                    break
                except Exception as error:  # a damaged or rejected report must not hold up the others
                    self.refused += 1
                    _quarantine(path, error)
                else:
                    path.unlink()
                    accepted += 1
        return accepted

    def __len__(self) -> int:
        return sum(path.suffix == ".json" for path in self._folder.iterdir())  # a glob takes several times as long

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self._folder / "lock", "a", opener=disk.private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _report_in(path: Path) -> TrialReport:
    if path.stat().st_size > MAX_REPORT_BYTES:
        raise ValueError(f"more than {MAX_REPORT_BYTES} bytes")
    return TrialReport.model_validate_json(path.read_bytes())


def _quarantine(path: Path, error: Exception) -> None:
    size, bad = path.stat().st_size, path.with_suffix(".bad")
    path.rename(bad)
    why = refused.describe(error) if isinstance(error, ValidationError) else str(error).partition("\n")[0]
    log.error("spool: %s of %d bytes cannot be stored (%s): kept as %s", path.name, size, why, bad)
