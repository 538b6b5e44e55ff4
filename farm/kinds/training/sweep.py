"""Sweeps of kind training: their factors and their schema."""

from typing import Annotated, Literal

from pydantic import Field

from farm.kinds.factors import (
    CONV_LAYERS,
    DEVICE,
    LINEAR_LAYERS,
    RELU,
    THREADS,
    AnyNetworks,
    Devices,
    LayerCounts,
    Positives,
    Switches,
    ThreadCounts,
    WeightsOf,
)
from farm.model.catalog import DATASETS
from farm.spec import EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Factors, Sweep
from farm.spec.types import Expected, OneOrMore, integer, matching, path_or, same

TrainingPrecision = Annotated[Literal["fp32", "tf32", "amp-fp16", "amp-bf16"], Expected()]
Dataset = Annotated[
    str,
    matching(r"^.{1,4000}$"),
    path_or(*DATASETS),
    Expected(f"one of {', '.join(DATASETS)}, or the path of a folder such as ./pictures", same(*DATASETS)),
]
Folder = Annotated[
    str | None, path_or(), Expected("the path of a folder such as ./data, or null for the cache of this machine")
]
Rate = Annotated[float, Field(strict=True, gt=0, le=1000), Expected("a number above 0")]
Decay = Annotated[float, Field(strict=True, ge=0, lt=1), Expected("a number from 0 to below 1")]
Amount = Annotated[float, Field(strict=True, ge=0, le=1000), Expected("a number, 0 or more")]
ImagesOrAll = Annotated[int | None, integer(1, 10_000_000), Expected("a positive integer, or null for all")]
Pixels = Annotated[int | None, integer(1, 4096), Expected("a positive integer, or null for their own size")]
Patience = Annotated[int | None, integer(1, 10_000), Expected("a positive integer, or null for no early stopping")]
Optimizer = Annotated[Literal["adam", "adamw", "sgd"], Expected()]
Schedule = Annotated[Literal["constant", "cosine", "step"], Expected()]
TrainingPrecisions = Annotated[tuple[TrainingPrecision, ...], OneOrMore()]
Datasets = Annotated[tuple[Dataset, ...], OneOrMore()]
Folders = Annotated[tuple[Folder, ...], OneOrMore()]
Rates = Annotated[tuple[Rate, ...], OneOrMore()]
Decays = Annotated[tuple[Decay, ...], OneOrMore()]
Amounts = Annotated[tuple[Amount, ...], OneOrMore()]
Sizes = Annotated[tuple[ImagesOrAll, ...], OneOrMore()]
PixelCounts = Annotated[tuple[Pixels, ...], OneOrMore()]
Patiences = Annotated[tuple[Patience, ...], OneOrMore()]
Optimizers = Annotated[tuple[Optimizer, ...], OneOrMore()]
Schedules = Annotated[tuple[Schedule, ...], OneOrMore()]


class Training(Factors):
    """A network trained from its beginning to its last epoch."""

    model: AnyNetworks = Field(
        description="network: one of the study's, of torchvision with a new head, or package.module:Class"
    )
    dataset: Datasets = Field(("digits",), description="images with labels")
    epochs: Positives = Field((10,), description="passes over the training images")
    batch_size: Positives = Field((128,), description="images in a batch")
    optimizer: Optimizers = Field(("adam",), description="adam, adamw or sgd")
    lr: Rates = Field((0.001,), description="learning rate")
    beta1: Decays = Field((0.9,), description="of adam and adamw: decay of the first moment")
    beta2: Decays = Field((0.999,), description="of adam and adamw: decay of the second moment")
    eps: Amounts = Field((1e-8,), description="of adam and adamw: added to the denominator")
    momentum: Decays = Field((0.0,), description="of sgd")
    weight_decay: Amounts = Field((0.0,), description="of every optimizer")
    schedule: Schedules = Field(("constant",), description="learning rate: constant, cosine to 0, or step (a tenth)")
    conv_layers: LayerCounts = CONV_LAYERS
    linear_layers: LayerCounts = LINEAR_LAYERS
    relu: Switches = RELU
    weights: WeightsOf = Field(
        ("random",), description="of torchvision's networks: random, default (to fine-tune) or the path of a file"
    )
    precision: TrainingPrecisions = Field(("fp32",), description="fp32, tf32, or automatic mixed precision")
    device: Devices = DEVICE
    patience: Patiences = Field((None,), description="stop after so many epochs without a better accuracy")
    train_size: Sizes = Field((None,), description="training images: so many, in the seeded order")
    validation_size: Sizes = Field((None,), description="validation images: so many")
    image_size: PixelCounts = Field((None,), description="pixels of a side to which images are resized")
    data_root: Folders = Field((None,), description="folder of the data sets; null: a cache of this machine")
    threads: ThreadCounts = THREADS


class TrainingSweep(Sweep):
    """Networks trained."""

    kind: Literal["training"] = KIND
    workload: Training = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(Training)] = EXCLUDE
