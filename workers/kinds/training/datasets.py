"""Labelled images to train on: read, split and ordered by a seed, resized and normalized.

Everything is on the CPU and in memory, so that a step of training measures the network and not a decoder.
"""

import gzip
import hashlib
import os
import pickle
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import torch
from PIL import Image
from platformdirs import user_cache_path
from pydantic import JsonValue
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.datasets import CIFAR10, MNIST, FashionMNIST

from workers.kinds.inference.images import images_below, read_image
from workers.kinds.inference.networks import first_line
from workers.trial.workload import DISK_FULL, InvalidWorkload

#: Images that are converted at once.
CHUNK = 1000
#: The number of classes of torchvision's datasets, and of the synthetic ones.
CLASSES = 10
#: The errors of torchvision for files that cannot be downloaded, are truncated or hold other data.
UNREADABLE = (
    *(OSError, EOFError, RuntimeError, ValueError, TypeError, KeyError, AssertionError),
    *(HTTPException, pickle.UnpicklingError, tarfile.TarError, zlib.error),
)


@dataclass(frozen=True)
class Options:
    """The part of a dataset that is used, and the form of its images."""

    seed: int  #: the seed of the split and the order
    data_root: Path | None = None  #: the folder of downloads; None: a cache folder of this user
    validation_share: float = 0.2  #: the share for validation where a dataset has no validation part
    train_size: int | None = None  #: take so many images from the start of the seeded order; None: all
    validation_size: int | None = None
    image_size: int | None = None  #: pixels of a side; None: the images keep their size
    channels: int | None = None  #: grey images are repeated to so many channels; None: the images keep theirs


@dataclass(frozen=True)
class Part:
    """Images with their labels, in order, on the CPU."""

    images: Tensor  #: float32, n x channels x height x width, normalised with the training part's mean and deviation
    labels: Tensor  #: int64, n

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """The images that a network is trained and validated with."""

    train: Part
    validation: Part
    classes: int
    facts: Mapping[str, JsonValue]

    @property
    def shape(self) -> tuple[int, int, int]:
        """The channels, height and width of an image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width


@dataclass(frozen=True)
class Source:
    """A dataset before it is split and normalised."""

    images: Tensor  #: uint8, n x channels x height x width
    labels: Tensor  #: int64, n
    classes: int
    origin: str  #: where the images come from
    own_validation: int | None = None  #: the size of its own validation part, which is the last; None: it has none
    white: int = 255  #: the value of full brightness
    synthetic: bool = False


def load(name: str, options: Options) -> Dataset:
    """Read a dataset of the REGISTRY, or the image folder of that path.

    A folder holds one folder for each class, or `train` and `val` with these. The facts hold the origin of the data and
    whether they are synthetic, sizes, split and its seed, mean and deviation of each channel of the training part (of
    brightness from 0 to 1), and two digests: of the order, and of the chosen bytes with their labels. Raises
    InvalidWorkload, with the remedy, for a dataset that cannot be read.
    """
    read = REGISTRY.get(name)
    source = read(options) if read else _folder(Path(name), options)
    train_order, validation_order = _orders(name, source, options)
    shape = _shape(source, options)
    _check_memory(len(train_order) + len(validation_order), shape)
    train = _pixels(source, train_order, shape)
    validation = _pixels(source, validation_order, shape)
    deviation, mean = torch.std_mean(train, dim=(0, 2, 3), correction=0, keepdim=True)
    for images in (train, validation):
        images.sub_(mean).div_(torch.where(deviation > 0, deviation, 1))
    order = torch.cat([train_order, validation_order])
    facts: dict[str, JsonValue] = {
        "dataset": name,
        "dataset_source": source.origin,
        "synthetic": source.synthetic,
        "classes": source.classes,
        "train_images": len(train_order),
        "validation_images": len(validation_order),
        "image_shape": list(shape),
        "split": "seeded" if source.own_validation is None else "own",
        "split_seed": options.seed,
        "validation_share": options.validation_share if source.own_validation is None else None,
        "mean": mean.flatten().tolist(),
        "deviation": deviation.flatten().tolist(),
        "order_sha256": _sha256(order),
        "data_sha256": _sha256(source.images[order], source.labels[order]),
    }
    return Dataset(
        Part(train, source.labels[train_order]),
        Part(validation, source.labels[validation_order]),
        source.classes,
        facts,
    )


def _orders(name: str, source: Source, options: Options) -> tuple[Tensor, Tensor]:
    """Choose the images of the training part and of the validation part, in their order."""
    generator = torch.Generator().manual_seed(options.seed)
    count = len(source.labels)
    if source.own_validation is None:
        order = torch.randperm(count, generator=generator)
        held_out = round(count * options.validation_share)
        train, validation = order[held_out:], order[:held_out]
    else:
        first = count - source.own_validation
        train = torch.randperm(first, generator=generator)
        validation = first + torch.randperm(source.own_validation, generator=generator)
    return (
        _first(name, "train_size", train, options.train_size),
        _first(name, "validation_size", validation, options.validation_size),
    )


def _first(name: str, field: str, order: Tensor, size: int | None) -> Tensor:
    if len(order) == 0:
        raise InvalidWorkload(f"dataset: {name}: too few images to train with some and validate with others")
    if size is not None and not 1 <= size <= len(order):
        raise InvalidWorkload(f"{field}: {name} has {len(order)} images for it, got {size}")
    return order[:size]


def _shape(source: Source, options: Options) -> tuple[int, int, int]:
    """Return the channels, height and width that the network gets."""
    channels, height, width = source.images.shape[1:]
    if options.channels not in {None, channels} and channels != 1:
        raise InvalidWorkload(f"channels: the images have {channels}, the network takes {options.channels}")
    return options.channels or channels, options.image_size or height, options.image_size or width


def _check_memory(images: int, shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    needed = 4 * images * channels * height * width
    available = psutil.virtual_memory().available
    if needed > available:
        raise InvalidWorkload(
            f"image_size: {images} images of {channels} x {height} x {width} take {needed / 1e9:.1f} GB of memory, "
            f"{available / 1e9:.1f} GB are free: use a smaller image_size, train_size or validation_size"
        )


def _pixels(source: Source, order: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Convert images, in this order and shape, to a brightness from 0 to 1."""
    pixels = torch.empty(len(order), *shape)
    for filled, chosen in zip(torch.split(pixels, CHUNK), torch.split(order, CHUNK), strict=True):
        bright = source.images[chosen].float().div_(source.white)
        if bright.shape[2:] != shape[1:]:
            bright = interpolate(bright, size=shape[1:], mode="bilinear", antialias=True)
        filled.copy_(bright)
    return pixels


