"""The store of sweeps, jobs, leases and measurements. It is the source of truth; a message is only a hint.

These rules hold on both databases, with any number of processes at once (`tests/contract/test_store.py`):

- A message is won by at most one claim; each claim is a new attempt.
- A report is stored at most once, and only while no later attempt was begun; a trial is never overwritten, except
  that a late report takes the place of the note that its attempt was lost.
- A job whose worker dies, falls silent or is interrupted is queued again; only a limited number of crashed or lost
  attempts is made. A job whose trial reports that it cannot run has failed at once.
- A command happens as a whole or not at all; repeating one after an error does no harm.
- A study has one configuration of each number, the first one that was stored; a settled sweep gets no more jobs.
- A trial is stored once. A job that adopted it is done and never claimed, and counts it beside the job that measured.
- Unknown values are None.
- Every method raises StoreUnavailable, one clear line, where the database cannot be used.
"""

from contextlib import suppress
from typing import Self

from farm.model.errors import StoreUnavailable
from farm.store.asking import Answer
from farm.store.exports import Exports
from farm.store.footprints import Footprints
from farm.store.holds import Holds
from farm.store.imports import Imports
from farm.store.interfaces import ControllerStore, ReaderStore, TunerStore, WorkerStore
from farm.store.leases import Leases
from farm.store.machines import PRESENT_S, Machines
from farm.store.membership import KnownJob, MeasuredJob, Membership, Revision
from farm.store.messages import AtWork, Publishing, UnpublishedJobs
from farm.store.operations import Operations
from farm.store.queries import Found, Queries
from farm.store.results import Results
from farm.store.samples import Samples
from farm.store.schema import SchemaState, check, require, upgrade
from farm.store.searches import AskedJob, Search, Searches, Trained
from farm.store.sweeps import NewJob
from farm.store.trials import Trials
from farm.store.upkeep import Upkeep

__all__ = [
    "PRESENT_S",
    "Answer",
    "AskedJob",
    "AtWork",
    "ControllerStore",
    "Found",
    "KnownJob",
    "MeasuredJob",
    "NewJob",
    "ReaderStore",
    "Revision",
    "SchemaState",
    "Search",
    "Store",
    "Trained",
    "TunerStore",
    "UnpublishedJobs",
    "WorkerStore",
    "check",
    "upgrade",
]


class Store(
    Upkeep,
    Membership,
    Searches,
    Publishing,
    Leases,
    Trials,
    Machines,
    Results,
    Operations,
    Samples,
    Footprints,
    Exports,
    Queries,
    Imports,
    Holds,
):
    """The store: every command and query of users, controller, workers and analysis."""

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Self:
        """Connect and check the tables; `create` makes them where there are none.

        Raises InputError for a URL that is none, StoreUnavailable, and SchemaMismatch for tables of another version.
        """
        store = cls(url)
        try:
            if create and check(store) is SchemaState.EMPTY:
                with suppress(StoreUnavailable):  # `require` below names who may make them
                    upgrade(store)
            require(store)
        except BaseException:
            store.close()
            raise
        return store
