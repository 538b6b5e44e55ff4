"""The fitness of this machine: whether it can run a trial and keep its report, and the reason why not.

An unfit machine takes no job. The reason is logged once and shown by `farm machines`, and the machine looks again every
few seconds until the cause is gone.
"""

import logging
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from farm.model.errors import InputError, MachineBusy, MachineUnfit
from workers.agent.spool import Spool, try_to_write
from workers.agent.words import brief
from workers.supervisor.lock import machine_lock

log = logging.getLogger(__name__)

#: The time between two looks at a machine that is unfit.
LOOK_PERIOD_S = 5.0
#: Programs of trials need temporary files, and at least so much room for them.
ROOM_BYTES = 4096


class Fitness:
    """Whether this machine is fit. Two threads may look; only the main one recovers."""

    def __init__(
        self, lock_file: Path, spool: Spool, recover: Callable[[], None], on_change: Callable[[], None]
    ) -> None:
        """Judge by lock file, spool and temporary folder; `recover` raises MachineUnfit while no trial can start."""
        self._lock_file = lock_file
        self._spool = spool
        self._recover = recover
        self._on_change = on_change
        self._looked_at_s = 0.0  #: monotonic
        self.reason: str | None = None  #: why the machine is unfit

    def note(self, error: Exception) -> None:
        """Record an error that makes this machine unfit for a while."""
        self._looked_at_s = time.monotonic()
        reason = brief(error)
        if reason != self.reason:
            log.error("this machine is unfit and takes no job: %s", reason)
            self.reason = reason
            self._on_change()

    def check(self) -> None:
        """Raise MachineUnfit where lock file, spool or temporary folder cannot be used."""
        try:
            with suppress(MachineBusy), machine_lock(self._lock_file):
                pass
            self._spool.check()
            try_to_write(Path(tempfile.gettempdir()), ROOM_BYTES)
        except (InputError, OSError) as error:
            raise MachineUnfit(brief(error)) from error

    def look(self) -> None:
        """Check, and record what was found."""
        try:
            self.check()
        except MachineUnfit as error:
            self.note(error)
        else:
            if self.reason is not None:
                log.warning("this machine is fit again and takes jobs")
                self.reason = None
                self._on_change()

    def has_recovered(self) -> bool:
        """Tell whether the machine is fit; an unfit one looks again, but not too often. For the main thread."""
        if self.reason is not None and time.monotonic() - self._looked_at_s >= LOOK_PERIOD_S:
            try:
                self._recover()
            except MachineUnfit as error:
                self.note(error)
            else:
                self.look()
        return self.reason is None
