"""Sweeps of kind layers: their factors and their schema."""

from typing import Annotated, Literal

from pydantic import Field

from farm.kinds import factors
from farm.kinds.factors import Many
from farm.model.catalog import INPUTS
from farm.spec import EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Factors, Sweep
from farm.spec.types import Among, Expected, PositiveInt, Switch

Input = Annotated[str, Among(INPUTS), Expected(f"one of {', '.join(INPUTS)}")]


class LayersOf(Factors):
    """Factors of kind layers."""

    model: Many[factors.AnyNetworkName] = Field(
        description="network: one of the study's, of torchvision, or package.module:Class"
    )
    input: Many[Input] = Field(("imagenet",), description="shape of the images: " + ", ".join(INPUTS))
    batch_size: Many[PositiveInt] = Field((16,), description="images in a batch")
    conv_layers: Many[factors.Layers] = factors.CONV_LAYERS
    linear_layers: Many[factors.Layers] = factors.LINEAR_LAYERS
    relu: Many[Switch] = factors.RELU
    backward: Many[Switch] = Field((True,), description="measure backward passes too")
    precision: Many[factors.Precision] = factors.PRECISION
    device: Many[factors.Device] = factors.DEVICE
    threads: Many[factors.Threads] = factors.THREADS


class LayersSweep(Sweep):
    """Sweep that measures networks layer by layer."""

    kind: Literal["layers"] = KIND
    workload: LayersOf = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(LayersOf)] = EXCLUDE
