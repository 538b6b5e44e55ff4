"""Kind layers: each layer of a network is measured alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.kinds.kind import LATENCY, Kind
from farm.kinds.layers.sweep import LayersSweep
from farm.model import JobSpec, Need, SweepData

if TYPE_CHECKING:
    from farm.report.document import Document
    from farm.report.selection import Selection


@dataclass(frozen=True, kw_only=True)
class Layers(Kind):
    """Kind layers, whose trials have a window for each layer."""

    def expected_s(self, spec: JobSpec) -> None:
        """Return None, because the number of layers is unknown before the trial."""

    def results(self, data: SweepData, selection: "Selection") -> "Document":
        """Return energy by type of layer, closure and ablation."""
        from farm.kinds.layers import results  # noqa: PLC0415

        return results.document(results.results(data, selection))

    def findings(self, data: SweepData, selection: "Selection") -> Sequence[str]:
        """Return what the sweep shows in few sentences."""
        from farm.kinds.layers import findings, results  # noqa: PLC0415

        return findings.findings(results.results(data, selection))


KIND = Layers(
    name="layers",
    description="networks layer by layer",
    unit="call",
    sweep=LayersSweep,
    needs=(Need.PARTS, Need.TRIALS),
    work="layers",
    unheeded=LATENCY | {"windows"},
    method="Each layer runs alone on the input that it gets in the whole network. Forward and backward passes are "
    "repeated in separate windows. The whole network is measured too, to check whether the layers add up to it.",
)