def _sha256(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def _digits(_: Options) -> Source:
    """Read the file of `sklearn.datasets.load_digits`; its import takes seconds and starts threads."""
    found = find_spec("sklearn")
    path = Path(found.origin if found and found.origin else "").parent / "datasets" / "data" / "digits.csv.gz"
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            rows = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.uint8))
    except (OSError, EOFError, ValueError, zlib.error):
        raise InvalidWorkload(
            "dataset: digits: scikit-learn's images are missing or broken: pip install 'wattfarm[worker]'"
        ) from None
    return Source(
        rows[:, :-1].reshape(-1, 1, 8, 8), rows[:, -1].long(), CLASSES, f"scikit-learn: {path.name}", white=16
    )


def _grey(reader: type[MNIST], name: str, options: Options) -> Source:
    root = _root(options)
    files = ", ".join(file for file, _ in reader.resources)
    return _published(reader, name, root, f"{files} of {reader.mirrors[0]} into {root / reader.__name__ / 'raw'}")


def _cifar10(options: Options) -> Source:
    root = _root(options)
    return _published(CIFAR10, "cifar10", root, f"{CIFAR10.url} into {root}")


def _root(options: Options) -> Path:
    return options.data_root or user_cache_path("wattfarm") / "datasets"


def _published(reader: type[MNIST | CIFAR10], name: str, root: Path, remedy: str) -> Source:
    """Read a dataset of torchvision, which downloads it where it is missing."""
    try:
        train, validation = (_tensors(reader(root, train=part, download=True)) for part in (True, False))
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            what = f"{root}: {os.strerror(error.errno)}: free space on its disk, or give another data_root"
            raise InvalidWorkload(f"dataset: {name}: {what}") from None
        raise InvalidWorkload(
            f"dataset: {name}: {first_line(error).rstrip(':')}: put {remedy}, in place of what is there, "
            "or give another data_root"
        ) from None
    images, labels = (torch.cat(both) for both in zip(train, validation, strict=True))
    return Source(images, labels, CLASSES, f"torchvision: {reader.__name__}", own_validation=len(validation[0]))


def _tensors(part: MNIST | CIFAR10) -> tuple[Tensor, Tensor]:
    """Return images with the channels first, and labels."""
    images, labels = torch.as_tensor(part.data), torch.as_tensor(part.targets)
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images have {len(labels)} labels")
    return (images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)), labels


