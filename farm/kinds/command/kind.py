"""Kind command: any program, measured from its begin to its end, and in the windows that it marks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from farm.kinds.command.sweep import CommandSweep
from farm.kinds.kind import LATENCY, Kind
from farm.model import JobSpec, Need, Point, SweepData
from farm.model.commands import command_line
from farm.report.columns import Columns

if TYPE_CHECKING:
    from farm.report.document import Document
    from farm.report.selection import Selection


@dataclass(frozen=True, kw_only=True)
class Command(Kind):
    """Kind command, whose trials run a program once."""

    def expected_s(self, spec: JobSpec) -> None:
        """Return None, because nobody knows how long a program runs."""

    def results(self, data: SweepData, selection: "Selection") -> "Document":
        """Return runs, metrics and marked windows."""
        from farm.kinds.command import results  # noqa: PLC0415

        return results.document(results.results(data, selection, self.columns))

    def requirements(self, point: Point) -> Iterator[str]:
        """Yield what every kind needs, and the permission to run the command line."""
        yield from super().requirements(point)
        yield f"worker.commands = {quote(str(command_line(point)))}"


KIND = Command(
    name="command",
    description="any program: a command line with factors",
    unit="run",
    sweep=CommandSweep,
    needs=(Need.PARTS, Need.TRIALS),
    columns=Columns(context=("machine", "device", "command", "cwd", "shell", "units", "warmup_runs")),
    work="runs",
    unheeded=LATENCY | {"windows", "window_s", "min_iterations", "warmup_s", "warmup_max_s"},
    method="A trial runs the program once, from its begin to its end, with the machine idle before and after it. "
    "Windows that the program marks are measured too; they lie within the run.",
)
