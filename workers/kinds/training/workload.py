"""Training a classification network, epoch by epoch, on images that are on its device.

Batches are drawn in a seeded order that differs between epochs; the last batch may be smaller. The network that an
epoch leaves is kept, with the losses of its batches, until it is validated in evaluation mode.
"""

from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, JsonValue
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, StepLR

from farm.model import Frozen, Point
from workers.kinds.training import course, datasets
from workers.kinds.training import networks as simple_networks
from workers.kinds.training.course import Scores
from workers.kinds.training.datasets import Part
from workers.kinds.training.networks import STUDY_MODELS, Architecture
from workers.trial.params import configure_torch, parse
from workers.trial.stage import Stage

#: The type in which operations compute under autocast, by precision.
AUTOCAST = {"amp-fp16": torch.float16, "amp-bf16": torch.bfloat16}
#: The images of a validation batch, unless the training batch is larger.
VALIDATION_BATCH = 512
#: `step` takes a tenth of the learning rate after each third of the epochs.
STEPS, STEP_FACTOR = 3, 0.1
#: The seed of the split into training and validation images.
SPLIT_SEED = 1


class Params(Frozen):
    """A point of kind training; the trial has chosen the device by now."""

    model: str
    dataset: str = "digits"
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(128, ge=1)
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = Field(0.001, gt=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    eps: float = Field(1e-8, ge=0)
    momentum: float = Field(0.0, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "cosine", "step"] = "constant"
    conv_layers: int = 2
    linear_layers: int = 3
    relu: bool = True
    weights: str = "random"
    precision: Literal["fp32", "tf32", "amp-fp16", "amp-bf16"] = "fp32"
    patience: int | None = Field(None, ge=1)
    train_size: int | None = Field(None, ge=1)
    validation_size: int | None = Field(None, ge=1)
    image_size: int | None = Field(None, ge=1)
    data_root: str | None = None
    threads: int | None = Field(None, ge=1)  #: threads of one operation on the CPU; None: torch's choice


class Training:
    """The workload of kind `training`."""

    unit: ClassVar[str] = "image"

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        nothing = Part(torch.empty(0), torch.empty(0, dtype=torch.int64))
        self._params = Params(model="")
        self._device = torch.device("cpu")
        self._network: nn.Module = nn.Identity()
        self._train = self._validation = nothing
        self._kept: list[tuple[dict[str, Tensor], list[Tensor]]] = []
        self._facts: dict[str, JsonValue] = {}

    def setup(self, point: Point, device: str, seed: int) -> None:
        """Load the images and build the network, optimizer and schedule on the device (`cpu`, `cuda:N`)."""
        params = self._params = parse(point, Params)
        configure_torch(params.precision, params.threads, device)
        dataset = datasets.load(params.dataset, _options(params))
        architecture = Architecture(params.model, params.conv_layers, params.linear_layers, params.relu, params.weights)
        network = simple_networks.build(architecture, dataset.shape, dataset.classes, seed)
        self._device = torch.device(device)
        self._network = network.to(self._device)
        self._train, self._validation = (_on(part, self._device) for part in (dataset.train, dataset.validation))
        self._optimizer = _optimizer(params, self._network)
        self._schedule = _schedule(params, self._optimizer)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=params.precision == "amp-fp16")
        self._order = torch.Generator().manual_seed(seed)
        self._facts = {
            **dataset.facts,
            "parameters": sum(p.numel() for p in network.parameters()),
            "seed": seed,
            "threads": torch.get_num_threads(),
        }

    def run(self, stage: Stage) -> None:
        """Train and validate, epoch by epoch."""
        course.run(stage, self)

    @property
    def epochs(self) -> int:
        """The largest number of epochs to train."""
        return self._params.epochs

    @property
    def patience(self) -> int | None:
        """The epochs without a better accuracy after which training stops; None: it never does."""
        return self._params.patience

    @property
    def kept_bytes(self) -> int:
        """The memory of the networks that wait for validation."""
        return len(self._kept) * sum(t.nbytes for network, _ in self._kept[:1] for t in network.values())

    def train_epoch(self) -> int:
        """Enqueue one pass over the training images, and keep the network that it leaves; returns its images."""
        self._network.train()
        order = torch.randperm(len(self._train), generator=self._order).to(self._device)
        step = self._mixed_step if self._params.precision in AUTOCAST else self._step
        losses = [step(chosen) for chosen in torch.split(order, self._params.batch_size)]
        self._schedule.step()
        state = {name: tensor.detach().clone() for name, tensor in self._network.state_dict().items()}
        self._kept.append((state, losses))
        return len(order)

    def _step(self, chosen: Tensor) -> Tensor:
        """Learn from one batch; returns its mean loss."""
        self._optimizer.zero_grad()
        loss = cross_entropy(self._network(self._train.images[chosen]), self._train.labels[chosen])
        torch.autograd.backward(loss)
        self._optimizer.step()
        return loss.detach()

    def _mixed_step(self, chosen: Tensor) -> Tensor:
        """Learn from one batch under autocast, with a scaled loss for amp-fp16; returns its mean loss."""
        self._optimizer.zero_grad()
        with self._autocast():
            loss = cross_entropy(self._network(self._train.images[chosen]), self._train.labels[chosen])
        torch.autograd.backward(self._scaler.scale(loss))
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return loss.detach()

    def _autocast(self) -> torch.autocast:
        """Return the context of forward passes; without mixed precision it changes nothing."""
        dtype = AUTOCAST.get(self._params.precision)
        return torch.autocast(self._device.type, dtype, enabled=dtype is not None)

    def validate(self) -> tuple[int, list[Scores]]:
        """Score every kept network, oldest first, and release them; returns also the number of images used."""
        kept, self._kept = self._kept, []
        self._network.eval()
        scores = [self._scores(state, losses) for state, losses in kept]  # the last one is the present one
        return len(scores) * len(self._validation), scores

    @torch.inference_mode()
    def _scores(self, state: dict[str, Tensor], losses: list[Tensor]) -> Scores:
        self._network.load_state_dict(state)
        loss = torch.zeros((), device=self._device)
        right = torch.zeros((), device=self._device, dtype=torch.int64)
        for images, labels in self._validation_batches():
            with self._autocast():
                logits = self._network(images)
            loss += cross_entropy(logits.float(), labels, reduction="sum")
            right += (logits.argmax(dim=1) == labels).sum()
        count = len(self._validation)
        return Scores(_finite(self._mean_loss(losses)), _finite(loss / count), int(right) / count)

    def _mean_loss(self, losses: list[Tensor]) -> Tensor:
        """Average over the images of an epoch: all batches but the last are of one size."""
        count, size = len(self._train), self._params.batch_size
        last = count - size * (len(losses) - 1)
        return (torch.stack(losses).sum() * size + losses[-1] * (last - size)) / count

    def _validation_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        size = max(self._params.batch_size, VALIDATION_BATCH)
        return zip(torch.split(self._validation.images, size), torch.split(self._validation.labels, size), strict=True)

    def synchronize(self) -> None:
        """Wait for the GPU; a CPU has finished when a call returns."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def state(self) -> dict[str, Any]:
        """Return all values that the next epoch depends on."""
        return {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
            "order": self._order.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Load a `state`; raises KeyError, RuntimeError or ValueError for the state of another training."""
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])
        self._order.set_state(state["order"])

    def facts(self) -> Mapping[str, JsonValue]:
        """Return the facts of `datasets.load`, the network's parameters, its seed, and the CPU threads."""
        return self._facts

    def close(self) -> None:
        """Release network and images."""
        self._forget()


