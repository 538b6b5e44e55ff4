"""Several machines of one farm on this one: each has a folder, a lock and a name of its own."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psutil

from farm.store import Store
from tests.benchmarks.farms import FARM, READY_WITHIN_S, Farm

NOOP = "tests.benchmarks.noop_worker"
#: Its trials only wait.
SHAM = "tests.faults.sham_worker"
TICK_S = 0.05


@contextmanager
def at_work(farm: Farm, store: Store, count: int, module: str = NOOP) -> Iterator[list[psutil.Popen]]:
    """A controller, and so many workers that have joined; yields the workers."""
    with ExitStack() as stack:
        stack.enter_context(farm.running(*FARM, "serve"))
        workers = [stack.enter_context(farm.running(*command_of(farm, f"m{n}", module))) for n in range(count)]
        wait_until("every worker has joined", lambda: len(store.machines()) == count)
        for worker in workers:
            farm.fail_unless_alive(worker)
        time.sleep(1.0)  # from joining to listening
        yield workers


def command_of(farm: Farm, name: str, module: str = NOOP) -> tuple[str, ...]:
    """What starts the worker of a machine."""
    home = farm.home / name
    home.mkdir(exist_ok=True)
    place = (f"FARM_HOME={home}", f"FARM_LOCK_FILE={home / 'lock'}", f"FARM_MACHINE_NAME={name}")
    return ("env", *place, sys.executable, "-m", module, "worker")


def wait_until(what: str, is_so: Callable[[], bool], within_s: float = READY_WITHIN_S) -> None:
    """Raise RuntimeError where it takes too long."""
    deadline_s = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"waited in vain: {what}")
        time.sleep(TICK_S)
