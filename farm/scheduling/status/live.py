"""A live display of the progress of a sweep. It needs rich, which other commands do without."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from farm.model import Progress
from farm.report.terminal import plain
from farm.scheduling.status.progress import held_lines, running_lines, summary

Show = Callable[[Progress, str], None]
#: Running jobs that the live display names.
NAMED = 5
#: Columns that it takes.
WIDTH = 80


@dataclass(frozen=True, slots=True)
class Plain:
    """A view of rich whose text is plain; its own styles stay."""

    view: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the view's segments."""
        for segment in console.render(self.view, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


class _Panel:
    """The current display; it is drawn anew at each refresh, so that the time left runs down."""

    def __init__(self, name: str, notice: Callable[[], str]) -> None:
        self._name, self._notice = name, notice
        self._progress: Progress | None = None
        self._note = ""

    def show(self, progress: Progress, note: str) -> None:
        self._progress, self._note = progress, note

    def __rich__(self) -> Group:
        if self._progress is None:
            return Group()
        return panel(self._name, self._progress, self._note, self._notice(), datetime.now(UTC))


class _Lines:
    """Progress for logs: one line whenever a job ends, or what held jobs wait for changes."""

    def __init__(self, name: str, console: Console) -> None:
        self._name, self._console = name, console
        self._shown: tuple[int, list[str]] | None = None

    def show(self, progress: Progress, _note: str) -> None:
        held = held_lines(progress)
        if (progress.closed, held) != self._shown:
            self._shown = progress.closed, held
            line = ", ".join((f"{self._name}: {summary(progress, datetime.now(UTC))}", *held))
            self._console.print(plain(line), soft_wrap=True)


@contextmanager
def live(name: str, enabled: bool = True, notice: Callable[[], str] = str) -> Iterator[Show]:
    """Show progress on standard error: a live display on a terminal, else one line whenever a job ends.

    `notice` gives a line to show beside the progress, or "".
    """
    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    if not enabled:
        yield lambda _progress, _note: None
    elif not console.is_terminal:
        yield _Lines(name, console).show
    else:
        shown = _Panel(name, notice)
        with Live(Plain(shown), console=console, refresh_per_second=2, transient=True):
            yield shown.show


def panel(name: str, progress: Progress, note: str, notice: str, now: datetime) -> Group:
    """Return the display: name, bar and counts, the running jobs, and a notice for the user."""
    bar = Table.grid(padding=(0, 1, 0, 0))
    bar.width = WIDTH
    bar.add_column(no_wrap=True, overflow="ellipsis", max_width=24)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    done = ProgressBar(total=max(progress.total, 1), completed=progress.closed)
    bar.add_row(name, done, summary(progress, now))
    lines = [f"  {line}" for line in running_lines(progress)[:NAMED]]
    if len(progress.running) > NAMED:
        lines.append(f"  and {len(progress.running) - NAMED} more")
    lines += [f"  {line}" for line in held_lines(progress)]
    if not lines and not progress.is_over:
        lines = [f"  waiting for a worker{': ' + note if note else ''}"]
    if notice:
        lines.append(f"  {notice}")
    return Group(bar, *(Text(line, overflow="ellipsis", no_wrap=True) for line in lines))


def stopping(interrupts: int) -> str:
    """Return what this number of Ctrl-C leads to."""
    return ("", "finishing the running trial; Ctrl-C again stops now", "stopping now")[min(interrupts, 2)]
