"""What a trial may run: the factors of each kind of sweep. Every list is a factor, every combination a point."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, create_model, model_validator
from pydantic_core import core_schema

from farm.errors import InputError
from farm.load.offer import USUAL_REQUESTS, requests_in
from farm.load.policy import Policy
from farm.model import Frozen, Point
from farm.spec.catalog import DATASETS, INPUTS, MODELS, STUDY_MODELS, USER_MODEL
from farm.spec.types import (
    Among,
    Expected,
    OneOrMore,
    PositiveInt,
    Switch,
    integer,
    matching,
    path_or,
    refuse,
    same,
    shown,
)

NetworkName = Annotated[
    str,
    Among(MODELS, USER_MODEL),
    Expected("a classification network of torchvision, or package.module:Class", same(*MODELS)),
]
AnyNetworkName = Annotated[
    str,
    Among((*STUDY_MODELS, *MODELS), USER_MODEL),
    Expected(
        f"one of {', '.join(STUDY_MODELS)}, a network of torchvision, or package.module:Class",
        same(*STUDY_MODELS, *MODELS),
    ),
]
Precision = Annotated[Literal["fp32", "fp16", "bf16", "tf32"], Expected()]
TrainingPrecision = Annotated[Literal["fp32", "tf32", "amp-fp16", "amp-bf16"], Expected()]
Device = Annotated[
    str,
    matching(r"^(auto|cpu|cuda(:(0|[1-9][0-9]?))?)$"),
    Expected("auto, cpu, cuda or cuda:N", same("auto", "cpu", "cuda", "cuda:0")),
]
Weights = Annotated[
    str,
    matching(r"^.{1,4000}$"),
    path_or("random", "default"),
    Expected("random, default or the path of a file such as ./weights.pth", same("random", "default")),
]
Images = Annotated[
    str,
    matching(r"^.{1,4000}$"),
    path_or("sample"),
    Expected("sample or the path of a folder such as ./photos", same("sample")),
]
Dataset = Annotated[
    str,
    matching(r"^.{1,4000}$"),
    path_or(*DATASETS),
    Expected(f"one of {', '.join(DATASETS)}, or the path of a folder such as ./pictures", same(*DATASETS)),
]
Folder = Annotated[
    str | None, path_or(), Expected("the path of a folder such as ./data, or null for the cache of this machine")
]
Threads = Annotated[int | None, integer(1, 4096), Expected("a positive integer, or null for all cores")]
Rate = Annotated[float, Field(strict=True, gt=0, le=1000), Expected("a number above 0")]
Decay = Annotated[float, Field(strict=True, ge=0, lt=1), Expected("a number from 0 to below 1")]
Amount = Annotated[float, Field(strict=True, ge=0, le=1000), Expected("a number, 0 or more")]
Layers = Annotated[int, integer(1, 100), Expected("a positive integer")]
ImagesOrAll = Annotated[int | None, integer(1, 10_000_000), Expected("a positive integer, or null for all")]
Pixels = Annotated[int | None, integer(1, 4096), Expected("a positive integer, or null for their own size")]
Patience = Annotated[int | None, integer(1, 10_000), Expected("a positive integer, or null for no early stopping")]


def _policy(text: str) -> str:
    """As it is told everywhere: `timeout:8:0.02s` is `timeout:8:20ms`."""
    try:
        return str(Policy.parse(text))
    except InputError as error:
        raise ValueError(str(error)) from None


PolicyText = Annotated[
    str,
    matching(r"^((fixed|greedy):[1-9][0-9]{0,5}|timeout:[1-9][0-9]{0,5}:[0-9.]{1,20}(us|ms|s|min))$"),
    AfterValidator(_policy),
    Expected("fixed:8, greedy:8 or timeout:8:20ms", same("fixed:8", "greedy:8", "timeout:8:20ms")),
]
#: So long may the requests of a measure window take to come.
LONGEST_S = 86_400.0
#: Arrival processes by name; any other is the path of a trace.
PROCESSES = ("poisson", "constant")
Process = Annotated[
    str,
    matching(r"^.{1,4000}$"),
    path_or(*PROCESSES),
    Expected("poisson, constant or the path of a trace such as ./requests.txt", same(*PROCESSES)),
]
RequestRate = Annotated[
    float | None,
    Field(strict=True, gt=0, le=100_000),
    Expected("requests a second, a number above 0, or null for a trace, which has its own"),
]
RequestsOrAll = Annotated[int | None, integer(1, 1_000_000), Expected("a positive integer, or null")]
Optimizer = Annotated[Literal["adam", "adamw", "sgd"], Expected()]
Schedule = Annotated[Literal["constant", "cosine", "step"], Expected()]

Networks = Annotated[tuple[NetworkName, ...], OneOrMore()]
AnyNetworks = Annotated[tuple[AnyNetworkName, ...], OneOrMore()]
Positives = Annotated[tuple[PositiveInt, ...], OneOrMore()]
Precisions = Annotated[tuple[Precision, ...], OneOrMore()]
TrainingPrecisions = Annotated[tuple[TrainingPrecision, ...], OneOrMore()]
Devices = Annotated[tuple[Device, ...], OneOrMore()]
WeightsOf = Annotated[tuple[Weights, ...], OneOrMore()]
ImagesFrom = Annotated[tuple[Images, ...], OneOrMore()]
Datasets = Annotated[tuple[Dataset, ...], OneOrMore()]
Folders = Annotated[tuple[Folder, ...], OneOrMore()]
Switches = Annotated[tuple[Switch, ...], OneOrMore()]
ThreadCounts = Annotated[tuple[Threads, ...], OneOrMore()]
Rates = Annotated[tuple[Rate, ...], OneOrMore()]
Decays = Annotated[tuple[Decay, ...], OneOrMore()]
Amounts = Annotated[tuple[Amount, ...], OneOrMore()]
LayerCounts = Annotated[tuple[Layers, ...], OneOrMore()]
Sizes = Annotated[tuple[ImagesOrAll, ...], OneOrMore()]
PixelCounts = Annotated[tuple[Pixels, ...], OneOrMore()]
Patiences = Annotated[tuple[Patience, ...], OneOrMore()]
Optimizers = Annotated[tuple[Optimizer, ...], OneOrMore()]
Schedules = Annotated[tuple[Schedule, ...], OneOrMore()]
Policies = Annotated[tuple[PolicyText, ...], OneOrMore()]
Processes = Annotated[tuple[Process, ...], OneOrMore()]
RequestRates = Annotated[tuple[RequestRate, ...], OneOrMore()]
RequestCounts = Annotated[tuple[RequestsOrAll, ...], OneOrMore()]
Inputs = Annotated[tuple[Annotated[str, Among(INPUTS), Expected(f"one of {', '.join(INPUTS)}")], ...], OneOrMore()]


class Factors(Frozen):
    """What a trial runs; every field is a tuple of levels."""

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return math.prod(len(levels) for levels in dict(self).values())

    def combinations(self) -> Iterator[Point]:
        """Every combination, the last factor changing fastest; keys in the order of the fields."""
        names = tuple(type(self).model_fields)
        return (dict(zip(names, levels, strict=True)) for levels in product(*dict(self).values()))


# Factors of several kinds.
_NETWORK: Any = Field(description="network: torchvision's name of one that classifies, or package.module:Class")
_PRECISION: Any = Field(("fp32",), description="number format of the computation")
_DEVICE: Any = Field(("auto",), description="auto (a GPU if there is one), cpu, cuda or cuda:N")
_WEIGHTS: Any = Field(
    ("random",), description="random, default (torchvision's trained ones) or the path of a local file"
)
_IMAGES: Any = Field(("sample",), description="sample (scikit-learn's two photographs) or the path of a folder")
_CHANNELS_LAST: Any = Field((False,), description="memory format with the channels last")
_THREADS: Any = Field((None,), description="CPU threads of the trial; null: all cores")
_CONV_LAYERS: Any = Field((2,), description="convolutions of simple_cnn and simple_cnn2")
_LINEAR_LAYERS: Any = Field((3,), description="linear layers of the study's networks")
_RELU: Any = Field((True,), description="activations of simple_cnn")


class Inference(Factors):
    """A classification network on batch after batch of images."""

    model: Networks = _NETWORK
    batch_size: Positives = Field((1,), description="images in a batch")
    precision: Precisions = _PRECISION
    device: Devices = _DEVICE
    weights: WeightsOf = _WEIGHTS
    images: ImagesFrom = _IMAGES
    channels_last: Switches = _CHANNELS_LAST
    compile: Switches = Field((False,), description="compile the network with torch.compile")
    threads: ThreadCounts = _THREADS


class Serving(Factors):
    """A classification network that serves requests as they come, in batches."""

    model: Networks = _NETWORK
    policy: Policies = Field(
        description="when requests that wait become a batch: fixed:8 (eight wait), greedy:8 (whatever waits, up to "
        "eight) or timeout:8:20ms (eight wait, or the first of them has for 20 ms)"
    )
    rate_per_s: RequestRates = Field((None,), description="requests a second; null: those of the trace")
    arrivals: Processes = Field(
        ("poisson",), description="poisson, constant (gaps differ by up to 20 %), or the path of a trace"
    )
    requests: RequestCounts = Field(
        (None,),
        description=f"requests in a measure window, or as many more as fill it; null: {USUAL_REQUESTS}, of a trace all",
    )
    preprocess: Switches = Field(
        (False,), description="decode, resize and normalise each image while its request is served"
    )
    precision: Precisions = _PRECISION
    device: Devices = _DEVICE
    weights: WeightsOf = _WEIGHTS
    images: ImagesFrom = _IMAGES
    channels_last: Switches = _CHANNELS_LAST
    threads: ThreadCounts = _THREADS

    @model_validator(mode="after")
    def _rates_fit(self) -> Self:
        is_trace = [process not in PROCESSES for process in self.arrivals]
        if any(is_trace) and not all(is_trace):
            refuse([(("arrivals",), "a trace has a rate of its own: use a sweep each for traces and for processes")])
        if not (is_trace[0] or "rate_per_s" in self.model_fields_set):
            refuse([((), "rate_per_s is missing: expected requests a second, such as 16")])
        for index, rate_per_s in enumerate(self.rate_per_s):
            if (rate_per_s is None) != is_trace[0]:
                expected = "expected requests a second, such as 16" if rate_per_s is None else "a trace has its own"
                refuse([(("rate_per_s", index), f"{expected}, got {shown(rate_per_s)}")])
            if rate_per_s is not None and self._takes_s(rate_per_s) > LONGEST_S:
                text = f"the requests take {self._takes_s(rate_per_s):.3g} s to come, at most a day is allowed"
                refuse([(("rate_per_s", index), text)])
        return self

    def _takes_s(self, rate_per_s: float) -> float:
        """The longest that the requests of a window take to come at this rate."""
        most = max(requests or USUAL_REQUESTS for requests in self.requests)
        return max(requests_in(0.0, rate_per_s, most, Policy.parse(policy)) for policy in self.policy) / rate_per_s


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
    conv_layers: LayerCounts = _CONV_LAYERS
    linear_layers: LayerCounts = _LINEAR_LAYERS
    relu: Switches = _RELU
    weights: WeightsOf = Field(
        ("random",), description="of torchvision's networks: random, default (to fine-tune) or the path of a file"
    )
    precision: TrainingPrecisions = Field(("fp32",), description="fp32, tf32, or automatic mixed precision")
    device: Devices = _DEVICE
    patience: Patiences = Field((None,), description="stop after so many epochs without a better accuracy")
    train_size: Sizes = Field((None,), description="training images: so many, in the seeded order")
    validation_size: Sizes = Field((None,), description="validation images: so many")
    image_size: PixelCounts = Field((None,), description="pixels of a side to which images are resized")
    data_root: Folders = Field((None,), description="folder of the data sets; null: a cache of this machine")
    threads: ThreadCounts = _THREADS


class LayersOf(Factors):
    """A network, layer by layer."""

    model: AnyNetworks = Field(description="network: one of the study's, of torchvision, or package.module:Class")
    input: Inputs = Field(("imagenet",), description="shape of the images: " + ", ".join(INPUTS))
    batch_size: Positives = Field((16,), description="images in a batch")
    conv_layers: LayerCounts = _CONV_LAYERS
    linear_layers: LayerCounts = _LINEAR_LAYERS
    relu: Switches = _RELU
    backward: Switches = Field((True,), description="measure backward passes too")
    precision: Precisions = _PRECISION
    device: Devices = _DEVICE
    threads: ThreadCounts = _THREADS


class Exclusion(Frozen):
    """A partial point: every point that has one of the given values in all the given factors is left out."""

    @property
    def given(self) -> Mapping[str, tuple[Any, ...]]:
        """The factors that are given, with their values."""
        return {name: values for name, values in self if values}

    def strangers(self, workload: Factors) -> Iterator[tuple[str, str]]:
        """The factors in which no point of the workload has any of the values, with what is wrong."""
        for name, values in self.given.items():
            levels = getattr(workload, name)
            if not set(values) & set(levels):
                known, unknown = (", ".join(map(shown, several)) for several in (levels, values))
                yield name, f"matches no point: the sweep has {known}, got {unknown}"


@cache
def exclusion_of(factors: type[Factors]) -> type[Exclusion]:
    """The exclusion with the factors of a kind, none of them given."""
    fields: dict[str, Any] = {
        name: (Annotated[field.annotation, *field.metadata], Field((), description=field.description))
        for name, field in factors.model_fields.items()
    }
    return create_model(f"{factors.__name__}Exclusion", __base__=Exclusion, **fields)


@dataclass(frozen=True, eq=False)
class PartOf:
    """For an exclusion: its keys are the factors of this kind."""

    factors: type[Factors]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """That of the exclusion with these factors."""
        return handler.generate_schema(exclusion_of(self.factors))


def remaining(workload: Factors, exclude: tuple[Exclusion, ...]) -> Iterator[Point]:
    """The combinations of a workload that no rule leaves out, in their order."""
    rules = [{name: frozenset(values) for name, values in rule.given.items()} for rule in exclude]
    for point in workload.combinations():
        if not any(all(point[name] in values for name, values in rule.items()) for rule in rules):
            yield point
