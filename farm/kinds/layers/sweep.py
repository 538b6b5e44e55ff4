"""Sweeps of kind layers: their factors and their schema."""

from typing import Annotated, Literal

from pydantic import Field

from farm.kinds import factors
from farm.model.catalog import INPUTS
from farm.spec import EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Factors, Sweep
from farm.spec.types import Among, Expected, OneOrMore

Inputs = Annotated[tuple[Annotated[str, Among(INPUTS), Expected(f"one of {', '.join(INPUTS)}")], ...], OneOrMore()]


class LayersOf(Factors):
    """Factors of kind layers."""

    model: factors.AnyNetworks = Field(
        description="network: one of the study's, of torchvision, or package.module:Class"
    )
    input: Inputs = Field(("imagenet",), description="shape of the images: " + ", ".join(INPUTS))
    batch_size: factors.Positives = Field((16,), description="images in a batch")
    conv_layers: factors.LayerCounts = factors.CONV_LAYERS
    linear_layers: factors.LayerCounts = factors.LINEAR_LAYERS
    relu: factors.Switches = factors.RELU
    backward: factors.Switches = Field((True,), description="measure backward passes too")
    precision: factors.Precisions = factors.PRECISION
    device: factors.Devices = factors.DEVICE
    threads: factors.ThreadCounts = factors.THREADS


class LayersSweep(Sweep):
    """Sweep that measures networks layer by layer."""

    kind: Literal["layers"] = KIND
    workload: LayersOf = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(LayersOf)] = EXCLUDE
