"""Factors that several kinds share: networks, devices, number formats, images."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field

from farm.model.catalog import COLLECTIONS, MODELS, STUDY_MODELS, USER_MODEL
from farm.spec.types import Among, Expected, OneOrMore, integer, matching, path_or, problem, same

T = TypeVar("T")
#: Type of a factor: one value or a list of them.
Many = Annotated[tuple[T, ...], OneOrMore()]


def _of_no_collection(network: str) -> str:
    """Refuse `timm:resnet50`, which looks like the class `resnet50` of a package `timm`."""
    collection, _, name = network.rpartition(":")
    if collection in COLLECTIONS:
        raise problem(
            f"{collection} models are not available in this version (got {name!r}): a network of your own is "
            "package.module:Class"
        )
    return network


NetworkName = Annotated[
    str,
    Among(MODELS, USER_MODEL),
    Expected("a classification network of torchvision, or package.module:Class", same(*MODELS)),
    AfterValidator(_of_no_collection),
]
AnyNetworkName = Annotated[
    str,
    Among((*STUDY_MODELS, *MODELS), USER_MODEL),
    Expected(
        f"one of {', '.join(STUDY_MODELS)}, a network of torchvision, or package.module:Class",
        same(*STUDY_MODELS, *MODELS),
    ),
    AfterValidator(_of_no_collection),
]
Precision = Annotated[Literal["fp32", "fp16", "bf16", "tf32"], Expected()]
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
Threads = Annotated[int | None, integer(1, 4096), Expected("a positive integer, or null for all cores")]
Layers = Annotated[int, integer(1, 100), Expected("a positive integer")]

NETWORK: Any = Field(description="network: a classification network of torchvision, or package.module:Class")
PRECISION: Any = Field(("fp32",), description="number format of the computation")
DEVICE: Any = Field(("auto",), description="auto (a GPU if there is one), cpu, cuda or cuda:N")
WEIGHTS: Any = Field(
    ("random",), description="random, default (trained weights of torchvision) or the path of a local file"
)
IMAGES: Any = Field(("sample",), description="sample (scikit-learn's two photographs) or the path of a folder")
CHANNELS_LAST: Any = Field((False,), description="use the memory format with the channels last")
THREADS: Any = Field((None,), description="CPU threads of the trial; null: all cores")
CONV_LAYERS: Any = Field((2,), description="convolutions of simple_cnn and simple_cnn2")
LINEAR_LAYERS: Any = Field((3,), description="linear layers of the study's networks")
RELU: Any = Field((True,), description="activations of simple_cnn")
