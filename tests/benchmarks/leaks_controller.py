"""Memory and descriptors of `farm serve` while a worker that measures nothing completes many jobs.

`python -m tests.benchmarks.leaks_controller [JOBS]` prints CSV, then a table.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from farm.model import JobState
from farm.store import Store
from tests.benchmarks.farms import FARM, Farm, new_farm
from tests.contract.store_records import ANNE, LEASE_S, MACHINE, new_job, record, report

JOBS, STEP = 10_000, 1_000
#: A sweep is small enough for the store to plan it at once.
SWEEP_JOBS = 500


@dataclass(frozen=True)
class Usage:
    """What the controller holds after so many jobs."""

    jobs: int
    rss_mb: float
    descriptors: int
    threads: int


def usages(jobs: int = JOBS) -> Iterator[Usage]:
    """Serve, complete jobs through the store as their messages are published, and look every `STEP` jobs."""
    with new_farm() as farm, farm.store() as store, farm.running(*FARM, "serve") as process:
        store.register_machine(MACHINE, ANNE, "0.1.0")
        time.sleep(3)
        yield _usage(process, 0)
        for first in range(0, jobs, SWEEP_JOBS):
            _complete_sweep(farm, store, process, f"sweep{first:07d}")
            if (first + SWEEP_JOBS) % STEP == 0:
                yield _usage(process, first + SWEEP_JOBS)


def _complete_sweep(farm: Farm, store: Store, process: psutil.Popen, sweep: str) -> None:
    store.submit(record(sweep, sweep), [new_job(n, sweep) for n in range(SWEEP_JOBS)])
    left = {f"{sweep}-{n}" for n in range(SWEEP_JOBS)}
    while left:
        farm.fail_unless_alive(process)
        store.machine_beat(MACHINE.id, None)
        published = {message.job for message in store.stale_messages(older_than_s=-1, limit=SWEEP_JOBS)}
        for job in sorted(published & left):
            if store.claim(job, 0, ANNE, MACHINE.id, LEASE_S):
                store.complete(report(job, 1))
                left.discard(job)
        time.sleep(0.02)
    counts = store.progress(sweep).counts
    if counts != {JobState.DONE: SWEEP_JOBS}:
        raise RuntimeError(f"not all jobs are done: {counts}")


def _usage(process: psutil.Popen, jobs: int) -> Usage:
    return Usage(jobs, process.memory_info().rss / 2**20, process.num_fds(), process.num_threads())


def main() -> None:
    """Print the figures."""
    found = []
    print("jobs,rss_mb,descriptors,threads")
    for usage in usages(int(sys.argv[1]) if len(sys.argv) > 1 else JOBS):
        found.append(usage)
        print(f"{usage.jobs},{usage.rss_mb:.1f},{usage.descriptors},{usage.threads}", flush=True)
    print("\n  jobs  RSS, MB  descriptors  threads")
    for usage in found:
        print(f"{usage.jobs:6}  {usage.rss_mb:7.1f}  {usage.descriptors:11}  {usage.threads:7}")


if __name__ == "__main__":
    main()
