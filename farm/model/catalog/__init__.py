"""Facts of the workers' libraries that the controller needs without them; tests compare them with the libraries."""

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

#: A network of a user's package: `package.module:Class`. A worker loads those that its allow-list has.
USER_MODEL = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"

#: Data sets with labels that workers know by name; the synthetic ones have the shapes of the real.
DATASETS: tuple[str, ...] = (
    "digits",
    "mnist",
    "fashion_mnist",
    "cifar10",
    "synthetic_fashion_mnist",
    "synthetic_cifar10",
)

#: Shapes of images that layers are measured with.
INPUTS: tuple[str, ...] = ("digits", "mnist", "fashion_mnist", "cifar10", "imagenet")

#: torchvision's classification networks.
MODELS: tuple[str, ...] = tuple(NETWORKS)
