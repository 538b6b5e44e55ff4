"""Simulate, run in real time, and print the tables."""

import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from itertools import repeat

import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from farm.model import Flag
from tests.benchmarks.accuracy import live
from tests.benchmarks.accuracy.cases import EXACT, OFF_RESONANCE, REGIMES, SENSORS, Regime
from tests.benchmarks.accuracy.methods import METHODS
from tests.benchmarks.accuracy.resonance import AGAIN, LEAST, Period, periods
from tests.benchmarks.accuracy.scores import COVERAGE, LARGEST_RATIO, Cell, cell_of, chance, outcomes
from tests.benchmarks.figures import STYLES, Figure, table

LIVE_TRIALS, LIVE_WINDOW_S = 3, 5.0
TRACKED, TRACKED_S = 4, 2.0
#: What the 95th percentile of our error must not exceed in %, by meters and window.
MOST = {(EXACT.name, 5.0): 0.1, (OFF_RESONANCE.name, 10.0): 4.0}
#: So many of the worst batch periods are shown.
WORST = 8
#: Columns that the widest table takes.
WIDTH = 142
_ERROR = chance(0.95, 100)
NOTES = (
    "Virtual time: a worker's trials follow each other; each trial has its own load, batch time and phases, each "
    "worker its own board, room and period of the meters; gains are right. The real supervisor and trial run.",
    "The first four trials of a worker, which learn how the idle moves, are not scored, but where a row says so.",
    "Truth: the board's true energy in the window less what it would have drawn then, at rest, with the model loaded.",
    f"A coverage of 100 trials has a standard error of {_ERROR:.1%}: a row fails two of them beyond "
    f"{COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}, or with a half-width above {LARGEST_RATIO:g} times the p95 of the error.",
)
PEERS = (
    "On resonance ours pauses between batches, having raised alias_risk; the others' trials do not.",
    "Counter difference: at the window's edges, no guards. Polling: mean of the readings in the window x duration.",
    "codecarbon*: a model of codecarbon 3.3 in virtual time, the counter's difference where it reads it (see below).",
    "None of these three subtracts an idle: here each is given the true one.",
)


def main() -> None:
    """Print five tables; takes about six minutes on two cores."""
    console = Console(width=max(Console().width, WIDTH))
    with ProcessPoolExecutor() as pool:
        cells = [_cell(pool, regime) for regime in REGIMES]
        console.print(regime_table(cells), _notes(NOTES), peer_table(cells), _notes(PEERS), highlight=False)
        print("batch periods ...", file=sys.stderr)
        found = periods(pool)
    how = "the trials of the tables, in virtual time"
    console.print(period_table(found), table(goals(cells, found), how), highlight=False)
    console.print(_live_table(), highlight=False)


def _cell(pool: Executor, regime: Regime) -> Cell:
    print(f"{regime.name}, {regime.window_s:g} s ...", file=sys.stderr)
    return cell_of(regime, pool.map(outcomes, repeat(regime), range(regime.workers)))


def regime_table(cells: Sequence[Cell]) -> Table:
    """Our errors and intervals in each regime, and whether they keep what is required."""
    out = _table("Net energy of ours, and its stated 95 % interval; all in % of the true net energy")
    out.add_column("regime", no_wrap=True)
    for heading in ("window", "trials", "bias", "p50", "p95", "coverage", "half-width", "over p95"):
        out.add_column(heading, no_wrap=True, justify="right")
    out.add_column("verdict", no_wrap=True)
    for cell in cells:
        regime = cell.regime
        window = f"{regime.window_s:g} s" if regime.kind.is_work else str(regime.kind)
        errors = (f"{100 * e:.2f}" for e in (cell.bias, cell.quantile(0.5), cell.quantile(0.95)))
        widths = (f"{100 * cell.coverage:.0f}", f"{100 * cell.half_width:.2f}", f"{cell.ratio:.1f}")
        out.add_row(regime.name, window, _trials(cell), *errors, *widths, _verdict(cell.unmet))
    return out


def peer_table(cells: Sequence[Cell]) -> Table:
    """Errors by method, on the meters on which all are tried."""
    out = _table("Net energy: error against the truth in %, median / 95th percentile")
    for heading in ("meters", "window", *METHODS):
        out.add_column(heading, no_wrap=True)
    for cell in cells:
        if cell.regime.name in {meters.name for meters in SENSORS}:
            errors = [f"{100 * cell.quantile(0.5, m):5.2f} / {100 * cell.quantile(0.95, m):5.2f}" for m in METHODS]
            out.add_row(cell.regime.name, f"{cell.regime.window_s:g} s", *errors)
    return out


def period_table(found: Sequence[Period]) -> Table:
    """The batch periods that were chosen against the sensor, and the worst of the grid."""
    out = _table("25 % sensor, 5 s windows: batch periods chosen against it, and the worst of a grid of 200")
    for heading in ("batch", "trials", "p95", "coverage", "half-width", "paused"):
        out.add_column(heading, no_wrap=True, justify="right")
    grid = sorted((p for p in found if not p.is_adversarial), key=lambda period: period.cell.coverage)
    for period in (*(p for p in found if p.is_adversarial), *grid[:WORST]):
        cell = period.cell
        paused = f"{cell.flags[Flag.ALIAS_RISK] / len(cell.outcomes):.0%}"
        percents = (f"{100 * value:.1f}" for value in (cell.quantile(0.95), cell.coverage, cell.half_width))
        out.add_row(f"{1e3 * period.batch_s:.1f} ms", _trials(cell), *percents, paused)
    return out


def goals(cells: Sequence[Cell], found: Sequence[Period]) -> list[Figure]:
    """What is required of all rows together, and of single ones."""
    narrow, wide = (sum(goal in cell.unmet for cell in cells) for goal in ("coverage", "width"))
    bad = sum(period.cell.coverage < LEAST for period in found)
    again = AGAIN.workers * AGAIN.scored
    of_periods = f"{len(found)} periods; one that missed the truth at all is judged by {again} new trials"
    figures = [
        Figure(what="rows whose coverage is out of bounds", value=narrow, digits=0, at_most=0, how=NOTES[-1]),
        Figure(what="rows whose interval is too wide", value=wide, digits=0, at_most=0, how=NOTES[-1]),
        Figure(what=f"batch periods covered below {LEAST:.0%}", value=bad, digits=0, at_most=0, how=of_periods),
    ]
    for cell in cells:
        name, window_s = cell.regime.name, cell.regime.window_s
        if (name, window_s) in MOST:
            what, how = f"{name}, {window_s:g} s: p95 of the error", f"{len(cell.outcomes)} trials"
            p95, most = 100 * cell.quantile(0.95), MOST[name, window_s]
            figures.append(Figure(what=what, value=p95, unit="%", at_most=most, how=how))
    return figures


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


def _notes(notes: Sequence[str]) -> Group:
    return Group(*(Text(f"- {note}") for note in notes), Text())


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def _trials(cell: Cell) -> str:
    refused = f" (+{cell.refused} refused)" if cell.refused else ""
    return f"{len(cell.outcomes)}{refused}"


def _verdict(unmet: Sequence[str]) -> Text:
    word = "not met" if unmet else "met"
    return Text(f"{word}: {', '.join(unmet)}" if unmet else word, style=STYLES[word])


if __name__ == "__main__":
    main()
