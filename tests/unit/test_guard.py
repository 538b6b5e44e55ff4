import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from farm.model.errors import InputError, MachineBusy
from workers.supervisor import lock
from workers.supervisor.lock import machine_lock

HOLD = """
import sys
from functools import partial
from pathlib import Path
from workers.supervisor import lock
from workers.supervisor.lock import machine_lock
with machine_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


#: A time, as people write it.
STARTED = r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "machine.lock"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_error_of_a_second_trial_names_the_holder_of_the_machine(path: Path, holder: subprocess.Popen[str]) -> None:
    with (
        pytest.raises(MachineBusy, match=rf"process {holder.pid} of user {_user()} \(started {STARTED}\) holds"),
        machine_lock(path, timeout_s=0.2),
    ):
        pass


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels name no holder")
def test_the_kernel_names_the_holder_whatever_the_file_says(path: Path) -> None:
    with machine_lock(path):
        path.write_text("1\n")
        with pytest.raises(MachineBusy, match=f"process {os.getpid()} of user {_user()} "), machine_lock(path):
            pass


@pytest.mark.parametrize("content", ["", "\x1b[2J7\n", "7; rm -r /\n", "99999999999999\n", "\udc80\n"])
def test_nothing_but_a_process_is_repeated_from_the_file(
    path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_pid_of_lock", lambda _: None)
    with machine_lock(path):
        path.write_text(content, errors="surrogateescape")
        with pytest.raises(MachineBusy, match="process unknown holds"), machine_lock(path):
            pass


def test_the_kernel_frees_the_machine_when_the_holder_is_killed(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with machine_lock(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_waits_for_a_holder_that_ends_in_time(path: Path, holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    holder.stdin.close()
    with machine_lock(path, timeout_s=60.0):
        assert path.read_text() == f"{os.getpid()}\n"


def test_is_free_again_afterwards_also_after_an_error(path: Path) -> None:
    with pytest.raises(RuntimeError, match="trial"), machine_lock(path):
        raise RuntimeError("trial")
    with machine_lock(path), pytest.raises(MachineBusy, match=f"process {os.getpid()} "), machine_lock(path):
        pass
    with machine_lock(path):
        assert path.exists()


def test_every_user_may_use_the_file_whatever_the_umask(path: Path) -> None:
    umask = os.umask(0o077)
    try:
        with machine_lock(path):
            assert path.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(umask)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_file_may_belong_to_another_user() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        path = Path(folder) / "machine.lock"
        path.touch()
        path.chmod(0o666)
        os.chown(path, 65534, 65534)
        with machine_lock(path):
            assert path.read_text() == f"{os.getpid()}\n"


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Become another user, who finds a folder like /tmp."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        # os.access asks for the real user, who stays root: setreuid could not be undone
        monkeypatch.setattr(os, "access", partial(os.access, effective_ids=True))
        os.setegid(65534)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)
            os.setegid(0)


def become(uid: int) -> None:
    os.seteuid(0)
    os.seteuid(uid)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_two_users_share_a_lock_that_either_of_them_made(nobody: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with machine_lock(nobody / "machine.lock"):
            become(4001)
            with pytest.raises(MachineBusy, match=f"process {os.getpid()} "), machine_lock(nobody / "machine.lock"):
                pass
        with machine_lock(nobody / "machine.lock"):
            assert (nobody / "machine.lock").stat().st_uid == 65534
    finally:
        os.umask(before)


def test_a_lock_that_another_user_keeps_for_himself_names_him_and_the_remedy(nobody: Path) -> None:
    path = nobody / "machine.lock"
    path.touch(0o600)
    become(4001)
    with (
        pytest.raises(InputError, match=rf"{lock._user(65534)} or root must run `chmod 666 {path}`"),
        machine_lock(path),
    ):
        pass


def test_a_folder_of_a_group_admits_its_members_only(nobody: Path) -> None:
    become(0)
    folder = nobody / "wattfarm"
    folder.mkdir()
    (folder / "machine.lock").touch()
    for one, mode in ((folder, 0o750), (folder / "machine.lock", 0o660)):
        os.chown(one, 0, 65534)
        one.chmod(mode)
    become(4001)
    with machine_lock(folder / "machine.lock"):
        pass
    become(0)
    os.setegid(4001)
    become(4001)
    with (
        pytest.raises(
            InputError, match=f"add this user to the group {lock._group(65534)}, which measures here, and log in again"
        ),
        machine_lock(folder / "machine.lock"),
    ):
        pass


def test_files_are_opened_before_they_are_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux refuses O_CREAT where another user's file is in a folder like /tmp (sysctl fs.protected_regular)."""
    path.touch()
    real, asked = os.open, []

    def opened(name: Path, flags: int, mode: int = 0o777) -> int:
        asked.append(flags)
        return real(name, flags, mode)

    monkeypatch.setattr(os, "open", opened)
    with machine_lock(path):
        pass
    assert asked
    assert not any(flags & os.O_CREAT for flags in asked)


@pytest.mark.parametrize("kind", ["pipe", "hard link", "socket"])
def test_a_path_that_is_no_file_of_its_own_is_left_alone(path: Path, kind: str) -> None:
    target = path.with_name("target")
    target.write_text("precious")
    with socket.socket(socket.AF_UNIX) as server:
        match kind:
            case "pipe":
                os.mkfifo(path)
            case "hard link":
                path.hardlink_to(target)
            case _:
                server.bind(str(path))
        with pytest.raises(InputError, match=f"^FARM_LOCK_FILE: .*{path}") as caught, machine_lock(path):
            pass
    assert "\n" not in str(caught.value)
    assert target.read_text() == "precious"


@pytest.mark.parametrize("name", ["missing/machine.lock", "folder", "link"])
def test_a_file_that_cannot_be_opened_is_one_clear_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError) as caught, machine_lock(tmp_path / name):
        pass
    assert str(caught.value).startswith(f"FARM_LOCK_FILE: cannot open {tmp_path / name}: ")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "elsewhere").exists()