def _options(params: Params) -> datasets.Options:
    """Return the dataset's options; the split is the same for every seed: repetitions differ in weights and order."""
    return datasets.Options(
        seed=SPLIT_SEED,
        data_root=Path(params.data_root) if params.data_root else None,
        train_size=params.train_size,
        validation_size=params.validation_size,
        image_size=params.image_size,
        channels=None if params.model in STUDY_MODELS else 3,
    )


def _on(part: Part, device: torch.device) -> Part:
    return Part(part.images.to(device), part.labels.to(device))


def _optimizer(params: Params, network: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer with torch's own choice of implementation."""
    weights, decay = network.parameters(), params.weight_decay
    if params.optimizer == "sgd":
        return torch.optim.SGD(weights, params.lr, momentum=params.momentum, weight_decay=decay)
    kind = torch.optim.AdamW if params.optimizer == "adamw" else torch.optim.Adam
    return kind(weights, params.lr, betas=(params.beta1, params.beta2), eps=params.eps, weight_decay=decay)


def _schedule(params: Params, optimizer: torch.optim.Optimizer) -> LRScheduler:
    match params.schedule:
        case "cosine":
            return CosineAnnealingLR(optimizer, T_max=params.epochs)
        case "step":
            return StepLR(optimizer, step_size=max(params.epochs // STEPS, 1), gamma=STEP_FACTOR)
        case "constant":
            return LambdaLR(optimizer, lambda _: 1.0)


def _finite(value: Tensor) -> float | None:
    number = value.item()
    return number if isfinite(number) else None
