"""Build classification networks of torchvision and of users, with the figures that their authors published."""

import pickle
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch
from pydantic import JsonValue
from torch import nn
from torchvision import models

from workers.kinds.inference.images import Preprocess
from workers.trial.workload import InvalidWorkload

#: Networks with auxiliary heads for training. Their own initialisation takes a minute, and their published weights
#: want inputs of another scale.
WITH_AUXILIARY_HEADS = frozenset({"googlenet", "inception_v3"})
#: The arguments that leave these heads out.
WITHOUT_AUXILIARY_HEADS = {"aux1": None, "aux2": None, "AuxLogits": None, "aux_logits": False}


@dataclass(frozen=True)
class Network:
    """A network on the CPU, ready to infer in fp32."""

    module: nn.Module
    preprocess: Preprocess  #: the preprocessing that the published weights require
    facts: Mapping[str, JsonValue]


def build(model: str, weights: str, seed: int, published_size: bool = False) -> Network:
    """Build a network with weights `random` (drawn from the seed), `default` (torchvision's) or a state_dict's file.

    `published_size`: for images of the size that `preprocess` makes. Without it ViT-H/14 takes 224 pixels, not its 518.

    `package.module:Class` is a user's class: it is built without arguments and takes images of 224 x 224, as
    torchvision's do. The worker has checked before that it may be loaded.

    The facts hold `parameters`, counted, and what torchvision publishes of its default weights, whatever weights run
    here: `published_acc1_percent` and `published_acc5_percent` on ImageNet, `gflops` (multiply-adds of one image)
    and `published_weights`, their name. Raises InvalidWorkload for an unknown model and for unavailable weights.
    """
    if ":" in model:
        return _own(model, weights, seed)
    if model not in models.list_models(module=models):
        raise InvalidWorkload(f"model: torchvision has no classification network called {model!r}")
    published = models.get_model_weights(model).DEFAULT
    torch.manual_seed(seed)
    size = {"image_size": published.transforms().crop_size[0]} if published_size and model.startswith("vit_") else {}
    module = _published(model, published) if weights == "default" else _bare(model, None, **size)
    if weights not in {"random", "default"}:
        _load(module, model, Path(weights))
    for name, without in WITHOUT_AUXILIARY_HEADS.items():
        if hasattr(module, name):
            setattr(module, name, without)
    facts = {"parameters": sum(p.numel() for p in module.parameters()), **_facts(published)}
    return Network(module.eval(), published.transforms(), facts)


def _own(model: str, weights: str, seed: int) -> Network:
    if weights == "default":
        raise InvalidWorkload(
            f"weights: there are no published weights of {model}: use weights: random, or a state_dict's file"
        )
    module_name, _, name = model.partition(":")
    try:
        network = getattr(import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise InvalidWorkload(
            f"model: {model} cannot be imported ({first_line(error)}): correct its name, or install its "
            "package where the worker runs"
        ) from None
    if not (isinstance(network, type) and issubclass(network, nn.Module)):
        raise InvalidWorkload(f"model: {model} is not a subclass of torch.nn.Module")
    torch.manual_seed(seed)
    module: nn.Module = network()
    if weights != "random":
        _load(module, model, Path(weights))
    facts = {"parameters": sum(p.numel() for p in module.parameters())}
    return Network(module.eval(), models.ResNet18_Weights.DEFAULT.transforms(), facts)


def replace_head(module: nn.Module, classes: int) -> None:
    """Give a network of `build` a new last layer, drawn from torch's generator, for so many classes."""
    heads = [layer for layer in module.named_modules() if isinstance(layer[1], nn.Linear | nn.Conv2d)]
    if not heads:
        raise InvalidWorkload("model: it has no linear layer and no convolution to classify with")
    name, head = heads[-1]
    bias = head.bias is not None
    if isinstance(head, nn.Linear):
        module.set_submodule(name, nn.Linear(head.in_features, classes, bias=bias))
    else:
        module.set_submodule(name, nn.Conv2d(head.in_channels, classes, kernel_size=1, bias=bias))


def _bare(model: str, weights: models.WeightsEnum | None, **size: int) -> nn.Module:
    extra = {"init_weights": False, "transform_input": True} if model in WITH_AUXILIARY_HEADS else {}
    module: nn.Module = models.get_model(model, weights=weights, progress=False, **extra, **size)
    return module


def _published(model: str, weights: models.WeightsEnum) -> nn.Module:
    try:
        return _bare(model, weights)
    except (OSError, RuntimeError, EOFError, ValueError, LookupError, pickle.UnpicklingError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise InvalidWorkload(
            f"weights: default: {first_line(error)}: put {Path(weights.url).name} of torchvision into {folder} "
            "(TORCH_HOME moves it), or use weights: random"
        ) from None


def _load(module: nn.Module, model: str, path: Path) -> None:
    """Load a file of weights. Errors repeat nothing of it: the worker reads files that a sweep's author may not."""
    if not path.is_file():
        raise InvalidWorkload(f"weights: {path}: no such file on this machine: expected random, default or a file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # whatever a file holds
        raise InvalidWorkload(f"weights: {path}: not a readable state_dict ({type(error).__name__})") from None
    try:
        module.load_state_dict(state)
    except Exception:  # whatever a file holds
        misfit = _misfit(module.state_dict(), state)
        raise InvalidWorkload(f"weights: {path}: not a state_dict of {model}: {misfit}") from None


def _misfit(own: Mapping[str, torch.Tensor], state: object) -> str:
    """Say in numbers why weights do not fit a network."""
    if not isinstance(state, Mapping):
        return "it is no mapping of names to tensors"
    missing = sum(name not in state for name in own)
    strange = sum(name not in own for name in state)
    others = sum(name in state and getattr(state[name], "shape", None) != tensor.shape for name, tensor in own.items())
    return f"of {len(own)} tensors {missing} are missing and {others} have another shape, {strange} are strange to it"


def _facts(weights: models.WeightsEnum) -> Mapping[str, JsonValue]:
    accuracy = weights.meta.get("_metrics", {}).get("ImageNet-1K", {})
    return {
        "gflops": weights.meta.get("_ops"),
        "published_acc1_percent": accuracy.get("acc@1"),
        "published_acc5_percent": accuracy.get("acc@5"),
        "published_weights": str(weights),
    }


def first_line(error: Exception) -> str:
    """Return the first line of a vendor's error, at most 160 characters."""
    return textwrap.shorten((str(error) or type(error).__name__).partition("\n")[0], 160, placeholder=" ...")
