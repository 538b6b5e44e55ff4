"""The interface of a kind of measurement; no other part of the farm compares the names of kinds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo

from farm.model import JobSpec, MeasureSettings, Need, SweepData
from farm.report.columns import Columns
from farm.spec import Sweep

if TYPE_CHECKING:
    from farm.report.document import Document
    from farm.report.selection import Selection

#: Settings of the times of single batches, for `unheeded` of kinds that do not take them.
LATENCY = frozenset({"latency_s", "latency_max_batches"})


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
        return workload.model_fields if workload else {}

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

    def results(self, data: SweepData, selection: "Selection") -> "Document":
        """Return the results of a sweep of this kind.

        Raises:
            InputError: the selection does not fit the sweep.
        """
        from farm.kinds.inference import results  # noqa: PLC0415 - to plan needs no statistics

        return results.document(results.results(data, selection, self.columns))


def windows_s(measure: MeasureSettings, window_s: float) -> float:
    """Return the seconds of the warm-up and of all measure windows if each window lasts `window_s`."""
    return measure.warmup_s + measure.windows * (window_s + 2 * measure.guard_s)
