"""Kind serving: networks that serve requests as they come."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.kinds.kind import LATENCY, Kind, windows_s
from farm.kinds.serving.sweep import ServingSweep
from farm.load.policy import Policy, requests_in
from farm.model import JobSpec, Need, SweepData

if TYPE_CHECKING:
    from farm.report.document import Document
    from farm.report.selection import Selection


@dataclass(frozen=True, kw_only=True)
class Serving(Kind):
    """Windows last as long as their requests take to come."""

    def expected_s(self, spec: JobSpec) -> float | None:
        """Return None for a trace, whose rate is in its file."""
        if spec.point["rate_per_s"] is None:
            return None
        rate_per_s, given = float(spec.point["rate_per_s"]), spec.point["requests"]
        policy = Policy.parse(str(spec.point["policy"]))
        requests = requests_in(spec.measure.window_s, rate_per_s, None if given is None else int(given), policy)
        return windows_s(spec.measure, requests / rate_per_s)

    def results(self, data: SweepData, selection: "Selection") -> "Document":
        """Return what requests waited for, and took in joules."""
        from farm.kinds.serving.live import results  # noqa: PLC0415

        return results.document(results.results(data, selection))


KIND = Serving(
    name="serving",
    description="networks that serve requests as they come",
    unit="request",
    sweep=ServingSweep,
    needs=(Need.REQUESTS, Need.LATENCIES),
    work="requests",
    unheeded=LATENCY | {"min_iterations"},
    method="After a warm-up of full batches, requests come in real time, from a process of their own that waits for no "
    "answer, and are served in batches as the policy has it; in a repetition every policy gets the same arrivals. A "
    "response time counts from the moment at which the request was to come, so that a late one hides nothing, until "
    "its batch is done. A measure window begins with an empty queue and ends with the last request done: its joules "
    "hold the idle between batches.",
)
