"""Looks at who else uses this machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from workers.simulator.process import PID_FILE
from workers.supervisor.watch import Watch

_ORPHAN = (
    "import os, time\nprint(os.getpid(), flush=True)\ninput()\n"
    "begin = time.process_time()\nwhile time.process_time() - begin < 0.4: pass\nprint(flush=True)\ntime.sleep(60)"
)
_WORK = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"


@pytest.fixture
def watch() -> Iterator[Watch]:
    with closing(Watch("cuda:0")) as made:
        yield made


def test_what_a_helper_used_stays_our_own_when_it_has_ended(watch: Watch) -> None:
    watch.look()
    with subprocess.Popen([sys.executable, "-c", _WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as helper:
        assert helper.stdout is not None
        helper.stdout.readline()
        watch.look()
        helper.communicate(b"\n")
    watch.look()
    before, during, after = watch.glances
    assert during.own_s - before.own_s >= 0.25
    assert after.own_s >= during.own_s
    assert before.at_ns < during.at_ns < after.at_ns
    assert after.busy_s >= during.busy_s > before.busy_s


@pytest.mark.parametrize("is_simulator", [True, False])
def test_the_process_of_a_simulated_gpu_counts_as_our_own(tmp_path: Path, is_simulator: bool) -> None:
    program = [sys.executable, "-c", "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])"]
    with subprocess.Popen([*program, _ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        # Its child is no child of ours once it has ended.
        pid = parent.stdout.readline().decode().strip()
        try:
            (tmp_path / PID_FILE).write_text(pid if is_simulator else "nobody")
            with closing(Watch("cuda:0", tmp_path)) as watch:
                watch.look()
                parent.stdin.write(b"\n")
                parent.stdin.flush()
                parent.stdout.readline()
                watch.look()
        finally:
            os.kill(int(pid), signal.SIGKILL)
    before, after = watch.glances
    assert (after.own_s - before.own_s >= 0.25) is is_simulator
