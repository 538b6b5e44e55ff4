"""What a kind of measurement is to the rest of the farm, which never compares its name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo

from farm.model import JobSpec, MeasureSettings, Need, SweepData
from farm.report.columns import Columns
from farm.spec import Sweep

if TYPE_CHECKING:
    from farm.kinds.views import View
    from farm.report.selection import Selection

#: Settings of the latency pass, for `unheeded` of kinds that have none.
LATENCY = frozenset({"latency_s", "latency_max_batches"})


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of measurement; an entry point of group `wattfarm.kinds` names an instance.

    The fields describe the kind; a subclass overrides the methods where the kind differs from a workload that runs
    batch after batch in measure windows. Importing the module of a kind must be fast: import what analyses results in
    the method that needs it.
    """

    name: str  #: as in `kind: NAME` of a sweep, and the name of the entry point
    description: str  #: one line
    unit: str  #: of work, the same as that of the workload: image, request, ...
    sweep: type[Sweep] | None  #: factors and schema; None: nobody can submit such a sweep
    needs: tuple[Need, ...] = (Need.LATENCIES,)  #: what `results` reads besides the samples
    #: How rows are told apart; every factor that differs has a column besides.
    columns: Columns = field(default=Columns(context=("machine", "device")))
    workload: str = ""  #: what the workers run, by its entry point in group `wattfarm.workloads`; default: the name
    work: str = "trials"  #: what takes the time of a trial, in the plural: trainings, layers, ...
    method: str = ""  #: how a trial measures, in full sentences: for the methods of a report
    unheeded: frozenset[str] = frozenset()  #: fields of MeasureSettings that trials of the kind do not use
    resumable: bool = False  #: the workload saves checkpoints, from which the next attempt at a job goes on
    seeds_differ: bool = False  #: each repetition has a seed of its own; else all have that of the sweep
    times_batches: bool = False  #: a trial times each batch alone, and `batch_size` is a factor
    examples: Path | None = None  #: folder of sweeps, *.yaml, that `farm init` copies

    @property
    def factors(self) -> Mapping[str, FieldInfo]:
        """The factors by name, as their model declares them; none of a kind that nobody can submit."""
        workload: Any = self.sweep.model_fields["workload"].annotation if self.sweep else None
        return workload.model_fields if workload else {}

    @property
    def runs(self) -> str:
        """The name of the workload that the jobs run."""
        return self.workload or self.name

    def expected_s(self, spec: JobSpec) -> float | None:
        """Return how many seconds the work of a trial takes where nothing is slow, its warm-up included.

        Returns:
            Seconds, without the idle before and after; None where nobody knows.
        """
        return windows_s(spec.measure, spec.measure.window_s) + spec.measure.latency_s

    def results(self, data: SweepData, selection: "Selection") -> "View":
        """Return what there is to see of a sweep of this kind.

        Raises:
            InputError: the selection does not fit the sweep.
        """
        from farm.kinds import views  # noqa: PLC0415 - to plan needs no statistics

        return views.results(data, selection, self.columns)


def windows_s(measure: MeasureSettings, window_s: float) -> float:
    """Return the seconds of the warm-up and of all measure windows, if each lasts `window_s`."""
    return measure.warmup_s + measure.windows * (window_s + 2 * measure.guard_s)
