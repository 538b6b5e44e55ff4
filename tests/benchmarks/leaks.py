"""Do worker, helper and controller grow from trial to trial? Memory, descriptors, threads, children over 10,000 trials.

    python -m tests.benchmarks.leaks [--trials N] [--to FOLDER]

A real farm: `farm serve` and one `farm worker` on Redis and SQLite; each trial is a real process forked from the
helper, leads a workload through its windows and is stored. The windows are as short as they can be.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, fields
from math import sqrt
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryDirectory

import psutil

from farm.model import JobSpec, MeasureSettings
from farm.report import drawing, svg
from farm.report.document import Figure
from farm.store import NewJob, Store
from tests.benchmarks.farms import FARM, Farm, new_farm
from tests.benchmarks.machines import wait_until
from tests.contract.store_records import record
from tests.services import running_redis

TRIALS = 10_000
SAMPLES = 200
#: The first trials fill caches: so many of the samples are not part of the slope.
WARM_UP_SHARE = 0.1
#: One trial may take so long on a busy machine.
TRIAL_WITHIN_S = 60.0
PERIOD_S = 0.2
SWEEP = "leaks"
SMALLEST = MeasureSettings(
    profile="quick", window_s=0.001, windows=1, min_iterations=1, idle_s=0.01, cool_down_max_s=0,
    control_every=10_000, context_idle_s=0.001, warmup_s=0.003,
    warmup_max_s=0.003, latency_s=0, latency_max_batches=10, guard_s=0, poll_period_s=1.0,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds after so many trials."""

    process: str
    trials: int
    resident_mib: float
    descriptors: int
    threads: int
    children: int
    stored_mib: float  #: size of the database


#: The quantities of a sample, with the titles of their axes.
QUANTITIES: Mapping[str, str] = {
    "resident_mib": "resident memory in MiB",
    "descriptors": "open descriptors",
    "threads": "threads",
    "children": "children",
}


@dataclass(frozen=True, slots=True)
class Slope:
    """How a quantity grows with the trials: least squares, with the standard error of the slope."""

    first: float
    last: float
    per_1000: float
    error_per_1000: float

    @classmethod
    def of(cls, trials: Sequence[int], values: Sequence[float]) -> "Slope":
        """Fit a line through at least three values."""
        slope, start = linear_regression(trials, values)
        mean = sum(trials) / len(trials)
        spread = sum((n - mean) ** 2 for n in trials)
        residue = sum((value - start - slope * n) ** 2 for n, value in zip(trials, values, strict=True))
        error = sqrt(residue / (len(trials) - 2) / spread)
        return cls(values[0], values[-1], 1000 * slope, 1000 * error)


def submit(store: Store, count: int) -> None:
    """Queue jobs of the probe's load, which is the cheapest workload."""
    specs = [
        JobSpec(
            job=f"{SWEEP}-{n}",
            sweep=SWEEP,
            kind="burn",
            point={"period_s": 0.001, "device": "cpu"},
            repetition=n,
            target="any",
            measure=SMALLEST,
            seed=1,
            time_limit_s=TRIAL_WITHIN_S,
        )
        for n in range(count)
    ]
    store.submit(record(SWEEP, SWEEP), [NewJob(s.job, n, n, "farm.any", 5, 1, s) for n, s in enumerate(specs)])


