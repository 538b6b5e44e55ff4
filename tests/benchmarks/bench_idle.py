"""What a worker costs that waits: it sits on the machine whose idle power is the baseline."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from tests.benchmarks.farms import FARM, READY_WITHIN_S, Farm, cpu_s, new_farm
from tests.benchmarks.figures import Figure
from tests.services import running_redis

#: After joining the farm, before the figure is taken: the first heartbeat and the first look at the broker are over.
SETTLE_S = 20.0
#: One more look of the watchdog at the broker is within it.
WINDOW_S = 180.0
AT_MOST_PERCENT = 0.05
CPU_HOW = f"user and system time of the worker and its helper over {WINDOW_S:.0f} s, default settings and heartbeat"


def figures() -> Iterator[Figure]:
    """On each broker one worker: its CPU over minutes; and the memory of the worker and its helper."""
    yield from idle_figures("filesystem broker", "filesystem://")
    try:
        with TemporaryDirectory() as folder, running_redis(Path(folder)) as redis:
            yield from idle_figures("Redis", redis.url)
    except pytest.skip.Exception as reason:
        yield Figure(what="idle worker, Redis", value=None, how=str(reason))


def idle_figures(broker: str, broker_url: str, database_url: str = "") -> Iterator[Figure]:
    """One worker with that broker and that database."""
    with ExitStack() as stack:
        farm = stack.enter_context(new_farm(broker_url, database_url))
        worker = stack.enter_context(farm.running(*FARM, "worker"))
        _await_membership(farm, worker)
        helpers = worker.children(recursive=True)
        begin_cpu_s, begin_s = cpu_s(worker, *helpers), time.monotonic()
        time.sleep(WINDOW_S)
        percent = 100 * (cpu_s(worker, *helpers) - begin_cpu_s) / (time.monotonic() - begin_s)
        yield Figure(
            what=f"CPU of an idle worker, {broker}",
            value=percent,
            unit="% of a core",
            at_most=AT_MOST_PERCENT,
            how=CPU_HOW,
        )
        for who, processes in (("worker", [worker]), ("helper with torch imported", helpers)):
            resident = sum(process.memory_info().rss for process in processes) / 2**20
            how = f"resident set, after {SETTLE_S + WINDOW_S:.0f} s of idleness; no trial has run"
            yield Figure(what=f"memory of an idle {who}, {broker}", value=resident, unit="MiB", digits=0, how=how)


def _await_membership(farm: Farm, worker: psutil.Popen) -> None:
    """Wait until the worker has joined the farm and come to rest."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    with farm.store() as store:
        while not store.machines():
            farm.fail_unless_alive(worker)
            if time.monotonic() > deadline_s:
                raise RuntimeError("the worker does not join the farm")
            time.sleep(0.2)
    time.sleep(SETTLE_S)
