"""The broker folder of `farm run`: one for each run, gone after it, and after the next one if the run was killed."""

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from farm.model import JobState, Owner, Progress
from farm.model.errors import BrokerUnavailable
from farm.scheduling import embedded
from farm.scheduling.broker import Publisher
from farm.scheduling.embedded import LocalWorker, _private_broker, _release_jobs_of_killed_workers, _with_disk
from farm.settings import Settings
from tests.contract.store_records import MACHINE, claim, counts, job_id
from tests.controllers import waiting_store

RUN = """
import sys
from pathlib import Path
from farm.scheduling.embedded import _private_broker
from farm.settings import Settings
with _private_broker(Settings(home=Path(sys.argv[1]))) as own:
    print(own.broker_url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, broker_url="filesystem://")


def folders(settings: Settings) -> list[str]:
    return sorted(str(path) for path in (settings.home / "broker").glob("run-*"))


def folder_of(settings: Settings) -> str:
    return settings.broker_url.removeprefix("filesystem://")


def test_the_folder_of_a_killed_run_is_removed_by_the_next_and_that_of_a_live_one_is_kept(settings: Settings) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(settings.home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        live = other.stdout.readline().strip().removeprefix("filesystem://")
        (settings.home / "broker" / "run-4711").mkdir()  # as a run leaves it that died before it had its lock
        with _private_broker(settings) as own:
            assert folders(settings) == sorted([live, folder_of(own)])
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert folders(settings) == [live]
    with _private_broker(settings) as own:
        assert folders(settings) == [folder_of(own)]
    assert folders(settings) == []


def test_messages_are_in_folders_that_only_their_user_may_enter(settings: Settings) -> None:
    settings.home.chmod(0o755)
    with _private_broker(settings) as own:
        Publisher(own).check()
        found = {path for path in settings.home.rglob("*") if path.is_dir()}
        assert {"broker", "messages", "control"} <= {path.name for path in found}
        assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o700}


def test_a_home_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("")
    with (
        pytest.raises(BrokerUnavailable, match=f"^{tmp_path}/broker: File exists: name another folder with FARM_HOME$"),
        _private_broker(Settings(home=tmp_path)),
    ):
        pass


def test_two_runs_in_one_home_read_the_logs_of_their_own_workers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "import os; os.write(2, b'2026-11-30T00:00:00.000Z INFO this is ' + str(os.getpid()).encode() + b'\\n')"
    real = subprocess.Popen

    def popen(_: list[str], **options: object) -> object:
        return real([sys.executable, "-c", command], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", popen)
    first, second = LocalWorker(settings), LocalWorker(settings)
    for worker in (first, second):
        assert worker.wait(60)
    for worker in (first, second):
        assert worker.last_line() == f"this is {worker.owner.pid}"
    assert stat.S_IMODE(second.log.stat().st_mode) == 0o600
    for worker in (first, second):
        worker.kill()


def test_jobs_of_a_killed_worker_wait_again_whatever_owner_a_rogue_wrote(tmp_path: Path) -> None:
    with waiting_store(tmp_path) as store:
        for number, text in enumerate(["", "nobody", "lab/x/boot", "lab/-1/boot", f"lab/{'9' * 5000}/boot", "///"]):
            rogue = MACHINE.model_copy(update={"id": f"rogue{number}", "name": f"a-rogue{number}"})
            store.register_machine(rogue, text, "0.1.0")  # type: ignore[arg-type]
        killed = Owner.of_process(2**22 + 1)  # no process has this pid
        store.register_machine(MACHINE, killed, "0.1.0")
        assert claim(store, job_id(0), owner=killed)
        _release_jobs_of_killed_workers(store)
        assert counts(store) == {JobState.QUEUED: 3}


def test_a_full_disk_of_the_home_is_said_while_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress(counts={}, notes=(("lab1", "fan is slow"),))
    assert _with_disk(progress, tmp_path) == progress
    monkeypatch.setattr(embedded, "ROOM_BYTES", 1 << 90)
    machine = Owner.of_process().host
    note = f"{tmp_path}: its disk is full: make room there, and the measurement goes on"
    assert _with_disk(progress, tmp_path).notes == (("lab1", "fan is slow"), (machine, note))
