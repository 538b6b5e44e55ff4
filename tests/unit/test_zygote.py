"""The helper that forks trials: fresh processes, fast, and none left behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from farm.model import FailureKind, JobSpec
from farm.model.errors import FarmError, MachineUnfit
from tests.factories import job_spec
from workers.supervisor import zygote
from workers.supervisor.zygote import ExitStatus, TrialProcess, Zygote
from workers.trial import protocol

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

SPEC = job_spec(point={"model": "shufflenet_v2_x0_5", "batch_size": 2, "device": "cpu", "threads": 2})
GONE_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def started() -> Iterator[Zygote]:
    """One helper for many trials, as a worker has it."""
    zygote = Zygote()
    zygote.start()
    yield zygote
    zygote.close()


@pytest.mark.slow
def test_the_gpus_that_trials_see_are_counted(started: Zygote) -> None:
    import torch

    assert started.gpus == torch.cuda.device_count()


@pytest.fixture
def log_file() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        yield file


def follow(trial: TrialProcess, spec: JobSpec = SPEC) -> list[protocol.Event]:
    """All events of a trial, every edge answered."""
    trial.channel.send(protocol.Start(spec=spec))
    events: list[protocol.Event] = []
    while not events or not isinstance(events[-1], protocol.Done | protocol.Failed):
        for line in trial.channel.feed():
            events.append(protocol.EVENT.validate_json(line))
            if isinstance(events[-1], protocol.Edge):
                trial.channel.send(protocol.Go())
    return events


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_dies(pid: int) -> None:
    deadline_s = time.monotonic() + GONE_WITHIN_S
    while is_alive(pid):
        assert time.monotonic() < deadline_s, f"process {pid} lives on"
        time.sleep(0.01)


def test_a_trial_runs_torch_on_threads_of_its_own(started: Zygote, log_file: IO[bytes]) -> None:
    trial = started.spawn(log_file)
    events = follow(trial)
    assert isinstance(events[-1], protocol.Done)
    (facts,) = [event for event in events if isinstance(event, protocol.Facts)]
    assert facts.workload["threads"] == 2
    status = trial.wait(10)
    assert status is not None
    assert (status.code, status.signal) == (0, None)
    assert status.cpu_s
    assert trial.channel.sock.fileno() == -1


def _used_in_a_second(process: Path) -> int:
    """CPU time in ns."""
    begin_ns = int((process / "schedstat").read_text().split()[0])
    time.sleep(1)
    return int((process / "schedstat").read_text().split()[0]) - begin_ns


def test_the_helper_has_one_thread_and_sleeps(started: Zygote, log_file: IO[bytes]) -> None:
    trial = started.spawn(log_file)
    helper = Path(f"/proc/{parent_of(trial.pid)}")
    follow(trial)
    trial.wait(10)
    assert len(list((helper / "task").iterdir())) == 1
    # At first it still sees the trial off.
    assert any(_used_in_a_second(helper) == 0 for _ in range(5))


@pytest.mark.slow
def test_the_imports_leave_torch_and_cuda_untouched() -> None:
    script = """
        import threading, torch
        from workers.supervisor import zygote
        assert zygote._preload() is None
        print(threading.active_count(), torch.cuda.is_initialized())
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["1", "False"]


def test_each_trial_is_a_process_in_a_session_of_its_own(started: Zygote, log_file: IO[bytes]) -> None:
    pids = []
    for _ in range(2):
        trial = started.spawn(log_file)
        follow(trial)
        assert os.getsid(trial.pid) == trial.pid != os.getpid()
        pids.append(trial.pid)
        trial.wait(10)
    assert len(set(pids)) == 2


def test_what_a_trial_prints_goes_to_its_log(started: Zygote, log_file: IO[bytes]) -> None:
    point = {**SPEC.point, "batch_size": 10**9}
    trial = started.spawn(log_file)
    failed = follow(trial, SPEC.model_copy(update={"point": point}))[-1]
    assert isinstance(failed, protocol.Failed)
    assert failed.failure.kind == FailureKind.OOM
    status = trial.wait(10)
    assert status is not None
    assert status.code == 1
    log_file.seek(0)
    assert b"Traceback" in log_file.read()


def test_a_killed_trial_names_its_signal(started: Zygote, log_file: IO[bytes]) -> None:
    trial = started.spawn(log_file)
    assert trial.wait(0) is None
    trial.kill()
    status = trial.wait(10)
    assert status is not None
    assert (status.code, status.signal) == (None, signal.SIGKILL)
    trial.kill()
    assert trial.wait() is status


