"""`farm response`: simulated response times under load for each policy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from farm.kinds.serving import columns
from farm.kinds.serving.figures import Figures
from farm.kinds.serving.simulated.assess import REQUESTS, assess
from farm.kinds.serving.simulated.batches import MeasuredServices, measured_services
from farm.kinds.serving.simulated.service import Service
from farm.load.arrivals import Arrivals
from farm.load.policy import Policy
from farm.load.rates import spelt_per_s
from farm.model import SweepData
from farm.model.errors import InputError
from farm.report.document import Document, Record, Row, Table, key, notes, paragraphs
from farm.report.selection import Selection


@dataclass(frozen=True, slots=True)
class Response:
    """Figures of one service under one arrival process and one policy."""

    service: Service
    arrivals: Arrivals
    policy: Policy
    figures: Figures


@dataclass(frozen=True, slots=True)
class Responses:
    """All simulations of a sweep that the user asked for."""

    served: MeasuredServices
    found: Sequence[Response]


def simulate_policies(
    data: SweepData,
    selection: Selection,
    arrivals: Sequence[Arrivals],
    policies: Sequence[Policy],
    requests: int = REQUESTS,
    seed: int = 1,
) -> Responses:
    """Simulate each service under each of the arrivals and policies.

    Without policies, greedy and fixed batches of each measured size are simulated.

    Raises:
        InputError: no batches were measured, or none as large as those of a policy.
    """
    sweep_served = measured_services(data, selection)
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


def document(answer: Responses) -> Document:
    """Return a table with a row for each service, arrival process and policy, and notes."""
    found = answer.found
    processes = dict.fromkeys(f"arrivals: {one.arrivals}" for one in found)
    keys = [key(name) for name in (*found[0].service.labels, "rate", "policy")]
    return Document(
        [
            *paragraphs([*answer.served.selected.caption(), *processes]),
            Table([*keys, *columns.COLUMNS], [_row(one) for one in found]),
            *notes(_notes(answer)),
        ],
        rows=[_record(one) for one in found],
    )


def _row(one: Response) -> Row:
    keys = {**one.service.labels, "rate": spelt_per_s(one.arrivals.rate_per_s), "policy": str(one.policy)}
    return Row({**keys, **columns.values(one.figures)}, columns.marks(one.figures))


def _notes(answer: Responses) -> list[str]:
    figures = [one.figures for one in answer.found]
    own = [
        "load: the rate divided by the rate that full batches of that size can serve. J: joules of a request; gross "
        "includes the idle power between batches, net does not."
    ]
    if any(f.is_saturated for f in figures):
        own.append("! saturated: requests arrive faster than they can be served, so the queue grows without bound.")
    if any(f.unserved for f in figures):
        own.append("The last requests, which do not fill a batch, are not served and do not count.")
    return [*own, *answer.served.notes(figures, columns.SHOWN)]


def _record(one: Response) -> Record:
    service, arrivals = one.service, one.arrivals
    return {
        **service.labels,
        "arrivals": str(arrivals),
        "rate_per_s": arrivals.rate_per_s,
        "policy": str(one.policy),
        **columns.record(one.figures),
        "quality": service.quality.value if service.quality else None,
        "simulated": service.simulated,
        "response_times": "simulated",
    }