def _synthetic(like: str, shape: tuple[int, int, int], train: int, validation: int, options: Options) -> Source:
    """Make noisy blends of two classes' patterns, labelled by the stronger one, and a few by the weaker one."""
    validation = min(validation, options.validation_size or validation)
    count = min(train, options.train_size or train) + validation
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(CLASSES, shape[0], 4, 4, generator=generator)
    patterns = interpolate(coarse, size=shape[1:], mode="bilinear")
    labels = torch.arange(count) % CLASSES
    images = torch.empty(count, *shape, dtype=torch.uint8)
    for filled, own in zip(torch.split(images, CHUNK), torch.split(labels, CHUNK), strict=True):
        other = torch.randint(CLASSES, own.shape, generator=generator)
        share = 0.45 + 0.55 * torch.rand(len(own), 1, 1, 1, generator=generator)
        noise = 0.2 * torch.randn(filled.shape, generator=generator)
        bright = share * patterns[own] + (1 - share) * patterns[other] + noise
        filled.copy_(bright.clamp_(0, 1).mul_(255))
    origin = f"made by wattfarm, in the shape of {like}"
    return Source(images, labels, CLASSES, origin, own_validation=validation, synthetic=True)


def _folder(root: Path, options: Options) -> Source:
    """Read an image folder, its classes in the order of their names."""
    if not root.is_dir():
        raise InvalidWorkload(f"dataset: {root}: no such folder on this machine, nor one of {', '.join(REGISTRY)}")
    parts = [root / "train", root / "val"] if all((root / part).is_dir() for part in ("train", "val")) else [root]
    classes = sorted(path.name for path in parts[0].iterdir() if path.is_dir())
    if len(classes) < 2:
        raise InvalidWorkload(f"dataset: {parts[0]}: expected a folder for each of 2 classes or more")
    files = [_files(part, classes) for part in parts]
    images = _read_all([path for part in files for path, _ in part], options)
    sizes = sorted({(image.shape[1], image.shape[2]) for image in images})
    if len(sizes) > 1:
        (height, width), (other_height, other_width) = sizes[0], sizes[-1]
        raise InvalidWorkload(
            f"image_size: {root}: images of {height} x {width} and of {other_height} x {other_width}: "
            "give an image_size to bring them to"
        )
    labels = torch.tensor([label for part in files for _, label in part])
    own_validation = len(files[1]) if len(files) == 2 else None
    return Source(torch.stack(images), labels, len(classes), "image folder", own_validation)


def _read_all(paths: list[Path], options: Options) -> list[Tensor]:
    """Read images while they fit into the memory, twice: they are stacked afterwards."""
    images: list[Tensor] = []
    left = psutil.virtual_memory().available // 2
    for path in paths:
        images.append(_read(path, options))
        left -= images[-1].nbytes
        if left < 0:
            raise InvalidWorkload(
                f"image_size: {path.parent}: {len(images)} of {len(paths)} images fill the memory: give an image_size, "
                "or a smaller one"
            )
    return images


def _files(part: Path, classes: list[str]) -> list[tuple[Path, int]]:
    """List the images of a folder with one folder a class, with the numbers of their classes."""
    strangers = {path.name for path in part.iterdir() if path.is_dir()}.difference(classes)
    if strangers:
        raise InvalidWorkload(f"dataset: {part / min(strangers)}: no class of that name in the training part")
    files: list[tuple[Path, int]] = []
    for label, name in enumerate(classes):
        files += [(path, label) for path in sorted(images_below(part / name, "dataset"))]
    return files


def _read(path: Path, options: Options) -> Tensor:
    """Read one image, channels first; it is grey if a network wants one channel."""
    image = read_image(path, "dataset", "L" if options.channels == 1 else "RGB")
    if options.image_size is not None:
        image = image.resize((options.image_size, options.image_size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).reshape(image.height, image.width, -1).permute(2, 0, 1)


#: Datasets by name; `farm.model.catalog` has the same names.
REGISTRY: Mapping[str, Callable[[Options], Source]] = {
    "digits": _digits,
    "mnist": partial(_grey, MNIST, "mnist"),
    "fashion_mnist": partial(_grey, FashionMNIST, "fashion_mnist"),
    "cifar10": _cifar10,
    "synthetic_fashion_mnist": partial(_synthetic, "fashion_mnist", (1, 28, 28), 60_000, 10_000),
    "synthetic_cifar10": partial(_synthetic, "cifar10", (3, 32, 32), 50_000, 10_000),
}
