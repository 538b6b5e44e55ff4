"""The best of several batch sizes, and what it saves. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from farm.analysis.aggregate import Summary
from farm.analysis.rules import are_apart, stands_out


@dataclass(frozen=True, slots=True)
class Saving:
    """The batch size with the least energy, compared with the smallest batch size."""

    best: Summary
    reference: Summary
    best_j: float  #: per unit
    share: float  #: saved share of the reference's energy
    is_net: bool  #: False: some net energies are within the noise, so gross ones were compared
    #: Its interval lies below that of the reference, or of the next batch size if it is the reference; None: unknown.
    is_clear: bool | None


def best_batch(summaries: Sequence[Summary]) -> Saving | None:
    """Return the batch size with the least energy per unit, among summaries that differ only in batch size.

    Returns None if there is nothing to compare, an energy is unknown, or the summaries are not of one kind: joules of
    different quality, or simulated and real ones, are never ranked together.
    """
    sized = [s for s in summaries if isinstance(s.labels.get("batch_size"), int) and not s.is_doubtful]
    if len(sized) < 2 or len({(s.quality, s.simulated) for s in sized}) > 1:
        return None
    net = [s.net_j for s in sized if s.net_j is not None and stands_out(s.net_j)]
    gross = [s.gross_j for s in sized if s.gross_j is not None and s.gross_j.mean > 0]
    is_net = len(net) == len(sized)
    if not is_net and len(gross) < len(sized):
        return None
    energies = list(zip(net if is_net else gross, sized, strict=True))
    best_energy, best = min(energies, key=lambda pair: pair[0].mean)
    energy, reference = min(energies, key=lambda pair: int(pair[1].labels["batch_size"] or 0))
    others = [pair for pair in energies if pair[1] is not best]
    rival_energy, rival = (energy, reference) if best is not reference else min(others, key=lambda pair: pair[0].mean)
    is_clear = are_apart(best_energy, rival_energy, min(best.trials, rival.trials))
    return Saving(best, reference, best_energy.mean, 1 - best_energy.mean / energy.mean, is_net, is_clear)
