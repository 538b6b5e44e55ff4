"""Many short jobs, many workers, and a fault every few seconds: is one lost, is one stored twice?

    python -m tests.faults.soak [--jobs 2000] [--workers 8] [--every 2] [--seed 1]

The workers are real processes whose trials only wait. The same seed makes the same faults in the same order; when they
strike is a matter of the machine.
"""

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from farm.model import JobState
from farm.model.errors import StoreUnavailable
from tests.benchmarks.figures import machine_line
from tests.faults.lab import NO_SYNC, Lab, running_lab, trial_of
from tests.faults.network import Proxy, proxy
from tests.services import PostgresServer, RedisServer, fresh_database, postgres_server, running_redis

SWEEP = "soak"
TIMING = {"FARM_LEASE_S": "5", "FARM_HEARTBEAT_S": "1", "FARM_GRACE_S": "3"}
#: Nothing is worse than a soak that never ends.
OVER_WITHIN_S = 900.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of the jobs."""

    jobs: int
    done: int
    failed: int  #: with a reason: every attempt was lost
    lost: int  #: neither
    twice: int  #: measured and stored more than once
    attempts: int
    faults: int
    wall_s: float

    def __str__(self) -> str:
        return (
            f"{self.jobs:,} jobs, {self.attempts:,} attempts, {self.faults} faults in {self.wall_s:.0f} s: "
            f"{self.done:,} done, {self.failed} failed with a reason, {self.lost} lost, {self.twice} stored twice"
        )


class Soak:
    """A lab under fire. Every other machine reaches Redis and the database by ways that can fail."""

    def __init__(
        self, lab: Lab, redis: RedisServer, postgres: PostgresServer, ways: tuple[Proxy, Proxy], seed: int
    ) -> None:
        self._lab = lab
        self._redis = redis
        self._postgres = postgres
        self._ways = ways
        self._random = random.Random(seed)
        self._healing: list[threading.Timer] = []
        self._done = 0  #: jobs at the last look
        self._faults: tuple[Callable[[], str], ...] = (
            self._kill_worker,
            self._kill_worker,
            self._kill_controller,
            self._stop_redis,
            self._break_network,
            self._stop_postgres,
        )

    def run(
        self, jobs: int, workers: int, every_s: float, length_s: float, say: Say, at_most: int | None = None
    ) -> Outcome:
        """Faults, `at_most` so many, until every job is over or nobody can wait any longer."""
        self._lab.serve(**TIMING)
        for number in range(workers):
            self._start(f"m{number}")
        self._lab.submit(SWEEP, jobs, measure=trial_of(length_s))
        self._lab.wait_for_state(SWEEP, JobState.DONE)
        begin_s, faults = time.monotonic(), 0
        while not self._is_over() and time.monotonic() - begin_s < OVER_WITHIN_S:
            if at_most is None or faults < at_most:
                fault = self._random.choice(self._faults)
                say(f"{time.monotonic() - begin_s:6.1f} s  {self._done:5,} done  {fault()}")
                faults += 1
            time.sleep(every_s)
        wall_s = time.monotonic() - begin_s
        for timer in self._healing:
            timer.join()
        return self._outcome(jobs, faults, wall_s)

    def _is_over(self) -> bool:
        try:
            progress = self._lab.progress(SWEEP)
        except StoreUnavailable:
            return False
        self._done = progress.closed
        return progress.is_over

    def _start(self, name: str) -> None:
        to_redis, to_postgres = self._ways
        roundabout = {
            "FARM_BROKER_URL": f"redis://127.0.0.1:{to_redis.port}/0",
            "FARM_DATABASE_URL": self._lab.database_through(to_postgres.port),
        }
        is_roundabout = int(name.removeprefix("m")) % 2 == 1
        self._lab.start_machine(name, **TIMING, **(roundabout if is_roundabout else {}))

    def _kill_worker(self) -> str:
        name = self._random.choice(sorted(self._lab.workers))
        self._lab.workers[name].kill()
        self._lab.workers[name].wait()
        self._start(name)
        return f"kill -9 of the worker on {name}, started again"

    def _kill_controller(self) -> str:
        self._lab.controller.kill()
        self._lab.controller.wait()
        self._lab.serve(**TIMING)
        return "kill -9 of the controller, started again"

    def _stop_redis(self) -> str:
        down_s, keeps = self._random.uniform(0.2, 1.5), self._random.random() < 0.5
        self._redis.kill()
        time.sleep(down_s)
        if not keeps:
            self._redis.forget()
        self._redis.start()
        return f"Redis stopped for {down_s:.1f} s, back {'with' if keeps else 'without'} its data"

    def _stop_postgres(self) -> str:
        down_s = self._random.uniform(0.2, 1.5)
        self._postgres.stop()
        time.sleep(down_s)
        self._postgres.start()
        return f"PostgreSQL stopped for {down_s:.1f} s"

    def _break_network(self) -> str:
        lasts_s, is_silent = self._random.uniform(0.5, 8.0), self._random.random() < 0.5
        for way in self._ways:
            way.silence() if is_silent else way.cut()
            timer = threading.Timer(lasts_s, way.heal)
            timer.start()
            self._healing.append(timer)
        return f"network of every other machine {'silent' if is_silent else 'cut'} for {lasts_s:.1f} s"

    def _outcome(self, jobs: int, faults: int, wall_s: float) -> Outcome:
        counts = self._lab.progress(SWEEP).counts
        trials = self._lab.trials(SWEEP)
        measured = Counter(trial.job for trial in trials if trial.failure is None)
        reasons = {trial.job for trial in trials if trial.failure is not None}
        failed = counts.get(JobState.FAILED, 0)
        return Outcome(
            jobs=jobs,
            done=counts.get(JobState.DONE, 0),
            failed=failed,
            lost=jobs - len(measured) - len(reasons - measured.keys()) + self._lab.progress(SWEEP).open,
            twice=sum(1 for times in measured.values() if times > 1),
            attempts=len(trials),
            faults=faults,
            wall_s=wall_s,
        )


@contextmanager
def soaked(folder: Path, seed: int) -> Iterator[Soak]:
    """A lab, its services and its ways, with no process of the farm yet."""
    (folder / "redis").mkdir()
    with (
        postgres_server(**NO_SYNC) as postgres,
        running_redis(folder / "redis", "--appendonly", "yes") as redis,
        fresh_database(postgres.url) as store_url,
        running_lab(folder, redis.url, store_url) as lab,
        proxy(redis.port) as to_redis,
        proxy(postgres.socket) as to_postgres,
    ):
        yield Soak(lab, redis, postgres, (to_redis, to_postgres), seed)


def main() -> int:
    """Print every fault and the outcome; 1 where a job was lost or stored twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description="Many jobs under fire.")
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="from one fault to the next")
    parser.add_argument("--length", type=float, default=0.2, metavar="SECONDS", help="of a trial")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left behind
    load_before = os.getloadavg()[0]
    print(f"{given.jobs:,} jobs of {given.length:g} s, {given.workers} workers, seed {given.seed}", flush=True)
    with TemporaryDirectory(prefix="farm-soak-") as folder, soaked(Path(folder), given.seed) as soak:
        outcome = soak.run(given.jobs, given.workers, given.every, given.length, partial(print, flush=True))
    print(outcome)
    print(machine_line(load_before))
    return 1 if outcome.lost or outcome.twice else 0


if __name__ == "__main__":
    sys.exit(main())
