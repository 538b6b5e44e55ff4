"""A network taken apart: its layers are found, counted, and compute alone what they compute in the whole."""

import json
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from farm.model import Point
from workers.kinds.layers import leaves, parts
from workers.kinds.layers.leaves import Layer
from workers.kinds.layers.parts import Subject
from workers.kinds.layers.workload import Layers
from workers.trial.workload import InvalidWorkload

SMALL: Point = {"model": "simple_cnn", "input": "digits", "batch_size": 4}


class Between(nn.Module):
    """Attention, a layer called twice, layers of several arguments, and work between layers."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mix = nn.Bilinear(8, 8, 8)
        self.gelu = nn.GELU()
        self.never = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        x = self.norm(self.start(x))
        seen, _ = self.attention(x, key=x, value=x, need_weights=False)
        return torch.relu(self.gelu(self.norm(self.mix(x, seen))) + x), None


class Asking(nn.Module):
    """Wants to know something of its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.norm(self.first(x).to(self.norm.weight.dtype))
        return torch.add(self.relu(hidden), 1)


def convolutions(*, inplace: bool = False) -> nn.Sequential:
    """Two convolutions of one configuration, then one that differs in its stride alone."""
    blocks = [
        layer
        for stride in (1, 1, 2)
        for layer in (nn.Conv2d(3, 3, 3, stride, padding=1), nn.BatchNorm2d(3), nn.ReLU(inplace))
    ]
    return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), *blocks, nn.Flatten(), nn.Linear(48, 5))


#: Networks with the shape of their batch.
NETWORKS: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolutions": (convolutions, (2, 3, 8, 8)),
    "between": (Between, (2, 5, 8)),
    "densenet": (lambda: models.DenseNet(4, (2, 2), 8, num_classes=5), (2, 3, 64, 64)),
    "resnet": (lambda: models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5), (2, 3, 64, 64)),
    "vit": (lambda: models.VisionTransformer(16, 8, 2, 2, 8, 16, num_classes=5), (2, 3, 16, 16)),
}
#: Those of torchvision have many layers: one of them is enough for the fast tier.
each_network = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in {"densenet", "resnet"} else name for name in NETWORKS],
)


def built(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    torch.manual_seed(1)
    build, shape = NETWORKS[name]
    return build(), shape


def taken_apart(network: nn.Module, shape: Sequence[int]) -> tuple[Subject, list[Layer]]:
    torch.manual_seed(1)
    leaves.undo_inplace(network.train())
    whole = parts.whole(network, torch.randn(shape), "cpu", seed=1)
    return whole, parts.layers(whole, "cpu")


def by_name(found: Sequence[Layer]) -> dict[str, Layer]:
    return {name: layer for layer in found for name in layer.names}


def ready(**change: str | float | bool) -> Layers:
    workload = Layers()
    workload.setup({**SMALL, **change}, "cpu", 1)
    return workload


# Finding and counting


@each_network
def test_counted_calls_are_all_calls_of_layers(name: str) -> None:
    network, shape = built(name)
    whole, found = taken_apart(network, shape)
    names = {id(module): path for path, module in network.named_modules()}
    seen: list[str] = []
    hook = nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(names[id(module)]))
    try:
        whole.forward()
    finally:
        hook.remove()
    callers = {path for path in seen if any(other.startswith(f"{path}.") or not path for other in seen if other)}
    calls = [path for path in seen if path not in callers]
    assert set(by_name(found)) == set(calls)
    assert sum(layer.count for layer in found) == len(calls)


def test_layers_of_one_configuration_are_one() -> None:
    _, found = taken_apart(*built("convolutions"))
    assert [(layer.type, layer.names, layer.count) for layer in found] == [
        ("Conv2d", ["0"], 1),  # its input needs no gradient
        ("Conv2d", ["1", "4"], 2),
        ("BatchNorm2d", ["2", "5"], 2),
        ("ReLU", ["3", "6"], 2),
        ("Conv2d", ["7"], 1),
        ("BatchNorm2d", ["8"], 1),
        ("ReLU", ["9"], 1),
        ("Flatten", ["10"], 1),
        ("Linear", ["11"], 1),
    ]


