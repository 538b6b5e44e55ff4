"""The results of a tuning sweep on each workload. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farm.analysis.aggregate import Key
from farm.kinds.tuning.comparison import StrategyComparison, comparisons
from farm.kinds.tuning.searches import Configuration, StrategySummary, Study, summarise


@dataclass(frozen=True, slots=True)
class Workload:
    """Studies of one workload, with their summaries and comparisons."""

    key: Key  #: what distinguishes it from the other workloads of the sweep
    studies: tuple[Study, ...]
    strategies: tuple[StrategySummary, ...]
    comparisons: tuple[StrategyComparison, ...]

    def comparison(self, strategy: str) -> StrategyComparison | None:
        """Return the comparison of a strategy with random search; None if there was nothing to compare."""
        return next((comparison for comparison in self.comparisons if comparison.strategy == strategy), None)

    @property
    def configurations(self) -> list[tuple[Study, Configuration]]:
        """Return every configuration with its study."""
        return [(study, configuration) for study in self.studies for configuration in study.configurations]


def workloads(found: Sequence[Study]) -> Iterator[Workload]:
    """Yield each workload of these studies, named by what distinguishes it from the others."""
    keys = list(dict.fromkeys(study.workload for study in found))
    levels = {name: {dict(key).get(name) for key in keys} for key in keys for name, _ in key}
    every, compared = summarise(found), comparisons(found)
    for key in keys:
        yield Workload(
            key=tuple((name, value) for name, value in key if len(levels[name]) > 1),
            studies=tuple(study for study in found if study.workload == key),
            strategies=tuple(strategy for strategy in every if strategy.workload == key),
            comparisons=tuple(comparison for comparison in compared if comparison.workload == key),
        )
