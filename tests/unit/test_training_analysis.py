"""What trainings reached and took, against sums done by hand."""

from collections.abc import Sequence
from random import Random
from typing import Any
from unittest.mock import ANY

import pytest
from scipy.stats import binomtest

from farm.analysis.aggregate import UnitSample
from farm.analysis.intervals import Interval
from farm.analysis.samples import per_unit
from farm.kinds.training.runs import Crossing, Run, Spent, runs, summarise
from farm.kinds.training.successes import joules_per_success, share_interval
from farm.model import Domain, Flag, MeasurementRow, Stopped, TrialRow
from farm.model.energies import Joules, combined
from tests.loaded import samples_of_rows
from tests.summaries import TimedRow, trial_row
from tests.trainings import LONG, SHORT, epoch, setup, training, validation


def loaded_samples(trials: Sequence[TrialRow], rows: list[MeasurementRow]) -> list[UnitSample]:
    own = {trial.trial: [row for row in rows if row.trial == trial.trial] for trial in trials}
    return per_unit(sample for trial in trials for sample in samples_of_rows(trial, own[trial.trial]))


def near(value: float | None) -> Any:
    return pytest.approx(value)


class Near:
    """Uncertainties whose combination is near a value, whatever their components."""

    def __init__(self, u_j: float) -> None:
        self.u_j = u_j

    def __eq__(self, budget: object) -> bool:
        return isinstance(budget, dict) and combined(budget) == near(self.u_j)

    __hash__ = None  # type: ignore[assignment]


def joules(gross_j: Any, net_j: Any, net_u_j: float) -> Joules:
    budget: Any = Near(net_u_j)
    return Joules(gross_j, net_j, ANY, budget)


#: Two windows: the first holds three epochs, the second one.
EPOCHS = (epoch(0, 0.5, 0), epoch(1, 0.8, 0), epoch(2, 0.7, 0), epoch(3, 0.9, 1))
ROWS = [
    setup(7.0),
    training(0, 30.0),
    validation(0, 6.0),
    training(1, 100.0, LONG),
    validation(1, 5.0),
]
TRIAL = trial_row(kind="training", epochs=EPOCHS)


def run(
    *targets: float, trial: TrialRow = TRIAL, rows: list[MeasurementRow] = ROWS, domain: Domain | None = None
) -> Run:
    return runs([trial], rows, domain, targets)[trial.trial]


def test_each_stage_has_joules_of_its_own() -> None:
    found = run()
    assert found.setup == Spent(joules(7.0, 5.0, 0.5), 2.0)
    assert found.training == Spent(joules(130.0, 114.0, 1.0), 16.0)
    assert found.validation == Spent(joules(11.0, 9.0, 1.0), 2.0)


def test_a_stage_without_joules_keeps_its_seconds() -> None:
    found = run(rows=[training(0, 30.0), training(1, None), validation(0, 1.0)])
    assert found.training == Spent(Joules(), 2 * SHORT)
    assert found.setup == Spent(Joules(), None)


def test_joules_are_those_of_one_domain() -> None:
    gpu = [training(0, 500.0, domain=Domain.GPU), training(0, 30.0)]
    assert run(rows=gpu).training.joules.gross == 30.0
    assert run(rows=gpu, domain=Domain.GPU).training.joules.gross == 500.0
    assert run(rows=gpu, domain=Domain.WALL).training == Spent(Joules(), SHORT)


def test_an_epoch_has_joules_only_where_it_fills_a_long_window() -> None:
    assert run().epoch == joules(100.0, 88.0, 0.5)
    assert run(rows=[training(0, 30.0, LONG), training(1, 100.0, SHORT)]).epoch == Joules()


def test_accuracies() -> None:
    falling = run(trial=trial_row(epochs=EPOCHS[:3]))
    assert (falling.last_accuracy, falling.best_accuracy) == (0.7, 0.8)
    assert (run(trial=trial_row()).last_accuracy, run(trial=trial_row()).best_accuracy) == (None, None)


def test_what_a_target_takes_is_interpolated_inside_a_window() -> None:
    """The second of three epochs: 2/3 of the first window's training and validation."""
    (crossing,) = run(0.75).crossings
    assert crossing == Crossing(
        0.75, 2, Spent(joules(near(24.0), near(20 + 2 / 3), 2 / 3), near(10 / 3)), is_interpolated=True
    )


def test_what_a_target_takes_is_exact_at_the_end_of_a_window() -> None:
    exact, first = run(0.9, 0.5).crossings
    assert exact == Crossing(0.9, 4, Spent(joules(141.0, 123.0, 2.0), 18.0), is_interpolated=False)
    assert (first.epochs, first.spent.joules.gross) == (1, near(12.0))


def test_a_target_that_is_not_reached_is_censored() -> None:
    """It spent all its joules in vain."""
    assert run(0.95).crossings == (Crossing(0.95, None, Spent(joules(141.0, 123.0, 2.0), 18.0)),)


def test_a_target_after_windows_that_nobody_metered_takes_an_unknown_energy() -> None:
    (crossing,) = run(0.9, rows=ROWS[3:]).crossings
    assert (crossing.epochs, crossing.spent) == (4, Spent(Joules(), None))


def test_what_ran_before_a_cut_is_unknown() -> None:
    resumed = trial_row(epochs=(epoch(0, 0.5, None), epoch(1, 0.8, 0)))
    (crossing,) = run(0.8, trial=resumed, rows=[training(0, 30.0), validation(0, 6.0)]).crossings
    assert (crossing.epochs, crossing.spent) == (2, Spent(Joules(), None))


