"""The parts of a network that can run alone: the whole, its layers, and the whole without the layers of a type."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Literal

import torch
from pydantic import JsonValue
from torch import nn

from workers.kinds.inference import networks
from workers.kinds.layers import leaves
from workers.kinds.layers.leaves import Arguments, Layer, Shape

Kind = Literal["whole", "layer", "ablated"]
Pass = Literal["forward", "backward"]
#: The errors of a network that cannot run without some of its layers.
UNFIT = (AttributeError, IndexError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Part:
    """The description of one pass of one subject."""

    index: int
    label: str  #: a name for people: "Conv2d features.conv0"
    kind: Kind
    pass_: Pass
    type: str  #: the class of the module: "Conv2d"
    names: tuple[str, ...]  #: the modules that share a layer's configuration, or that are removed
    count: int  #: calls in one pass of the whole
    input_shape: Shape  #: the shape of the first tensor, with its batch first
    parameters: int  #: the parameters of one module
    ablated: str | None  #: the type of layer that is removed

    def facts(self) -> dict[str, JsonValue]:
        """Return the part in JSON values, where `pass_` is `pass`."""
        fields = {name.rstrip("_"): value for name, value in vars(self).items()}
        return {**fields, "names": list(self.names), "input_shape": list(self.input_shape)}


@dataclass(frozen=True)
class Subject:
    """A module with the tensors of its passes. In training mode forward passes record their graph, else they infer."""

    kind: Kind
    module: nn.Module
    arguments: Arguments
    gradients: Mapping[int, torch.Tensor]  #: output gradients by position; empty: no backward pass
    names: tuple[str, ...] = ()
    count: int = 1
    ablated: str | None = None

    @property
    def passes(self) -> tuple[Pass, ...]:
        """The passes that run in a pass of the whole."""
        return ("forward", "backward") if self.gradients else ("forward",)

    def to(self, device: str) -> "Subject":
        """Copy the tensors to a device, where the module is."""
        gradients = {position: gradient.to(device) for position, gradient in self.gradients.items()}
        return replace(self, arguments=leaves.copy_to(self.arguments, device), gradients=gradients)

    def forward(self) -> object:
        """Make one forward pass; its graph is freed with its output."""
        args, kwargs = self.arguments
        with torch.inference_mode(not self.module.training):
            return self.module(*args, **kwargs)

    def recorded(self) -> Callable[[], object]:
        """Record a graph; each call then runs it backward, to the parameters and to the inputs that need gradients."""
        outputs = list(leaves.tensors(self.forward()))
        tensors = chain(leaves.tensors(self.arguments), self.module.parameters())
        wanted = {id(tensor): tensor for tensor in tensors if tensor.requires_grad}
        return partial(
            torch.autograd.grad,
            [outputs[position] for position in self.gradients],
            list(wanted.values()),
            list(self.gradients.values()),
            retain_graph=True,
            allow_unused=True,
        )

    def run(self, which: Pass) -> Callable[[], object]:
        """Return a function that makes one such pass at each call."""
        return self.recorded() if which == "backward" else self.forward


def whole(network: nn.Module, batch: torch.Tensor, device: str, seed: int) -> Subject:
    """Return the network, which is on the device, as the subject that runs on its batch.

    In training mode random gradients come back to its first output, of the size that those of a mean loss have.
    """
    subject = Subject("whole", network, ((batch,), {}), {})
    if not network.training:
        return subject
    output = next(leaves.tensors(subject.to(device).forward()))
    noise = torch.randn(output.shape, generator=torch.Generator().manual_seed(seed)) / len(batch)
    return replace(subject, gradients={0: noise.to(output.dtype)})


def layers(network: Subject, device: str) -> list[Layer]:
    """Find the layers that run in a pass of the whole network."""
    found = leaves.find(network.module, lambda: network.to(device).forward())
    return leaves.capture(network.module, found, lambda: _try(network, device))


def isolated(layer: Layer) -> Subject:
    """Return a layer as a subject of its own."""
    return Subject("layer", layer.module, layer.arguments, layer.gradients, tuple(layer.names), layer.count)


def ablated(network: Subject, found: Sequence[Layer], device: str) -> tuple[list[Subject], dict[str, str]]:
    """Build the whole without the layers of each type; returns also why some types cannot be left out."""
    subjects, kept = list[Subject](), dict[str, str]()
    for type_ in dict.fromkeys(layer.type for layer in found if not isinstance(layer.module, nn.Identity)):
        alike = [layer for layer in found if layer.type == type_]
        if not all(layer.keeps_shape for layer in alike):
            kept[type_] = "input and output differ in shape"
            continue
        names = tuple(name for layer in alike for name in layer.names)
        module = leaves.remove_layers(network.module, names)
        subject = replace(network, kind="ablated", module=module, names=names, ablated=type_)
        try:
            _try(subject, device)
        except torch.OutOfMemoryError:
            raise
        except UNFIT as error:
            kept[type_] = networks.first_line(error)
        else:
            subjects.append(subject)
    return subjects, kept


def listed(subjects: Iterable[Subject]) -> list[tuple[Part, Subject]]:
    """List a part for each pass of each subject."""
    runs = [(subject, pass_) for subject in subjects for pass_ in subject.passes]
    return [(_part(index, subject, pass_), subject) for index, (subject, pass_) in enumerate(runs)]


def parameters(module: nn.Module) -> int:
    """Count the parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def _part(index: int, subject: Subject, pass_: Pass) -> Part:
    type_ = type(subject.module).__name__
    return Part(
        index=index,
        label=_label(subject, type_),
        kind=subject.kind,
        pass_=pass_,
        type=type_,
        names=subject.names,
        count=subject.count,
        input_shape=next((tuple(tensor.shape) for tensor in leaves.tensors(subject.arguments)), ()),
        parameters=parameters(subject.module),
        ablated=subject.ablated,
    )


def _label(subject: Subject, type_: str) -> str:
    match subject.kind:
        case "whole":
            return type_
        case "ablated":
            return f"{type_} without {subject.ablated}"
    first, *others = subject.names
    return f"{type_} {first} and {len(others)} more" if others else f"{type_} {first}"


def _try(subject: Subject, device: str) -> None:
    """Run the last pass once, which includes the passes before it."""
    subject.to(device).run(subject.passes[-1])()
