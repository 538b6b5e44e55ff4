"""The courses of workloads that do the same again and again: warm-up, measure windows, latency pass."""

from farm.model import WindowKind
from workers.trial.loops import Loops
from workers.trial.stage import Stage
from workers.trial.workload import Divisible, Repeatable


def run(stage: Stage, workload: Repeatable) -> None:
    """One thing to do: as many measure windows as the settings want, then each batch by itself."""
    loops = Loops(stage, workload)
    loops.warm_up()
    loops.beware_of_resonance()
    for index in range(stage.measure.windows):
        stage.settle()
        with stage.window(WindowKind.MEASURE, index, stage.measure.guard_s) as tally:
            tally.units = loops.stretch(stage.measure.window_s, stage.measure.min_iterations).units
    loops.time_batches()


def run_parts(stage: Stage, workload: Divisible) -> None:
    """Several things to do, one after the other: each is warmed up and has a measure window, with its own index."""
    for part in workload.parts:
        workload.select(part.index)
        workload.synchronize()
        loops = Loops(stage, workload)
        loops.warm_up(part.index)
        loops.beware_of_resonance()
        stage.settle()
        with stage.window(WindowKind.MEASURE, part.index, stage.measure.guard_s) as tally:
            tally.units = loops.stretch(stage.measure.window_s, stage.measure.min_iterations).units
