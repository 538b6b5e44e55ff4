"""Locks that keep two trials, and two workers, from measuring on one machine at once."""

import fcntl
import grp
import os
import pwd
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from farm.model.errors import InputError, MachineBusy

#: The time between two attempts at a held lock.
RETRY_S = 0.1


def _quiet(_holder: str) -> None:
    """Tell nobody who holds a lock."""


@contextmanager
def machine_lock(
    path: Path,
    timeout_s: float = 0.0,
    is_over: Callable[[], bool] = bool,
    waits_for: Callable[[str], None] = _quiet,
) -> Iterator[None]:
    """Hold this machine; the kernel frees it when the process dies, however it dies.

    Where it must wait it calls `waits_for` once, with the process that holds it, its user, and when it started.

    Raises MachineBusy, naming the holder, when it is not free within `timeout_s`, or when the wait is over before;
    InputError when the path is no file that can be opened. The file may belong to another user, and is never removed.
    """
    busy = "this machine is measuring already: process {holder} holds {path}: wait until it ends, or stop it"
    with _held(path, busy, timeout_s, is_over, waits_for):
        yield


@contextmanager
def only_worker(lock_file: Path) -> Iterator[None]:
    """Hold the lock of this machine's one worker, beside the lock of its trials.

    Raises MachineBusy, which names the other worker, and InputError when the file cannot be opened.
    """
    path = lock_file.with_name(f"{lock_file.name}.worker")
    with _held(path, "this machine has a worker already, process {holder} ({path}): stop it to replace it"):
        yield


@contextmanager
def _held(
    path: Path,
    busy: str,
    timeout_s: float = 0.0,
    is_over: Callable[[], bool] = bool,
    waits_for: Callable[[str], None] = _quiet,
) -> Iterator[None]:
    """Hold a lock file; `busy` is the error's text, with {holder} and {path}."""
    fd = _open(path)
    try:
        try:
            _acquire(fd, timeout_s, is_over, waits_for)
        except BlockingIOError:
            raise MachineBusy(busy.format(holder=_holder(fd), path=path)) from None
        holder = f"{os.getpid()}\n".encode()
        if os.pread(fd, 32, 0) != holder:  # truncating takes longer than claiming a job
            os.truncate(fd, 0)
            os.pwrite(fd, holder, 0)
        yield
    finally:
        os.close(fd)


def _acquire(fd: int, timeout_s: float, is_over: Callable[[], bool], waits_for: Callable[[str], None]) -> None:
    """Lock a file; raises BlockingIOError when the time or the wait is over."""
    deadline_s, has_told = time.monotonic() + timeout_s, False
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or is_over():
                raise
            if not has_told:
                waits_for(_holder(fd))
                has_told = True
            time.sleep(min(RETRY_S, left_s))
        else:
            return


def _holder(fd: int) -> str:
    """Describe the process that holds the lock, by what the kernel knows: any user may write into the file."""
    pid = _pid_of_lock(fd) or _pid_in(fd)
    if pid is None:
        return "unknown"
    try:
        process = psutil.Process(pid)
        user, started = _user(process.uids().real), datetime.fromtimestamp(process.create_time(), UTC).astimezone()
    except psutil.Error:  # of another container, or it has left the lock to a process that it started
        return f"{pid} (ended, or out of sight)"
    return f"{pid} of user {user} (started {started:%Y-%m-%d %H:%M})"


def _pid_of_lock(fd: int) -> int | None:
    """Return the process that the kernel names as the holder; None where it names none that is visible here."""
    found = os.fstat(fd)
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, _, pid, where, *_ = line.split()
            if (kind, where) == ("FLOCK", place) and int(pid) > 0:
                return int(pid)
    return None


def _pid_in(fd: int) -> int | None:
    """Return the process that the file names, where it holds a number of a few digits and nothing else."""
    found = re.match(rb"[0-9]{1,10}\n", os.pread(fd, 32, 0))
    return int(found[0]) if found else None


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _open(path: Path) -> int:
    """Open the lock file; raises InputError for anything that is no file of its own, which must not be written to."""
    fd = _open_any(path)
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        return fd
    os.close(fd)
    what = "has several links" if stat.S_ISREG(status.st_mode) else "is no regular file"
    raise InputError(f"FARM_LOCK_FILE: {path} {what}: remove it, or name another file")


def _open_any(path: Path) -> int:
    """Open the path, or make the file for every user; O_CREAT on another user's file in /tmp may be refused."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with suppress(FileNotFoundError):
            return os.open(path, flags)
        with suppress(FileExistsError):  # another process was faster
            fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(fd, 0o666)  # whatever the umask
            return fd
        return os.open(path, flags)
    except OSError as error:
        raise InputError(f"FARM_LOCK_FILE: cannot open {path}: {error.strerror}; {_remedy(path)}") from None


def _remedy(path: Path) -> str:
    """Say what opens a lock file that this user may not open."""
    shared = "so that all who measure here share it"
    with suppress(OSError):
        if not os.access(path.parent, os.X_OK):
            group = _group(path.parent.stat().st_gid)
            return f"add this user to the group {group}, which measures here, and log in again"
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and not os.access(path, os.R_OK | os.W_OK):
            users = " or ".join(dict.fromkeys((_user(found.st_uid), "root")))
            return f"{users} must run `chmod 666 {path}`, {shared}"
    return f"remove it, or name another file, {shared}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
