"""A report is on the disk whole or not at all, and stays until the store has it."""

import errno
import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farm.model import FailureKind, JobState, TrialReport
from farm.model.errors import InputError, StoreUnavailable
from farm.store import Store
from tests.contract.store_records import ANNE, MACHINE, claim, counts, job_id, new_job, record, report
from workers.agent import spool as module
from workers.agent.spool import Spool


class MoodyStore(Store):
    """A store that can be made to refuse; it notes what it took."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.trouble: Exception | None = None
        self.taken: list[str] = []

    def complete(self, report: TrialReport) -> bool:
        if self.trouble is not None:
            raise self.trouble
        self.taken.append(report.job)
        return super().complete(report)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MoodyStore]:
    """Three jobs, all claimed once."""
    with MoodyStore.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as opened:
        opened.register_machine(MACHINE, ANNE, "0.1.0")
        opened.submit(record(), [new_job(n) for n in range(3)])
        for n in range(3):
            assert claim(opened, job_id(n)) is not None
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(folder: Path) -> Spool:
    return Spool(folder)


def put(spool: Spool, n: int, at_s: int = 0) -> Path:
    path = spool.put(report(job_id(n), 1))
    os.utime(path, (at_s, at_s))
    return path


def test_a_kept_report_is_handed_in_and_then_gone(spool: Spool, store: MoodyStore) -> None:
    path = put(spool, 0)
    assert TrialReport.model_validate_json(path.read_text()) == report(job_id(0), 1)
    assert len(spool) == 1
    assert spool.drain(store) == 1
    assert len(spool) == 0
    assert counts(store)[JobState.DONE] == 1
    assert spool.drain(store) == 0


def test_the_oldest_is_handed_in_first(spool: Spool, store: MoodyStore) -> None:
    for n, at_s in ((2, 100), (0, 300), (1, 200)):
        put(spool, n, at_s)
    assert spool.drain(store) == 3
    assert store.taken == [job_id(2), job_id(1), job_id(0)]


def test_reports_outlive_their_worker(folder: Path, store: MoodyStore) -> None:
    put(Spool(folder), 0)
    assert Spool(folder).drain(store) == 1


def test_a_failed_trial_is_kept_like_any_other(spool: Spool, store: MoodyStore) -> None:
    spool.put(report(job_id(0), 1, FailureKind.OOM))
    assert spool.drain(store) == 1
    assert counts(store)[JobState.FAILED] == 1


def test_while_the_store_is_away_everything_stays(spool: Spool, store: MoodyStore) -> None:
    put(spool, 0, 100)
    put(spool, 1, 200)
    store.trouble = StoreUnavailable("the disk is full")
    assert spool.drain(store) == 0
    assert len(spool) == 2
    store.trouble = None
    assert spool.drain(store) == 2
    assert store.taken == [job_id(0), job_id(1)]


def test_a_report_that_came_too_late_is_forgotten(spool: Spool, store: MoodyStore) -> None:
    """The job was measured by another attempt meanwhile."""
    store.complete(report(job_id(0), 1))
    put(spool, 0)
    spool.drain(store)
    assert len(spool) == 0
    assert counts(store)[JobState.DONE] == 1


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b'{"job": "other"}', b"[1, 2]"])
def test_a_damaged_file_is_kept_apart_and_holds_up_nobody(
    content: bytes, spool: Spool, folder: Path, store: MoodyStore, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = folder / "damaged.1.json"
    damaged.write_bytes(content)
    os.utime(damaged, (1, 1))
    put(spool, 0, 2)
    assert spool.drain(store) == 1
    assert (folder / "damaged.1.bad").read_bytes() == content
    assert not damaged.exists()
    assert "damaged.1.bad" in caplog.text
    assert len(spool) == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"SECRET": 1}, "an unknown field"),
        ({"version": 2}, "version: Input should be 1"),
        ({"attempt": "SECRET"}, "attempt: Input should be a valid integer"),
        ({"log_tail": "SECRET" * 1000}, "more than 4000 bytes"),
    ],
)
def test_a_file_that_breaks_the_schema_is_counted_and_logged_without_its_content(
    change: dict[str, object],
    why: str,
    spool: Spool,
    folder: Path,
    store: MoodyStore,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_REPORT_BYTES", 4000)
    text = json.dumps(report(job_id(0), 1).model_dump(mode="json") | change)
    (folder / "odd.1.json").write_text(text)
    assert spool.drain(store) == 0
    assert (spool.refused, len(spool), counts(store)[JobState.RUNNING]) == (1, 0, 3)
    assert f"of {len(text)} bytes cannot be stored ({why}" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_report_that_the_store_refuses_is_kept_apart(spool: Spool, folder: Path, store: MoodyStore) -> None:
    put(spool, 0)
    store.trouble = RuntimeError("no such machine")
    assert spool.drain(store) == 0
    (bad,) = folder.glob("*.bad")
    assert TrialReport.model_validate_json(bad.read_text()).job == job_id(0)


def test_a_full_disk_leaves_no_half_report(
    spool: Spool, folder: Path, store: MoodyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            spool.put(report(job_id(0), 1))
    assert len(spool) == 0
    assert not list(folder.glob("*.part"))
    assert spool.drain(store) == 0
    put(spool, 0)
    assert spool.drain(store) == 1


def test_the_draft_of_a_worker_that_died_is_no_report(spool: Spool, folder: Path, store: MoodyStore) -> None:
    (folder / f"{job_id(0)}.1.part").write_text('{"job":')
    assert len(spool) == 0
    assert spool.drain(store) == 0
    put(spool, 0)
    assert spool.drain(store) == 1


def test_two_that_drain_at_once_hand_each_report_in_once(folder: Path, store: MoodyStore) -> None:
    for n in range(3):
        put(Spool(folder), n)
    handed: list[int] = []
    threads = [threading.Thread(target=lambda: handed.append(Spool(folder).drain(store))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(handed) == 3
    assert sorted(store.taken) == [job_id(n) for n in range(3)]


def test_a_folder_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="FARM_HOME: cannot write") as caught:
        Spool(tmp_path / "file" / "spool")
    assert "\n" not in str(caught.value)


def make_a_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_a_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [Path.mkdir, make_a_fifo, make_a_loop, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_is_put_aside_and_holds_up_nobody(
    make: Callable[[Path], None], spool: Spool, folder: Path, store: MoodyStore
) -> None:
    make(folder / "odd.1.json")
    put(spool, 0)
    assert spool.drain(store) == 1
    assert (len(spool), spool.refused) == (0, 1)
    assert os.path.lexists(folder / "odd.1.bad")


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), MemoryError()])
def test_a_report_that_this_process_cannot_read_now_stays(
    error: Exception, spool: Spool, store: MoodyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> TrialReport:
        raise error

    put(spool, 0)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_report_in", fail)
        with pytest.raises(type(error)):
            spool.drain(store)
    assert (len(spool), spool.refused) == (1, 0)
    assert spool.drain(store) == 1


def test_a_heartbeat_gives_a_part_and_waits_for_nobody(spool: Spool, folder: Path, store: MoodyStore) -> None:
    """The rest follows with the next one, in the order of the reports."""
    for n in range(3):
        put(spool, n, 100 + n)
    with (folder / "lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert spool.drain(store, within_s=0.0) == 0
    assert [spool.drain(store, within_s=0.0) for _ in range(4)] == [1, 1, 1, 0]
    assert store.taken == [job_id(n) for n in range(3)]


def test_a_folder_that_was_removed_is_made_again(spool: Spool, folder: Path, store: MoodyStore) -> None:
    (folder / "lock").unlink()
    folder.rmdir()
    put(spool, 0)
    assert spool.drain(store) == 1
