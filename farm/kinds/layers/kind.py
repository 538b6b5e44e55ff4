"""Kind layers: networks layer by layer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.kinds.kind import LATENCY, Kind
from farm.kinds.layers.sweep import LayersSweep
from farm.model import JobSpec, Need, SweepData

if TYPE_CHECKING:
    from farm.kinds.views import View
    from farm.report.selection import Selection


@dataclass(frozen=True, kw_only=True)
class Layers(Kind):
    """A trial has a window for each layer, and nobody knows how many layers there are."""

    def expected_s(self, spec: JobSpec) -> float | None:  # noqa: ARG002
        """Return None."""
        return None

    def results(self, data: SweepData, selection: "Selection") -> "View":
        """Return energy by type of layer, how well layers add up, and ablation."""
        from farm.kinds.layers import results  # noqa: PLC0415

        return results.results(data, selection)


KIND = Layers(
    name="layers",
    description="networks layer by layer",
    unit="call",
    sweep=LayersSweep,
    needs=(Need.PARTS, Need.TRIALS),
    work="layers",
    unheeded=LATENCY | {"windows"},
    method="Each layer runs alone on the input that the whole network gave it, forward and backward apart, repeated "
    "for a window of its own; the whole network runs beside them, to see whether they add up.",
)
