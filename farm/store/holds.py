"""Holds: the jobs of a held sweep wait in the store, until the controller ends the hold."""

from datetime import datetime

from sqlalchemy import select, update

import farm.store.tables as t
from farm.model import JobState, SweepRecord
from farm.model.reading import Unreadable, each
from farm.store.engine import Database
from farm.store.membership import sweep_of


class Holds(Database):
    """The commands and the query of the controller on holds; commands change a hold only while it has this deadline."""

    def held(self, sweep_id: str | None = None) -> list[SweepRecord | Unreadable]:
        """Read the held sweeps that have jobs waiting, in the order of submission."""
        waits = select(t.job.c.id).where(t.job.c.sweep_id == t.sweep.c.id, t.job.c.state == JobState.QUEUED).exists()
        query = select(t.sweep).where(t.sweep.c.hold_until.is_not(None), waits)
        if sweep_id is not None:
            query = query.where(t.sweep.c.id == sweep_id)
        with self.read() as connection:
            return list(each(connection.execute(query.order_by(t.sweep.c.submitted_at, t.sweep.c.id)), sweep_of))

    def note_hold(self, sweep_id: str, until: datetime, note: str) -> None:
        """Record what the controller saw last, for `farm status`."""
        mine = (t.sweep.c.id == sweep_id, t.sweep.c.hold_until == until)
        with self.write() as connection:
            connection.execute(update(t.sweep).where(*mine).values(hold_note=note))

    def end_hold(self, sweep_id: str, until: datetime) -> bool:
        """Let the jobs go; False where another controller did so, or the sweep was submitted with another deadline."""
        mine = (t.sweep.c.id == sweep_id, t.sweep.c.hold_until == until)
        ended = update(t.sweep).where(*mine).values(hold_below_g_per_kwh=None, hold_until=None, hold_note=None)
        with self.write() as connection:
            return connection.execute(ended).rowcount > 0
