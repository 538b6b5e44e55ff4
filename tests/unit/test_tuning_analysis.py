"""What searches found and took, against sums done by hand; the claims, against tables of the test."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, inf
from random import Random
from typing import Any

import pytest
from scipy.stats import wilcoxon

from farm.kinds.tuning import comparison
from farm.kinds.tuning.comparison import StrategyComparison, comparisons, seeds_needed, signed_rank_p
from farm.kinds.tuning.searches import (
    Attempt,
    Configuration,
    Found,
    Outcome,
    Step,
    Study,
    beaten,
    front,
    studies,
    summarise,
)
from farm.model import Domain, Flag, Quality, Scalar, Stopped
from tests.loaded import Measured
from tests.trainings import asked, setup, training


def near(value: float) -> Any:
    return pytest.approx(value)


def found(*trials: Measured, domain: Domain | None = None) -> Found:
    return studies([t for t, _ in trials], [row for _, rows in trials for row in rows], ["lr"], domain)


def study(*measured: tuple[float | None, float | None], strategy: str = "gp", seed: Scalar = 1) -> Study:
    """Accuracy and joules of one configuration after the other; no accuracy: it failed."""
    configurations = []
    for number, (accuracy, energy_j) in enumerate(measured):
        outcome = Outcome.FAILED if accuracy is None else Outcome.COMPLETE
        configurations.append(Configuration(number, {}, (Attempt(number, {}, outcome, accuracy, energy_j),)))
    return Study((), strategy, seed, tuple(configurations))


# From rows


def test_a_trial_costs_setup_training_and_validation() -> None:
    """Net: setup 2 - 2 J, two epochs of 10 - 4 J, two validations of 1 - 1 J."""
    (only,) = found(asked("gp", 1, 0, 0.5, 0.8, point_lr=0.1)).studies
    ((attempt,),) = [c.attempts for c in only.configurations]
    assert attempt == Attempt(0, {"lr": 0.1}, Outcome.COMPLETE, 0.8, near(12.0), None, 0.5, 0.25)
    assert (only.strategy, only.seed) == ("gp", 1)
    assert {"lr", "strategy", "tuning_seed", "configuration"}.isdisjoint(name for name, _ in only.workload)
    assert ("model", "simple_cnn") in only.workload


def test_gross_joules_are_taken_where_net_ones_are_not_known() -> None:
    brought = found(asked("gp", 1, 0, 0.5), asked("gp", 1, 1, 0.5, row_net_j=None, row_net_j_low=None))
    assert not brought.is_net
    assert [a.energy_j for a in brought.studies[0].attempts] == [13.0, 13.0]


def test_gross_joules_are_taken_where_net_ones_are_noise() -> None:
    """Net 2 J, with an uncertainty of 3 x 0.5 J."""
    brought = found(asked("gp", 1, 0, 0.5), asked("gp", 1, 1, 0.5, gross_j=6.0))
    assert not brought.is_net
    assert [a.energy_j for a in brought.studies[0].attempts] == [13.0, 9.0]


def test_a_failed_trial_costs_what_is_known_of_it() -> None:
    (cut_off, _), (lost, _) = asked("gp", 1, 1), asked("gp", 1, 2)
    complete = asked("gp", 1, 0, 0.5, gross_j=11.0)
    (only,) = found(complete, (cut_off, [setup(7.0, trial=cut_off.trial)]), (lost, [])).studies
    assert [a.outcome for a in only.attempts] == [Outcome.COMPLETE, Outcome.FAILED, Outcome.FAILED]
    assert [a.energy_j for a in only.attempts] == [near(7.0), near(5.0), None]
    assert (only.total_j, only.unknown, only.is_metered) == (near(12.0), 1, True)


def test_a_measured_trial_with_an_unmetered_part_has_unknown_joules() -> None:
    trial, rows = asked("gp", 1, 0, 0.5)
    rows[1] = training(0, None, trial=trial.trial)
    (only,) = found((trial, rows)).studies
    assert (only.total_j, only.unknown, only.is_metered, only.best_accuracy) == (None, 1, False, 0.5)


def test_a_resumed_trial_has_unknown_joules() -> None:
    (only,) = found(asked("gp", 1, 0, 0.5, flags=(Flag.RESUMED,))).studies
    assert (only.total_j, only.unknown) == (None, 1)


@pytest.mark.parametrize("other", [{"row_quality": Quality.MODELLED}, {"row_simulated": True}])
def test_joules_that_must_not_be_added_are_unknown(other: dict[str, Any]) -> None:
    brought = found(asked("gp", 1, 0, 0.5), asked("gp", 1, 1, 0.5, **other))
    assert brought.is_mixed
    assert [a.energy_j for a in brought.studies[0].attempts] == [None, None]


def test_pruning_saves_the_epochs_that_were_left() -> None:
    """Of 4 epochs 1 was done, for 20 - 4 J of training and 1 - 1 J of validation: 3 x 16 J are saved."""
    (only,) = found(asked("gp", 1, 0, 0.5, gross_j=20.0, stopped=Stopped.PRUNED)).studies
    (attempt,) = only.attempts
    assert (attempt.outcome, attempt.accuracy, attempt.saved_j) == (Outcome.PRUNED, 0.5, near(48.0))


def test_repetitions_make_one_configuration() -> None:
    """Two trainings that measured, 6 J and 8 J, and an attempt that was lost."""
    trials = (
        asked("gp", 1, 0, 0.5),
        asked("gp", 1, 0),
        asked("gp", 1, 0, 0.7, gross_j=12.0),
    )
    renamed = [
        (replace(trial, trial=str(n)), [replace(row, trial=str(n)) for row in rows])
        for n, (trial, rows) in enumerate(trials)
    ]
    (only,) = found(*renamed).studies
    (configuration,) = only.configurations
    assert (configuration.accuracy, configuration.energy_j) == (near(0.6), near(7.0))
    assert only.curve() == [Step(3, near(14.0), near(0.6))]


def test_studies_are_named_by_strategy_and_seed() -> None:
    brought = found(asked("gp", 1, 0, 0.5), asked("random", 1, 0, 0.5), asked("gp", 2, 0, 0.5), asked("gp", 1, 1, 0.6))
    assert [(s.strategy, s.seed, len(s.configurations)) for s in brought.studies] == [
        ("gp", 1, 2),
        ("random", 1, 1),
        ("gp", 2, 1),
    ]


# One study


def test_the_curve_counts_every_joule_and_keeps_the_best() -> None:
    assert study((0.5, 10.0), (None, 4.0), (0.4, None), (0.7, 1.0)).curve() == [
        Step(1, 10.0, 0.5),
        Step(2, 14.0, 0.5),
        Step(3, 14.0, 0.5),
        Step(4, 15.0, 0.7),
    ]


def test_until_is_the_first_step_that_is_good_enough_or_none() -> None:
    several = study((0.5, 10.0), (0.7, 1.0), (0.7, 5.0))
    assert several.until(0.7) == Step(2, 11.0, 0.7)
    assert several.until(0.71) is None


def test_a_configuration_is_dominated_by_one_that_is_no_worse_and_in_part_better() -> None:
    several = study((0.5, 10.0), (0.5, 9.0), (0.5, 9.0), (0.9, 20.0), (0.8, 20.0), (0.95, None), (None, 1.0))
    assert [c.number for c in several.dominated] == [0, 4]
    assert [(c.number, c.energy_j) for _, c in front([several])] == [(1, 9.0), (2, 9.0), (3, 20.0)]


def test_which_are_dominated_is_what_comparing_every_two_says() -> None:
    random = Random(3)
    values = [(random.choice((None, 0.5, 0.6, 0.7)), random.choice((None, 1.0, 2.0, 3.0))) for _ in range(60)]

    def is_beaten(mine: tuple[float | None, float | None], other: tuple[float | None, float | None]) -> bool:
        if None in {*mine, *other} or mine == other:
            return False
        return (other[0] or 0) >= (mine[0] or 0) and (other[1] or 0) <= (mine[1] or 0)

    expected = [any(is_beaten(mine, other) for other in values) for mine in values]
    assert set(expected) == {True, False}
    assert beaten(study(*values).configurations) == expected


def test_dominated_reads_each_configuration_a_few_times_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    energy_j = Configuration.energy_j

    def counted(self: Configuration) -> float | None:
        nonlocal reads
        reads += 1
        found: float | None = energy_j.__get__(self)
        return found

    many = study(*((0.5 - n / 1e4, 1.0 - n / 1e4) for n in range(300)))
    monkeypatch.setattr(Configuration, "energy_j", property(counted))
    assert not many.dominated
    assert reads <= 3 * 300


def test_the_front_is_that_of_all_studies() -> None:
    one, other = study((0.5, 10.0), (0.9, 20.0)), study((0.9, 15.0), strategy="tpe")
    assert [(s.strategy, c.energy_j) for s, c in front([one, other])] == [("gp", 10.0), ("tpe", 15.0)]


# Strategies


def test_a_strategy_is_summed_up_over_its_seeds() -> None:
    """120 J in all: of failed trials 10 are known, dominated are 20 and 45."""
    first = study((0.5, 10.0), (None, 10.0), (0.4, 20.0), (0.9, 20.0))
    second = study((0.7, 15.0), (0.6, 45.0), (None, None), (None, None), seed=2)
    (summary,) = summarise([first, second])
    assert (summary.seeds, summary.trials, summary.failed, summary.pruned) == (2, 8, 3, 0)
    assert (summary.dominated, summary.unknown, summary.saved_j) == (2, 2, None)
    assert summary.best_accuracy is not None
    assert summary.best_accuracy.mean == near(0.8)
    assert summary.total_j is not None
    assert summary.total_j.mean == near(60.0)
    assert (summary.failed_share, summary.pruned_share) == (near(10 / 120), 0.0)
    assert summary.dominated_share == near(65 / 120)


def test_a_share_of_trials_with_unknown_joules_is_unknown() -> None:
    (summary,) = summarise([study((0.5, 10.0), (None, None))])
    assert (summary.failed, summary.failed_share, summary.pruned_share) == (1, None, 0.0)


# Against random


def pair(seed: int, reached_at_j: float | None) -> list[Study]:
    """Random spends 100 J and has its best, 0.8, after 60 J; so 0.8 is the target of every seed."""
    random = study((0.5, 30.0), (0.8, 30.0), (0.6, 40.0), strategy="random", seed=seed)
    if reached_at_j is None:
        return [random, study((0.7, 90.0), seed=seed)]
    return [random, study((0.7, 1.0), (0.8, reached_at_j - 1.0), (0.9, 90.0), seed=seed)]


def compared(ends: Sequence[float | None]) -> StrategyComparison:
    _, gp = comparisons([s for seed, end in enumerate(ends) for s in pair(seed, end)])
    return gp


def test_both_sides_are_timed_until_the_target() -> None:
    random, gp = comparisons([*pair(1, 15.0), *pair(2, 15.0)])
    first, _ = gp.pairs
    assert (first.target, first.own, first.random) == (0.8, Step(2, 15.0, 0.8), Step(2, 60.0, 0.8))
    assert exp(first.log_ratio) == near(0.25)
    assert (random.strategy, random.reached, random.trials, random.p) == ("random", 2, 2, None)
    assert (gp.reached, gp.cheaper, gp.trials, gp.ratio.value, gp.verdict) == (2, 2, 2, near(0.25), "unclear")


def test_the_target_of_a_seed_is_the_median_of_the_best_of_random_s_other_seeds() -> None:
    several = [study((best, 10.0), strategy="random", seed=seed) for seed, best in enumerate((0.9, 0.5, 0.6, 0.8))]
    random, _ = comparisons([*several, *(study((0.7, 5.0), seed=seed) for seed in range(4))])
    assert [pair.target for pair in random.pairs] == [0.6, 0.8, 0.8, 0.6]


def test_a_single_seed_of_random_has_no_target() -> None:
    assert comparisons(pair(1, 25.0)) == []


@pytest.mark.parametrize(
    ("own", "random", "ratio"),
    [
        ([(0.8, 40.0), (0.8, 40.0)], [(0.5, 50.0)], 40 / 50),
        ([(0.5, 60.0), (0.8, 40.0)], [(0.5, 50.0)], 1),  # random ended before: nobody knows
        ([(0.5, 50.0)], [(0.5, 20.0), (0.8, 20.0), (0.6, 20.0)], 50 / 40),
        ([(0.5, 30.0)], [(0.5, 20.0), (0.8, 20.0)], 1),
        ([(0.5, 30.0)], [(0.5, 30.0)], 1),  # neither reaches it
    ],
)
def test_sides_are_compared_only_up_to_the_joules_that_both_spent(
    own: Sequence[tuple[float, float]], random: Sequence[tuple[float, float]], ratio: float
) -> None:
    other = study((0.8, 10.0), strategy="random", seed=2)
    _, gp = comparisons([study(*own), study(*random, strategy="random"), other])
    assert exp(gp.pairs[0].log_ratio) == near(ratio)


def test_six_seeds_may_show_that_a_strategy_takes_less() -> None:
    """All six ratios below 1: p = 2 x 2^-6."""
    gp = compared([20.0 + seed for seed in range(6)])
    assert (gp.reached, gp.cheaper, gp.p, gp.needed) == (6, 6, near(2 / 64), 6)
    assert (gp.ratio.value, gp.ratio.low, gp.ratio.high) == (near(22.5 / 60), near(20 / 60), near(25 / 60))
    assert gp.verdict == "less"


def test_six_seeds_may_show_that_a_strategy_takes_more() -> None:
    gp = compared([None] * 6)
    assert (gp.reached, gp.cheaper, gp.trials, gp.p, gp.verdict) == (0, 0, inf, near(2 / 64), "more")


def test_a_seed_that_never_gets_there_counts_against_the_strategy() -> None:
    """Random needs 60 J where the strategy spent 90 J in vain: the ratio is 1.5, and its rank is the lowest of six."""
    gp = compared([20.0, 21.0, 22.0, 23.0, 24.0, None])
    assert (gp.reached, gp.cheaper, gp.decided, gp.p) == (5, 5, 6, near(4 / 64))
    assert gp.verdict == "unclear"


def test_five_seeds_claim_nothing() -> None:
    gp = compared([20.0] * 5)
    assert (gp.p, gp.ratio.low, gp.verdict) == (near(1 / 16), None, "unclear")


def test_several_strategies_share_the_risk_of_a_false_claim() -> None:
    """Six seeds: 1/32 each, doubled by Holm for two strategies: no claim, and none was possible."""
    trials = [s for seed in range(6) for s in pair(seed, 20.0 + seed)]
    others = [Study(s.workload, "tpe", s.seed, s.configurations) for s in trials if s.strategy == "gp"]
    _, gp, tpe = comparisons([*trials, *others])
    assert (gp.p, tpe.p, gp.needed) == (near(2 / 32), near(2 / 32), 7)
    assert (gp.verdict, tpe.verdict) == ("unclear", "unclear")
    assert [seeds_needed(tests) for tests in (1, 2, 3, 4, 7)] == [6, 7, 7, 8, 9]


def test_only_seeds_that_both_have_are_compared_and_only_metered_studies() -> None:
    unmetered = study((0.9, None), seed=2)
    _, gp = comparisons([*pair(1, 25.0), pair(2, 25.0)[0], unmetered, study((0.9, 1.0), seed=3)])
    assert [pair.seed for pair in gp.pairs] == [1]


def test_workloads_are_compared_each_by_itself() -> None:
    one, other = ([s for seed in (1, 2) for s in pair(seed, end)] for end in (15.0, 30.0))
    renamed = [Study((("model", "other"),), s.strategy, s.seed, s.configurations) for s in other]
    ratios = {(c.workload, c.strategy): c.ratio.value for c in comparisons([*one, *renamed])}
    assert ratios[(), "gp"] == near(0.25)
    assert ratios[(("model", "other"),), "gp"] == near(0.5)


def test_the_signed_rank_test_against_its_table() -> None:
    """-3, -2, +1: ranks that sum up to 1 at most are 2 of 8 ways. With a tie, -1 and +1 share rank 1.5."""
    assert signed_rank_p([-3.0, -2.0, 1.0]) == near(2 * 2 / 8)
    assert signed_rank_p([-3.0, -2.0, 1.0, 0.0]) == near(2 * 2 / 8)
    assert signed_rank_p([-1.0, 1.0, -2.0, -3.0]) == near(2 * 3 / 16)
    assert signed_rank_p([0.0, 0.0]) == 1.0
    differences = [-0.3, 0.7, -1.1, -1.9, 0.4, -2.2, -0.9, -3.1, 1.3, -0.2]
    assert signed_rank_p(differences) == near(float(wilcoxon(differences, method="exact").pvalue))


def test_the_signed_rank_test_of_many_pairs_is_close_to_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(2)
    differences = [round(random.gauss(0.3, 1), 1) for _ in range(60)]
    exact = signed_rank_p(differences)
    monkeypatch.setattr(comparison, "MOST_EXACT", 20)
    assert signed_rank_p(differences) != exact
    assert signed_rank_p(differences) == pytest.approx(exact, rel=0.05)


def searched(random: Random, strategy: str, seed: int, top: float, trial_j: float = 1.0, trials: int = 20) -> Study:
    """A search of which this share of configurations ties at the top."""
    accuracies = [1.0 if random.random() < top else 0.9 * random.random() for _ in range(trials)]
    return study(
        *((accuracy, trial_j * random.lognormvariate(0, 0.3)) for accuracy in accuracies), strategy=strategy, seed=seed
    )


@pytest.mark.parametrize("top", [0.0, 0.1, 0.2])
def test_a_second_random_search_hardly_ever_needs_less(top: float) -> None:
    """At 5 %, two-sided, at most 2.5 % of sweeps should say `less`; 10 of 300 is what chance leaves of that."""
    random, verdicts = Random(8), list[str]()
    for _ in range(300):
        both = [searched(random, name, seed, top) for name in ("random", "again") for seed in range(8)]
        verdicts.append(comparisons(both)[1].verdict)
    assert verdicts.count("less") <= 15
    assert verdicts.count("more") <= 15


def test_a_strategy_that_needs_half_is_found_with_enough_seeds() -> None:
    random, verdicts = Random(9), list[str]()
    for _ in range(30):
        half = [searched(random, "half", seed, 0.1, trial_j=0.5, trials=40) for seed in range(48)]
        verdicts.append(comparisons([*half, *(searched(random, "random", seed, 0.1) for seed in range(48))])[1].verdict)
    assert verdicts.count("less") >= 24
