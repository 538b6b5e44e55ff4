"""Measure a network layer by layer: the whole, each layer alone, and the whole without the layers of a type.

With `backward` the network is in training mode, forward passes record their graph, and a backward pass runs a recorded
graph again and again. So the two are measured apart; together they are a training without loss and optimizer. Without
`backward` the network infers. A layer runs on its tensors from the whole: its real input, the real gradient of its
output, and a gradient of its input only where the whole needs one. In the whole too, layers that would overwrite their
input make an output of their own.

The network and the tensors of the selected part are on the device; the tensors of the other parts wait on the CPU. They
are dense there: a transposed tensor stays transposed, but a slice of a larger tensor becomes a tensor of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field, JsonValue
from torch import nn

from farm.model import Frozen, Point
from workers.kinds.inference import networks
from workers.kinds.inference.workload import DTYPES
from workers.kinds.layers import leaves, parts
from workers.kinds.layers.parts import Part, Subject
from workers.kinds.training import networks as simple_networks
from workers.kinds.training.networks import STUDY_MODELS, Architecture, Shape
from workers.trial.loops import run_parts
from workers.trial.params import configure_torch, parse
from workers.trial.stage import Stage
from workers.trial.workload import InvalidWorkload

#: Images of channels x height x width, and the number of classes.
INPUTS: Mapping[str, tuple[Shape, int]] = {
    "digits": ((1, 8, 8), 10),
    "mnist": ((1, 28, 28), 10),
    "fashion_mnist": ((1, 28, 28), 10),
    "cifar10": ((3, 32, 32), 10),
    "imagenet": ((3, 224, 224), 1000),
}


class Params(Frozen):
    """A point of kind layers; the trial has chosen the device by now."""

    model: str
    input: Literal["digits", "mnist", "fashion_mnist", "cifar10", "imagenet"] = "imagenet"
    batch_size: int = Field(16, ge=1)
    conv_layers: int = 2
    linear_layers: int = 3
    relu: bool = True
    backward: bool = True
    precision: Literal["fp32", "fp16", "bf16", "tf32"] = "fp32"  #: type of parameters and inputs
    threads: int | None = Field(default=None, ge=1)  #: threads of one operation on the CPU; None: torch's choice

    @property
    def image(self) -> Shape:
        """Channels x height x width; torchvision's networks see every image in three channels."""
        channels, height, width = INPUTS[self.input][0]
        return (channels if self.model in STUDY_MODELS else 3, height, width)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return INPUTS[self.input][1]


class Layers:
    """The workload of kind `layers`; a step is one call of the selected part, at first of the whole forward."""

    unit: ClassVar[str] = "call"

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._device = "cpu"
        self._run: Callable[[], object] = object
        self._listed: list[tuple[Part, Subject]] = []
        self._facts: dict[str, JsonValue] = {}

    @property
    def parts(self) -> Sequence[Part]:
        """The whole, its layers in the order of their first calls, the ablated networks; each forward, then back."""
        return [part for part, _ in self._listed]

    def setup(self, point: Point, device: str, seed: int) -> None:
        """Build the network on the device (`cpu`, `cuda:N`), watch its layers in one pass, and select the whole."""
        params = parse(point, Params)
        configure_torch(params.precision, params.threads, device)
        network = _build(params, seed)
        overwriting = leaves.undo_inplace(network)
        noise = torch.randn(params.batch_size, *params.image, generator=torch.Generator().manual_seed(seed))
        whole = parts.whole(network.to(device), noise.to(DTYPES[params.precision]), device, seed)
        layers = parts.layers(whole, device)
        ablated, kept = parts.ablated(whole, layers, device)
        self._device = device
        self._listed = parts.listed([whole, *map(parts.isolated, layers), *ablated])
        self._facts = {
            "parameters": parts.parameters(network),
            "input_shape": list(params.image),
            "mode": "training" if params.backward else "inference",
            "layer_calls": sum(layer.count for layer in layers),
            "layers_overwriting": overwriting,
            "not_ablated": {**kept},
            "threads": torch.get_num_threads(),
            "parts": [part.facts() for part in self.parts],
        }
        self.select(0)

    def run(self, stage: Stage) -> None:
        """Measure each part in turn."""
        run_parts(stage, self)

    def select(self, index: int) -> None:
        """Choose the part that `step` runs from now on; the tensors of the last part leave the device first."""
        self._run = object
        part, subject = self._listed[index]
        self._run = subject.to(self._device).run(part.pass_)

    def step(self) -> int:
        """Enqueue one call of the selected part."""
        self._run()
        return 1

    def synchronize(self) -> None:
        """Wait for the GPU; a CPU has finished when `step` returns."""
        if self._device.startswith("cuda"):
            torch.cuda.synchronize(self._device)

    def facts(self) -> Mapping[str, JsonValue]:
        """Return the parts, the calls of layers in one pass, and why some types of layer could not be left out."""
        return self._facts

    def close(self) -> None:
        """Release network and tensors."""
        self._forget()


def _build(params: Params, seed: int) -> nn.Module:
    """Build the network on the CPU, in the mode and precision of its passes; raises InvalidWorkload for a bad batch."""
    if params.model in STUDY_MODELS:
        architecture = Architecture(params.model, params.conv_layers, params.linear_layers, params.relu)
        network = simple_networks.build(architecture, params.image, params.classes, seed)
    else:
        network = networks.build(params.model, "random", seed).module
        networks.replace_head(network, params.classes)
    network.train(params.backward)
    _try_shapes(network, params)
    return network.to(DTYPES[params.precision])


def _try_shapes(network: nn.Module, params: Params) -> None:
    """Run one pass with tensors that have shapes but no values."""
    shape = (params.batch_size, *params.image)
    try:
        leaves.remove_layers(network, ()).to("meta")(torch.empty(shape, device="meta"))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise InvalidWorkload(
            f"input: {params.model} cannot {'train' if params.backward else 'infer'} on a batch of "
            f"{' x '.join(map(str, shape))} ({networks.first_line(error)}): use a larger input or batch_size"
        ) from None
