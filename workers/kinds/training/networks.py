"""Networks to train: the study's own (arXiv 2303.13972), and torchvision's with a head for the dataset's classes.

The study's networks take images of channels x height x width, pool by halves and round down everywhere; there is no
activation between their linear layers. Every layer has a name, by which a measurement of one layer names it:

    features.conv0 bn0 relu0 pool0 conv1 ...   flatten   classifier.linear0 linear1 ...
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from workers.kinds.inference import networks
from workers.trial.workload import InvalidWorkload

#: Channels x height x width.
Shape = tuple[int, int, int]
Named = tuple[str, nn.Module]

#: The study's networks, all but the first without ReLU.
STUDY_MODELS = ("simple_cnn", "simple_cnn2", "dense_poly_nn", "dense_linear_nn")


@dataclass(frozen=True)
class Architecture:
    """The network to build. Layers and ReLU are the study's factors: torchvision's networks ignore them."""

    model: str  #: one of STUDY_MODELS, or torchvision's name
    conv_layers: int = 2  #: convolutions of the CNNs
    linear_layers: int = 3  #: linear layers, with the last one to the classes
    relu: bool = True  #: False turns simple_cnn into simple_cnn2
    weights: str = "random"  #: random; for torchvision's networks default or a state_dict's file too


def build(architecture: Architecture, shape: Shape, classes: int, seed: int) -> nn.Module:
    """Build a network on the CPU, ready to train in fp32, with random parameters drawn from the seed.

    Raises InvalidWorkload for an unknown model or weights, and for a network that cannot take images of this shape.
    """
    if architecture.model not in STUDY_MODELS:
        return _torchvision(architecture, shape, classes, seed)
    if architecture.weights != "random":
        raise InvalidWorkload(f"weights: {architecture.model} has no published weights: use weights: random")
    _check(architecture, shape)
    torch.manual_seed(seed)
    return _study(architecture, shape, classes)


def _check(architecture: Architecture, shape: Shape) -> None:
    if architecture.linear_layers < 1:
        raise InvalidWorkload(f"linear_layers: expected 1 or more, got {architecture.linear_layers}")
    if architecture.model not in {"simple_cnn", "simple_cnn2"}:
        return
    side = min(shape[1:])
    most = side.bit_length() - 1
    if not 1 <= architecture.conv_layers <= most:
        raise InvalidWorkload(
            f"conv_layers: each halves the image, so images of {_times(shape)} allow 1 to {most}, "
            f"got {architecture.conv_layers}"
        )


def _study(architecture: Architecture, shape: Shape, classes: int) -> nn.Module:
    channels, height, width = shape
    inputs = channels * height * width
    layers = architecture.linear_layers
    halves = [max(inputs // 2 ** (d + 1), channels) for d in range(layers - 1)]
    match architecture.model:
        case "dense_poly_nn":
            return _dense([inputs, *halves, classes])
        case "dense_linear_nn":
            steps = [max(inputs - (d + 1) * inputs // layers, channels) for d in range(layers - 1)]
            return _dense([inputs, *steps, classes])
    convolutions = architecture.conv_layers
    relu = architecture.relu and architecture.model == "simple_cnn"
    features = _named(layer for d in range(convolutions) for layer in _convolution(channels, d, relu=relu))
    flattened = channels * 3**convolutions * (height >> convolutions) * (width >> convolutions)
    return _named([("features", features), *_dense([flattened, *halves, classes]).named_children()])


def _convolution(channels: int, depth: int, *, relu: bool) -> Iterator[Named]:
    inputs = channels * 3**depth
    yield f"conv{depth}", nn.Conv2d(inputs, 3 * inputs, kernel_size=3, padding=1)
    yield f"bn{depth}", nn.BatchNorm2d(3 * inputs)
    if relu:
        yield f"relu{depth}", nn.ReLU()
    yield f"pool{depth}", nn.MaxPool2d(2)


def _dense(widths: list[int]) -> nn.Module:
    linear = _named((f"linear{d}", nn.Linear(*pair)) for d, pair in enumerate(pairwise(widths)))
    return _named([("flatten", nn.Flatten()), ("classifier", linear)])


def _named(layers: Iterator[Named] | list[Named]) -> nn.Module:
    return nn.Sequential(OrderedDict(layers))


def _torchvision(architecture: Architecture, shape: Shape, classes: int, seed: int) -> nn.Module:
    module = networks.build(architecture.model, architecture.weights, seed).module
    networks.replace_head(module, classes)
    try:
        with torch.inference_mode():
            module(torch.zeros(1, *shape))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise InvalidWorkload(
            f"image_size: {architecture.model} cannot take images of {_times(shape)} "
            f"({networks.first_line(error)}): try image_size: 224"
        ) from None
    return module.train()


def _times(shape: Shape) -> str:
    return " x ".join(map(str, shape))
