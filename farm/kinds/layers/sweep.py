"""Sweeps of kind layers: their factors and their schema."""

from typing import Annotated, Literal

from pydantic import Field

from farm.kinds.factors import (
    CONV_LAYERS,
    DEVICE,
    LINEAR_LAYERS,
    PRECISION,
    RELU,
    THREADS,
    AnyNetworks,
    Devices,
    LayerCounts,
    Positives,
    Precisions,
    Switches,
    ThreadCounts,
)
from farm.model.catalog import INPUTS
from farm.spec import EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Factors, Sweep
from farm.spec.types import Among, Expected, OneOrMore

Inputs = Annotated[tuple[Annotated[str, Among(INPUTS), Expected(f"one of {', '.join(INPUTS)}")], ...], OneOrMore()]


class LayersOf(Factors):
    """A network, layer by layer."""

    model: AnyNetworks = Field(description="network: one of the study's, of torchvision, or package.module:Class")
    input: Inputs = Field(("imagenet",), description="shape of the images: " + ", ".join(INPUTS))
    batch_size: Positives = Field((16,), description="images in a batch")
    conv_layers: LayerCounts = CONV_LAYERS
    linear_layers: LayerCounts = LINEAR_LAYERS
    relu: Switches = RELU
    backward: Switches = Field((True,), description="measure backward passes too")
    precision: Precisions = PRECISION
    device: Devices = DEVICE
    threads: ThreadCounts = THREADS


class LayersSweep(Sweep):
    """Networks layer by layer."""

    kind: Literal["layers"] = KIND
    workload: LayersOf = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(LayersOf)] = EXCLUDE
