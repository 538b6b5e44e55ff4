"""A disk that is full: the worker's, under its spool, and the database's."""

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from farm.model import JobState
from tests.faults.lab import AT_FULL_LENGTH, LEASE_S, Fault, Lab, Note, lasting, now, running_lab, trial_of
from tests.services import PostgresServer, RedisServer, administer

FULL_S = lasting(30.0)
#: Larger than a worker's log, smaller than a report of so many latencies.
FILE_AT_MOST = 200_000
MANY_LATENCIES = 30_000


def test_the_spool_is_full_while_the_database_is_away(lab: Lab, postgres: PostgresServer, note: Note) -> None:
    """The worker keeps the report in memory and tries both again and again.

    The kernel's limit on the size of a file stands for the full disk, so that this runs without root: EFBIG for ENOSPC.
    """
    worker = lab.join("one")
    jobs = lab.submit("spool", 2, measure=trial_of(1.0, MANY_LATENCIES))
    lab.wait_for_state("spool", JobState.RUNNING)
    _, hard = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (FILE_AT_MOST, hard))
    postgres.stop()
    lab.wait_for("the spool is full", lambda: "free space on this disk" in lab.said_by("one"))
    time.sleep(FULL_S)
    assert lab.spooled("one") == []
    assert worker.poll() is None
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (hard, hard))
    begin = now()
    lab.wait_for("the report is in the spool", lambda: lab.spooled("one"))
    recovered = now()
    postgres.start()
    lab.wait_until_each_once("spool", jobs)
    assert all(trial.attempt == 1 for trial in lab.trials("spool"))
    assert {len(times_s) for times_s in lab.store.latencies(["spool"]).values()} == {MANY_LATENCIES}
    counted = "from room on the disk until the report is in the spool"
    note(Fault("spool full, database away", FULL_S, (recovered - begin).total_seconds(), counted))


@contextmanager
def tiny_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """A file system of its own; skips where none may be made."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=777", "farm-test", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"a file system may not be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room that there is."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        os.posix_fallocate(file.fileno(), 0, free)
    return filler


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"] if AT_FULL_LENGTH else ["postgresql"])
def test_the_database_is_full(
    kind: str, tmp_path: Path, redis: RedisServer, postgres: PostgresServer, note: Note
) -> None:
    """Reports wait in the spool, larger than what room is left in the pages that the database has."""
    with (
        tiny_disk(postgres.server.pgdata.parent / kind, 40) as disk,
        database_on(disk, kind, postgres) as store_url,
        running_lab(tmp_path, redis.url, store_url) as lab,
    ):
        lab.serve()
        lab.join("one")
        jobs = lab.submit("full", 2, measure=trial_of(LEASE_S / 2, MANY_LATENCIES))
        lab.wait_for_state("full", JobState.RUNNING)
        filler = fill(disk)
        lab.wait_for("the report is in the spool", lambda: lab.spooled("one"))
        assert "disk is full" in lab.said_by("one")
        time.sleep(FULL_S)
        filler.unlink()
        begin = now()
        lab.wait_for("the spool is empty", lambda: not lab.spooled("one"))
        recovered = now()
        lab.wait_until_each_once("full", jobs)
    what = f"the disk of {'PostgreSQL' if kind == 'postgresql' else 'SQLite'} full"
    counted = "from room on the disk until the report is stored"
    note(Fault(what, FULL_S, (recovered - begin).total_seconds(), counted))


@contextmanager
def database_on(disk: Path, kind: str, postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database on that disk."""
    if kind == "sqlite":
        yield f"sqlite:///{disk / 'farm.db'}"
        return
    place = disk / "tables"
    place.mkdir()
    if postgres.server.system_user is not None:
        shutil.chown(place, postgres.server.system_user)
    administer(postgres.url, f"CREATE TABLESPACE tiny LOCATION '{place}'")
    administer(postgres.url, "CREATE DATABASE farm_tiny TABLESPACE tiny")
    try:
        yield postgres.url.replace("/postgres?", "/farm_tiny?")
    finally:
        administer(postgres.url, "DROP DATABASE farm_tiny WITH (FORCE)")
        administer(postgres.url, "DROP TABLESPACE tiny")
