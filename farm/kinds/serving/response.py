"""Response times under load, policy by policy: for `farm response`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from farm.analysis.aggregate import Key
from farm.errors import InputError
from farm.kinds.serving.figures import REQUESTS
from farm.kinds.serving.loads import HEADINGS, SHOWN, cells, figures_record
from farm.kinds.serving.measured import Served, served
from farm.kinds.serving.simulated import Arrivals, Figures, Policy, Service, assess
from farm.load.rates import spelt_per_s
from farm.model import Scalar, SweepData
from farm.report.grids import Row, grids
from farm.report.selection import Selection


@dataclass(frozen=True, slots=True)
class Response:
    """One service under one arrival process and one policy."""

    service: Service
    arrivals: Arrivals
    policy: Policy
    figures: Figures


@dataclass(frozen=True, slots=True)
class Responses:
    """All that were asked for."""

    served: Served
    found: Sequence[Response]

    def rendered(self) -> RenderableType:
        """Caption, table, footnotes."""
        caption = [*self.served.selected.caption(), *dict.fromkeys(f"arrivals: {r.arrivals}" for r in self.found), ""]
        rows = [Row(_key(r), cells(r.figures)) for r in self.found]
        footnotes = [Text(note, style="dim") for note in self._footnotes()]
        return Group(Text("\n".join(caption)), grids(rows, HEADINGS), *footnotes)

    def _footnotes(self) -> list[str]:
        figures = [r.figures for r in self.found]
        own = [
            "load: rate over what full batches of that size can serve. J: of a request; gross: with the idle between."
        ]
        if any(f.is_saturated for f in figures):
            own.append("! saturated: requests come faster than that, and the queue grows without bound.")
        if any(f.unserved for f in figures):
            own.append("The last requests, which do not fill a batch, are never served and not counted.")
        return [*own, *self.served.footnotes(figures, SHOWN)]

    def records(self) -> list[dict[str, Scalar]]:
        """For csv, json and parquet."""
        return [_record(response) for response in self.found]


def responses(
    data: SweepData,
    selection: Selection,
    arrivals: Sequence[Arrivals],
    policies: Sequence[Policy],
    requests: int = REQUESTS,
    seed: int = 1,
) -> Responses:
    """Simulate each service under each of the arrivals and policies; no policy: greedy and fixed of each measured size.

    Raises InputError for a policy that no service was measured for.
    """
    sweep_served = served(data, selection)
    largest = max(service.largest for service in sweep_served.services)
    for policy in policies:
        if policy.size > largest:
            raise InputError(f"--policy: {policy}: the largest batch that was measured is {largest}")
    return Responses(
        sweep_served,
        [
            Response(service, process, policy, assess(service, process, policy, requests, seed))
            for service in sweep_served.services
            for process in arrivals
            for policy in policies or _usual(service)
            if policy.size <= service.largest
        ],
    )


def _usual(service: Service) -> Iterable[Policy]:
    return [
        *(Policy.greedy(size) for size in service.sizes),
        *(Policy.fixed(size) for size in service.sizes if size > 1),
    ]


def _key(response: Response) -> Key:
    rate = spelt_per_s(response.arrivals.rate_per_s)
    return (*response.service.key, ("rate", rate), ("policy", str(response.policy)))


def _record(response: Response) -> dict[str, Scalar]:
    service, arrivals = response.service, response.arrivals
    return {
        **service.labels,
        "arrivals": str(arrivals),
        "rate_per_s": arrivals.rate_per_s,
        "policy": str(response.policy),
        **figures_record(response.figures),
        "quality": service.quality.value if service.quality else None,
        "simulated": service.simulated,
        "response_times": "simulated",
    }
