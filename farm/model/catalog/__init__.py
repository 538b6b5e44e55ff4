"""Facts about the workers' libraries, for a controller without these libraries; tests compare the two."""

from farm.model.catalog.countries import COUNTRIES
from farm.model.catalog.networks import NETWORKS, Accuracy, PublishedNetwork

__all__ = [
    "COUNTRIES",
    "DATASETS",
    "INPUTS",
    "MODELS",
    "NETWORKS",
    "STUDY_MODELS",
    "USER_MODEL",
    "Accuracy",
    "PublishedNetwork",
]

#: The networks of the training study.
STUDY_MODELS: tuple[str, ...] = ("simple_cnn", "simple_cnn2", "dense_poly_nn", "dense_linear_nn")

#: A network of a user's package: `package.module:Class`. A worker loads only those on its allow-list.
USER_MODEL = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"

#: Data sets with labels that workers know by name; the synthetic ones have the shapes of the real ones.
DATASETS: tuple[str, ...] = (
    "digits",
    "mnist",
    "fashion_mnist",
    "cifar10",
    "synthetic_fashion_mnist",
    "synthetic_cifar10",
)

#: Names of the image shapes with which layers are measured.
INPUTS: tuple[str, ...] = ("digits", "mnist", "fashion_mnist", "cifar10", "imagenet")

#: torchvision's classification networks.
MODELS: tuple[str, ...] = tuple(NETWORKS)
