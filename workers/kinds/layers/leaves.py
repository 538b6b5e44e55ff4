"""The layers of a network, found in a pass of the whole: which layers ran, how often, and on which tensors.

A layer is a leaf: a module that calls no other module when it runs. So attention counts as one layer, though its
projection is a module too; operations between modules (`+`, `torch.relu`, `flatten`) are not layers.
"""

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import nn

Shape = tuple[int, ...]
#: Positional and keyword arguments of a call.
Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]


@dataclass
class Layer:
    """Calls of one configuration: the same type, hyperparameters and input shapes."""

    module: nn.Module  #: the module of the first call
    arguments: Arguments  #: the arguments of the first call, copied to the CPU
    names: list[str] = field(default_factory=list)  #: the names of the modules that share the configuration
    count: int = 0  #: calls in one forward pass of the whole
    keeps_shape: bool = False  #: whether its only input and its only output have the same shape and type
    gradients: dict[int, torch.Tensor] = field(default_factory=dict)  #: output gradients by position; on the CPU

    @property
    def type(self) -> str:
        """The class of the module: "Conv2d"."""
        return type(self.module).__name__


def tensors(value: object) -> Iterator[torch.Tensor]:
    """Yield the tensors in arguments or an output, in order; a tensor that is passed twice comes twice."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from chain.from_iterable(map(tensors, value.values()))
    elif isinstance(value, list | tuple):
        yield from chain.from_iterable(map(tensors, value))


def copy_to(arguments: Arguments, device: str | torch.device) -> Arguments:
    """Copy the arguments to a device, without their graph.

    They require gradients where the originals do, and a tensor that is passed twice stays one: self-attention on one
    tensor is another computation than attention on three equal ones.
    """
    found = {id(tensor): tensor for tensor in tensors(arguments)}
    moves: dict[int, Any] = {key: _copied(tensor, device) for key, tensor in found.items()}
    copies: Arguments = copy.deepcopy(arguments, moves)
    return copies


def find(network: nn.Module, run: Callable[[], object]) -> set[str]:
    """Return the names of the layers that run while `run` runs the network forward."""
    running, seen, callers = list[str](), set[str](), set[str]()

    def enter(name: str, *_: object) -> None:
        callers.update(running[-1:])
        seen.add(name)
        running.append(name)

    def leave(*_: object) -> None:
        running.pop()

    _run_with_hooks(dict(network.named_modules()), enter, leave, run)
    return seen - callers


def capture(network: nn.Module, names: Collection[str], run: Callable[[], object]) -> list[Layer]:
    """Record the named layers, one for each configuration, in the order in which `run` runs the network forward.

    The arguments of the first call are kept and, if `run` runs the network backward too, the gradients that came back.
    """
    layers: dict[str, Layer] = {}
    first: list[Layer] = []

    def enter(name: str, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        key = _configuration(module, (args, kwargs))
        if key not in layers:
            layers[key] = Layer(module, copy_to((args, kwargs), "cpu"))
            first.append(layers[key])
        layers[key].count += 1
        if name not in layers[key].names:
            layers[key].names.append(name)

    def leave(_: str, __: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: object) -> None:
        if first:
            layer = first.pop()
            layer.keeps_shape = _kinds((args, kwargs)) == _kinds(output) and len(_kinds(output)) == 1
            _keep_gradients(layer, output)

    modules = {name: module for name, module in network.named_modules() if name in names}
    _run_with_hooks(modules, enter, leave, run)
    return list(layers.values())


def remove_layers(network: nn.Module, names: Collection[str]) -> nn.Module:
    """Copy a network with identities in place of some modules; parameters and buffers are shared, not copied."""
    out = {id(module) for name, module in network.named_modules() if name in names}
    paths = [path for path, module in network.named_modules(remove_duplicate=False) if id(module) in out]
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    ablated: nn.Module = copy.deepcopy(network, dict[int, Any](shared))
    for path in paths:
        ablated.set_submodule(path, nn.Identity())
    return ablated


def undo_inplace(network: nn.Module) -> int:
    """Make no layer overwrite its input, because an isolated layer needs it again; returns how many layers did."""
    overwriting = [module for module in network.modules() if getattr(module, "inplace", False)]
    for module in overwriting:
        vars(module)["inplace"] = False
    return len(overwriting)


def _run_with_hooks(
    modules: Mapping[str, nn.Module], enter: Callable[..., None], leave: Callable[..., None], run: Callable[[], object]
) -> None:
    """Run with hooks that receive the module's name too, and remove them."""
    with ExitStack() as hooks:
        for name, module in modules.items():
            before = module.register_forward_pre_hook(partial(enter, name), with_kwargs=True)
            after = module.register_forward_hook(partial(leave, name), with_kwargs=True)
            hooks.callback(before.remove)
            hooks.callback(after.remove)
        run()


def _keep_gradients(layer: Layer, output: object) -> None:
    """Keep the gradients of the layer's outputs in the layer, once the backward pass has computed them."""

    def keep(position: int, gradient: torch.Tensor) -> None:
        layer.gradients[position] = _copied(gradient, "cpu")

    for position, tensor in enumerate(tensors(output)):
        if tensor.requires_grad:
            tensor.register_hook(partial(keep, position))  # type: ignore[no-untyped-call]


def _copied(tensor: torch.Tensor, device: str | torch.device) -> torch.Tensor:
    return tensor.detach().to(device, copy=True).requires_grad_(tensor.requires_grad)


def _kinds(value: object) -> list[tuple[torch.Size, torch.dtype]]:
    return [(tensor.shape, tensor.dtype) for tensor in tensors(value)]


def _configuration(module: nn.Module, arguments: Arguments) -> str:
    """Return the same text for calls that do the same work: type, hyperparameters, parameters, shapes of the input."""
    found = {id(tensor): tensor for tensor in tensors(arguments)}
    described: dict[int, Any] = {
        key: f"{place}: {tensor.dtype} {tuple(tensor.shape)} {tensor.requires_grad}"
        for place, (key, tensor) in enumerate(found.items())
    }
    hyperparameters = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    parameters = {
        name: f"{p.dtype} {tuple(p.shape)} {p.requires_grad}" for name, p in module.named_parameters(recurse=True)
    }
    return f"{type(module)} {module!r} {hyperparameters} {parameters} {copy.deepcopy(arguments, described)}"
