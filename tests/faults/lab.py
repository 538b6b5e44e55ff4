"""A farm of several machines on this one, and what is said of a fault: how long it lasted, how long recovery took."""

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

import farm.store.tables as t
from farm.model import JobState, MeasureSettings, WindowKind
from farm.store import Store
from tests.integration.farms import QUICK, Farm, wait_for

#: Outages as long as the card has them, and the settings that a farm has by default; else all of it is short.
AT_FULL_LENGTH = bool(os.environ.get("FAULTS_AT_FULL_LENGTH"))
LEASE_S, HEARTBEAT_S, GRACE_S = (60.0, 5.0, 60.0) if AT_FULL_LENGTH else (2.0, 0.5, 2.0)
#: Longer than a lease.
PARTITION_S = LEASE_S + 15 if AT_FULL_LENGTH else 2 * LEASE_S
#: Longer than that, so that a partition begins and ends in the middle of it.
LONG_TRIAL_S = PARTITION_S + LEASE_S / 2
WITHIN_S = 400.0 if AT_FULL_LENGTH else 90.0
#: PostgreSQL's own processes die here, never the kernel: it need not wait for the disk.
NO_SYNC = {"fsync": "off"}
SHAM = "tests.faults.sham_worker"


def lasting(full_s: float) -> float:
    """How long an outage lasts here that lasts `full_s` at full length."""
    return full_s if AT_FULL_LENGTH else 2 * LEASE_S


def trial_of(length_s: float, latencies: int = 1) -> MeasureSettings:
    """Settings under which a trial takes so long."""
    return QUICK.model_copy(update={"window_s": length_s, "latency_max_batches": latencies})


@dataclass
class Lab(Farm):
    """A farm whose machines have each a folder, a lock and a name; unless said otherwise they wait and measure not."""

    controller: "subprocess.Popen[bytes]" = field(init=False)  #: the latest
    workers: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)  #: the latest of each machine

    def start(
        self, *command: str, module: str = SHAM, prefix: Sequence[str] = (), log: str = "", **settings: str
    ) -> "subprocess.Popen[bytes]":
        timing = {"FARM_LEASE_S": LEASE_S, "FARM_HEARTBEAT_S": HEARTBEAT_S, "FARM_GRACE_S": GRACE_S}
        timed = {name: str(seconds) for name, seconds in timing.items()} | settings
        return super().start(*command, module=module, prefix=prefix, log=log, **timed)

    def serve(self, **settings: str) -> None:
        """A controller, the first or the next."""
        self.controller = self.start("serve", **settings)

    def start_machine(
        self, name: str, *, module: str = SHAM, prefix: Sequence[str] = (), **settings: str
    ) -> "subprocess.Popen[bytes]":
        """A worker on a machine of that name, which need not have joined yet."""
        placed = self.place(name) | settings
        self.workers[name] = self.start("worker", "--verbose", module=module, prefix=prefix, log=name, **placed)
        return self.workers[name]

    def join(
        self, name: str, *, module: str = SHAM, prefix: Sequence[str] = (), **settings: str
    ) -> "subprocess.Popen[bytes]":
        """A worker on a machine of that name, as soon as it has joined."""
        before = self.owners()
        worker = self.start_machine(name, module=module, prefix=prefix, **settings)
        self.wait_for(f"{name} joins", lambda: self.owners() - before or worker.poll() is not None)
        assert worker.poll() is None, self.said_by(name)
        return worker

    def place(self, name: str) -> dict[str, str]:
        """The settings that make a machine."""
        home = self.home / name
        home.mkdir(exist_ok=True)
        return {"FARM_HOME": str(home), "FARM_LOCK_FILE": str(home / "lock"), "FARM_MACHINE_NAME": name}

    def said_by(self, name: str) -> str:
        """The log of a machine."""
        return (self.home / f"{name}.log").read_text(errors="replace")

    def spooled(self, name: str) -> list[Path]:
        """Reports on a machine's disk."""
        return sorted((self.home / name / "spool").glob("*.json"))

    def database_through(self, port: int, host: str = "127.0.0.1") -> str:
        """The URL of the database by way of a proxy."""
        name = self.store_url.partition("@/")[2].partition("?")[0]
        return f"postgresql://postgres@{host}:{port}/{name}"

    def wait_for(self, what: str, look: Callable[[], Any]) -> Any:
        """What `look` finds; where that takes too long, the test ends with what everybody said last."""
        try:
            return wait_for(what, look, WITHIN_S)
        except AssertionError as error:
            logs = sorted(self.home.glob("*.log"))
            words = [
                f"{log.name}: {line}" for log in logs for line in log.read_text(errors="replace").splitlines()[-9:]
            ]
            raise AssertionError("\n".join([str(error), *words])) from None

    def wait_for_state(self, sweep: str, state: JobState, count: int = 1) -> None:
        """So many jobs of a sweep are there."""
        self.wait_for(f"{count} of {sweep} {state}", lambda: self.progress(sweep).counts.get(state, 0) >= count)

    def claim_of(self, job: str, attempt: int) -> datetime:
        """When an attempt at a job began, once it has."""

        def look() -> datetime | None:
            with self.store.read() as connection:
                row = connection.execute(select(t.job.c.attempt, t.job.c.claimed_at).where(t.job.c.id == job)).one()
            return row.claimed_at if row.attempt >= attempt else None

        found: datetime = self.wait_for(f"attempt {attempt} at {job}", look)
        return found

    def next_claim(self, after: datetime) -> datetime:
        """When the first attempt after that moment began, once one has."""

        def look() -> datetime | None:
            with self.store.read() as connection:
                query = select(t.job.c.claimed_at).where(t.job.c.claimed_at > after).order_by(t.job.c.claimed_at)
                return connection.scalars(query.limit(1)).one_or_none()

        found: datetime = self.wait_for("a claim", look)
        return found

    def wait_until_each_once(self, sweep: str, jobs: Sequence[str]) -> None:
        """Wait until nothing of a sweep is open; then every job is measured, and stored exactly once."""
        self.wait_for(f"{sweep} is over", lambda: self.progress(sweep).is_over)
        assert self.progress(sweep).counts == {JobState.DONE: len(jobs)}
        assert Counter(trial.job for trial in self.trials(sweep) if trial.failure is None) == Counter(jobs)
        rows = [row for row in self.store.measurement_rows(sweep, kinds=[WindowKind.MEASURE]) if row.failure is None]
        assert len({row.trial for row in rows}) == len(jobs)
        assert {row.job for row in rows} == set(jobs)
        assert len({(row.trial, row.window_index, row.domain) for row in rows}) == len(rows)


@contextmanager
def running_lab(home: Path, broker_url: str, store_url: str) -> Iterator[Lab]:
    """A lab without any process yet; ended whatever happens."""
    with Store.open(store_url, create=True) as store:
        lab = Lab(home, broker_url, store_url, store)
        try:
            yield lab
        finally:
            lab.close()


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Fault:
    """A line of the table that `make test-faults` ends with."""

    what: str
    outage_s: float | None  #: how long it lasted; None: no longer than the blow
    recovery_s: float | None  #: None: there was nothing to recover from
    counted: str  #: from what until what

    def as_property(self) -> tuple[str, Mapping[str, Any]]:
        """For pytest's report."""
        return "fault", vars(self)


Note = Callable[[Fault], None]
