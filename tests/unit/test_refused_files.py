"""Weights and images may name any file that a worker can read: what is none is refused, and not quoted."""

import os
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from workers.kinds.inference import images, networks
from workers.trial.workload import InvalidWorkload

SECRET = "root:hunter2:0:0:root:/root:/bin/sh\n"


def refused(ask: Callable[[], object]) -> str:
    """The one line that refuses it."""
    with pytest.raises(InvalidWorkload) as caught:
        ask()
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 300
    assert "hunter2" not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None  # nor does a traceback quote it
    return text


# Weights


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return os.abort, ()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (SECRET, "not a readable state_dict"),
        ("topsecret hunter2\nline2\n", "not a readable state_dict"),
        ("hunter2", "not a readable state_dict"),
        ("", "not a readable state_dict"),
        (Trap(), "not a readable state_dict"),
        ([1, "hunter2"], "it is no mapping of names to tensors"),
        (torch.zeros(3), "it is no mapping of names to tensors"),
        ({"hunter2": torch.zeros(3)}, "of 2 tensors 2 are missing and 0 have another shape, 1 are strange to it"),
        ({1: "hunter2"}, "of 2 tensors 2 are missing and 0 have another shape, 1 are strange to it"),
        ({"weight": torch.zeros(7), "bias": "hunter2"}, "of 2 tensors 0 are missing and 2 have another shape"),
    ],
)
def test_what_is_no_state_dict_is_refused_without_a_word_of_its_content(
    content: object, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    if isinstance(content, str):
        path.write_text(content)
    else:
        torch.save(content, path)
    text = refused(lambda: networks._load(nn.Linear(2, 2), "linear", path))
    assert text.startswith(f"weights: {path}: not a ")
    assert why in text


def test_weights_that_are_no_file_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero"), tmp_path / "nothing"):
        text = refused(partial(networks._load, nn.Linear(2, 2), "linear", path))
        assert text == f"weights: {path}: no such file on this machine: expected random, default or a file"


def test_old_weights_of_a_batch_norm_are_loaded(tmp_path: Path) -> None:
    old = {name: tensor for name, tensor in nn.BatchNorm2d(3).state_dict().items() if name != "num_batches_tracked"}
    torch.save({**old, "weight": torch.full((3,), 7.0)}, tmp_path / "old.pt")
    norm = nn.BatchNorm2d(3)
    networks._load(norm, "norm", tmp_path / "old.pt")
    assert norm.weight.tolist() == [7.0] * 3


# Images


def write_png(path: Path, width: int, height: int) -> None:
    """A black image that compresses to next to nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(width + 1) * min(height, 100), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def a_bomb(path: Path) -> None:
    write_png(path, 50_000, 50_000)


def a_large_one(path: Path) -> None:
    write_png(path, 10_000, 10_000)


def a_truncated_one(path: Path) -> None:
    Image.effect_noise((200, 200), 50).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:3000])


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_program_for_a_printer(path: Path) -> None:
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(hunter2) print\nshowpage\n")


def another_file(path: Path) -> None:
    path.write_text(SECRET)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (a_bomb, "more than 50 million pixels"),
        (a_large_one, "10000 x 10000 pixels, the most are 50 million: make it smaller"),
        (a_truncated_one, "not a readable image (OSError)"),
        (a_fifo, "not a file"),
        (a_device, "not a file"),
        (a_loop, "not a file"),
        (a_program_for_a_printer, "not a readable image (UnidentifiedImageError)"),
        (another_file, "not a readable image (UnidentifiedImageError)"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_image_of_bounded_size_is_refused(make: Callable[[Path], None], why: str, tmp_path: Path) -> None:
    make(tmp_path / "a.png")
    text = refused(lambda: list(images.photographs(str(tmp_path), 4, seed=0)))
    assert text == f"images: {tmp_path}/a.png: {why}"


def test_of_many_frames_the_first_is_read(tmp_path: Path) -> None:
    first, *others = [Image.new("L", (20, 20), number) for number in range(200)]
    first.save(tmp_path / "a.gif", save_all=True, append_images=others)
    ((name, image),) = images.photographs(str(tmp_path), 4, seed=0)
    assert (name, image.size, image.getpixel((0, 0))) == ("a.gif", (20, 20), (0, 0, 0))


def test_photographs_are_read_one_by_one(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)
    found = images.photographs(str(tmp_path), 4, seed=0)
    next(found)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(InvalidWorkload):
        next(found)
