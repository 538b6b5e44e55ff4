"""Files are replaced whole, through nobody else's links, and what is private stays so."""

import os
import stat
from pathlib import Path

import pytest

from farm.cli import doctor
from farm.model import disk
from farm.model.errors import InputError
from farm.report.files import write_text
from farm.settings import Settings
from farm.store import Store


@pytest.fixture(params=["without a name", "with a name"])
def drafts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drafts as Linux makes them, and as other systems and file systems do."""
    if request.param == "with a name":
        monkeypatch.delattr(os, "O_TMPFILE")


@pytest.fixture
def umask() -> object:
    old = os.umask(0o022)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("drafts")
def test_a_planted_draft_is_neither_followed_nor_replaced(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out.csv.part").symlink_to(victim)
    write_text("a\n", tmp_path / "out.csv")
    assert victim.read_text() == "precious"
    assert (tmp_path / "out.csv").read_text() == "a\n"
    assert names(tmp_path) == ["out.csv", "out.csv.part", "victim"]


def test_the_name_of_a_draft_cannot_be_taken_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    monkeypatch.setattr("secrets.token_hex", lambda _: "known")
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "wattfarm-known.part").symlink_to(tmp_path / "victim")
    with pytest.raises(InputError, match="cannot be written: File exists"):
        write_text("a", tmp_path / "out")
    assert (tmp_path / "victim").read_text() == "precious"
    assert names(tmp_path) == ["victim", "wattfarm-known.part"]


@pytest.mark.usefixtures("drafts")
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), SystemExit(143)])
def test_a_draft_that_fails_or_is_interrupted_leaves_the_file_as_it_was(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "out").write_text("old")

    def fail() -> None:
        with disk.replacing(tmp_path / "out") as file:
            file.write(b"new")
            file.flush()
            raise error

    with pytest.raises(type(error)):
        fail()
    assert (tmp_path / "out").read_text() == "old"
    assert names(tmp_path) == ["out"]


@pytest.mark.usefixtures("drafts", "umask")
def test_new_files_have_the_rights_of_the_umask_and_old_ones_keep_theirs(tmp_path: Path) -> None:
    write_text("a", tmp_path / "new")
    assert mode(tmp_path / "new") == 0o644
    (tmp_path / "new").chmod(0o600)
    write_text("b", tmp_path / "new")
    assert (mode(tmp_path / "new"), (tmp_path / "new").read_text()) == (0o600, "b")
    (tmp_path / "new").chmod(0o666)
    write_text("c", tmp_path / "new")
    assert mode(tmp_path / "new") == 0o666


@pytest.mark.usefixtures("drafts", "umask")
def test_what_is_private_is_so_whatever_the_umask(tmp_path: Path) -> None:
    os.umask(0)
    home = tmp_path / "a" / "b"
    disk.make_private(home)
    with disk.replacing(home / "report", is_private=True) as file:
        file.write(b"x")
    with open(home / "log", "a", opener=disk.private) as log:
        log.write("x")
    assert [mode(path) for path in (home.parent, home, home / "report", home / "log")] == [0o700, 0o700, 0o600, 0o600]


@pytest.mark.usefixtures("umask")
def test_a_database_and_its_journals_are_private_whatever_the_umask(tmp_path: Path) -> None:
    os.umask(0)
    home = tmp_path / "home"
    with Store.open(f"sqlite:///{home}/farm.db", create=True) as store, store.write():
        assert names(home) == ["farm.db", "farm.db-shm", "farm.db-wal"]
        assert {mode(path) for path in home.iterdir()} == {0o600}
    assert mode(home) == 0o700
    (home / "farm.db").chmod(0o640)  # as somebody shares it
    with Store.open(f"sqlite:///{home}/farm.db") as store, store.write():
        assert {mode(path) for path in home.iterdir()} == {0o640}


def test_the_doctor_says_where_other_users_may_enter(tmp_path: Path) -> None:
    for rights, found in ((0o700, []), (0o750, ["note"]), (0o755, ["note"])):
        tmp_path.chmod(rights)
        checks = list(doctor._files(Settings(home=tmp_path)))
        assert [check.state for check in checks] == found
        assert all(f"`chmod 700 {tmp_path}`" in check.detail for check in checks)
    assert list(doctor._files(Settings(home=tmp_path / "absent"))) == []


def test_a_folder_that_exists_keeps_its_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    disk.make_private(tmp_path)
    assert mode(tmp_path) == 0o755
    (tmp_path / "file").write_text("")
    for taken in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            disk.make_private(taken)


@pytest.mark.usefixtures("drafts")
def test_a_link_of_ones_own_stays_and_leads_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far/out")
    write_text("a", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "out").read_text() == "a"


def test_a_link_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "link").symlink_to("victim")
    real = Path.lstat

    def foreign(path: Path) -> os.stat_result:
        found = list(real(path))
        found[stat.ST_UID] = 4711
        return os.stat_result(found)

    monkeypatch.setattr(Path, "lstat", foreign)
    with pytest.raises(InputError, match="cannot be written: it is a link that another user made"):
        write_text("a", tmp_path / "link")
    assert (tmp_path / "victim").read_text() == "precious"


def test_what_is_no_file_is_refused_and_opened_by_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name, reason in (("fifo", "not a file"), ("folder", "not a file"), ("loop", "symbolic links")):
        with pytest.raises(InputError, match=f"cannot be written: .*{reason}"):
            write_text("a", tmp_path / name)
    with pytest.raises(InputError, match="cannot be written: File name too long"):
        write_text("a", tmp_path / ("x" * 300))
    write_text("a", tmp_path / ("x" * 255))
    assert names(tmp_path) == ["fifo", "folder", "loop", "x" * 255]
