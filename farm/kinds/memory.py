"""The memory that a network certainly needs, from what is published of it."""

from farm.model import Scalar
from farm.model.catalog import NETWORKS

#: Bytes of a number in each number format.
_WIDTHS = {"fp16": 2, "bf16": 2, "amp-fp16": 4, "amp-bf16": 4}
#: Numbers of an image of 3 x 224 x 224, the smallest that torchvision's networks are published for.
_IMAGE = 3 * 224 * 224


def network_bytes(model: Scalar, precision: Scalar, images: int = 0) -> int:
    """Return the bytes of a network's parameters and of so many images at its input: a lower bound.

    The outputs of its layers need more, but nobody publishes how much. 0: the network is unknown.
    """
    known = NETWORKS.get(str(model))
    return 0 if known is None else (known.parameters + images * _IMAGE) * _WIDTHS.get(str(precision), 4)
