"""Reports on this machine's disk until the store has them."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from farm.errors import InputError, StoreUnavailable
from farm.model import TrialReport
from farm.store import Store
from workers.agent import refused

log = logging.getLogger(__name__)

#: Far above the report of a trial of a day.
MAX_REPORT_BYTES = 256 * 2**20


class Spool:
    """A folder with one file a report; a file is there whole or not at all. Threads and processes may share it."""

    def __init__(self, folder: Path) -> None:
        """Make the folder; raises InputError where that cannot be."""
        self._folder = folder
        self.refused = 0  #: files that were no reports, or that the store did not take
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                pass
        except OSError as error:
            raise InputError(f"FARM_HOME: cannot write to {folder} ({error.strerror}): name another folder") from None

    def put(self, report: TrialReport) -> Path:
        """Keep a report; raises OSError when the disk does not take it."""
        path = self._folder / f"{report.job}.{report.attempt}.json"
        draft = path.with_suffix(".part")
        try:
            with draft.open("w") as file:
                file.write(report.model_dump_json())
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        return path

    def drain(self, store: Store) -> int:
        """Hand every kept report to the store, oldest first, until the store is away; returns how many."""
        handed = 0
        with self._alone():
            for path in sorted(self._folder.glob("*.json"), key=lambda p: p.stat().st_mtime_ns):
                try:
                    store.complete(_report_in(path))
                except StoreUnavailable as error:
                    log.warning("spool: %s: %d reports wait", error, len(self))
                    break
                except Exception as error:  # one that is damaged or refused must not stop those behind it
                    self.refused += 1
                    _set_aside(path, error)
                else:
                    path.unlink()
                    handed += 1
        return handed

    def __len__(self) -> int:
        return sum(1 for _ in self._folder.glob("*.json"))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _report_in(path: Path) -> TrialReport:
    if path.stat().st_size > MAX_REPORT_BYTES:
        raise ValueError(f"more than {MAX_REPORT_BYTES} bytes")
    return TrialReport.model_validate_json(path.read_bytes())


def _set_aside(path: Path, error: Exception) -> None:
    size, bad = path.stat().st_size, path.with_suffix(".bad")
    path.rename(bad)
    why = refused.reason(error) if isinstance(error, ValidationError) else str(error).partition("\n")[0]
    log.error("spool: %s of %d bytes cannot be stored (%s): kept as %s", path.name, size, why, bad)
