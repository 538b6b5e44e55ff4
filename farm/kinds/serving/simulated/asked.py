"""The loads that a user asks to simulate."""

from collections.abc import Sequence

from farm.load.arrivals import PROCESSES, Arrivals, Recorded
from farm.load.policy import Policy
from farm.load.rates import rate_per_s
from farm.model.errors import InputError


def parse_arrivals(name: str, rates: Sequence[str]) -> list[Arrivals]:
    """Return an arrival process for each rate; a trace has its own rate.

    Args:
        name: poisson, constant, or the path of a trace.
        rates: rates such as 16/s.

    Raises:
        InputError: a rate is missing, wrong or superfluous, or the trace cannot be read.
    """
    if name not in PROCESSES:
        if rates:
            raise InputError(f"--rate: a trace has its own rate: leave it out, or --arrivals {name}")
        return [Recorded.read(name)]
    if not rates:
        raise InputError(f"--rate: expected requests per time such as --rate 16/s, for {name} arrivals")
    return [PROCESSES[name](rate_per_s(rate, "--rate")) for rate in rates]


def parse_policies(texts: Sequence[str]) -> list[Policy]:
    """Return batch policies such as fixed:8; raises InputError."""
    return [Policy.parse(text) for text in texts]
