"""What a search shows in few sentences: its best configuration, its strategies, and the price of accuracy."""

from collections.abc import Iterator

from farm.analysis.rules import may_rank_energy
from farm.kinds.tuning import tables
from farm.kinds.tuning.comparison import BASELINE
from farm.kinds.tuning.results import MODELLED, NOTHING_COMPARED, Results, claim
from farm.kinds.tuning.searches import front
from farm.kinds.tuning.workloads import Workload
from farm.report.layout import named
from farm.report.numbers import number, several


def findings(found: Results) -> list[str]:
    """Return the best configuration, then what may be claimed of strategies, then what less accuracy saves."""
    is_ranked = all(may_rank_energy(sample.quality) for sample in found.selected.samples)
    each = [list(_of(workload, found.found.is_net, is_ranked)) for workload in found.workloads]
    return [sentence for own in zip(*each, strict=False) for sentence in own]


def _of(workload: Workload, is_net: bool, is_ranked: bool) -> Iterator[str]:
    """Yield the sentences on one workload, the most important one first."""
    where = f"{named(dict(workload.key))}: " if workload.key else ""
    energy = f"J {'net' if is_net else 'gross'}{'' if is_ranked else ' modelled'}"
    known = [(study, c, c.accuracy) for study, c in workload.configurations if c.accuracy is not None]
    if known:
        study, best, accuracy = max(known, key=lambda item: item[2])
        joules = f", for {number(best.energy_j)} {energy} a training" if best.energy_j is not None else ""
        yield (
            f"{where}The best of {several(len(known), 'configuration')} reaches {number(accuracy * 100)}%{joules}: "
            f"{tables.spelt(best.params)} ({study.strategy}). Repeat it before use: the best of many is partly chance."
        )
    yield f"{where}{_strategies(workload) if is_ranked else MODELLED}"
    unbeaten = [(c.accuracy, c.energy_j) for _, c in front(workload.studies) if c.accuracy and c.energy_j]
    if len(unbeaten) > 1 and is_ranked:
        (low, least_j), (high, most_j) = unbeaten[0], unbeaten[-1]
        yield (
            f"{where}Less accuracy takes less energy: {number(low * 100)}% takes {number(least_j)} {energy} a "
            f"training, {number(high * 100)}% takes {number(most_j)} J (the ends of the Pareto front; "
            "each is one training, so small differences may be chance)."
        )


def _strategies(workload: Workload) -> str:
    """Return the verdicts on strategies, or in one sentence that there are none."""
    compared = [comparison for comparison in workload.comparisons if comparison.strategy != BASELINE]
    if not compared:
        return NOTHING_COMPARED
    sure = [claim(one) for one in compared if one.verdict != "unclear"]
    if sure:
        return " ".join(sure)
    names = " or ".join(one.strategy for one in compared)
    seeds, needed = min(len(one.pairs) for one in compared), max(one.needed for one in compared)
    todo = (
        f"a verdict needs {needed} seeds, there are {seeds}" if seeds < needed else "the seeds do not agree: add some"
    )
    return f"Cannot tell whether {names} needs less energy than random: {todo}."
