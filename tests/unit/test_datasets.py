import errno
import gzip
import hashlib
import json
import os
import pickle
import re
import struct
import tarfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10, MNIST, FashionMNIST

from workers.kinds.training import datasets
from workers.kinds.training.datasets import Dataset, Options, load
from workers.trial.workload import InvalidWorkload

#: Enough to tell an order.
TRAIN, VALIDATION = 12, 5


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def brightness(dataset: Dataset, part: str) -> torch.Tensor:
    """Images as they were before the normalisation, from 0 to 1."""
    mean, deviation = (torch.tensor(dataset.facts[name]).view(1, -1, 1, 1) for name in ("mean", "deviation"))
    images: torch.Tensor = getattr(dataset, part).images
    return images * deviation + mean


def refusal(name: str, **options: Any) -> str:
    """The one line that says why a dataset cannot be had."""
    with pytest.raises(InvalidWorkload) as caught:
        load(name, Options(**{"seed": 1, **options}))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Digits


def test_digits_are_scikit_learns() -> None:
    digits = load("digits", Options(seed=1))
    assert (len(digits.train), len(digits.validation)) == (1438, 359)
    assert digits.shape == (1, 8, 8)
    assert digits.classes == 10
    labels = torch.cat([digits.train.labels, digits.validation.labels])
    assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    ink = sum(float(brightness(digits, part).double().sum()) for part in ("train", "validation"))
    assert ink * 16 == pytest.approx(561_718, rel=1e-5)


def test_images_are_normalised_by_the_training_part() -> None:
    digits = load("digits", Options(seed=1))
    for part in (digits.train, digits.validation):
        assert part.images.dtype == torch.float32
        assert part.labels.dtype == torch.int64
        assert part.images.device.type == part.labels.device.type == "cpu"
    deviation, mean = torch.std_mean(digits.train.images, correction=0)
    assert float(mean) == pytest.approx(0, abs=1e-5)
    assert float(deviation) == pytest.approx(1, abs=1e-5)
    assert float(digits.validation.images.mean()) != pytest.approx(0, abs=1e-4)


def test_facts_describe_the_data() -> None:
    facts = dict(load("digits", Options(seed=7)).facts)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    mean, deviation = facts.pop("mean"), facts.pop("deviation")
    assert mean == pytest.approx([0.3053], abs=0.002)
    assert deviation == pytest.approx([0.376], abs=0.002)
    assert len({str(facts.pop("order_sha256")), str(facts.pop("data_sha256"))}) == 2
    assert facts == {
        "dataset": "digits",
        "dataset_source": "scikit-learn: digits.csv.gz",
        "synthetic": False,
        "classes": 10,
        "train_images": 1438,
        "validation_images": 359,
        "image_shape": [1, 8, 8],
        "split": "seeded",
        "split_seed": 7,
        "validation_share": 0.2,
    }


def test_the_seed_decides_split_and_order() -> None:
    first, again, other = (load("digits", Options(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.train.images, again.train.images)
    assert torch.equal(first.validation.labels, again.validation.labels)
    assert first.facts == again.facts
    assert not torch.equal(first.train.labels, other.train.labels)
    assert first.facts["order_sha256"] != other.facts["order_sha256"]
    assert first.facts["data_sha256"] != other.facts["data_sha256"]


def test_a_smaller_part_is_the_beginning_of_the_order() -> None:
    whole = load("digits", Options(seed=1))
    part = load("digits", Options(seed=1, train_size=100, validation_size=40))
    assert torch.equal(part.train.labels, whole.train.labels[:100])
    assert torch.equal(part.validation.labels, whole.validation.labels[:40])
    assert torch.allclose(brightness(part, "train"), brightness(whole, "train")[:100], atol=1e-5)
    assert (part.facts["train_images"], part.facts["validation_images"]) == (100, 40)


def test_the_share_of_validation_is_an_option() -> None:
    half = load("digits", Options(seed=1, validation_share=0.5))
    assert (len(half.train), len(half.validation)) == (899, 898)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_size": 1439}, "train_size: digits has 1438 images for it, got 1439"),
        ({"validation_size": 0}, "validation_size: digits has 359 images for it, got 0"),
        (
            {"validation_share": 0.0001},
            "dataset: digits: too few images to train with some and validate with others",
        ),
    ],
)
def test_parts_that_cannot_be_had_are_one_clear_line(options: dict[str, Any], message: str) -> None:
    assert refusal("digits", **options) == message


def test_digits_without_scikit_learn_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "find_spec", lambda _: None)
    assert refusal("digits") == (
        "dataset: digits: scikit-learn's images are missing or broken: pip install 'wattfarm[worker]'"
    )


