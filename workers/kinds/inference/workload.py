"""Inference with a classification network, on one batch of real photographs that is repeated.

Decoding and preprocessing belong to `setup`: the step measures the network alone, on a batch that is on its device.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, JsonValue
from torch import nn

from farm.model import Frozen, Point
from workers.kinds.inference import images, networks
from workers.kinds.inference.images import Preprocess
from workers.trial.loops import run_windows
from workers.trial.params import configure_torch, parse
from workers.trial.stage import Stage
from workers.trial.workload import InvalidWorkload

#: Errors of torch.compile without a compiler for the CPU, or for the GPU.
NO_COMPILER = ("InvalidCxxCompiler", "TritonMissing")
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class NetworkParams(Frozen):
    """The parameters of a network that infers; the trial has already chosen the device."""

    model: str
    precision: Literal["fp32", "fp16", "bf16", "tf32"] = "fp32"
    weights: str = "random"  #: random, default or a file
    images: str = "sample"  #: sample or a folder
    channels_last: bool = False
    threads: int | None = Field(default=None, ge=1)  #: threads of one operation on the CPU; None: torch's choice


class Params(NetworkParams):
    """A point of kind inference."""

    batch_size: int = Field(ge=1)
    compile: bool = False


@dataclass(frozen=True)
class Classifier:
    """A network on its device, and how its batches lie in memory."""

    module: nn.Module
    preprocess: Preprocess
    dtype: torch.dtype
    layout: torch.memory_format
    device: str
    facts: Mapping[str, JsonValue]

    @classmethod
    def build(cls, params: NetworkParams, device: str, seed: int) -> Self:
        """Set torch up, and put the network on the device (`cpu`, `cuda:N`); raises InvalidWorkload."""
        configure_torch(params.precision, params.threads, device)
        network = networks.build(params.model, params.weights, seed, published_size=True)
        layout = torch.channels_last if params.channels_last else torch.contiguous_format
        dtype = DTYPES[params.precision]
        module = network.module.to(device=device, dtype=dtype).to(memory_format=layout)
        facts = {**network.facts, "threads": torch.get_num_threads()}
        return cls(module, network.preprocess, dtype, layout, device, facts)

    def batch(self, size: int, like: torch.Tensor) -> torch.Tensor:
        """Allocate a batch on the device for so many images of the shape of `like`."""
        return torch.empty((size, *like.shape), dtype=self.dtype, device=self.device, memory_format=self.layout)


class Inference:
    """The workload of kind `inference`."""

    unit: ClassVar[str] = "image"

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._network: nn.Module = nn.Identity()
        self._batch = torch.empty(0)
        self._batch_size = 0
        self._facts: dict[str, JsonValue] = {}

    def setup(self, point: Point, device: str, seed: int) -> None:
        """Build the network and its batch on the device (`cpu`, `cuda:N`); with `compile`, compile it."""
        params = parse(point, Params)
        classifier = Classifier.build(params, device, seed)
        photographs = images.load(params.images, classifier.preprocess, params.batch_size, seed)
        self._batch = photographs.fill(classifier.batch(params.batch_size, like=photographs.pixels[0]))
        self._batch_size = params.batch_size
        self._network = classifier.module
        self._facts = {
            **classifier.facts,
            "input_shape": list(self._batch.shape[1:]),
            "photographs": len(photographs.names),
        }
        if params.compile:
            self._compile()

    def run(self, stage: Stage) -> None:
        """Repeat the step through all windows."""
        run_windows(stage, self)

    def step(self) -> int:
        """Enqueue one batch; returns its number of images."""
        with torch.inference_mode():
            self._network(self._batch)
        return self._batch_size

    def synchronize(self) -> None:
        """Wait for the GPU; a CPU has finished when `step` returns."""
        if self._batch.is_cuda:
            torch.cuda.synchronize(self._batch.device)

    def facts(self) -> Mapping[str, JsonValue]:
        """Return the facts of `networks.build`, the input's shape, the photographs in the batch, the CPU threads."""
        return self._facts

    def close(self) -> None:
        """Release network and batch."""
        self._forget()

    def _compile(self) -> None:
        """Run the first batch now, so that compiling does not fall into the warm-up."""
        self._network.compile()
        try:
            self.step()
        except RuntimeError as error:
            if not any(sign in str(error) for sign in NO_COMPILER):
                raise
            raise InvalidWorkload(
                "compile: this machine has no compiler: install g++ (for a GPU triton too), or use compile: false"
            ) from None
        self.synchronize()