def observe(farm: Farm, store: Store, trials: int) -> Iterator[Sample]:
    """Yield what the processes hold, until so many trials are over."""
    submit(store, trials)
    with farm.running(*FARM, "serve") as controller, farm.running(*FARM, "worker") as worker:
        wait_until("the worker has joined", lambda: len(store.machines()) == 1)
        (helper,) = worker.children()
        due = done = 0
        while done < trials:
            for process in (controller, worker):
                farm.fail_unless_alive(process)
            done = trials - store.progress(SWEEP).open
            if done < due:
                time.sleep(PERIOD_S)
                continue
            due = min(done + max(trials // SAMPLES, 1), trials)
            stored_mib = sum(path.stat().st_size for path in farm.home.glob("farm.db*")) / 2**20
            for name, process in (("worker", worker), ("helper", helper), ("controller", controller)):
                yield look(name, process, done, stored_mib)
    if failed := [row for row in store.trial_rows(SWEEP) if row.failure]:
        print(f"{len(failed)} of {trials} trials failed, the first: {failed[0].failure}", file=sys.stderr)


def look(name: str, process: psutil.Process, trials: int, stored_mib: float) -> Sample:
    """Return what a process holds now."""
    with process.oneshot():
        return Sample(
            name,
            trials,
            process.memory_info().rss / 2**20,
            process.num_fds(),
            process.num_threads(),
            len(process.children(recursive=True)),
            stored_mib,
        )


def table(samples: Sequence[Sample]) -> Iterator[str]:
    """Yield lines of Markdown: each process and quantity after the warm-up and at the end, and its slope."""
    yield "| process | quantity | first | last | for each 1,000 trials | standard error |"
    yield "|---|---|---|---|---|---|"
    warm = [sample for sample in samples if sample.trials >= WARM_UP_SHARE * samples[-1].trials]
    for name in dict.fromkeys(sample.process for sample in warm):
        yield from (
            _row(name, title, [s for s in warm if s.process == name], field) for field, title in QUANTITIES.items()
        )
    yield _row("database", "size of its files in MiB", [s for s in warm if s.process == warm[0].process], "stored_mib")


def _row(name: str, title: str, samples: Sequence[Sample], field: str) -> str:
    slope = Slope.of([sample.trials for sample in samples], [getattr(sample, field) for sample in samples])
    growth = f"{slope.per_1000:+.3f} | {slope.error_per_1000:.3f}"
    return f"| {name} | {title} | {slope.first:.4g} | {slope.last:.4g} | {growth} |"


def figure(samples: Sequence[Sample]) -> Figure:
    """Return a chart of memory and descriptors over the trials, each process against its own first sample."""
    first = {sample.process: sample for sample in reversed(samples)}
    values = [
        {
            "series": sample.process,
            "trials": sample.trials,
            "memory": sample.resident_mib - first[sample.process].resident_mib,
            "descriptors": sample.descriptors,
        }
        for sample in samples
    ]
    x = drawing.quantity("trials", "trials", axis={"format": ",d", "tickCount": 5})
    of = drawing.series(values)
    titles = {"memory": "MiB gained since the start", "descriptors": "open descriptors"}
    parts = [
        drawing.chart(values, [drawing.curves(x, drawing.quantity(field, title), of)], height=160)
        for field, title in titles.items()
    ]
    shared = {name: parts[0][name] for name in ("$schema", "background", "padding", "config")}
    columns = [{name: part[name] for name in part if name not in shared} for part in parts]
    caption = "Memory and descriptors of a worker, its helper and the controller over trials that do nothing."
    return Figure("Leaks", caption, {**shared, "hconcat": columns}, is_wide=True)


def main() -> int:
    """Run the farm, then print the table and write the chart; an interrupt ends the run early, not the results."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.leaks", description=__doc__)
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"default {TRIALS:,}")
    parser.add_argument("--to", type=Path, default=Path(), help="the folder of leaks.svg and leaks.csv; default here")
    options = parser.parse_args()
    samples: list[Sample] = []
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis(Path(stack.enter_context(TemporaryDirectory()))))
        farm = stack.enter_context(new_farm(redis.url))
        store = stack.enter_context(farm.store())
        file = stack.enter_context((options.to / "leaks.csv").open("w"))
        rows = csv.DictWriter(file, [field.name for field in fields(Sample)])
        rows.writeheader()
        with suppress(KeyboardInterrupt):
            for sample in observe(farm, store, options.trials):
                samples.append(sample)
                rows.writerow(asdict(sample))
                file.flush()
    print(*table(samples), sep="\n")
    (options.to / "leaks.svg").write_text(svg.alone(figure(samples)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
