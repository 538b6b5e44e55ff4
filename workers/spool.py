"""Reports on this machine's disk until the store has them."""

import logging
import os
from pathlib import Path

from pydantic import ValidationError

from farm.errors import StoreUnavailable
from farm.model import TrialReport
from farm.store import Store

log = logging.getLogger(__name__)


class Spool:
    """A folder with one file a report; a file is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, report: TrialReport) -> Path:
        """Keep a report; raises OSError when the disk does not take it."""
        path = self._folder / f"{report.job}.{report.attempt}.json"
        draft = path.with_suffix(".part")
        with draft.open("w") as file:
            file.write(report.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        return path

    def drain(self, store: Store) -> int:
        """Hand every kept report to the store, oldest first, until the store is away; returns how many."""
        handed = 0
        for path in sorted(self._folder.glob("*.json"), key=lambda p: p.stat().st_mtime_ns):
            try:
                report = TrialReport.model_validate_json(path.read_text())
            except (ValidationError, UnicodeDecodeError) as error:
                bad = path.with_suffix(".bad")
                path.rename(bad)
                log.error("spool: %s is not a report (%s): kept as %s", path.name, str(error).splitlines()[0], bad.name)
                continue
            try:
                store.complete(report)
            except StoreUnavailable as error:
                log.warning("spool: %s: %d reports wait", error, len(self))
                break
            path.unlink()
            handed += 1
        return handed

    def __len__(self) -> int:
        return sum(1 for _ in self._folder.glob("*.json"))
