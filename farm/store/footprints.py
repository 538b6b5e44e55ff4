"""The query of all joules that a sweep took: those of its work, and those that measuring it cost."""

from typing import Any

from sqlalchemy import Row, and_, case, func, select

import farm.store.tables as t
from farm.energy.samples import WORK
from farm.model import Domain, Quality, Spent
from farm.store.carbon import FACTOR
from farm.store.engine import Database
from farm.store.membership import COUNTED
from farm.store.samples import carbon_factor


class Footprints(Database):
    """The query of footprints; it writes nothing."""

    def spent(self, sweep_id: str) -> list[Spent]:
        """Sum the gross joules of all windows of all trials, failed ones too."""
        m = t.measurement.c
        is_work = case((and_(t.trial.c.failure_kind.is_(None), m.window_kind.in_(WORK)), 1), else_=0)
        keys = (m.domain, m.quality, is_work.label("is_work"), *FACTOR)
        every = COUNTED.join(t.measurement, m.trial_id == t.trial.c.id).join(t.sweep)
        query = select(*keys, func.count(), func.sum(m.gross_j)).select_from(every)
        with self.read() as connection:
            found = connection.execute(query.where(t.job.c.sweep_id == sweep_id).group_by(*keys))
            return [_spent(row) for row in found]


def _spent(row: Row[*tuple[Any, ...]]) -> Spent:
    domain, quality, is_work, *carbon, windows, gross_j = row
    known = Quality(quality) if quality else None
    return Spent(Domain(domain), known, bool(is_work), carbon_factor(*carbon), windows, gross_j)
