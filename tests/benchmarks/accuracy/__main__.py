"""Simulate, run in real time, and print the tables."""

import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from itertools import repeat
from statistics import fmean

import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from farm.model import Flag
from tests.benchmarks.accuracy import live
from tests.benchmarks.accuracy.cases import EXACT, OFF_RESONANCE, ON_RESONANCE, SENSORS, WINDOWS_S, Meters
from tests.benchmarks.accuracy.methods import METHODS, Cell, outcome
from tests.benchmarks.figures import STYLES

#: Trials of each cell, in virtual time.
TRIALS = 200
LIVE_TRIALS, LIVE_WINDOW_S = 3, 5.0
TRACKED, TRACKED_S = 4, 2.0
#: What the 95th percentile of our error must not exceed, by meters and window.
MOST = {(EXACT.name, 5.0): 0.005, (EXACT.name, 10.0): 0.005, (OFF_RESONANCE.name, 10.0): 0.04}
#: The stated 95 % interval has to hold the truth in so many of the trials.
COVERAGE = (0.90, 0.99)
#: Columns that the widest table takes.
WIDTH = 142
NOTES = (
    f"Virtual time: {TRIALS} trials a row, each with its own load, batch time, board and phases; gains are right.",
    "Virtual time publishes at perfectly regular moments: what jitter does to an interval, real time alone shows.",
    "Truth: the board's true energy in the window less its true mean power in the context idle x duration.",
    "Ours: guards, the context idle's power and the interval as in a report; the trial's own code runs.",
    "On resonance ours pauses between batches, having raised alias_risk; the others' trials do not.",
    "Counter difference: at the window's edges, no guards. Polling: mean of the readings in the window x duration.",
    "codecarbon*: a model of codecarbon 3.3 in virtual time, the counter's difference where it reads it (see below).",
    "None of these three subtracts an idle: here each is given the context idle as it can see it.",
)


def main() -> None:
    """Print three tables; takes three to four minutes."""
    console = Console(width=max(Console().width, WIDTH))
    with ProcessPoolExecutor() as pool:
        cells = [_cell(pool, meters, window_s) for meters in SENSORS for window_s in WINDOWS_S]
    notes = Group(*(Text(f"- {note}") for note in NOTES), Text())
    console.print(error_table(cells), notes, coverage_table(cells), highlight=False)
    console.print(_live_table(), highlight=False)


def _cell(pool: Executor, meters: Meters, window_s: float) -> Cell:
    print(f"{meters.name}, {window_s:g} s ...", file=sys.stderr)
    found = pool.map(outcome, repeat(meters), repeat(window_s), range(TRIALS), chunksize=10)
    return Cell(meters, window_s, list(found))


def error_table(cells: Sequence[Cell]) -> Table:
    """Errors by method, and whether each requirement is met."""
    out = _table("Net energy: error against the truth in %, median / 95th percentile")
    for heading in ("meters", "window", *METHODS, "required", "ours", "verdict"):
        out.add_column(heading, no_wrap=True)
    for cell in cells:
        required, found, met = _requirement(cell)
        errors = [f"{100 * cell.median(m):5.2f} / {100 * cell.p95(m):5.2f}" for m in METHODS]
        out.add_row(cell.meters.name, f"{cell.window_s:g} s", *errors, required, found, _verdict(met))
    return out


def _requirement(cell: Cell) -> tuple[str, str, bool | None]:
    """What is required of ours, what was found, and whether that will do."""
    if cell.meters.resonant:
        flagged, trials = cell.flagged(Flag.ALIAS_RISK), len(cell.outcomes)
        return "alias_risk in all", f"{flagged} of {trials}", flagged == trials
    most = MOST.get((cell.meters.name, cell.window_s))
    if most is None:
        return "", "", None
    return f"p95 ≤ {most:.1%}", f"{cell.p95('ours'):.2%}", cell.p95("ours") <= most


def coverage_table(cells: Sequence[Cell]) -> Table:
    """How often our interval holds the truth, and whether it does so as often as it should."""
    out = _table("Ours: how often the stated 95 % interval holds the truth (virtual time)")
    for heading in ("meters", "window", "trials", "coverage", "± of net, median", "required", "verdict"):
        out.add_column(heading, no_wrap=True)
    for meters in SENSORS:
        mine = [cell for cell in cells if cell.meters is meters]
        for cell in mine:
            width = f"{cell.half_width:.2%}"
            out.add_row(meters.name, f"{cell.window_s:g} s", str(len(cell.outcomes)), f"{cell.coverage:.1%}", width)
        coverage = fmean(o.covered for cell in mine for o in cell.outcomes)
        met = None if meters is ON_RESONANCE else COVERAGE[0] <= coverage <= COVERAGE[1]
        required = "flagged" if met is None else f"{COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}"
        trials = str(sum(len(cell.outcomes) for cell in mine))
        out.add_row(meters.name, "all", trials, f"{coverage:.1%}", "", required, _verdict(met), end_section=True)
    return out


def _live_table() -> Table | Text:
    """Real time beside virtual time."""
    print("real time ...", file=sys.stderr)
    out = _table("The same in real time")
    for heading in ("what", "found"):
        out.add_column(heading, overflow="fold")
    try:
        tracked = live.codecarbon(TRACKED, TRACKED_S)
        trials = live.trials(LIVE_TRIALS, LIVE_WINDOW_S)
    except pytest.skip.Exception as reason:
        return Text(str(reason))
    errors = ", ".join(f"{t.error:.2%} (± {t.half_width:.2%}) of {t.net_j:.0f} J" for t in trials)
    covered = sum(trial.covered for trial in trials)
    out.add_row(
        f"ours, a real worker that probes the counter of the simulated board, exact, {LIVE_WINDOW_S:g} s windows",
        f"errors {errors}; the interval holds the truth in {covered} of {len(trials)}",
    )
    out.add_row(
        f"codecarbon's own tracker, {tracked.windows} windows of {TRACKED_S:g} s",
        f"within {tracked.off_j:.3f} J of the counter's difference between its readings "
        f"{tracked.before_s * 1e3:.1f} ms before and {tracked.after_s * 1e3:.1f} ms after the window",
    )
    return out


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def _verdict(met: bool | None) -> Text:
    if met is None:
        return Text()
    word = "met" if met else "not met"
    return Text(word, style=STYLES[word])


if __name__ == "__main__":
    main()