# Size and channels


def test_images_are_resized_and_repeated_to_channels() -> None:
    small = load("digits", Options(seed=1, train_size=20, validation_size=4))
    large = load("digits", Options(seed=1, train_size=20, validation_size=4, image_size=16, channels=3))
    assert large.shape == (3, 16, 16)
    assert large.facts["image_shape"] == [3, 16, 16]
    red, green, blue = large.train.images.unbind(1)
    assert torch.equal(red, green)
    assert torch.equal(green, blue)
    before, after = (brightness(each, "train").mean(dim=(1, 2, 3)) for each in (small, large))
    assert torch.allclose(before, after, atol=0.02)


def test_images_larger_than_the_memory_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1e9))
    assert refusal("digits", image_size=224, channels=3) == (
        "image_size: 1797 images of 3 x 224 x 224 take 1.1 GB of memory, 1.0 GB are free: "
        "use a smaller image_size, train_size or validation_size"
    )


# Published datasets, in the files of torchvision


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def idx(array: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(root: Path, reader: type[MNIST], monkeypatch: pytest.MonkeyPatch) -> None:
    """Image n is n everywhere, and so is its label; validation follows training."""
    raw = root / reader.__name__ / "raw"
    raw.mkdir(parents=True)
    numbers = np.arange(TRAIN + VALIDATION, dtype=np.uint8)
    images = np.broadcast_to(numbers[:, None, None], (len(numbers), 28, 28))
    contents = (images[:TRAIN], numbers[:TRAIN] % 10, images[TRAIN:], numbers[TRAIN:] % 10)
    resources = []
    for (name, _), content in zip(reader.resources, contents, strict=True):
        (raw / name).write_bytes(gzip.compress(idx(content)))
        resources.append((name, md5(raw / name)))
    monkeypatch.setattr(reader, "resources", resources)


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `write_mnist`; the channels of an image are n, n + 50 and n + 100."""
    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)

    def batch(numbers: np.ndarray[Any, np.dtype[np.uint8]]) -> dict[str, object]:
        channels = numbers[:, None] + np.array([0, 50, 100], dtype=np.uint8)
        return {"data": np.repeat(channels, 32 * 32, axis=1), "labels": [int(n) % 10 for n in numbers]}

    def write(name: str, content: object) -> str:
        (folder / name).write_bytes(pickle.dumps(content))
        return md5(folder / name)

    numbers = np.arange(TRAIN + VALIDATION, dtype=np.uint8)
    parts = zip(CIFAR10.train_list, np.array_split(numbers[:TRAIN], 5), strict=True)
    monkeypatch.setattr(CIFAR10, "train_list", [[name, write(name, batch(part))] for (name, _), part in parts])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", write("test_batch", batch(numbers[TRAIN:]))]])
    names = {"label_names": [str(n) for n in range(10)]}
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": write("batches.meta", names)})


def numbers_of(dataset: Dataset, part: str) -> list[int]:
    """The numbers of the images, from their first pixels."""
    pixels: list[int] = (brightness(dataset, part)[:, 0, 0, 0] * 255).round().int().tolist()
    return pixels


def assert_is_what_was_written(dataset: Dataset) -> None:
    train, validation = numbers_of(dataset, "train"), numbers_of(dataset, "validation")
    assert sorted(train) == list(range(TRAIN))
    assert sorted(validation) == list(range(TRAIN, TRAIN + VALIDATION))
    assert train != sorted(train)
    assert dataset.train.labels.tolist() == [n % 10 for n in train]
    assert dataset.validation.labels.tolist() == [n % 10 for n in validation]
    assert dataset.classes == 10
    assert dataset.facts["split"] == "own"
    assert dataset.facts["validation_share"] is None
    assert dataset.facts["synthetic"] is False


@pytest.mark.parametrize(("name", "reader"), [("mnist", MNIST), ("fashion_mnist", FashionMNIST)])
def test_mnist_is_read_from_torchvisions_files(
    name: str, reader: type[MNIST], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path, reader, monkeypatch)
    dataset = load(name, Options(seed=1, data_root=tmp_path))
    assert dataset.shape == (1, 28, 28)
    assert dataset.facts["dataset_source"] == f"torchvision: {reader.__name__}"
    assert_is_what_was_written(dataset)


def assert_is_the_written_cifar10(dataset: Dataset) -> None:
    assert dataset.shape == (3, 32, 32)
    assert_is_what_was_written(dataset)
    pixels = brightness(dataset, "train") * 255
    assert torch.allclose(pixels[:, 1], pixels[:, 0] + 50, atol=1e-2)
    assert torch.allclose(pixels[:, 2], pixels[:, 0] + 100, atol=1e-2)


def test_cifar10_is_read_from_torchvisions_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path, monkeypatch)
    assert_is_the_written_cifar10(load("cifar10", Options(seed=1, data_root=tmp_path)))


@pytest.mark.filterwarnings("ignore:Python 3.14 will, by default, filter extracted tar archives:DeprecationWarning")
def test_cifar10_is_unpacked_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path / "written", monkeypatch)
    root = tmp_path / "root"
    root.mkdir()
    with tarfile.open(root / CIFAR10.filename, "w:gz") as archive:
        archive.add(tmp_path / "written" / CIFAR10.base_folder, CIFAR10.base_folder)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(root / CIFAR10.filename))
    assert_is_the_written_cifar10(load("cifar10", Options(seed=1, data_root=root)))


def test_without_a_network_mnist_shows_what_to_put_where(tmp_path: Path) -> None:
    assert refusal("fashion_mnist", data_root=tmp_path) == (
        "dataset: fashion_mnist: Error downloading train-images-idx3-ubyte.gz: put train-images-idx3-ubyte.gz, "
        "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz of "
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/ into "
        f"{tmp_path}/FashionMNIST/raw, in place of what is there, or give another data_root"
    )


def test_without_a_network_cifar10_shows_what_to_put_where(tmp_path: Path) -> None:
    assert refusal("cifar10", data_root=tmp_path) == (
        "dataset: cifar10: <urlopen error no network>: put https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz "
        f"into {tmp_path}, in place of what is there, or give another data_root"
    )


def test_downloads_go_to_a_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    text = refusal("mnist")
    assert str(tmp_path) in text
    assert "wattfarm/datasets/MNIST/raw" in text


def cut_images(root: Path) -> None:
    path = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:1000])


def empty_labels(root: Path) -> None:
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_images, empty_labels])
def test_a_broken_mnist_is_one_clear_line(
    damage: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path, MNIST, monkeypatch)
    load("mnist", Options(seed=1, data_root=tmp_path))
    damage(tmp_path)
    text = refusal("mnist", data_root=tmp_path)
    assert text.startswith("dataset: mnist: ")
    assert f"into {tmp_path}/MNIST/raw, in place of what is there" in text


def test_a_broken_cifar10_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path, monkeypatch)
    (tmp_path / CIFAR10.base_folder / "data_batch_3").write_bytes(b"something else")
    assert refusal("cifar10", data_root=tmp_path).startswith("dataset: cifar10: <urlopen error no network>: put ")


class Trap:
    """Leaves a file when it is unpickled."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.sprung,)


@pytest.mark.parametrize("name", ["data_batch_1", "data_batch_5", "test_batch", "batches.meta"])
def test_a_cifar10_that_was_tampered_with_is_refused_and_never_unpickled(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar10(tmp_path, monkeypatch)
    load("cifar10", Options(seed=1, data_root=tmp_path))  # a first reading changes nothing for the next
    (tmp_path / CIFAR10.base_folder / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    assert refusal("cifar10", data_root=tmp_path).startswith("dataset: cifar10: ")
    assert not (tmp_path / "sprung").exists()


def test_an_mnist_of_the_old_form_is_not_unpickled(tmp_path: Path) -> None:
    processed = tmp_path / "MNIST" / "processed"
    processed.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save(Trap(tmp_path / "sprung"), processed / name)
    assert refusal("mnist", data_root=tmp_path).startswith("dataset: mnist: ")
    assert not (tmp_path / "sprung").exists()


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(CIFAR10, "download", fail)
    assert refusal("cifar10", data_root=tmp_path) == (
        f"dataset: cifar10: {tmp_path}: No space left on device: free space on its disk, or give another data_root"
    )


# Synthetic datasets


@pytest.mark.parametrize(
    ("name", "shape"), [("synthetic_fashion_mnist", (1, 28, 28)), ("synthetic_cifar10", (3, 32, 32))]
)
def test_synthetic_images_have_the_shape_of_the_real_and_report_it(name: str, shape: tuple[int, int, int]) -> None:
    dataset = load(name, Options(seed=1, train_size=2500, validation_size=500))
    assert dataset.shape == shape
    assert (len(dataset.train), len(dataset.validation)) == (2500, 500)
    assert dataset.train.labels.bincount().tolist() == [250] * 10
    assert dataset.facts["synthetic"] is True
    assert dataset.facts["dataset_source"] == f"made by wattfarm, in the shape of {name.removeprefix('synthetic_')}"
    assert dataset.facts["split"] == "own"


def test_synthetic_images_can_be_learned_from() -> None:
    dataset = load("synthetic_fashion_mnist", Options(seed=1, train_size=2000, validation_size=500))
    train, validation = dataset.train, dataset.validation
    centres = torch.stack([train.images[train.labels == label].mean(dim=0).flatten() for label in range(10)])
    nearest = torch.cdist(validation.images.flatten(1), centres).argmin(dim=1)
    assert 0.6 < float((nearest == validation.labels).float().mean()) < 1


# Image folders


def write_image(path: Path, shade: int, size: tuple[int, int] = (10, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, shade, shade)).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Ten dark cats and ten bright dogs."""
    for n in range(10):
        write_image(tmp_path / "cat" / f"{n}.png", 10 + n)
        write_image(tmp_path / "dog" / "more" / f"{n}.png", 200 + n)
    return tmp_path


def test_an_image_folder_has_a_folder_for_each_class(pictures: Path) -> None:
    dataset = load(str(pictures), Options(seed=1))
    assert dataset.classes == 2
    assert (len(dataset.train), len(dataset.validation)) == (16, 4)
    assert dataset.shape == (3, 10, 10)
    shades = torch.tensor(numbers_of(dataset, "train"))
    assert torch.equal(dataset.train.labels, (shades > 100).long())
    assert dataset.facts["dataset"] == str(pictures)
    assert dataset.facts["dataset_source"] == "image folder"
    assert dataset.facts["split"] == "seeded"


def test_an_image_folder_may_have_a_validation_part(pictures: Path) -> None:
    for name in ("cat", "dog"):
        write_image(pictures / "val" / name / "a.png", 100)
        (pictures / "train").mkdir(exist_ok=True)
        (pictures / name).rename(pictures / "train" / name)
    dataset = load(str(pictures), Options(seed=1))
    assert dataset.facts["split"] == "own"
    assert len(dataset.train) == 20
    assert numbers_of(dataset, "validation") == [100, 100]
    assert sorted(dataset.validation.labels.tolist()) == [0, 1]


def test_a_folders_images_are_brought_to_one_size_and_to_grey(pictures: Path) -> None:
    write_image(pictures / "cat" / "wide.png", 20, (30, 20))
    dataset = load(str(pictures), Options(seed=1, image_size=8, channels=1))
    assert dataset.shape == (1, 8, 8)
    assert len(dataset.train) + len(dataset.validation) == 21


def test_images_of_several_sizes_are_one_clear_line(pictures: Path) -> None:
    write_image(pictures / "cat" / "wide.png", 20, (30, 20))
    assert refusal(str(pictures)) == (
        f"image_size: {pictures}: images of 10 x 10 and of 20 x 30: give an image_size to bring them to"
    )


def test_more_channels_cannot_become_fewer_or_others(pictures: Path) -> None:
    assert refusal(str(pictures), channels=4) == "channels: the images have 3, the network takes 4"


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    assert refusal(str(tmp_path / "cats")) == (
        f"dataset: {tmp_path}/cats: no such folder on this machine, nor one of digits, mnist, fashion_mnist, cifar10, "
        "synthetic_fashion_mnist, synthetic_cifar10"
    )


def test_an_empty_folder_is_one_clear_line(tmp_path: Path) -> None:
    assert refusal(str(tmp_path)) == f"dataset: {tmp_path}: expected a folder for each of 2 classes or more"


def test_a_class_without_images_is_one_clear_line(pictures: Path) -> None:
    (pictures / "owl").mkdir()
    assert refusal(str(pictures)).startswith(f"dataset: {pictures}/owl: holds no image (.bmp, ")


def test_a_class_without_training_is_one_clear_line(pictures: Path) -> None:
    for name in ("cat", "dog"):
        write_image(pictures / "train" / name / "a.png", 1)
    write_image(pictures / "val" / "owl" / "a.png", 1)
    assert refusal(str(pictures)) == f"dataset: {pictures}/val/owl: no class of that name in the training part"


def test_an_unreadable_image_is_one_clear_line(pictures: Path) -> None:
    (pictures / "cat" / "3.png").write_bytes(b"nothing")
    assert refusal(str(pictures)) == (f"dataset: {pictures}/cat/3.png: not a readable image (UnidentifiedImageError)")


def test_a_fifo_among_the_images_is_one_clear_line(pictures: Path) -> None:
    (pictures / "cat" / "0.png").unlink()
    os.mkfifo(pictures / "cat" / "0.png")
    assert refusal(str(pictures)) == f"dataset: {pictures}/cat/0.png: not a file"


def test_images_that_fill_the_memory_are_refused_before_they_do(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    assert re.fullmatch(
        r"image_size: .*: \d+ of \d+ images fill the memory: give an image_size, or a smaller one",
        refusal(str(pictures)),
    )
