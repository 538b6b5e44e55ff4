"""The query of all joules that a sweep took: those of its work, and those that measuring it cost."""

from typing import Any

from sqlalchemy import Row, and_, case, func, or_, select, tuple_

import farm.store.tables as t
from farm.energy.samples import WORK
from farm.model import Domain, Quality, Spent, WindowKind
from farm.store.engine import Database
from farm.store.samples import carbon_factor

_CARBON = (t.trial.c.carbon_g_per_kwh, t.trial.c.carbon_pue, t.trial.c.carbon_source)
_JOINED = t.window.join(t.trial).join(t.job)
#: A window that two trials share is told by its machine and its beginning.
_SAME = (t.trial.c.machine_id, t.window.c.begin_at_ns, t.window.c.started_at_utc)


class Footprints(Database):
    """The query of footprints; it writes nothing."""

    def spent(self, sweep_id: str) -> list[Spent]:
        """Sum the gross joules of all windows of all trials, failed ones too; a shared idle counts once."""
        mine = t.job.c.sweep_id == sweep_id
        after = select(*_SAME).select_from(_JOINED).where(mine, t.window.c.kind == WindowKind.IDLE_AFTER)
        is_own = or_(t.window.c.kind != WindowKind.IDLE_BEFORE, tuple_(*_SAME).not_in(after))
        is_work = case((and_(t.trial.c.failure_kind.is_(None), t.window.c.kind.in_(WORK)), 1), else_=0)
        keys = (t.measurement.c.domain, t.measurement.c.quality, is_work.label("is_work"), *_CARBON)
        query = select(*keys, func.count(), func.sum(t.measurement.c.gross_j)).select_from(_JOINED.join(t.measurement))
        with self.read() as connection:
            return [_spent(row) for row in connection.execute(query.where(mine, is_own).group_by(*keys))]


def _spent(row: Row[*tuple[Any, ...]]) -> Spent:
    domain, quality, is_work, *carbon, windows, gross_j = row
    known = Quality(quality) if quality else None
    return Spent(Domain(domain), known, bool(is_work), carbon_factor(*carbon), windows, gross_j)
