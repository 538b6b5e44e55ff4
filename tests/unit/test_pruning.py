"""Pruning: trials one after the other are cut where Optuna's pruners would cut them."""

from collections.abc import Sequence
from random import Random

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState

from farm.kinds.tuning.strategies import Pruning
from farm.model import Rung
from farm.scheduling.tuning import Finished, thresholds
from farm.scheduling.tuning.pruning import bracket_of, bracket_sizes

EPOCHS = 27


def curves(count: int, seed: int) -> list[list[float]]:
    """Validation accuracies that rise by luck."""
    random = Random(seed)
    skills = [random.random() for _ in range(count)]
    return [[skill * epoch / EPOCHS + 0.3 * random.random() for epoch in range(1, EPOCHS + 1)] for skill in skills]


def by_optuna(pruner: BasePruner, each: Sequence[Sequence[float]]) -> list[int]:
    """How many epochs each trial did, one after the other."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    done = []
    for curve in each:
        trial = study.ask()
        for epoch, accuracy in enumerate(curve, start=1):
            trial.report(accuracy, epoch)
            if epoch < EPOCHS and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, curve[-1])
        done.append(epoch)
    return done


def by_thresholds(rule: Pruning, each: Sequence[Sequence[float]]) -> list[int]:
    """The same with what each trial takes along."""
    history: list[Finished] = []
    for number, curve in enumerate(each):
        rungs = thresholds(rule, number, history, EPOCHS)
        cuts = (rung.epoch for rung in rungs if not rung.is_passed(curve[: rung.epoch]))
        epoch = next(cuts, EPOCHS)
        history.append(Finished(number, {}, (curve[epoch - 1],), tuple(curve[:epoch]), is_pruned=epoch < EPOCHS))
    return [len(trial.accuracies) for trial in history]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("startup", "warmup"), [(5, 0), (1, 0), (8, 10)])
def test_median_cuts_where_optuna_does(seed: int, startup: int, warmup: int) -> None:
    each = curves(40, seed)
    rule = Pruning.model_validate({"rule": "median", "startup": startup, "warmup": warmup})
    expected = by_optuna(MedianPruner(n_startup_trials=startup, n_warmup_steps=warmup), each)
    assert by_thresholds(rule, each) == expected
    assert min(expected) < EPOCHS


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("factor", "first"), [(3, 1), (2, 1), (4, 2)])
def test_halving_cuts_where_optuna_does(seed: int, factor: int, first: int) -> None:
    each = curves(60, seed)
    rule = Pruning.model_validate({"rule": "halving", "factor": factor, "first": first})
    expected = by_optuna(SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor), each)
    assert by_thresholds(rule, each) == expected
    assert min(expected) == first


@pytest.mark.parametrize("seed", range(2))
def test_each_bracket_of_hyperband_is_a_halving_that_begins_later(seed: int) -> None:
    rule = Pruning(rule="hyperband")
    each = curves(100, seed)
    done = by_thresholds(rule, each)
    of_bracket = [bracket_of(rule, number, EPOCHS) for number in range(100)]
    assert set(of_bracket) == {0, 1, 2, 3}
    for bracket in range(4):
        members = [number for number in range(100) if of_bracket[number] == bracket]
        pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=3, min_early_stopping_rate=bracket)
        assert [done[number] for number in members] == by_optuna(pruner, [each[number] for number in members])


def test_the_brackets_are_those_of_the_paper() -> None:
    assert bracket_sizes(Pruning(rule="hyperband"), 81) == (81, 34, 15, 8, 5)
    assert bracket_sizes(Pruning(rule="hyperband"), 243) == (243, 98, 41, 18, 9, 6)  # a logarithm would round down
    assert bracket_sizes(Pruning(rule="hyperband"), 1) == (1,)


def test_the_brackets_are_filled_one_after_the_other() -> None:
    rule = Pruning(rule="hyperband")
    assert bracket_sizes(rule, 9) == (9, 5, 3)
    assert [bracket_of(rule, number, 9) for number in range(19)] == [0] * 9 + [1] * 5 + [2] * 3 + [0] * 2


def history(*each: Sequence[float], is_pruned: bool = False) -> list[Finished]:
    return [Finished(n, {}, (curve[-1],), tuple(curve), is_pruned) for n, curve in enumerate(each)]


def test_halving_lets_on_one_in_so_many_of_those_that_reached_the_rung() -> None:
    known = history([0.1], [0.5, 0.6, 0.4], [0.3], [0.9, 0.8, 0.7, 0.7], [0.7, 0.7, 0.9])
    assert thresholds(Pruning(rule="halving"), 5, known, 9) == (
        Rung(epoch=1, least_accuracy=0.7, judges="last"),  # the second best of six
        Rung(epoch=3, least_accuracy=0.9, judges="last"),  # the best of four
    )
    assert thresholds(Pruning(rule="halving"), 5, known, 3)[-1].epoch == 1  # after the last epoch there is no rung


def test_the_median_is_that_of_complete_trials() -> None:
    rule = Pruning(rule="median", startup=3)
    complete = history([0.1, 0.4, 0.5], [0.2, 0.3, 0.6], [0.5, 0.2, 0.9])
    cut = history([0.0], [0.0], is_pruned=True)
    failed = [Finished(9, {}, None, (0.0, 0.0))]
    assert thresholds(rule, 9, complete + cut + failed, 3) == (
        Rung(epoch=1, least_accuracy=0.2, judges="best"),
        Rung(epoch=2, least_accuracy=0.3, judges="best"),
    )
    assert thresholds(rule, 9, complete[:2] + cut + failed, 3) == ()


def test_the_best_or_the_last_accuracy_counts() -> None:
    assert Rung(epoch=2, least_accuracy=0.5, judges="best").is_passed([0.6, 0.4])
    assert not Rung(epoch=2, least_accuracy=0.5, judges="last").is_passed([0.6, 0.4])
    assert Rung(epoch=2, least_accuracy=0.5, judges="last").is_passed([0.1, 0.5])


@given(
    st.sampled_from(["median", "halving", "hyperband"]),
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=12), max_size=12),
    st.integers(0, 50),
    st.integers(1, 12),
)
def test_rungs_rise_and_ask_for_what_another_trial_had(
    rule: str, each: list[list[float]], number: int, epochs: int
) -> None:
    found = thresholds(Pruning.model_validate({"rule": rule}), number, history(*each), epochs)
    reached = [rung.epoch for rung in found]
    assert reached == sorted(set(reached))
    assert all(1 <= epoch < epochs for epoch in reached)
    for rung in found:
        at = [curve[rung.epoch - 1] for curve in each if len(curve) >= rung.epoch]
        assert min(at) <= rung.least_accuracy <= max(at)