# Several


def several(*accuracies: float, **changes: Any) -> tuple[Sequence[TimedRow], list[MeasurementRow]]:
    """Trials of one epoch, which take 10, 20, ... J of training and 1 J of validation."""
    trials = [
        trial_row(trial=str(n), kind="training", epochs=(epoch(0, accuracy, 0),), **changes)
        for n, accuracy in enumerate(accuracies)
    ]
    rows = [
        made
        for n, _ in enumerate(accuracies)
        for made in (training(0, 10.0 * (n + 1), LONG, trial=str(n)), validation(0, 1.0, trial=str(n)))
    ]
    return trials, rows


def test_repetitions_are_summed_up_with_intervals() -> None:
    trials, rows = several(0.8, 0.9, stopped=Stopped.EARLY)
    (found,) = summarise(loaded_samples(trials, rows), runs(trials, rows, targets=(0.85,)), ["model"])
    assert (found.work.trials, found.epochs.mean, found.stopped) == (2, 1.0, {Stopped.EARLY: 2})
    assert found.last_accuracy is not None
    assert found.last_accuracy.mean == near(0.85)
    assert found.last_accuracy.half_width == near(0.05 * 12.706204736)  # t, one degree of freedom
    assert found.training.gross_j is not None
    assert found.training.gross_j.mean == 15.0
    assert found.work.gross_j is not None
    assert found.work.gross_j.mean == near(0.15)  # of an image: validation is not among them
    (target,) = found.targets
    assert (target.reached, target.trainings) == (1, 2)
    assert target.gross_j is not None
    assert target.gross_j.mean == 21.0


def test_a_target_that_none_reaches_has_no_figures_and_keeps_its_trainings() -> None:
    trials, rows = several(0.8, 0.9)
    (found,) = summarise(loaded_samples(trials, rows), runs(trials, rows, targets=(0.95,)), ["model"])
    (target,) = found.targets
    assert (target.reached, target.trainings, target.gross_j, target.duration_s) == (0, 2, None, None)


def test_a_success_takes_the_joules_that_failures_spent_too() -> None:
    """Training 0 fails after 10 + 1 J, the others take 21 J and 31 J."""
    trials, rows = several(0.8, 0.9, 0.9)
    (found,) = summarise(loaded_samples(trials, rows), runs(trials, rows, targets=(0.85,)), ["model"])
    (target,) = found.targets
    assert target.gross_j is not None
    assert (target.gross_j.mean, target.gross_j_per_success) == (26.0, Interval(63 / 2, None, None))
    unknown = [row for row in rows if row.trial != "0"]
    (found,) = summarise(loaded_samples(trials, rows), runs(trials, unknown, targets=(0.85,)), ["model"])
    assert found.targets[0].gross_j_per_success is None


def test_three_of_ten_successes_take_what_seven_failures_spent() -> None:
    """(3 x 100 + 7 x 500) / 3 J; the share of successes is between 0.067 and 0.652."""
    found = joules_per_success([100.0] * 3, [500.0] * 7)
    low, high = (100 + 500 * (1 - share) / share for share in (0.6524529, 0.0667395))
    assert found == Interval(near(3800 / 3), near(low), near(high))


@pytest.mark.parametrize(
    ("successes", "failures", "expected"),
    [
        ([], [500.0], None),
        ([100.0, 110.0], [500.0] * 8, Interval(2105.0, None, None)),  # too few successes
        ([100.0, 110.0, 120.0], [], Interval(110.0, None, None)),  # what a failure takes is unknown
        ([-1.0, 110.0, 120.0], [500.0], Interval(243.0, None, None)),
    ],
)
def test_joules_per_success_without_an_interval(
    successes: list[float], failures: list[float], expected: Interval | None
) -> None:
    assert joules_per_success(successes, failures) == expected


@pytest.mark.parametrize(("n", "share"), [(5, 0.5), (10, 0.3), (10, 0.8), (30, 0.5)])
def test_the_interval_of_joules_per_success_holds_the_truth(n: int, share: float) -> None:
    """A success takes 100 J, a failure 500 J, each with a spread of 5 %."""
    random, held, shown = Random(6), 0, 0
    for _ in range(1000):
        has = [random.random() < share for _ in range(n)]
        joules = [(100 if one else 500) * random.gauss(1, 0.05) for one in has]
        won, lost = ([j for one, j in zip(has, joules, strict=True) if one is wanted] for wanted in (True, False))
        found = joules_per_success(won, lost)
        if found is not None and found.low is not None and found.high is not None:
            shown += 1
            held += found.low <= 100 + 500 * (1 - share) / share <= found.high
    assert shown > 300
    assert held >= 0.93 * shown


@pytest.mark.parametrize(("reached", "n"), [(1, 2), (3, 10), (9, 10), (20, 100), (700, 2000)])
def test_the_interval_of_a_share_is_that_of_scipy(reached: int, n: int) -> None:
    known = binomtest(reached, n).proportion_ci()
    assert share_interval(reached, n) == (near(known.low), near(known.high))


def test_flagged_trainings_are_left_out() -> None:
    trials, rows = several(0.8, 0.9)
    rows[0] = training(0, 10.0, LONG, trial="0", flags=(Flag.THROTTLED,))
    (found,) = summarise(loaded_samples(trials, rows), runs(trials, rows), ["model"])
    assert (found.work.trials, found.work.left_out) == (1, 1)
    assert found.last_accuracy is not None
    assert found.last_accuracy.mean == 0.9
