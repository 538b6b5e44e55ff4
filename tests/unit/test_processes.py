"""What the trials of a dead worker have left is found by its mark, and killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psutil
import pytest

from workers.supervisor import processes
from workers.supervisor.processes import MARK, kill_left_overs, kill_marked, mark

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


@pytest.mark.slow
def test_what_a_helper_that_died_left_is_killed_and_nothing_of_another_helper() -> None:
    of_the_dead, of_the_living = mark(), mark()
    with sleeper(_SLEEP, **of_the_living) as ours, sleeper(_PARENT, _CHILD, **of_the_dead) as trial:
        told(ours)
        child = psutil.Process(int(told(trial)))
        assert set(kill_marked(of_the_dead)) == {trial.pid, child.pid}
        assert ours.poll() is None


def test_processes_that_appear_faster_than_they_are_killed_do_not_keep_a_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pids = count(2**22 + 1)  # no process has such a pid
    monkeypatch.setattr(processes, "_marked", lambda *_: [next(pids), next(pids)])
    killed = kill_left_overs()
    assert len(killed) <= 200
    assert caplog.messages == [f"killed {len(killed)} processes that trials left, and still more appear: end them"]


def test_processes_of_other_users_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    own = mark()
    with sleeper(_SLEEP, **own) as ours:
        told(ours)
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert kill_marked(own) == []
        monkeypatch.undo()
        assert kill_marked(own) == [ours.pid]


#: Adopts orphans, lets a program leave processes as a trial may, and ends all of them.
_TRIAL = """
import os, subprocess, sys
from workers.supervisor import processes
processes.adopt_orphans()
subprocess.run([sys.executable, "-c", sys.argv[1]], stdout=subprocess.DEVNULL, check=True, start_new_session=True)
print(processes.end_children(20.0), os.getpid(), flush=True)
input()
"""
_DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {work}
        time.sleep(600)
    os._exit(0)
"""
#: A bound, in case they are not ended.
_MANY = 3000
_LEFT = {
    "a daemon": "pass",
    "a daemon without our mark": "os.execve('/bin/sleep', ['sleep', '600'], {})",
    "one that ignores signals": "import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]",
    "one that is stopped": "os.kill(os.getpid(), 19)",
    "a family": "[os.fork() for _ in range(5)]",
    "one that is always another process": f"[os._exit(0) if os.fork() else os.setsid() for _ in range({_MANY})]",
    "many, each a group of its own": "[os.fork() or os.setsid() for _ in range(6)]",
}


@pytest.mark.parametrize("work", _LEFT.values(), ids=_LEFT.keys())
def test_whatever_a_trial_leaves_is_ended(work: str) -> None:
    own = mark()
    with sleeper(_TRIAL, _DAEMON.format(work=work), **own) as helper:
        stuck, _, pid = told(helper).rpartition(" ")
        assert stuck == "[]"
        assert psutil.Process(int(pid)).children(recursive=True) == []
        assert kill_marked(own) == [helper.pid]  # nothing else bears the mark, wherever it hid
