"""The hardware that a sweep is for, as written."""

from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator

from farm.model import MACHINE_NAME
from farm.model.errors import InputError
from farm.spec import capability
from farm.spec.types import Expected, matching, problem, same

TARGET_WORDS = ("any", "each-hardware", "each-machine")
#: Whatever compares something; `capability.parse` says what is wrong with it.
_COMPARISON = r"[^<>=~]*[<>=~].*"


def _no_slip(name: str) -> str:
    """The name of a machine that looks like a slip of a word with a meaning is refused."""
    if name not in TARGET_WORDS and get_close_matches(name.casefold().replace("_", "-"), TARGET_WORDS, cutoff=0.9):
        raise ValueError("nearly a known word")
    return name


def _canonical(text: str) -> str:
    """A capability is always written in the same way: it names jobs."""
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
