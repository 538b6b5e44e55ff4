"""Sweeps of kind serving: their factors and their schema."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from farm.kinds.factors import (
    CHANNELS_LAST,
    DEVICE,
    IMAGES,
    NETWORK,
    PRECISION,
    THREADS,
    WEIGHTS,
    Devices,
    ImagesFrom,
    Networks,
    Precisions,
    Switches,
    ThreadCounts,
    WeightsOf,
)
from farm.load.policy import USUAL_REQUESTS, Policy, requests_in
from farm.model.errors import InputError
from farm.spec import EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Factors, Sweep
from farm.spec.types import Expected, OneOrMore, integer, matching, path_or, refuse, same, shown


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
Policies = Annotated[tuple[PolicyText, ...], OneOrMore()]
Processes = Annotated[tuple[Process, ...], OneOrMore()]
RequestRates = Annotated[tuple[RequestRate, ...], OneOrMore()]
RequestCounts = Annotated[tuple[RequestsOrAll, ...], OneOrMore()]


class Serving(Factors):
    """A classification network that serves requests as they come, in batches."""

    model: Networks = NETWORK
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
    precision: Precisions = PRECISION
    device: Devices = DEVICE
    weights: WeightsOf = WEIGHTS
    images: ImagesFrom = IMAGES
    channels_last: Switches = CHANNELS_LAST
    threads: ThreadCounts = THREADS

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


class ServingSweep(Sweep):
    """Networks that serve requests as they come."""

    kind: Literal["serving"] = KIND
    workload: Serving = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(Serving)] = EXCLUDE
