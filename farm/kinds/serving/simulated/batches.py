"""The services that a sweep of timed batches measured, on which simulations and recommendations rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farm.analysis.aggregate import Group, Key, grouped
from farm.analysis.samples import idle_w, unit_samples
from farm.kinds.inference.kind import COLUMNS
from farm.kinds.registry import get
from farm.kinds.serving.columns import unclaimed
from farm.kinds.serving.figures import Figures
from farm.kinds.serving.simulated.service import Service, services
from farm.model import Need, SweepData
from farm.model.errors import InputError
from farm.report import notes
from farm.report.numbers import percent, several
from farm.report.selection import Selected, Selection, select

#: Data that `measured_services` needs.
NEEDS = (Need.LATENCIES, Need.ACCURACY)
#: How simulated times were obtained.
HOW = "simulated response times over measured service times"


@dataclass(frozen=True, slots=True)
class MeasuredServices:
    """Services of a sweep, with the samples on which they rest."""

    selected: Selected
    groups: Sequence[Group]  #: samples by batch size, and by everything that distinguishes networks and machines
    services: Sequence[Service]
    accuracy: Mapping[str, float]  #: published ImageNet top-1 in %, by model

    def place(self, of: Key) -> Key:
        """Return machine and device, and what else distinguishes a place from others of the sweep."""
        known = {**self.selected.shared, **dict(of)}
        return tuple((name, known[name]) for name in dict.fromkeys(("machine", "device", *dict(of))) if name in known)

    def notes(self, figures: Sequence[Figures], statistics: Sequence[str]) -> list[str]:
        """Return notes about times and joules that rest on this sweep."""
        doubtful = [g for g in self.groups if g.summary.is_doubtful]
        own = [f"Nothing was measured under load: these are {HOW}. Intervals of times are those of the simulation."]
        between = max((f.interpolated for f in figures), default=0)
        if between >= 0.005:
            own.append(f"Up to {percent(between)} of the batches have a size between those measured: interpolated.")
        if any(s.sizes[0] > 1 for s in self.services):
            own.append("A batch smaller than any measured one is padded, so it takes as much as the smallest one.")
        if weak := unclaimed(figures, statistics):
            own.append(f"* rests on fewer measured batches, or requests, than a claim needs: {weak}.")
        if doubtful:
            count = several(len(doubtful), "batch size")
            own.append(f"{count} left out because every trial is flagged: --include-flagged includes them.")
        own += notes.spread(joules for f in figures for joules in (f.gross_j, f.net_j))
        return [*own, *notes.reservations([g.summary for g in self.groups if g not in doubtful])]


def measured_services(data: SweepData, selection: Selection) -> MeasuredServices:
    """Filter and group the trials of a sweep; raises InputError if no batches were measured."""
    sweep = data.record
    if not get(sweep.kind).times_batches:
        raise InputError(f"{sweep.name}: of kind {sweep.kind}: only sweeps of kind inference time batch after batch")
    selected = select(sweep, unit_samples(data), selection, COLUMNS)
    groups = grouped(selected.samples, tuple(dict.fromkeys(("batch_size", *selected.keys))), selection.include_flagged)
    found = services(groups, idle_w(data), lambda g: not g.summary.is_doubtful)
    if not groups:
        raise InputError(selected.nothing().replace("\n", ": "))
    if not found:
        raise InputError(f"{sweep.name}: every trial is flagged: --include-flagged includes them")
    return MeasuredServices(selected, groups, found, data.accuracy)
