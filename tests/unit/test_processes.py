"""What the trials of a dead worker have left is found by its mark, and killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from workers.supervisor.processes import MARK, kill_left_overs, mark

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_SLEEP = "print(flush=True); input()"
#: Starts a child in a session of its own, as a trial's data loader might, and ends.
_PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
input()
"""
_CHILD = "import time; print(flush=True); time.sleep(600)"


@contextmanager
def sleeper(program: str, *arguments: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def told(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def mark_of_a_dead_worker() -> dict[str, str]:
    with sleeper(_SLEEP) as worker:
        told(worker)
        return {MARK: mark()[MARK].replace(str(os.getpid()), str(worker.pid), 1)}


@pytest.mark.slow
def test_what_a_dead_worker_left_is_killed_and_nothing_else() -> None:
    with sleeper(_SLEEP, **mark()) as ours, sleeper(_SLEEP) as foreign:
        with sleeper(_PARENT, _CHILD, **mark_of_a_dead_worker()) as trial:
            told(ours)
            told(foreign)
            child = psutil.Process(int(told(trial)))
            kill_left_overs()  # a worker of another test may have been faster
            assert trial.wait(60) == -9
            _, alive = psutil.wait_procs([child], 60)
            assert alive == []
        assert (ours.poll(), foreign.poll()) == (None, None)
