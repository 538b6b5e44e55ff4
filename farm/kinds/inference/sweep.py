"""Sweeps of kind inference: their factors and their schema."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from farm.kinds import factors
from farm.spec import EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Factors, Sweep


class Inference(Factors):
    """Factors of kind inference."""

    model: factors.Networks = factors.NETWORK
    batch_size: factors.Positives = Field((1,), description="images in a batch")
    precision: factors.Precisions = factors.PRECISION
    device: factors.Devices = factors.DEVICE
    weights: factors.WeightsOf = factors.WEIGHTS
    images: factors.ImagesFrom = factors.IMAGES
    channels_last: factors.Switches = factors.CHANNELS_LAST
    compile: factors.Switches = Field((False,), description="compile the network with torch.compile")
    threads: factors.ThreadCounts = factors.THREADS


class InferenceSweep(Sweep):
    """Sweep that runs networks on batch after batch of images."""

    kind: Literal["inference"] = KIND
    workload: Inference = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(Inference)] = EXCLUDE
    usual_target: ClassVar[float] = 0.02