def test_a_trial_left_running_makes_way_for_the_next(started: Zygote, log_file: IO[bytes]) -> None:
    left = started.spawn(log_file)
    trial = started.spawn(log_file)
    assert not is_alive(left.pid)
    assert isinstance(follow(trial)[-1], protocol.Done)


def test_what_a_trial_started_dies_with_it() -> None:
    trial = subprocess.Popen(["sh", "-c", "sleep 60 & echo $!"], stdout=subprocess.PIPE, start_new_session=True)
    with trial:
        assert trial.stdout is not None
        child = int(trial.stdout.readline())
        assert zygote._await(trial.pid).code == 0
        assert_dies(child)


@pytest.mark.slow
def test_a_dead_helper_is_replaced(log_file: IO[bytes], caplog: pytest.LogCaptureFixture) -> None:
    zygote = Zygote()
    zygote.start()
    trial = zygote.spawn(log_file)
    os.kill(parent_of(trial.pid), signal.SIGKILL)
    assert trial.wait(10) == ExitStatus()
    assert_dies(trial.pid)
    again = zygote.spawn(log_file)
    assert "it has died" in caplog.text
    assert isinstance(follow(again)[-1], protocol.Done)
    zygote.close()


@pytest.mark.slow
def test_a_stopped_helper_is_replaced(
    log_file: IO[bytes], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zygote, "FORKED_WITHIN_S", 0.3)
    monkeypatch.setattr(zygote, "GONE_WITHIN_S", 3.0)
    starter = Zygote()
    starter.start()
    first = starter.spawn(log_file)
    helper = parent_of(first.pid)
    os.kill(helper, signal.SIGSTOP)  # while a trial runs: nobody tells how it ends
    second = starter.spawn(log_file)
    assert "it does not tell how the last trial ended" in caplog.text
    assert not is_alive(helper)
    os.kill(parent_of(second.pid), signal.SIGSTOP)
    second.kill()
    assert second.wait(0.1) is None
    assert isinstance(follow(starter.spawn(log_file))[-1], protocol.Done)
    starter.close()


@pytest.mark.slow
def test_a_trial_that_cannot_be_killed_makes_the_machine_unfit(
    log_file: IO[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zygote, "GONE_WITHIN_S", 1.0)
    starter = Zygote()
    starter.start()
    trial = starter.spawn(log_file)
    with monkeypatch.context() as stuck:  # as in an uninterruptible sleep of the kernel
        stuck.setattr(TrialProcess, "kill", lambda _: None)
        with pytest.raises(MachineUnfit, match=f"process {trial.pid} of the last trial cannot be killed"):
            starter.spawn(log_file)
    assert isinstance(follow(starter.spawn(log_file))[-1], protocol.Done)  # it has recovered
    starter.close()


@pytest.mark.slow
def test_close_leaves_no_process(log_file: IO[bytes]) -> None:
    zygote = Zygote()
    zygote.start()
    trial = zygote.spawn(log_file)
    helper = parent_of(trial.pid)
    zygote.close()
    zygote.close()
    assert not is_alive(trial.pid)
    assert not is_alive(helper)


@pytest.mark.slow
def test_helper_and_trial_die_with_their_supervisor() -> None:
    script = """
        import sys, time
        from workers.supervisor.zygote import Zygote
        zygote = Zygote()
        zygote.start()
        trial = zygote.spawn(sys.stderr.buffer)
        print(trial.pid, zygote._helper._process.pid, flush=True)
        time.sleep(60)
    """
    supervisor = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        assert len(pids) == 2
        supervisor.kill()
    for pid in pids:
        assert_dies(pid)


@pytest.mark.parametrize(
    ("torch", "remedy"),
    [
        ("raise ImportError('no torch here')", r"no torch here.*pip install 'wattfarm\[worker\]'"),
        ("raise OSError('libcudart is missing')", r"libcudart is missing.*pip install"),
        ("import os; os._exit(3)", "python -c 'import torch'"),
    ],
)
def test_a_torch_that_cannot_be_imported(
    torch: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text(torch)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(FarmError, match=remedy) as caught:
        Zygote().start()
    assert "\n" not in str(caught.value)


def test_a_helper_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(zygote, "READY_WITHIN_S", 0.2)
    with pytest.raises(FarmError, match="hangs"):
        Zygote().start()


@pytest.mark.slow
def test_the_helper_ends_when_its_supervisor_hangs_up() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        helper = subprocess.Popen(
            [sys.executable, "-m", "workers.supervisor.zygote", str(theirs.fileno()), str(os.getpid())],
            pass_fds=[theirs.fileno()],
        )
    with helper:
        ours.close()
        assert helper.wait(60) == 0
