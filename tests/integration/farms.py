"""A farm of real processes in a folder of its own: what is told to it, and what is seen of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from farm.model import FailureKind, JobSpec, MeasureSettings, Progress
from farm.store import NewJob, Store
from tests.contract.store_records import record

#: Importing torch on a busy machine takes its time.
WITHIN_S = 90.0
QUICK = MeasureSettings(
    profile="quick", window_s=0.2, windows=1, min_iterations=2, idle_s=0.1, cool_down_max_s=0,
    context_idle_s=0.1, warmup_s=0.1,
    warmup_max_s=0.3, latency_s=0.1, latency_max_batches=1000, guard_s=0.02, poll_period_s=0.05,
)  # fmt: skip
#: Long enough to be met in its middle.
SLOW = QUICK.model_copy(update={"window_s": 2.0})
Found = TypeVar("Found")


def wait_for(what: str, look: Callable[[], Found | None], within_s: float = WITHIN_S) -> Found:
    """What `look` finds, as soon as it is something true; fails when that takes too long."""
    deadline_s = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline_s, f"waited in vain: {what}"
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Trial:
    """One attempt, as the store has it."""

    job: str
    attempt: int
    failure: FailureKind | None = None
    signal: int | None = None


@dataclass
class Farm:
    """Shares nothing with another farm, nor with the user's."""

    home: Path
    broker_url: str
    store_url: str
    store: Store
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(
        self, *command: str, module: str = "farm", prefix: Sequence[str] = (), log: str = "", **settings: str
    ) -> "subprocess.Popen[bytes]":
        """A `farm` command of this farm, where leases soon run out; its output goes to a log."""
        own = {
            "FARM_HOME": str(self.home),
            "FARM_LOCK_FILE": str(self.home / "machine.lock"),
            "FARM_BROKER_URL": self.broker_url,
            "FARM_DATABASE_URL": self.store_url,
            "FARM_LEASE_S": "3",
            "FARM_HEARTBEAT_S": "1",
            "FARM_GRACE_S": "2",
        }
        with (self.home / f"{log or command[0]}.log").open("ab") as out:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", module, *command],
                env={**os.environ, **own, **settings},
                cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.processes.append(process)
        return process

    def start_worker(self, *options: str, **settings: str) -> "subprocess.Popen[bytes]":
        """A worker, as soon as it has joined the farm."""
        before = self.owners()
        worker = self.start("worker", "--verbose", *options, **settings)
        wait_for("the worker joins the farm", lambda: self.owners() - before or worker.poll() is not None)
        assert worker.poll() is None, self.log()
        return worker

    def owners(self) -> set[str]:
        """The workers that have joined."""
        return {status.owner for status in self.store.machines()}

    def log(self) -> str:
        """What the workers said."""
        return (self.home / "worker.log").read_text(errors="replace")

    def submit(self, sweep: str, count: int = 1, measure: MeasureSettings = QUICK, **point: str | int) -> list[str]:
        """Queue jobs of a sweep; returns their ids in the order of the plan."""
        specs = [
            JobSpec(
                job=f"{sweep}-{n}",
                sweep=sweep,
                kind="inference",
                point={"model": "shufflenet_v2_x0_5", "batch_size": 1, "device": "cpu", "threads": 1, **point},
                repetition=n,
                target="any",
                measure=measure,
                seed=1,
                time_limit_s=60,
            )
            for n in range(count)
        ]
        jobs = [NewJob(s.job, n, n, "farm.any", 5, 3, s) for n, s in enumerate(specs)]
        assert self.store.submit(record(sweep, sweep), jobs) == count
        return [spec.job for spec in specs]

    def progress(self, sweep: str) -> Progress:
        return self.store.progress(sweep)

    def wait_until_over(self, sweep: str) -> list[Trial]:
        """All trials of a sweep, once nothing of it waits or runs."""
        wait_for(f"{sweep} is over", lambda: self.progress(sweep).is_over)
        return self.trials(sweep)

    def trials(self, sweep: str) -> list[Trial]:
        return [
            Trial(row.job, row.attempt, row.failure.kind, row.failure.signal)
            if row.failure
            else Trial(row.job, row.attempt)
            for row in self.store.trial_rows(sweep)
        ]

    def close(self) -> None:
        """End what is left, whatever state it is in."""
        for process in self.processes:
            process.kill()
            process.wait()


@contextmanager
def running_farm(home: Path, broker_url: str, store_url: str) -> Iterator[Farm]:
    """A farm without any process yet; ended whatever happens."""
    with Store.open(store_url, create=True) as store:
        farm = Farm(home, broker_url, store_url, store)
        try:
            yield farm
        finally:
            farm.close()


def family(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """A worker, its helper and its trial, as far as there are such."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def running_trial(worker: "subprocess.Popen[bytes]") -> psutil.Process:
    """The process of the trial that a worker runs, once there is one."""

    def look() -> psutil.Process | None:
        trials = [p for helper in psutil.Process(worker.pid).children() for p in helper.children()]
        return trials[0] if trials else None

    return wait_for("a trial runs", look)


def assert_gone(processes: list[psutil.Process]) -> None:
    """None of these processes lives on."""
    _, alive = psutil.wait_procs(processes, WITHIN_S)
    assert alive == []


def kill(process: psutil.Process) -> None:
    """As the kernel does when memory runs out."""
    process.send_signal(signal.SIGKILL)