def test_a_layer_called_twice_counts_twice_and_one_never_called_not_at_all() -> None:
    network, shape = built("between")
    whole, found = taken_apart(network, shape)
    assert [(layer.names, layer.count) for layer in found] == [
        (["start"], 1),
        (["norm"], 2),
        (["attention"], 1),
        (["mix"], 1),
        (["gelu"], 1),
    ]
    assert len(list(leaves.tensors(whole.forward()))) == 1


def test_hyperparameters_that_no_text_shows_keep_layers_apart() -> None:
    class Turn(nn.Module):
        def __init__(self, *order: int) -> None:
            super().__init__()
            self.order = order

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.permute(self.order)

    network = nn.Sequential(nn.Conv2d(4, 4, 1), Turn(0, 3, 1, 2), Turn(0, 3, 1, 2), Turn(0, 2, 3, 1))
    _, found = taken_apart(network, (4, 4, 4, 4))
    assert [(layer.type, layer.count) for layer in found] == [("Conv2d", 1), ("Turn", 2), ("Turn", 1)]


def test_self_attention_gets_one_tensor_again() -> None:
    _, found = taken_apart(*built("between"))
    (query,), given = by_name(found)["attention"].arguments
    assert query is given["key"]
    assert query is given["value"]
    assert given["need_weights"] is False
    assert query.requires_grad
    (moved,), kept = leaves.copy_to(((query,), given), "cpu")
    assert moved is kept["key"]
    assert moved is not query


def test_a_layer_may_have_no_input() -> None:
    class Learned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.ones(3))

        def forward(self) -> torch.Tensor:
            return self.value * 2

    class Adding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.learned = Learned()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.add(self.learned(), x)

    _, found = taken_apart(Adding(), (2, 3))
    (forward, _), (backward, subject) = parts.listed(map(parts.isolated, found))
    assert (forward.label, forward.input_shape, forward.parameters) == ("Learned learned", (), 3)
    assert backward.pass_ == "backward"
    assert torch.equal(results(subject)[0], 2 * subject.gradients[0])


# Alone as in the whole


@each_network
def test_a_layer_gives_alone_what_it_gives_in_the_whole(name: str) -> None:
    network, shape = built(name)
    whole, found = taken_apart(network, shape)
    outputs: dict[str, list[torch.Tensor]] = {}

    def keep(path: str, output: object) -> None:
        outputs.setdefault(path, [tensor.detach().clone() for tensor in leaves.tensors(output)])

    hooks = [
        layer.module.register_forward_hook(lambda _, __, output, path=layer.names[0]: keep(path, output))
        for layer in found
    ]
    whole.forward()
    for hook in hooks:
        hook.remove()
    for layer in found:
        given = list(leaves.tensors(parts.isolated(layer).to("cpu").forward()))
        assert len(given) == len(outputs[layer.names[0]]) > 0
        for alone, within in zip(given, outputs[layer.names[0]], strict=True):
            torch.testing.assert_close(alone, within, rtol=1e-4, atol=1e-5)


@each_network
def test_gradients_alone_are_those_of_the_whole(name: str) -> None:
    network, shape = built(name)
    whole, found = taken_apart(network, shape)
    names = [path for path, _ in network.named_parameters()]
    gradients: dict[str, torch.Tensor] = dict(zip(names, results(whole), strict=True))
    compared = 0
    for layer in (layer for layer in found if layer.count == 1):
        inputs = {id(t) for t in leaves.tensors(layer.arguments) if t.requires_grad}
        alone = results(parts.isolated(layer))[len(inputs) :]
        for (path, _), gradient in zip(layer.module.named_parameters(), alone, strict=True):
            torch.testing.assert_close(gradient, gradients[f"{layer.names[0]}.{path}"], rtol=1e-3, atol=1e-5)
            compared += 1
    assert compared > 1


