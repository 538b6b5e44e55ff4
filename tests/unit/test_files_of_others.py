"""Files that others name are read whole, if they are files and not too large."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from farm.exchange import sheets
from farm.kinds import factors, load_sweep
from farm.load.arrivals import Recorded
from farm.model import files
from farm.model.carbon import Hourly
from farm.model.errors import FarmError

READERS: dict[str, Callable[[Path], object]] = {
    "sweep": load_sweep,
    "trace": lambda path: Recorded.read(str(path)),
    "intensities": Hourly.read,
    "table": sheets.read,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("place", "reason"),
    [("fifo", "not a regular file"), ("/dev/zero", "not a regular file"), ("a\0b", "null"), (".", "directory")],
)
def test_what_is_no_file_is_refused_at_once(name: str, place: str, reason: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FarmError, match=reason):
        READERS[name](tmp_path / place)


@pytest.mark.parametrize(("name", "most"), [("sweep", "512 KiB"), ("trace", "16 MiB"), ("table", "128 MiB")])
def test_a_file_that_is_too_large_is_refused(name: str, most: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(FarmError, match=f"larger than {most}"):
        READERS[name](path)


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert files.read_text(path, 6) == "abc"
    with pytest.raises(OSError, match="larger than"):
        files.read_bytes(path, 5)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two images, one of them deeper, and links that lead back to the folder and out of it."""
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    for name in ("a.JPG", "notes.txt", "deep/b.png"):
        (tmp_path / "photos" / name).touch()
    (tmp_path / "photos" / "deep" / "again").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "all").symlink_to("/")
    return tmp_path / "photos"


def test_images_are_found_below_a_folder_and_no_link_is_followed(photos: Path) -> None:
    assert sorted(files.below(photos, {".jpg", ".png"})) == [photos / "a.JPG", photos / "deep" / "b.png"]


def test_a_search_for_images_ends_at_the_first_and_after_so_many_entries(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = factors._image_folder
    monkeypatch.setattr(files, "MOST_ENTRIES", 6)
    assert folder(photos) is None
    for number in range(9):
        (photos / "deep" / f"{number}.txt").touch()
    (photos / "a.JPG").unlink()
    (photos / "deep" / "b.png").unlink()
    assert folder(photos) == (
        "more than 6 files and folders, and no image was found among so many: name a folder of images"
    )
