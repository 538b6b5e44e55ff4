"""Kind serving: networks that serve requests as they arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.kinds.kind import LATENCY, Kind, windows_s
from farm.kinds.memory import network_bytes
from farm.kinds.serving.sweep import ServingSweep
from farm.load.policy import Policy, requests_in
from farm.model import JobSpec, Need, Point, SweepData

if TYPE_CHECKING:
    from farm.report.document import Document
    from farm.report.selection import Selection


@dataclass(frozen=True, kw_only=True)
class Serving(Kind):
    """Kind serving, whose windows last until all their requests have arrived and are served."""

    def expected_s(self, spec: JobSpec) -> float | None:
        """Return the seconds until all requests have arrived; None for a trace, whose rate is in its file."""
        if spec.point["rate_per_s"] is None:
            return None
        rate_per_s, given = float(spec.point["rate_per_s"]), spec.point["requests"]
        policy = Policy.parse(str(spec.point["policy"]))
        requests = requests_in(spec.measure.window_s, rate_per_s, None if given is None else int(given), policy)
        return windows_s(spec.measure, requests / rate_per_s)

    def least_bytes(self, point: Point) -> int:
        """Return the bytes of the parameters and of the largest batch."""
        return network_bytes(point["model"], point["precision"], Policy.parse(str(point["policy"])).size)

    def results(self, data: SweepData, selection: "Selection") -> "Document":
        """Return response times and joules of requests."""
        from farm.kinds.serving.live import results  # noqa: PLC0415

        return results.document(results.results(data, selection))

    def findings(self, data: SweepData, selection: "Selection") -> Sequence[str]:
        """Return what the sweep shows in few sentences."""
        from farm.kinds.serving.live import findings, results  # noqa: PLC0415

        return findings.findings(results.results(data, selection))


KIND = Serving(
    name="serving",
    description="networks that serve requests as they arrive",
    unit="request",
    sweep=ServingSweep,
    needs=(Need.REQUESTS, Need.LATENCIES),
    work="requests",
    unheeded=LATENCY | {"min_iterations"},
    method="After a warm-up of full batches, a separate process sends requests in real time, without waiting for "
    "answers. The network serves them in batches that the policy forms. In a repetition every policy gets the same "
    "arrivals. A response time counts from the moment when the request was due until its batch is done, so it includes "
    "any delay of the sender. A measure window begins with an empty queue and ends when the last request is done; its "
    "joules include the idle time between batches.",
)
