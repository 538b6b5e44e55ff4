"""A live display of the progress of a sweep. It needs rich, which other commands do without."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from farm.model import EndedTrial, Progress
from farm.model.text import LINES, visible
from farm.report.numbers import number
from farm.scheduling.status import ended
from farm.scheduling.status.progress import doing, held_lines, summary, what

#: Shows how far a sweep is; the text is what it waits for where nothing runs.
Show = Callable[[Progress, str], None]
ReadEnded = Callable[[], Sequence[EndedTrial]]
#: Running jobs that the live display names.
NAMED = 5
#: Rows of the table that fills.
ROWS = 8
#: Columns that its first line takes at most.
WIDTH = 80


@dataclass(frozen=True, slots=True)
class Plain:
    """A view of rich whose text is plain; its own styles stay."""

    view: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the view's segments."""
        for segment in console.render(self.view, options):
            yield segment if segment.control else Segment(visible(segment.text, LINES), segment.style)


class _Panel:
    """The current display; it is drawn anew at each refresh, so that the time left runs down."""

    def __init__(self, name: str, interrupts: Callable[[], int], read_ended: ReadEnded) -> None:
        self._name, self._interrupts, self._read_ended = name, interrupts, read_ended
        self._progress: Progress | None = None
        self._note, self._closed = "", 0
        self._ended: Sequence[EndedTrial] = ()

    def show(self, progress: Progress, note: str) -> None:
        if progress.closed != self._closed:
            self._closed, self._ended = progress.closed, self._read_ended()
        self._progress, self._note = progress, note

    def __rich__(self) -> Group:
        if self._progress is None:
            return Group()
        notice = stopping(self._interrupts(), bool(self._progress.running))
        return panel(self._name, self._progress, self._note, notice, datetime.now(UTC), self._ended)


class _Lines:
    """Progress for logs: one line whenever a job ends, or what held jobs wait for changes; and each note once."""

    def __init__(self, name: str, console: Console, read_ended: ReadEnded) -> None:
        self._name, self._console, self._read_ended = name, console, read_ended
        self._shown: tuple[int, list[str]] | None = None
        self._known: set[str] = set()  #: trials and notes that were shown

    def show(self, progress: Progress, _note: str) -> None:
        held = held_lines(progress)
        if (progress.closed, held) != self._shown:
            is_first = self._shown is None
            new = [t for t in self._read_ended() if t.trial not in self._known] if progress.closed or is_first else []
            self._known |= {trial.trial for trial in new}
            counts = ", ".join((summary(progress, datetime.now(UTC)), *held))
            figures = map(ended.line, new[-NAMED:] if self._shown else ())  # those of earlier runs are no news
            self._shown = progress.closed, held
            self._print("; ".join((counts, *figures)))
        for machine, note in progress.notes:
            if note not in self._known:
                self._known.add(note)
                self._print(f"note: {machine}: {note}")

    def _print(self, line: str) -> None:
        self._console.print(visible(f"{self._name}: {line}"), soft_wrap=True)


@contextmanager
def live(
    name: str, enabled: bool = True, interrupts: Callable[[], int] = int, read_ended: ReadEnded = tuple
) -> Iterator[Show]:
    """Show progress on standard error: a live display on a terminal, else one line whenever a job ends.

    Args:
        name: the sweep's name.
        enabled: whether anything is shown.
        interrupts: returns how often the user has pressed Ctrl-C.
        read_ended: reads the trials that ended; it is called whenever one more has.
    """
    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    if not enabled:
        yield lambda _progress, _note: None
    elif not console.is_terminal:
        yield _Lines(name, console, read_ended).show
    else:
        shown = _Panel(name, interrupts, read_ended)
        with Live(Plain(shown), console=console, refresh_per_second=2, transient=True):
            yield shown.show


def panel(
    name: str, progress: Progress, note: str, notice: str, now: datetime, trials: Sequence[EndedTrial] = ()
) -> Group:
    """Return the display: counts, the running trials, the figures so far, flags and notes, a notice for the user."""
    bar = Table.grid(padding=(0, 1, 0, 0), expand=True)
    bar.add_column(no_wrap=True, overflow="ellipsis", max_width=24)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    bar.add_row(name, ProgressBar(total=max(progress.total, 1), completed=progress.closed), summary(progress, now))
    lines = [*_running(progress, now), *held_lines(progress)]
    if not lines and not progress.is_over:
        lines = [note or "waiting for a worker"]
    doubts = [*ended.flag_lines(trials), *(f"note: {machine}: {text}" for machine, text in progress.notes)]
    wrapped = [Padding(Text(line), (0, 0, 0, 2)) for line in doubts]
    return Group(
        Constrain(bar, WIDTH), *map(_cut, lines), *_figures(trials), *wrapped, *map(_cut, [notice] if notice else [])
    )


def _cut(line: str) -> Text:
    """Return an indented line that is cut where the terminal ends."""
    return Text(f"  {line}", overflow="ellipsis", no_wrap=True)


def _running(progress: Progress, now: datetime) -> list[str]:
    """Return what runs: a trial alone with all that is known of it, of several a line each, the changing part first."""
    jobs = progress.running
    if len(jobs) == 1 and (trial := jobs[0].live):
        doubt = [f"  {trial.doubt}"] if trial.doubt else []
        return [f"{jobs[0].machine}: {what(jobs[0])}", f"  {doing(trial, now)}", *doubt]
    more = [f"and {len(jobs) - NAMED} more"] if len(jobs) > NAMED else []
    does = (f"{doing(job.live, now)}: " if job.live else "" for job in jobs)
    lines = [f"{job.machine}: {phase}{what(job)}" for job, phase in zip(jobs, does, strict=True)]
    return [*lines[:NAMED], *more]


def _figures(trials: Sequence[EndedTrial]) -> list[Text]:
    """Return the lines of the table that fills, the newest rows last; none before the first trial has measured."""
    rows = ended.rows(trials)[-ROWS:]
    if not rows:
        return []
    unit = next((trial.unit for trial in trials if trial.unit), "unit")
    figures = [
        (number(row.units_per_s), number(row.gross_j_per_unit), f"{len(row.trials)}{'!' if row.flagged else ' '}")
        for row in rows
    ]
    headings = (("", "modelled" if ended.is_modelled(trials) else "gross", ""), (f"{unit}/s", f"J/{unit}", "trials"))
    cells = [*headings, *figures]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    names = ("", "", *(row.name for row in rows))
    return [
        _cut("  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=True)), name]))
        for row, name in zip(cells, names, strict=True)
    ]


def stopping(interrupts: int, is_running: bool) -> str:
    """Return what this number of Ctrl-C leads to."""
    first = "finishing the running trial; Ctrl-C again stops now" if is_running else "stopping"
    return ("", first, "stopping now")[min(interrupts, 2)]
