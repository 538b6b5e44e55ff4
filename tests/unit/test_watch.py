"""Looks at who else uses this machine."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from workers.supervisor.watch import Watch

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
