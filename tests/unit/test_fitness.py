"""A machine that is unfit gives jobs back, says why, takes no other one, and recovers by itself."""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farm.model import FailureKind, JobState
from farm.model.errors import MachineUnfit, StoreUnavailable
from tests.contract.store_records import MAX_ATTEMPTS, SWEEP, counts, job_id
from tests.workers import SOON_S, Bench, running_bench, wait_until
from workers.agent import fitness
from workers.supervisor.stop import Stop


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(fitness, "LOOK_PERIOD_S", 0.01)
    with running_bench(tmp_path, monkeypatch) as made:
        yield made


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


def unfit(bench: Bench) -> str | None:
    """Why the machine is unfit, as the farm knows it."""
    (status,) = bench.store.machines()
    return status.live.unfit


def replace_by(make: Callable[[Path], object], path: Path) -> Callable[[], None]:
    """Put something else in the place of a file or a folder; returns what undoes that."""
    kept = path.with_name("kept")
    path.rename(kept)
    make(path)

    def undo() -> None:
        path.rename(path.with_name("was"))
        kept.rename(path)

    return undo


@pytest.mark.parametrize(
    ("name", "make", "why"),
    [
        ("spool", Path.touch, "spool: it is no folder: move it away"),
        ("spool", lambda path: path.symlink_to("nowhere"), "spool: it is no folder: move it away"),
        ("lock", Path.mkdir, "FARM_LOCK_FILE"),
        ("lock", os.mkfifo, "FARM_LOCK_FILE"),
        ("lock", make_socket, "FARM_LOCK_FILE"),
        ("lock", lambda path: path.symlink_to("kept"), "FARM_LOCK_FILE"),
        ("spool/lock", Path.mkdir, "spool/lock: Is a directory"),
    ],
)
def test_a_machine_that_cannot_lock_or_spool_gives_the_job_back_until_it_can(
    name: str, make: Callable[[Path], object], why: str, bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    undo = replace_by(make, tmp_path / name)
    serving = bench.serve_in_background(job_id(0))
    wait_until(lambda: bench.publishing() == [job_id(0)])
    wait_until(lambda: why in (unfit(bench) or ""))
    serving.join(0.1)
    assert serving.is_alive(), "else it would take one message after the other from the queue"
    undo()
    serving.join(SOON_S)
    assert not serving.is_alive()
    wait_until(lambda: unfit(bench) is None)
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]
    assert caplog.text.count("this machine is unfit and takes no job: ") == 1
    assert caplog.text.count("this machine is fit again") == 1


def test_an_unfit_machine_is_seen_before_it_gets_a_message(bench: Bench, tmp_path: Path) -> None:
    undo = replace_by(Path.touch, tmp_path / "spool")
    wait_until(lambda: unfit(bench))
    assert unfit(bench) == f"{tmp_path / 'spool'}: it is no folder: move it away"
    undo()
    wait_until(lambda: unfit(bench) is None)
    assert bench.trials() == []


def test_a_machine_without_room_for_temporary_files_is_unfit(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason is logged once, however often the machine looks."""
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        serving = bench.serve_in_background(job_id(0))
        wait_until(lambda: bench.publishing() == [job_id(0)])
        wait_until(lambda: unfit(bench) == f"{tmp_path / 'nowhere'}: No such file or directory")
        serving.join(0.1)
    serving.join(SOON_S)
    assert not serving.is_alive()
    assert caplog.text.count("this machine is unfit") == 1


def test_a_spool_that_somebody_removed_is_made_again(bench: Bench, tmp_path: Path) -> None:
    for left in (tmp_path / "spool").iterdir():
        left.unlink()
    (tmp_path / "spool").rmdir()
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]
    assert (tmp_path / "spool").is_dir()


def test_a_job_whose_trial_cannot_be_started_goes_to_another_machine(bench: Bench) -> None:
    """That attempt does not count; the next job waits until the machine has recovered."""

    def during(_: Stop) -> None:
        bench.runner.unfit = MachineUnfit("process 7 of the last trial cannot be killed")
        raise bench.runner.unfit

    bench.runner.during = during
    serving = bench.serve_in_background(job_id(0))
    wait_until(lambda: bench.publishing() == [job_id(0)])
    wait_until(lambda: unfit(bench) == "process 7 of the last trial cannot be killed")
    assert bench.store.jobs(SWEEP)[0].max_attempts == MAX_ATTEMPTS + 1
    assert serving.is_alive()
    bench.runner.unfit, bench.runner.during = None, lambda _: None
    serving.join(SOON_S)
    assert not serving.is_alive()
    bench.worker.serve(job_id(0), 1)
    assert bench.trials() == [(job_id(0), 2, None)]


def test_a_job_is_given_back_although_the_store_is_away_for_a_while(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals, release = [StoreUnavailable("away")] * 2, bench.store.release

    def release_later(owner: object) -> int:
        if refusals:
            raise refusals.pop()
        return release(owner)  # type: ignore[arg-type]

    def during(_: Stop) -> None:
        raise MachineUnfit("for a moment")

    monkeypatch.setattr(bench.store, "release", release_later)
    bench.runner.during = during
    bench.worker.serve(job_id(0), 0)
    assert bench.publishing() == [job_id(0)]
    assert refusals == []


def test_an_error_of_the_disk_fails_the_job_only_where_the_machine_is_fit(bench: Bench, tmp_path: Path) -> None:
    undo: list[Callable[[], None]] = []

    def during(_: Stop) -> None:
        raise OSError(28, "No space left on device")

    def during_on_a_bad_disk(stop: Stop) -> None:
        undo.append(replace_by(Path.touch, tmp_path / "spool"))
        during(stop)

    bench.runner.during = during
    bench.worker.serve(job_id(0), 0)
    (failed,) = bench.store.failures(SWEEP)
    assert (failed.failure.kind, failed.failure.message) == (
        FailureKind.ERROR,
        "the worker failed: No space left on device",
    )
    bench.runner.during = during_on_a_bad_disk
    serving = bench.serve_in_background(job_id(1))
    wait_until(lambda: bench.publishing() == [job_id(1)])
    undo[0]()
    serving.join(SOON_S)
    assert counts(bench.store)[JobState.FAILED] == 1


def test_whatever_the_claim_raises_the_message_is_given_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def claim(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "claim", claim)
        bench.worker.serve(job_id(0), 0)
    assert bench.publishing() == [job_id(0)]
    assert "RuntimeError: a bug" in caplog.text
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]
