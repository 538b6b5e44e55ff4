"""Targets: the hardware that a sweep names."""

from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator

from farm.model import MACHINE_NAME
from farm.model.errors import InputError
from farm.spec import capability
from farm.spec.types import Expected, matching, problem, same

TARGET_WORDS = ("any", "each-hardware", "each-machine")
#: Any text with a comparison; `capability.parse` reports its errors.
_COMPARISON = r"[^<>=~]*[<>=~].*"


def _no_slip(name: str) -> str:
    """Reject the name of a machine that looks like a misspelt target word."""
    if name not in TARGET_WORDS and get_close_matches(name.casefold().replace("_", "-"), TARGET_WORDS, cutoff=0.9):
        raise ValueError("nearly a known word")
    return name


def _canonical(text: str) -> str:
    """Return a capability in its canonical form, since it is part of the ids of jobs."""
    if not any(sign in text for sign in "<>=~"):
        return text
    try:
        return str(capability.parse(text))
    except InputError as error:
        raise problem(str(error)) from None


Target = Annotated[
    str,
    matching(rf"^({MACHINE_NAME}|{_COMPARISON})$"),
    AfterValidator(_no_slip),
    Expected(
        "any, each-hardware, each-machine, the name of a machine, or such as gpu.memory_gib >= 40",
        same(*TARGET_WORDS),
    ),
    AfterValidator(_canonical),
]
