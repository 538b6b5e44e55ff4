"""Sweeps of kind serving: their factors and their schema."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from farm.kinds import factors
from farm.kinds.factors import Many
from farm.load.policy import USUAL_REQUESTS, Policy, requests_in
from farm.model.errors import InputError
from farm.spec import EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Factors, Sweep
from farm.spec.types import Expected, Switch, integer, matching, path_or, refuse, same, shown


def _policy(text: str) -> str:
    """Return the usual spelling of a policy: `timeout:8:0.02s` becomes `timeout:8:20ms`."""
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


def _trace(path: Path) -> str | None:
    """Return why a trace cannot be read here, or None."""
    from farm.load.arrivals import Recorded  # noqa: PLC0415 - it loads numpy, and few sweeps have a trace

    try:
        Recorded.read(str(path))
    except InputError as error:
        return str(error).removeprefix("arrivals: ").removeprefix(f"{path}: ")
    return None


#: Longest time that the requests of a measure window may take to arrive.
LONGEST_S = 86_400.0
#: Arrival processes by name; any other is the path of a trace.
PROCESSES = ("poisson", "constant")
Process = Annotated[
    str,
    matching(r"^.{1,4000}$"),
    path_or(*PROCESSES, find_problem=_trace),
    Expected("poisson, constant or the path of a trace such as ./requests.txt", same(*PROCESSES)),
]
RequestRate = Annotated[
    float | None,
    Field(strict=True, gt=0, le=100_000),
    Expected("requests a second, a number above 0, or null for a trace, which has its own rate"),
]
RequestsOrAll = Annotated[int | None, integer(1, 1_000_000), Expected("a positive integer, or null")]


class Serving(Factors):
    """Factors of kind serving."""

    model: Many[factors.NetworkName] = factors.NETWORK
    policy: Many[PolicyText] = Field(
        description="when waiting requests become a batch: fixed:8 (when eight wait), greedy:8 (all that wait, up to "
        "eight) or timeout:8:20ms (when eight wait, or the first has waited for 20 ms)"
    )
    rate_per_s: Many[RequestRate] = Field((None,), description="requests a second; null: the rate of the trace")
    arrivals: Many[Process] = Field(
        ("poisson",), description="poisson, constant (gaps differ by up to 20 %), or the path of a trace"
    )
    requests: Many[RequestsOrAll] = Field(
        (None,), description=f"least number of requests in a measure window; null: {USUAL_REQUESTS}, or all of a trace"
    )
    preprocess: Many[Switch] = Field(
        (False,), description="decode, resize and normalise each image while its request is served"
    )
    precision: Many[factors.Precision] = factors.PRECISION
    device: Many[factors.Device] = factors.DEVICE
    weights: Many[factors.Weights] = factors.WEIGHTS
    images: Many[factors.Images] = factors.IMAGES
    channels_last: Many[Switch] = factors.CHANNELS_LAST
    threads: Many[factors.Threads] = factors.THREADS

    @model_validator(mode="after")
    def _rates_fit(self) -> Self:
        is_trace = [process not in PROCESSES for process in self.arrivals]
        if any(is_trace) and not all(is_trace):
            refuse([(("arrivals",), "a trace has its own rate: use separate sweeps for traces and for processes")])
        if not (is_trace[0] or "rate_per_s" in self.model_fields_set):
            refuse([((), "rate_per_s is missing: expected requests a second, such as 16")])
        for index, rate_per_s in enumerate(self.rate_per_s):
            if (rate_per_s is None) != is_trace[0]:
                expected = "expected requests a second, such as 16" if rate_per_s is None else "a trace has its own"
                refuse([(("rate_per_s", index), f"{expected}, got {shown(rate_per_s)}")])
            if rate_per_s is not None and self._takes_s(rate_per_s) > LONGEST_S:
                text = f"the requests take {self._takes_s(rate_per_s):.3g} s to arrive; at most a day is allowed"
                refuse([(("rate_per_s", index), text)])
        return self

    def _takes_s(self, rate_per_s: float) -> float:
        """Return the longest time that the requests of a window take to arrive at this rate."""
        most = max(requests or USUAL_REQUESTS for requests in self.requests)
        return max(requests_in(0.0, rate_per_s, most, Policy.parse(policy)) for policy in self.policy) / rate_per_s


class ServingSweep(Sweep):
    """Sweep of networks that serve requests as they arrive."""

    kind: Literal["serving"] = KIND
    workload: Serving = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(Serving)] = EXCLUDE
