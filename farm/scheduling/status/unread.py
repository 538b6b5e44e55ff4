"""The sweeps and machines that this program cannot read; for `farm status`, `farm list` and `farm machines`."""

from collections.abc import Callable, Iterable, Iterator

from farm.model import SweepRecord
from farm.model.errors import InputError
from farm.model.reading import Unreadable, readable
from farm.store import Store


def lines(found: Iterable[Unreadable]) -> list[str]:
    """Return a line for each, for standard error."""
    return [f"farm: {error}" for error in found]


def sweeps(store: Store) -> list[str]:
    """Return a line for each sweep that cannot be read, and for each that gets no further jobs because of its own."""
    return [*lines(store.unreadable_sweeps()), *_stuck(store)]


def _stuck(store: Store) -> Iterator[str]:
    """Yield why the controller cannot add jobs to a sweep: it reads the last jobs of those whose jobs are over."""
    yield from _failures(readable(store.undecided()), lambda sweep: store.last_block(sweep.id))
    if searches := [search.sweep for search in readable(store.searches())]:
        from farm.scheduling import tuner  # noqa: PLC0415 - it is needed for searches alone

        yield from _failures(searches, lambda sweep: tuner.total(store, sweep))


def _failures(found: Iterable[SweepRecord], read: Callable[[SweepRecord], object]) -> Iterator[str]:
    for sweep in found:
        try:
            read(sweep)
        except Unreadable as error:
            yield f"farm: {error}"
        except InputError as error:
            yield f"farm: sweep {sweep.name} ({sweep.id}) gets no further jobs: {error}"
