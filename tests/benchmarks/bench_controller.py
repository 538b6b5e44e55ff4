"""What `farm run`'s own process costs while a trial runs: its loop and its display sit beside the measurement."""

import os
import pty
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.benchmarks.farms import FARM, OVER_WITHIN_S, cpu_s, new_farm
from tests.benchmarks.figures import Figure

#: After a minute the jobs that wait were published longer ago than the grace time, and are looked at again.
SETTLE_S = 65.0
WINDOW_S = 20.0
AT_MOST_PERCENT = 2.0
JOBS = 1000
SWEEP = f"""
name: watched
kind: inference
workload: {{model: shufflenet_v2_x0_5, batch_size: 1, device: cpu, threads: 1}}
measure: {{profile: quick, window_s: {SETTLE_S + WINDOW_S}, idle_s: 0.5, context_idle_s: 0.5, latency_s: 0.5}}
repetitions: {JOBS}
"""


def figures() -> Iterator[Figure]:
    """One long trial at the head of a queue, watched on a terminal."""
    with new_farm() as farm, farm.store() as store, _terminal() as terminal:
        command = (*FARM, "run", str(farm.sweep(SWEEP)))
        with farm.running(*command, stderr=terminal) as process:
            deadline_s = time.monotonic() + OVER_WITHIN_S
            while not any(store.progress(sweep.id).running for sweep in store.sweeps()):
                farm.fail_unless_alive(process)
                if time.monotonic() > deadline_s:
                    raise RuntimeError("no trial begins")
                time.sleep(0.2)
            time.sleep(SETTLE_S)
            begin_cpu_s, begin_s = cpu_s(process), time.monotonic()
            time.sleep(WINDOW_S)
            percent = 100 * (cpu_s(process) - begin_cpu_s) / (time.monotonic() - begin_s)
            farm.fail_unless_alive(process)
    yield Figure(
        what=f"CPU of `farm run` itself while a trial runs, {JOBS:,} jobs",
        value=percent,
        unit="% of a core",
        at_most=AT_MOST_PERCENT,
        how=f"user and system time of its process over {WINDOW_S:.0f} s, {SETTLE_S:.0f} s after the claim, "
        "its live display on a terminal; without the worker and the trial",
    )


@contextmanager
def _terminal() -> Iterator[int]:
    """A terminal that nobody looks at; yields the end that a program writes to."""
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=_drain, args=(ours,))
    reader.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)


def _drain(descriptor: int) -> None:
    with suppress(OSError):  # how Linux says that the other end has closed
        while os.read(descriptor, 1 << 16):
            pass
