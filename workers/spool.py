"""Reports on this machine's disk until the store has them."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farm.errors import InputError, StoreUnavailable
from farm.model import TrialReport
from farm.store import Store

log = logging.getLogger(__name__)


class Spool:
    """A folder with one file a report; a file is there whole or not at all. Threads and processes may share it."""

    def __init__(self, folder: Path) -> None:
        """Make the folder; raises InputError where that cannot be."""
        self._folder = folder
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
                    store.complete(TrialReport.model_validate_json(path.read_bytes()))
                except StoreUnavailable as error:
                    log.warning("spool: %s: %d reports wait", error, len(self))
                    break
                except Exception as error:  # one that is damaged or refused must not stop those behind it
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


def _set_aside(path: Path, error: Exception) -> None:
    bad = path.with_suffix(".bad")
    path.rename(bad)
    log.error("spool: %s cannot be stored (%s): kept as %s", path.name, str(error).partition("\n")[0], bad)
