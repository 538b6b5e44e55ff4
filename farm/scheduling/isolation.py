"""Isolation: in a round of the controller, a sweep or a machine that cannot be handled stops nothing but itself."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import TypeVar

from farm.model import SweepRecord
from farm.model.errors import InputError, ServiceError
from farm.model.reading import Unreadable

log = logging.getLogger(__name__)

#: A sweep whose turn ended with an error gets no other turn for so many seconds: somebody must mend it first.
RETRY_S = 60.0
#: Notes that are remembered, so that each is logged once.
MOST_NOTES = 10_000
T = TypeVar("T")


class Isolation:
    """Gives sweeps their turns; notes what cannot be read and what fails, and tries it again later."""

    def __init__(self, own_sweep: str | None = None) -> None:
        """`own_sweep`: the only sweep of an embedded farm, which cannot go on without it: its errors are raised."""
        self._own_sweep = own_sweep
        self._noted: set[tuple[str, str]] = set()  #: the id of a sweep or a machine, and the note
        self._again_at_s: dict[str, float] = {}  #: monotonic, by sweep

    def readable(self, found: Iterable[T | Unreadable]) -> Iterator[T]:
        """Yield the values, and note the errors of what cannot be read."""
        for one in found:
            if not isinstance(one, Unreadable):
                yield one
            elif one.id == self._own_sweep:
                raise one
            else:
                self._log_once(one.id, str(one), {one.what: one.id})

    def turn(self, sweep: SweepRecord, step: Callable[[], int]) -> int:
        """Make a step for a sweep; returns how many jobs it added: none while the sweep waits after an error."""
        if time.monotonic() < self._again_at_s.get(sweep.id, -inf):
            return 0
        try:
            added = step()
        except ServiceError:
            raise
        except Exception as error:
            if sweep.id == self._own_sweep:
                raise
            self._again_at_s[sweep.id] = time.monotonic() + RETRY_S
            is_known = isinstance(error, InputError)
            why = str(error) if is_known else f"unexpected {type(error).__name__}: {error}: please report it"
            self.note(sweep, f"{why}; the other sweeps go on, and it is tried again every {RETRY_S:g} s")
            return 0
        self._again_at_s.pop(sweep.id, None)
        return added

    def note(self, sweep: SweepRecord, note: str) -> None:
        """Log each note once per sweep."""
        self._log_once(sweep.id, f"sweep {sweep.name} ({sweep.id}): {note}", {"sweep": sweep.id})

    def _log_once(self, of: str, note: str, extra: dict[str, str]) -> None:
        if (of, note) in self._noted:
            return
        if len(self._noted) >= MOST_NOTES:
            self._noted.clear()
        self._noted.add((of, note))
        log.warning("%s", note, extra=extra)
