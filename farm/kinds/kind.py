"""The interface of a kind of measurement; no other part of the farm compares the names of kinds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo

from farm.model import JobSpec, MeasureSettings, Need, Point, SweepData
from farm.report.columns import Columns
from farm.spec import Sweep
from farm.spec.factors import plain_type
from farm.spec.types import Needs, annotations

if TYPE_CHECKING:
    from farm.report.document import Document
    from farm.report.selection import Selection

#: Settings of the times of single batches, for `unheeded` of kinds that do not take them.
LATENCY = frozenset({"latency_s", "latency_max_batches"})
#: Smaller needs of memory make no condition: each condition costs a message for each machine.
LEAST_GIB = 4


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Kind of measurement; an entry point of group `wattfarm.kinds` names an instance.

    The fields describe the kind; a subclass overrides the methods where the kind differs from a workload that runs
    batch after batch in measure windows. Importing the module of a kind must be fast: import what analyses results in
    the method that needs it.
    """

    name: str  #: name in `kind: NAME` of a sweep, and name of the entry point
    description: str  #: one line
    unit: str  #: unit of work, the same as that of the workload: image, request, ...
    sweep: type[Sweep] | None  #: factors and schema; None: such a sweep cannot be submitted
    needs: tuple[Need, ...] = (Need.LATENCIES, Need.MEASURES)  #: data that `results` reads besides the samples
    #: Columns that distinguish rows; every factor that differs has a column too.
    columns: Columns = field(default=Columns(context=("machine", "device")))
    workload: str = ""  #: entry point of group `wattfarm.workloads` that workers run; default: the name of the kind
    work: str = "trials"  #: plural name of what takes the time of a trial: trainings, layers, ...
    method: str = ""  #: how a trial measures, in full sentences, for the methods of a report
    unheeded: frozenset[str] = frozenset()  #: fields of MeasureSettings that trials of the kind do not use
    resumable: bool = False  #: the workload saves checkpoints, from which the next attempt at a job continues
    seeds_differ: bool = False  #: each repetition has its own seed; False: all have the seed of the sweep
    times_batches: bool = False  #: a trial times each batch alone, and `batch_size` is a factor
    examples: Path | None = None  #: folder of sweeps, *.yaml, that `farm init` copies

    @property
    def factors(self) -> Mapping[str, FieldInfo]:
        """Return the declared factors by name; a kind that cannot be submitted has none."""
        workload: Any = self.sweep.model_fields["workload"].annotation if self.sweep else None
        return workload.declared() if workload else {}

    @property
    def factor_types(self) -> Mapping[str, type]:
        """Return the type of each factor in files: bool, int, float or str."""
        return {name: plain_type(field.annotation) for name, field in self.factors.items()}

    @property
    def runs(self) -> str:
        """Return the name of the workload that the jobs run."""
        return self.workload or self.name

    def expected_s(self, spec: JobSpec) -> float | None:
        """Return the least time that the work of a trial takes.

        Returns:
            Seconds with the warm-up, without the idle windows before and after; None if the time is unknown.
        """
        return windows_s(spec.measure, spec.measure.window_s) + spec.measure.latency_s

    def requirements(self, point: Point) -> Iterator[str]:
        """Yield what a machine must have to run a point, as conditions: `worker.gpus >= 1`. Pure.

        Jobs of the point wait for a machine that meets them. The default knows what the types of the factors need
        (`farm.spec.types.Needs`), the workload of another package, and `least_bytes`.
        """
        for name, needs in self._needs.items():
            if name in point:
                yield from needs.conditions(point[name])
        if not _is_shipped(self.runs):
            yield f"worker.workloads = {self.runs}"
        fact = {"cpu": "ram_gib", "cuda": "gpu.memory_gib"}.get(str(point.get("device")).partition(":")[0])
        gib = self.least_bytes(point) // 2**30
        if fact is not None and gib >= LEAST_GIB:
            yield f"{fact} >= {gib}"

    def least_bytes(self, point: Point) -> int:  # noqa: ARG002 - a kind that knows it overrides this
        """Return the bytes that a point certainly needs in the memory of its device; 0 where nothing is known."""
        return 0

    @cached_property
    def _needs(self) -> Mapping[str, Needs]:
        """The factors whose levels need something."""
        return {name: one for name, field in self.factors.items() for one in annotations(field.annotation, Needs)}

    def results(self, data: SweepData, selection: "Selection") -> "Document":
        """Return the results of a sweep of this kind.

        Raises:
            InputError: the selection does not fit the sweep.
        """
        from farm.kinds.inference import results  # noqa: PLC0415 - to plan needs no statistics

        return results.document(results.results(data, selection, self.columns))

    def findings(self, data: SweepData, selection: "Selection") -> Sequence[str]:
        """Return what a sweep of this kind shows, the most important sentence first; a view shows three of them.

        Raises:
            InputError: the selection does not fit the sweep.
        """
        return self.results(data, selection).findings


def windows_s(measure: MeasureSettings, window_s: float) -> float:
    """Return the seconds of the warm-up and of all measure windows if each window lasts `window_s`."""
    return measure.warmup_s + measure.windows * (window_s + 2 * measure.guard_s)


@cache
def _is_shipped(workload: str) -> bool:
    """Return whether a workload comes with this program, so that every worker of the same version has it."""
    return bool(distribution("wattfarm").entry_points.select(group="wattfarm.workloads", name=workload))
