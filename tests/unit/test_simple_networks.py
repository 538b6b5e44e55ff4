from pathlib import Path

import pytest
import torch
from torch import nn

from workers.kinds.inference import networks
from workers.kinds.training.networks import STUDY_MODELS, Architecture, Shape, build
from workers.trial.workload import InvalidWorkload

FASHION, CIFAR, DIGITS = (1, 28, 28), (3, 32, 32), (1, 8, 8)
SMALL = "shufflenet_v2_x0_5"


def parameters(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


def widths(module: nn.Module) -> list[int]:
    """Inputs of the first linear layer, and outputs of each."""
    linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    return [linear[0].in_features, *(layer.out_features for layer in linear)]


# Parameters, by hand: a convolution from c to 3c channels has 9 * c * 3c + 3c, its norm 2 * 3c, a linear layer
# i * o + o.
@pytest.mark.parametrize(
    ("model", "shape", "expected_widths", "expected_parameters"),
    [
        ("simple_cnn", FASHION, [9 * 7 * 7, 392, 196, 10], 30 + 6 + 252 + 18 + 173_264 + 77_028 + 1_970),
        ("simple_cnn2", FASHION, [9 * 7 * 7, 392, 196, 10], 30 + 6 + 252 + 18 + 173_264 + 77_028 + 1_970),
        ("simple_cnn", CIFAR, [27 * 8 * 8, 1536, 768, 10], 252 + 18 + 2_214 + 54 + 2_655_744 + 1_180_416 + 7_690),
        ("simple_cnn", DIGITS, [9 * 2 * 2, 32, 16, 10], 30 + 6 + 252 + 18 + 1_184 + 528 + 170),
        ("dense_poly_nn", FASHION, [784, 392, 196, 10], 307_720 + 77_028 + 1_970),
        ("dense_poly_nn", CIFAR, [3072, 1536, 768, 10], 4_720_128 + 1_180_416 + 7_690),
        ("dense_linear_nn", FASHION, [784, 523, 262, 10], 410_555 + 137_288 + 2_630),
        ("dense_linear_nn", CIFAR, [3072, 2048, 1024, 10], 6_293_504 + 2_098_176 + 10_250),
        ("dense_linear_nn", DIGITS, [64, 43, 22, 10], 2_795 + 968 + 230),
    ],
)
def test_the_studys_networks_have_its_widths_and_parameters(
    model: str, shape: Shape, expected_widths: list[int], expected_parameters: int
) -> None:
    network = build(Architecture(model), shape, 10, seed=1)
    assert widths(network) == expected_widths
    assert parameters(network) == expected_parameters
    assert network(torch.rand(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize(
    ("conv_layers", "linear_layers", "expected"),
    [
        (1, 3, [3 * 14 * 14, 392, 196, 10]),
        (4, 3, [81 * 1 * 1, 392, 196, 10]),
        (4, 7, [81 * 1 * 1, 392, 196, 98, 49, 24, 12, 10]),
        (1, 1, [3 * 14 * 14, 10]),
    ],
)
def test_layers_are_factors(conv_layers: int, linear_layers: int, expected: list[int]) -> None:
    network = build(Architecture("simple_cnn", conv_layers, linear_layers), FASHION, 10, seed=1)
    assert widths(network) == expected
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.modules()) == conv_layers
    assert network(torch.rand(2, *FASHION)).shape == (2, 10)


@pytest.mark.parametrize("model", ["dense_poly_nn", "dense_linear_nn"])
def test_no_width_is_below_the_channels(model: str) -> None:
    network = build(Architecture(model, linear_layers=9), (3, 2, 2), 2, seed=1)
    assert len(widths(network)) == 10
    assert min(widths(network)[:-1]) == 3


def test_layers_have_names() -> None:
    network = build(Architecture("simple_cnn"), FASHION, 10, seed=1)
    assert [name for name, layer in network.named_modules() if not list(layer.children())] == [
        *("features.conv0", "features.bn0", "features.relu0", "features.pool0"),
        *("features.conv1", "features.bn1", "features.relu1", "features.pool1"),
        "flatten",
        *("classifier.linear0", "classifier.linear1", "classifier.linear2"),
    ]
    assert [name for name, _ in build(Architecture("dense_poly_nn"), FASHION, 10, seed=1).named_children()] == [
        "flatten",
        "classifier",
    ]


def test_without_relu_simple_cnn_is_simple_cnn2_with_the_same_parameters() -> None:
    with_relu = build(Architecture("simple_cnn"), FASHION, 10, seed=1)
    without = build(Architecture("simple_cnn", relu=False), FASHION, 10, seed=1)
    second = build(Architecture("simple_cnn2"), FASHION, 10, seed=1)
    assert str(without) == str(second)
    assert not any(isinstance(layer, nn.ReLU) for layer in second.modules())
    states = [network.state_dict() for network in (with_relu, without, second)]
    for name, values in states[0].items():
        assert all(torch.equal(values, state[name]) for state in states[1:])


@pytest.mark.parametrize("model", [*STUDY_MODELS, SMALL])
def test_the_seed_decides_the_parameters(model: str) -> None:
    shape = (3, 32, 32)
    first, again, other = (
        nn.utils.parameters_to_vector(build(Architecture(model), shape, 5, seed).parameters()) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


# googlenet has heads for training that the farm leaves out; a squeezenet's head is a convolution.
@pytest.mark.parametrize(
    "model",
    [
        SMALL,
        "squeezenet1_1",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("mobilenet_v3_small", "regnet_y_400mf", "googlenet")),
    ],
)
def test_torchvisions_networks_get_a_head_for_the_classes(model: str) -> None:
    network = build(Architecture(model), (3, 64, 64), 7, seed=1)
    assert network.training
    assert all(layer.training for layer in network.modules())
    logits = network(torch.rand(2, 3, 64, 64))
    assert logits.shape == (2, 7)
    logits.sum().backward()
    assert all(each.grad is not None for each in network.parameters())


def test_weights_of_a_file_stay_below_the_new_head(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    trained = networks.build(SMALL, "random", seed=9).module.state_dict()
    torch.save(trained, path)
    state = build(Architecture(SMALL, weights=str(path)), (3, 64, 64), 4, seed=1).state_dict()
    assert state["fc.weight"].shape == (4, 1024)
    assert all(torch.equal(values, trained[name]) for name, values in state.items() if not name.startswith("fc."))


@pytest.mark.parametrize(
    ("architecture", "shape", "message"),
    [
        (
            Architecture("simple_cnn", conv_layers=4),
            DIGITS,
            "conv_layers: each halves the image, so images of 1 x 8 x 8 allow 1 to 3, got 4",
        ),
        (
            Architecture("simple_cnn2", conv_layers=0),
            FASHION,
            "conv_layers: each halves the image, so images of 1 x 28 x 28 allow 1 to 4, got 0",
        ),
        (Architecture("dense_poly_nn", linear_layers=0), FASHION, "linear_layers: expected 1 or more, got 0"),
        (
            Architecture("simple_cnn", weights="default"),
            FASHION,
            "weights: simple_cnn has no published weights: use weights: random",
        ),
        (
            Architecture("simple_cnn3"),
            FASHION,
            "model: torchvision has no classification network called 'simple_cnn3'",
        ),
    ],
)
def test_what_cannot_be_built_is_one_clear_line(architecture: Architecture, shape: Shape, message: str) -> None:
    with pytest.raises(InvalidWorkload) as caught:
        build(architecture, shape, 10, seed=1)
    assert str(caught.value) == message


def test_images_too_small_for_torchvisions_network_are_one_clear_line() -> None:
    with pytest.raises(InvalidWorkload) as caught:
        build(Architecture("squeezenet1_1"), (3, 8, 8), 10, seed=1)
    text = str(caught.value)
    assert text.startswith("image_size: squeezenet1_1 cannot take images of 3 x 8 x 8 (")
    assert text.endswith("): try image_size: 224")
    assert "\n" not in text
