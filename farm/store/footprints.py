"""The query of all joules that a sweep took: those of its work, and those that measuring it cost."""

from typing import Any

from sqlalchemy import Row, and_, case, func, select

import farm.store.tables as t
from farm.energy.samples import WORK
from farm.model import Domain, Quality, Spent
from farm.store.engine import Database
from farm.store.samples import carbon_factor

_CARBON = (t.trial.c.carbon_g_per_kwh, t.trial.c.carbon_pue, t.trial.c.carbon_source)
#: A window is told by its machine and its times. An imported one has no times of its own: its trial tells it.
_SAME = (
    case((t.sweep.c.imported, t.trial.c.id), else_=t.trial.c.machine_id),
    *(t.window.c.started_at_utc, t.window.c.begin_at_ns, t.window.c.end_at_ns, t.measurement.c.domain),
    case((t.sweep.c.imported, t.window.c.index), else_=0),
    case((t.sweep.c.imported, t.window.c.kind), else_=""),
)


class Footprints(Database):
    """The query of footprints; it writes nothing."""

    def spent(self, sweep_id: str) -> list[Spent]:
        """Sum the gross joules of all windows of all trials, failed ones too; shared idles count once."""
        is_work = and_(t.trial.c.failure_kind.is_(None), t.window.c.kind.in_(WORK))
        windows = (
            select(
                t.measurement.c.domain,
                t.measurement.c.quality,
                case((is_work, 1), else_=0).label("is_work"),
                *_CARBON,
                t.measurement.c.gross_j,
                func.row_number().over(partition_by=_SAME, order_by=t.trial.c.id).label("place"),
            )
            .select_from(t.measurement.join(t.window).join(t.trial).join(t.job).join(t.sweep))
            .where(t.job.c.sweep_id == sweep_id)
            .subquery()
        )
        keys = [windows.c[name] for name in ("domain", "quality", "is_work", *(column.name for column in _CARBON))]
        query = select(*keys, func.count(), func.sum(windows.c.gross_j)).where(windows.c.place == 1)
        with self.read() as connection:
            return [_spent(row) for row in connection.execute(query.group_by(*keys).order_by(*keys))]


def _spent(row: Row[*tuple[Any, ...]]) -> Spent:
    domain, quality, is_work, *carbon, windows, gross_j = row
    known = Quality(quality) if quality else None
    return Spent(Domain(domain), known, bool(is_work), carbon_factor(*carbon), windows, gross_j)
