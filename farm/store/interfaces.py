"""The interfaces of the store for each part of a farm: a caller names the narrowest one that it needs.

One class of tests, tests/contract, runs on every backend.

Thread safety:
    Threads may share a store: each call takes a connection of its own. A process must not use a store that it
    inherited by fork.

Consistency:
    Each call is one transaction: it happens as a whole or not at all, and repeating it after an error does no harm.
    Commands on a job are compare-and-set, fenced by the attempt. SQLite reads one state throughout a call; PostgreSQL
    reads what was committed when each statement began.

Raises:
    Every method raises StoreUnavailable, with one clear line, where the database cannot be used.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from pydantic import JsonValue

from farm.model import (
    Claim,
    Domain,
    FailedTrial,
    Heartbeat,
    JobMessage,
    Machine,
    MachineState,
    MachineStatus,
    MeasurementRow,
    Owner,
    Progress,
    Quality,
    Requests,
    Sample,
    SweepRecord,
    TraceReport,
    TrialReport,
    TrialRow,
    Window,
    WindowKind,
)
from farm.store.messages import AtWork, UnpublishedJobs
from farm.store.searches import AskedJob, Search, Trained
from farm.store.sweeps import NewJob


class WorkerStore(Protocol):
    """The interface of a worker: it registers, claims jobs, renews their leases, and stores their reports.

    A message is won by at most one claim, and each claim is a new attempt. A report is stored at most once, and only
    while no later attempt was begun. `claim` raises WorkerOutdated for a spec that this program cannot read.
    """

    def register_machine(self, machine: Machine, owner: Owner, version: str) -> None: ...
    def machine_beat(
        self, machine_id: str, running_job: str | None, spooled: int = 0, rejected: int = 0
    ) -> MachineState: ...
    def claim(self, job: str, seen: int, owner: Owner, machine_id: str, lease_s: float) -> Claim | None: ...
    def heartbeat(self, job: str, attempt: int, owner: Owner, lease_s: float) -> Heartbeat: ...
    def complete(self, report: TrialReport) -> bool: ...
    def return_message(self, job: str, attempt: int) -> bool: ...
    def release(self, owner: Owner) -> int: ...


class TunerStore(Protocol):
    """The interface of the tuner: it reads the jobs and results of studies, and adds jobs.

    A study has one configuration of each number, the first one that was stored.
    """

    def asked_jobs(self, sweep_id: str) -> list[AskedJob]: ...
    def trained(self, sweep_id: str, studies: Collection[str]) -> list[Trained]: ...
    def extend(self, sweep_id: str, jobs: Sequence[NewJob]) -> int: ...
    def settle(self, sweep_id: str) -> None: ...


class ControllerStore(TunerStore, Protocol):
    """The interface of the controller: jobs to publish, leases that ran out, sweeps that may need more jobs.

    Any number of controllers may share a store: of two plans of the same work the first is stored, and a settled sweep
    gets no more jobs.
    """

    def outbox(self, sweep_id: str | None = None) -> list[UnpublishedJobs]: ...
    def unpublished(self, sweep_id: str, queue: str, limit: int) -> list[JobMessage]: ...
    def mark_published(self, messages: Sequence[JobMessage]) -> None: ...
    def at_work(self, sweep_id: str | None = None) -> list[AtWork]: ...
    def present(self, within_s: float) -> list[Machine]: ...
    def stale_messages(self, *, older_than_s: float, limit: int, sweep_id: str | None = None) -> list[JobMessage]: ...
    def overtaken_messages(
        self, *, older_than_s: float, limit: int, sweep_id: str | None = None
    ) -> list[JobMessage]: ...
    def expire_leases(self) -> list[str]: ...
    def searches(self, sweep_id: str | None = None) -> list[Search]: ...
    def undecided(self) -> list[SweepRecord]: ...
    def jobs(self, sweep_id: str) -> list[NewJob]: ...
    def samples(
        self, sweep_ids: Collection[str], domain: Domain | None = None, parts: bool = False
    ) -> list[Sample]: ...


class ReaderStore(Protocol):
    """The interface of a reader of results, which never writes. Unknown values are None.

    `find_trial` and `find_sweep` raise InputError, with the remedy, for an unknown name.
    """

    def find_sweep(self, name_or_id: str | None = None) -> SweepRecord: ...
    def find_trial(self, name: str) -> TrialRow: ...
    def samples(
        self, sweep_ids: Collection[str], domain: Domain | None = None, parts: bool = False
    ) -> list[Sample]: ...
    def trial_rows(self, *sweep_ids: str) -> Iterator[TrialRow]: ...
    def measurement_rows(
        self, *sweep_ids: str, kinds: Collection[WindowKind] | None = None
    ) -> Iterator[MeasurementRow]: ...
    def requests(self, *sweep_ids: str) -> dict[str, list[Requests]]: ...
    def latencies(self, sweep_ids: Collection[str]) -> dict[str, tuple[float, ...]]: ...
    def published_accuracy(self, sweep_ids: Collection[str]) -> dict[str, float]: ...
    def jobs(self, sweep_id: str) -> list[NewJob]: ...
    def failures(self, sweep_id: str) -> list[FailedTrial]: ...
    def progress(self, sweep_id: str, planned: int = 0) -> Progress: ...
    def environments(self, *sweep_ids: str) -> dict[str, Mapping[str, JsonValue]]: ...
    def machines(self) -> list[MachineStatus]: ...
    def meters(self, sweep_id: str) -> dict[tuple[Domain, str | None, Quality | None], int]: ...
    def traces(self, trial_id: str) -> list[TraceReport]: ...
    def windows(self, trial_id: str) -> list[Window]: ...