def results(subject: Subject) -> tuple[torch.Tensor, ...]:
    """Gradients of the inputs that need one, then of the parameters; the second of two equal passes."""
    backward: Any = subject.to("cpu").recorded()
    first, second = backward(), backward()
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True) if a is not None)
    found: tuple[torch.Tensor, ...] = second
    return found


def test_the_networks_own_input_needs_no_gradient() -> None:
    _, found = taken_apart(nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 2)), (3, 2, 2))
    flatten, first, second = map(parts.isolated, found)
    assert flatten.passes == ("forward",)
    assert [len(results(subject)) for subject in (first, second)] == [2, 3]


def test_layers_that_overwrite_their_input_no_longer_do() -> None:
    network = convolutions(inplace=True)
    assert leaves.undo_inplace(network) == 3
    _, found = taken_apart(network, (2, 3, 8, 8))
    relu = parts.isolated(by_name(found)["3"]).to("cpu")
    (given,), _ = relu.arguments
    before = given.clone()
    relu.forward()
    assert torch.equal(given, before)
    assert (before < 0).any()


# Ablation


def test_the_whole_without_a_type_shares_its_parameters_and_leaves_the_whole_as_it_is() -> None:
    network = convolutions()
    whole, found = taken_apart(network, (2, 3, 8, 8))
    subjects, kept = parts.ablated(whole, found, "cpu")
    assert [(subject.ablated, subject.names, subject.passes) for subject in subjects] == [
        ("BatchNorm2d", ("2", "5", "8"), ("forward", "backward")),
        ("ReLU", ("3", "6", "9"), ("forward", "backward")),
    ]
    assert list(kept) == ["Conv2d", "Flatten", "Linear"]
    plain = nn.Sequential(*(layer for layer in network if not isinstance(layer, nn.ReLU)))
    (batch,), _ = whole.arguments
    torch.testing.assert_close(subjects[1].forward(), plain(batch))
    assert {id(p) for p in subjects[1].module.parameters()} == {id(p) for p in network.parameters()}
    assert isinstance(network[3], nn.ReLU)


def test_what_a_network_cannot_go_without_is_reported() -> None:
    whole, found = taken_apart(Asking(), (2, 4))
    subjects, kept = parts.ablated(whole, found, "cpu")
    assert [subject.ablated for subject in subjects] == ["Linear", "ReLU"]
    assert list(kept) == ["LayerNorm"]
    assert "weight" in kept["LayerNorm"]


def test_a_module_of_two_names_is_taken_out_at_both() -> None:
    relu = nn.ReLU()
    ablated = leaves.remove_layers(nn.Sequential(nn.Linear(2, 2), relu, nn.Linear(2, 2), relu), ["1"])
    assert [type(module).__name__ for module in ablated.children()] == ["Linear", "Identity", "Linear", "Identity"]


# The workload


