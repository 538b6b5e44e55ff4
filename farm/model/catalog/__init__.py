"""Facts about the workers' libraries, for a controller without these libraries; tests compare the two."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farm.model.catalog.networks import NETWORKS, Accuracy, PublishedNetwork

__all__ = [
    "COLLECTIONS",
    "COUNTRIES",
    "DATASETS",
    "IMAGE_SUFFIXES",
    "INPUTS",
    "MODELS",
    "NETWORKS",
    "STUDY_MODELS",
    "USER_MODEL",
    "Accuracy",
    "Country",
    "LabelledImages",
    "PublishedNetwork",
    "package_of",
]


@dataclass(frozen=True, slots=True)
class Country:
    """A country, and the life-cycle emissions of its electricity in CO2e over one year."""

    name: str
    g_per_kwh: float | None  #: None: the table has 0
    year: int


def _read_countries(path: Path) -> Mapping[str, Country]:
    with path.open(encoding="utf-8", newline="") as file:
        return {code: Country(name, float(mean) or None, int(year)) for code, name, mean, year in csv.reader(file)}


#: The countries whose carbon intensity codecarbon's table has, by ISO 3166 alpha-3 code.
COUNTRIES: Mapping[str, Country] = _read_countries(Path(__file__).with_name("countries.csv"))

#: The networks of the training study.
STUDY_MODELS: tuple[str, ...] = ("simple_cnn", "simple_cnn2", "dense_poly_nn", "dense_linear_nn")

#: A network of a user's package: `package.module:Class`. A worker loads only those on its allow-list.
USER_MODEL = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z][A-Za-z0-9_]*$"

#: Collections of models whose names look like networks of users' packages: `timm:resnet50`. None is supported yet.
COLLECTIONS = ("hf", "timm")


def package_of(model: str) -> str:
    """Return the package of a user's network, which holds the module of its class."""
    return model.partition(":")[0].partition(".")[0]


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """A data set that workers know by name."""

    train: int  #: images; of a data set without a validation part, all of them
    validation: int | None  #: None: a seeded share of the training images
    shape: tuple[int, int, int]  #: channels x height x width
    origin: str
    classes: int = 10


#: Data sets with labels that workers know by name; the synthetic ones have the shapes of the real ones.
DATASETS: Mapping[str, LabelledImages] = {
    "digits": LabelledImages(1_797, None, (1, 8, 8), "scikit-learn"),
    "mnist": LabelledImages(60_000, 10_000, (1, 28, 28), "torchvision"),
    "fashion_mnist": LabelledImages(60_000, 10_000, (1, 28, 28), "torchvision"),
    "cifar10": LabelledImages(50_000, 10_000, (3, 32, 32), "torchvision"),
    "synthetic_fashion_mnist": LabelledImages(60_000, 10_000, (1, 28, 28), "generated"),
    "synthetic_cifar10": LabelledImages(50_000, 10_000, (3, 32, 32), "generated"),
}

#: Suffixes of the files that workers read as images, in any case.
IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})

#: Names of the image shapes with which layers are measured.
INPUTS: tuple[str, ...] = ("digits", "mnist", "fashion_mnist", "cifar10", "imagenet")

#: torchvision's classification networks.
MODELS: tuple[str, ...] = tuple(NETWORKS)
