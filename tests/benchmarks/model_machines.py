"""A model of many machines in one process: what they ask of Redis and of the database, without their trials.

    python -m tests.benchmarks.model_machines FIRST COUNT TRIAL_S SETTLE_S SECONDS

Each machine is a thread with a store and a connection to Redis of its own. It listens on its queues as a worker does,
claims, beats, and reports through the farm's own store; a trial is TRIAL_S of waiting. The thread does one thing at a
time, where a worker beats beside its trial: so it holds one connection to the database, where a worker may hold two.
Prints, in JSON, how long the store took for each command, in s, in the SECONDS after the first SETTLE_S.
"""

import base64
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random

import redis

from farm.model import Domain, Machine, Measurement, Owner, TrialReport, Window, WindowKind, queue_for
from farm.model.errors import FarmError
from farm.settings import Settings, load_settings
from farm.store import Store

CLASS = "model-cpu"


class ModelMachine(threading.Thread):
    """One machine and its worker."""

    def __init__(self, number: int, trial_s: float, from_s: float, until_s: float, settings: Settings) -> None:
        super().__init__(daemon=True)
        self.took_s: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self._number = number
        self._trial_s = trial_s
        self._from_s = from_s
        self._until_s = until_s
        self._settings = settings
        self._machine = Machine(id=f"model{number}", name=f"model{number}", hardware_class=CLASS, hardware={})
        self._owner = Owner(f"model{number}", number + 1, "model")
        queues = [queue_for(target) for target in ("any", f"hw:{CLASS}", f"machine:{self._machine.name}")]
        self._keys = [f"farm:{q}{suffix}" for q in queues for suffix in ("", *(f"\x06\x16{p}" for p in range(1, 10)))]

    def run(self) -> None:
        """Beat, listen, measure; a store or broker that fails is counted."""
        time.sleep(Random(self._number).uniform(0, self._settings.heartbeat_s))
        with Store(self._settings.store_url) as store, redis.Redis.from_url(self._settings.broker_url) as broker:
            while time.monotonic() < self._until_s:
                try:
                    with self._timed("register"):
                        store.register_machine(self._machine, self._owner, "model")
                    self._serve(store, broker)
                except (FarmError, redis.RedisError) as error:
                    self.errors.append(str(error).partition(": ")[2] or str(error))
                    time.sleep(self._settings.heartbeat_s)

    def _serve(self, store: Store, broker: "redis.Redis") -> None:
        while time.monotonic() < self._until_s:
            with self._timed("beat"):
                store.machine_beat(self._machine.id, None)
            popped = broker.brpop(self._keys, timeout=self._settings.heartbeat_s)
            if popped is not None:
                self._answer(store, popped[1])

    def _answer(self, store: Store, popped: bytes | str) -> None:
        message = json.loads(base64.b64decode(json.loads(popped)["body"]))[1]
        with self._timed("claim"):
            claim = store.claim(
                message["job"], message["attempt"], self._owner, self._machine.id, self._settings.lease_s
            )
        if claim is None:
            return
        started, begin_ns, end_s = datetime.now(UTC), time.monotonic_ns(), time.monotonic() + self._trial_s
        while (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(left_s, self._settings.heartbeat_s))
            with self._timed("beat"):
                store.machine_beat(self._machine.id, claim.spec.job)
            with self._timed("heartbeat"):
                store.heartbeat(claim.spec.job, claim.attempt, self._owner, self._settings.lease_s)
        window = Window(
            kind=WindowKind.MEASURE, begin_at_ns=begin_ns, end_at_ns=time.monotonic_ns(), started_at_utc=started
        )
        with self._timed("complete"):
            store.complete(
                TrialReport(
                    job=claim.spec.job,
                    attempt=claim.attempt,
                    machine=self._machine.id,
                    started_at_utc=started,
                    finished_at_utc=datetime.now(UTC),
                    duration_s=self._trial_s,
                    windows=(window,),
                    measurements=(_unknown(),),
                    latencies_s=(0.01,) * 1000,
                )
            )

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begin_s = time.perf_counter()
        yield
        if self._from_s <= time.monotonic() < self._until_s:
            self.took_s[what].append(time.perf_counter() - begin_s)


def _unknown() -> Measurement:
    return Measurement(
        window_kind=WindowKind.MEASURE, window_index=0, domain=Domain.CPU, quality=None, source=None, gross_j=None
    )


def main() -> None:
    """Run them all, and print what they saw."""
    first, count = int(sys.argv[1]), int(sys.argv[2])
    trial_s, settle_s, seconds = (float(word) for word in sys.argv[3:6])
    settings = load_settings()
    threading.stack_size(256 * 1024)
    from_s = time.monotonic() + settle_s
    numbers = range(first, first + count)
    machines = [ModelMachine(number, trial_s, from_s, from_s + seconds, settings) for number in numbers]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.join(settle_s + seconds + trial_s + 60)
    took_s: dict[str, list[float]] = defaultdict(list)
    for machine in machines:
        for what, times_s in machine.took_s.items():
            took_s[what] += times_s
    errors = [error for machine in machines for error in machine.errors]
    print(json.dumps({"took_s": took_s, "errors": len(errors), "first_error": errors[0] if errors else ""}))


if __name__ == "__main__":
    main()