@pytest.mark.parametrize(
    "point",
    [
        SMALL,
        {"model": "simple_cnn", "input": "cifar10", "conv_layers": 4, "linear_layers": 7, "relu": False},
        {"model": "dense_linear_nn", "input": "fashion_mnist", "batch_size": 2},
        {"model": "simple_cnn2", "input": "mnist", "precision": "bf16"},
        {"model": "simple_cnn", "input": "digits", "batch_size": 1, "backward": False},
        pytest.param({"model": "shufflenet_v2_x0_5", "input": "cifar10", "batch_size": 2}, marks=pytest.mark.slow),
        pytest.param(
            {"model": "mobilenet_v3_small", "input": "cifar10", "batch_size": 1, "backward": False},
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda point: str(point["model"]),
)
def test_every_part_runs_again_and_again(point: Point) -> None:
    workload = Layers()
    workload.setup(point, "cpu", 1)
    assert [part.index for part in workload.parts] == list(range(len(workload.parts)))
    for part in workload.parts:
        workload.select(part.index)
        assert (workload.step(), workload.step()) == (1, 1)
    workload.synchronize()
    facts = workload.facts()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    forward = [part for part in workload.parts if part.pass_ == "forward"]
    assert sum(part.count for part in forward if part.kind == "layer") == facts["layer_calls"]
    assert all(part.input_shape[0] == point.get("batch_size", 16) for part in forward if part.kind == "whole")


def test_parts_show_what_they_are() -> None:
    workload = ready()
    whole, back, conv, *_ = workload.parts
    assert (whole.kind, whole.pass_, whole.count, whole.input_shape) == ("whole", "forward", 1, (4, 1, 8, 8))
    assert (back.kind, back.pass_, back.parameters) == ("whole", "backward", workload.facts()["parameters"])
    assert conv.facts() == {
        "index": 2,
        "label": "Conv2d features.conv0",
        "kind": "layer",
        "pass": "forward",
        "type": "Conv2d",
        "names": ["features.conv0"],
        "count": 1,
        "input_shape": [4, 1, 8, 8],
        "parameters": 30,
        "ablated": None,
    }
    assert [part.label for part in workload.parts if part.kind == "ablated" and part.pass_ == "forward"] == [
        "Sequential without BatchNorm2d",
        "Sequential without ReLU",
    ]
    merged = parts.listed(map(parts.isolated, taken_apart(*built("convolutions"))[1]))
    assert [part.label for part, _ in merged if part.count > 1 and part.pass_ == "forward"] == [
        "Conv2d 1 and 1 more",
        "BatchNorm2d 2 and 1 more",
        "ReLU 3 and 1 more",
    ]


def test_inference_has_no_backward_and_changes_nothing() -> None:
    workload = ready(backward=False)
    module = workload._listed[0][1].module
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert {part.pass_ for part in workload.parts} == {"forward"}
    for part in workload.parts:
        workload.select(part.index)
        assert not any(tensor.requires_grad for tensor in leaves.tensors(workload._run()))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert workload.facts()["mode"] == "inference"


def test_training_records_and_keeps_its_statistics() -> None:
    workload = ready()
    (norm,) = (p for p in workload.parts if p.names == ("features.bn0",) and p.pass_ == "forward")
    workload.select(norm.index)
    output = next(leaves.tensors(workload._run()))
    assert output.grad_fn is not None
    torch.testing.assert_close(output.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_is_that_of_parameters_inputs_and_gradients(precision: str, dtype: torch.dtype) -> None:
    for _, subject in ready(precision=precision)._listed:
        found = [*leaves.tensors(subject.arguments), *subject.gradients.values(), *subject.module.parameters()]
        assert {tensor.dtype for tensor in found} == {dtype}


def test_params_and_seed_decide_parameters_inputs_and_gradients() -> None:
    def tensors(seed: int) -> list[torch.Tensor]:
        workload = Layers()
        workload.setup(SMALL, "cpu", seed)
        subjects = [subject for _, subject in workload._listed]
        given = [t for s in subjects for t in (*leaves.tensors(s.arguments), *s.gradients.values())]
        return [*given, *subjects[0].module.parameters()]

    first, again, other = (tensors(seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_close_lets_go_of_everything() -> None:
    workload = ready()
    workload.select(1)
    network = weakref.ref(workload._listed[0][1].module)
    weight = weakref.ref(next(workload._listed[0][1].module.parameters()))
    workload.close()
    workload.close()
    assert (network(), weight(), list(workload.parts)) == (None, None, [])
    workload.setup(SMALL, "cpu", 1)
    assert workload.step() == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "shufflenet"}, "shufflenet"),
        ({"batch_size": 0}, "batch_size"),
        ({"input": "photographs"}, "input"),
        ({"precision": "tf32"}, "tf32"),
        ({"conv_layers": 9}, "conv_layers"),
        ({"colour": "blue"}, "colour"),
        ({"model": "alexnet"}, "alexnet cannot train on a batch of 4 x 3 x 8 x 8"),
        ({"model": "resnet18", "batch_size": 1}, "batch_size"),
    ],
)
def test_what_cannot_be_had_is_one_clear_line(change: Point, named: str) -> None:
    workload = Layers()
    with pytest.raises(InvalidWorkload) as caught:
        workload.setup({**SMALL, **change}, "cpu", 1)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
