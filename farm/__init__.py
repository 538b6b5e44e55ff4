"""The controller of Wattfarm, the types that controller and workers share, and what Python users call.

The functions read the store that the settings name, as the commands do: FARM_HOME, FARM_DATABASE_URL or farm.toml.
What they need is loaded on use.

Example:
    >>> import farm
    >>> farm.results("batching", by="model,batch_size").to_pandas()
    >>> farm.query("select model, avg(net_j_per_unit) as j from v_sample where valid group by model").to_polars()
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farm.exchange.frames import Frame
    from farm.store import Store

__version__ = "0.1.0"
__all__ = ["export", "query", "results", "samples"]


def query(sql: str, limit: int = 1_000_000) -> "Frame":
    """Run one SELECT over the views, which docs/sql.md describes.

    Raises:
        InputError: The query is wrong, or finds more rows than the limit.
    """
    from farm.exchange import frames

    with _store() as store:
        return frames.query(store, sql, limit)


def samples(sweep: str | None = None) -> "Frame":
    """Return a row for each trial and metered domain of a sweep (kind layers: also for each part).

    Args:
        sweep: Name or id; None: the latest sweep.
    """
    from farm.exchange import frames

    with _store() as store:
        return frames.samples(store, sweep)


def results(
    sweep: str | None = None,
    *,
    by: str | None = None,
    where: str | Sequence[str] = (),
    domain: str | None = None,
    include_flagged: bool = False,
) -> "Frame":
    """Return the rows of `farm results`, with their intervals.

    Args:
        sweep: Name or id; None: the latest sweep.
        by: Names to group by, separated by commas, such as "model,batch_size".
        where: A condition such as "batch_size>=8", or several.
        domain: gpu, cpu, dram or wall; None: that of the trial's own device.
        include_flagged: Use flagged trials too.
    """
    from farm.exchange import frames
    from farm.report.selection import Selection

    conditions = [where] if isinstance(where, str) else where
    selection = Selection.parse(by, conditions, domain, include_flagged, option="where")
    with _store() as store:
        return frames.results(store, sweep, selection)


def export(sweep: str | None = None, rows: str = "measurement") -> "Frame":
    """Return the rows of `farm export`: measurement (window x domain), batch, request or epoch."""
    from farm.exchange import frames

    with _store() as store:
        return frames.export(store, sweep, rows)


@contextmanager
def _store() -> "Iterator[Store]":
    from farm.settings import load_settings
    from farm.store import Store

    settings = load_settings()
    with Store.open(settings.store_url, create=not settings.database_url) as store:
        yield store
