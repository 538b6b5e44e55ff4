"""Strategies ask what Optuna and scikit-learn would: from the history alone, whenever and however often."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, cast

import numpy as np
import optuna
import pytest
from scipy.special import ndtr
from sklearn.model_selection import ParameterGrid

from farm.kinds.tuning.space import Choice, Range, Space
from farm.kinds.tuning.strategies import Strategy, StrategyName
from farm.model import Point, Scalar
from farm.model.errors import InputError
from farm.scheduling.tuning import Finished, Pending, Study, ask, check, size
from farm.scheduling.tuning.gp_pi import draw_candidates, improvement, posterior
from farm.scheduling.tuning.grid import MAX_POINTS, points
from farm.scheduling.tuning.samplers import GP_FITS
from farm.scheduling.tuning.strategies import REGISTRY

NAMES: tuple[StrategyName, ...] = ("grid", "random", "halton", "sobol", "gp", "tpe", "nsga2", "gp-pi")
FIXED: tuple[StrategyName, ...] = ("grid", "random", "halton", "sobol")
ADAPTIVE: tuple[StrategyName, ...] = ("gp", "tpe", "nsga2", "gp-pi")
#: The study's three factors.
FLAT = Space.model_validate(
    {"lr": {"low": 1e-5, "high": 0.1}, "beta1": {"low": 0.1, "high": 1}, "beta2": {"low": 0.8, "high": 1}}
)
NESTED = Space.model_validate(
    {
        "lr": {"low": 1e-5, "high": 0.1, "log": True},
        "layers": {"low": 1, "high": 4, "type": "int"},
        "optimizer": ["adam", "sgd"],
        "momentum": {"low": 0, "high": 0.99, "when": {"optimizer": "sgd"}},
    }
)
PLANE = Space.model_validate({"x": {"low": 0, "high": 1}, "y": {"low": 0, "high": 1}})


def study(name: StrategyName, space: Space = FLAT, seed: int = 3, **options: Any) -> Study:
    strategy = Strategy.model_validate({"name": name, **options})
    return Study(strategy, space, trials=2000, seed=seed)


def accuracy(point: Point) -> float:
    return 0.9 - 0.1 * abs(math.log10(number(point, "lr")) + 2.5) - 0.1 * number(point, "beta1")


def number(point: Point, name: str) -> float:
    value = point.get(name, 0.0)
    assert isinstance(value, int | float)
    return value


def finished(
    space: Space,
    count: int,
    fails: Callable[[int], bool] = lambda index: False,
    values: Callable[[Point], tuple[float, ...]] = lambda point: (accuracy(point),),
) -> list[Finished]:
    """Random trials of the space; some fail."""
    random = Random(11)

    def choose(name: str, parameter: Range | Choice) -> Scalar:
        if isinstance(parameter, Choice):
            return random.choice(parameter.choices)
        value = random.uniform(parameter.low, parameter.high)
        return round(value) if parameter.type == "int" else value

    found = [space.fill(choose) for _ in range(count)]
    return [Finished(index, point, None if fails(index) else values(point)) for index, point in enumerate(found)]


def belongs(space: Space, point: Point) -> bool:
    """Whether the point has every parameter that exists there, no other, and each within its bounds."""
    for name, parameter in space.items():
        if (name in point) != parameter.exists(point):
            return False
        if name in point and isinstance(parameter, Range):
            value = point[name]
            if type(value) is not (int if parameter.type == "int" else float):
                return False
            if not parameter.low <= number(point, name) <= parameter.high:
                return False
        elif name in point and point[name] not in parameter.model_dump()["choices"]:
            return False
    return set(point) <= set(dict(space.items()))


def as_rows(found: Iterable[Any]) -> list[list[float]]:
    return sorted([point[name] for name in ("lr", "beta1", "beta2")] for point in found)


def test_every_strategy_is_registered() -> None:
    assert set(REGISTRY) == set(NAMES)


@pytest.mark.parametrize("endpoint", [True, False])
def test_the_grid_is_that_of_scikit_learn_and_optuna(endpoint: bool) -> None:
    levels = {
        "lr": np.linspace(1e-5, 0.1, 5, endpoint=endpoint).tolist(),
        "beta1": np.linspace(0.1, 1, 5, endpoint=endpoint).tolist(),
        "beta2": np.linspace(0.8, 1, 5, endpoint=endpoint).tolist(),
    }
    theirs = optuna.create_study(sampler=optuna.samplers.GridSampler(levels))
    asked = [theirs.ask({n: optuna.distributions.FloatDistribution(0, 1) for n in levels}).params for _ in range(125)]
    grid = study("grid", endpoint=endpoint)
    ours = [ask(grid, [], [], index) for index in range(125)]
    assert as_rows(ours) == pytest.approx(np.array(as_rows(ParameterGrid(levels))))
    assert as_rows(ours) == pytest.approx(np.array(as_rows(asked)))


def test_a_grid_has_the_levels_of_each_scale() -> None:
    space = Space.model_validate(
        {
            "lr": {"low": 0.001, "high": 1, "log": True, "levels": 4},
            "layers": {"low": 1, "high": 4, "type": "int", "levels": 9},
        }
    )
    found = points(Strategy(name="grid"), space)
    assert len(found) == 16
    assert [number(point, "lr") for point in found[::4]] == pytest.approx([0.001, 0.01, 0.1, 1])
    assert [point["layers"] for point in found[:4]] == [1, 2, 3, 4]


def test_a_large_grid_is_sampled_and_a_small_one_ends() -> None:
    large = Study(Strategy(name="grid"), FLAT, trials=64, seed=1)
    sample = {json.dumps(ask(large, [], [], index)) for index in range(64)}
    assert (size(large), len(sample)) == (64, 64)
    other = Study(Strategy(name="grid"), FLAT, trials=64, seed=2)
    assert {json.dumps(ask(other, [], [], index)) for index in range(64)} != sample
    nested = Space.model_validate({"a": ["x", "y"], "b": {"low": 0, "high": 1, "levels": 3, "when": {"a": "y"}}})
    small = Study(Strategy(name="grid"), nested, trials=64, seed=1)
    assert size(small) == 4  # x, and three of y
    assert all(belongs(nested, ask(small, [], [], index)) for index in range(4))
    assert size(study("tpe", nested)) == 2000


def test_random_is_the_sequence_of_optuna() -> None:
    theirs = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=5))
    ours = study("random", NESTED, seed=5)
    for index in range(30):
        trial = theirs.ask()
        trial.suggest_float("lr", 1e-5, 0.1, log=True)
        trial.suggest_int("layers", 1, 4)
        if trial.suggest_categorical("optimizer", ["adam", "sgd"]) == "sgd":
            trial.suggest_float("momentum", 0, 0.99)
        assert ask(ours, [], [], index) == trial.params


@pytest.mark.parametrize("kind", ["halton", "sobol"])
@pytest.mark.filterwarnings("ignore:QMCSampler is experimental")
def test_the_sequences_are_those_of_optuna_without_its_first_random_trial(kind: StrategyName) -> None:
    theirs = optuna.create_study(sampler=optuna.samplers.QMCSampler(qmc_type=kind, scramble=True, seed=5))
    ours = study(kind, PLANE, seed=5)
    for index in range(-1, 16):
        trial = theirs.ask()
        params = {name: trial.suggest_float(name, 0, 1) for name in ("x", "y")}
        theirs.tell(trial, 0.0)
        if index >= 0:
            assert ask(ours, [], [], index) == params


@pytest.mark.parametrize("name", FIXED)
def test_some_do_not_look_at_the_history(name: StrategyName) -> None:
    asked = study(name)
    history = finished(FLAT, 12, fails=lambda index: index % 3 == 0)
    assert ask(asked, history, [Pending(12, history[0].params)], 13) == ask(asked, [], [], 13)
    assert ask(asked, [], [], 13) != ask(asked, [], [], 12)


@pytest.mark.parametrize("name", NAMES)
def test_a_controller_that_starts_anew_asks_the_same(name: StrategyName) -> None:
    history = finished(FLAT, 24, fails=lambda index: index % 7 == 2)
    pending = [Pending(24, history[3].params)]
    first = ask(study(name), history, pending, 25)
    Random(1).shuffle(history)
    assert ask(study(name), history, pending, 25) == first
    assert ask(study(name, seed=4), [], [], 0) != ask(study(name), [], [], 0)


@pytest.mark.parametrize("name", ["gp", "tpe", "gp-pi"])
def test_a_pending_trial_turns_the_next_one_elsewhere(name: StrategyName) -> None:
    asked, history = study(name), finished(FLAT, 24)
    alone = ask(asked, history, [], 25)
    beside = ask(asked, history, [Pending(24, alone)], 25)
    assert beside != alone
    assert belongs(FLAT, beside)


@pytest.mark.parametrize("name", ADAPTIVE)
def test_two_trials_that_are_pending_together_differ(name: StrategyName) -> None:
    asked, history = study(name), finished(FLAT, 24)
    first = ask(asked, history, [], 24)
    assert ask(asked, history, [Pending(24, first)], 25) != first


def test_strategies_that_begin_at_random_begin_alike() -> None:
    begun = [ask(study(name, NESTED), [], [], 4) for name in ("gp", "tpe", "nsga2")]
    assert begun[0] == begun[1] == begun[2]


def test_the_model_takes_over_after_the_startup() -> None:
    history = finished(FLAT, 5)
    assert ask(study("tpe", startup=5), history, [], 5) != ask(study("tpe", startup=6), history, [], 5)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "gp-pi"])
def test_a_parameter_is_there_only_where_its_condition_holds(name: StrategyName) -> None:
    asked = study(name, NESTED, startup=5) if name in {"gp", "tpe"} else study(name, NESTED)
    count = 8 if name == "gp" else 24  # each is a fit
    history = finished(NESTED, count)
    asked_for = [ask(asked, history[:index], [], index) for index in range(count)]
    assert all(belongs(NESTED, point) for point in asked_for)
    assert {"momentum" in point for point in asked_for} == {True, False}


@pytest.mark.parametrize("name", NAMES)
def test_failed_trials_break_no_strategy(name: StrategyName) -> None:
    some = finished(FLAT, 25, fails=lambda index: index % 2 == 0)
    every = finished(FLAT, 25, fails=lambda index: True)
    for history in (some, every):
        assert belongs(FLAT, ask(study(name), history, [Pending(25, history[0].params)], 26))


@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_trial_that_nobody_knows_of_counts_as_failed(name: StrategyName) -> None:
    history = finished(FLAT, 25, fails=lambda index: index in {3, 17})
    known = [trial for trial in history if trial.values is not None]
    assert ask(study(name), known, [], 25) == ask(study(name), history, [], 25)


def test_tpe_knows_how_far_a_pruned_trial_came() -> None:
    def history(*reached: float) -> list[Finished]:
        pruned = [
            Finished(trial.number, trial.params, trial.values, reached, is_pruned=True) for trial in finished(FLAT, 6)
        ]
        return [*pruned, *(Finished(t.number + 6, t.params, t.values) for t in finished(FLAT, 12))]

    asked = study("tpe")
    early, late = ask(asked, history(0.2), [], 18), ask(asked, history(0.2, 0.5), [], 18)
    assert belongs(FLAT, early)
    assert early == late  # they rank among each other alike, and below what is complete


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_thousand_trials_are_no_obstacle(name: StrategyName) -> None:
    history = finished(FLAT, 1000, fails=lambda index: index % 50 == 0)
    asked = study(name, levels=12) if name == "grid" else study(name)
    assert belongs(FLAT, ask(asked, history, [Pending(1000, history[1].params)], 1001))


@pytest.mark.slow
def test_gp_fits_the_best_and_the_latest() -> None:
    count = 2 * GP_FITS
    rows = finished(PLANE, count, values=lambda p: (-abs(number(p, "x") - 0.3) - (number(p, "y") - 0.6) ** 2,))
    asked = study("gp", PLANE)
    expected = ask(asked, rows, [], count)

    def without(index: int) -> Point:
        return ask(asked, [*rows[:index], *rows[index + 1 :]], [], count)

    early = sorted(range(count // 2), key=lambda index: rows[index].values or ())
    assert without(early[0]) == expected  # neither good nor late
    assert without(early[-1]) != expected
    assert without(count - 1) != expected


def front(asked: Study, trials: int) -> float:
    """The hypervolume that a run finds: accuracy is best at x = 0.2, energy at x = 0.8, and both at y = 0.5."""
    history: list[Finished] = []
    for index in range(trials):
        point = ask(asked, history, [], index)
        x, y = number(point, "x"), number(point, "y")
        off = abs(y - 0.5)
        history.append(Finished(index, point, (1 - abs(x - 0.2) - off, abs(x - 0.8) + off)))
    return hypervolume([trial.values for trial in history if trial.values is not None])


def hypervolume(values: Sequence[tuple[float, ...]]) -> float:
    """The area between the front and accuracy 0, energy 1."""
    area, worst_energy = 0.0, 1.0
    for reached, energy in sorted(values, reverse=True):
        if reached > 0 and energy < worst_energy:
            area += reached * (worst_energy - energy)
            worst_energy = energy
    return area


def two_objectives(name: StrategyName, seed: int) -> Study:
    return Study(Strategy(name=name), PLANE, trials=80, seed=seed, objectives=("accuracy", "energy"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nsga2", "tpe"])
def test_a_search_for_two_objectives_finds_a_better_front_than_random(name: StrategyName) -> None:
    seeds = range(3)
    found = [front(two_objectives(name, seed), 80) for seed in seeds]
    assert sum(found) > sum(front(two_objectives("random", seed), 80) for seed in seeds)


def test_gp_takes_two_objectives_and_pending_trials() -> None:
    history = finished(PLANE, 12, values=lambda point: (number(point, "x"), number(point, "y")))
    point = ask(two_objectives("gp", 1), history, [Pending(12, history[0].params)], 13)
    assert belongs(PLANE, point)


def rbf_posterior(known: Any, values: Any, candidates: Any) -> tuple[Any, Any]:
    """By the book: kernel exp(-d²/2), nugget 1e-10, Cholesky."""

    def kernel(left: Any, right: Any) -> Any:
        return np.exp(-0.5 * ((left[:, None] - right[None]) ** 2).sum(axis=2))

    lower = np.linalg.cholesky(kernel(known, known) + 1e-10 * np.eye(len(known)))
    weights = np.linalg.solve(lower.T, np.linalg.solve(lower, values))
    cross = kernel(candidates, known)
    explained = np.linalg.solve(lower, cross.T)
    return cross @ weights, np.sqrt(1 - (explained**2).sum(axis=0))


def test_the_posterior_of_gp_pi_is_that_of_the_textbook() -> None:
    rng = np.random.default_rng(1)
    known, candidates = rng.uniform(0, 6, (20, 3)), rng.uniform(0, 6, (500, 3))
    values = np.sin(known).sum(axis=1)
    mean, std = posterior(known, values, candidates)
    expected_mean, expected_std = rbf_posterior(known, values, candidates)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-6)
    np.testing.assert_allclose(std, expected_std, atol=1e-6)


def test_gp_pi_asks_for_the_candidate_that_most_likely_improves() -> None:
    history = finished(FLAT, 6)
    asked = study("gp-pi")
    ranges = {name: cast("Range", parameter) for name, parameter in FLAT.items()}
    candidates = draw_candidates(ranges, np.random.default_rng([asked.seed, 6]))
    known = np.array([[number(trial.params, name) for name in FLAT.root] for trial in history])
    values = np.array([accuracy(trial.params) for trial in history])
    mean, std = rbf_posterior(known, values, candidates)
    chosen = ask(asked, history, [], 6)
    (place,) = np.flatnonzero((candidates == list(chosen.values())).all(axis=1))
    probability = ndtr((mean - values.max()) / std)
    assert probability[place] == pytest.approx(probability.max(), abs=1e-6)


def test_the_probability_of_improvement_at_what_is_known_is_that_of_a_certain_value() -> None:
    zero = np.zeros(3)
    np.testing.assert_allclose(improvement(np.array([0.4, 0.5, 0.6]), zero, 0.5), [0, 0.5, 1])


def test_candidates_are_even_on_their_scales() -> None:
    space = Space.model_validate(
        {
            "lr": {"low": 1e-4, "high": 1, "log": True},
            "layers": {"low": 1, "high": 4, "type": "int"},
            "wide": {"low": 1, "high": 1000, "type": "int", "log": True},
        }
    )
    ranges = {name: cast("Range", parameter) for name, parameter in space.items()}
    lr, layers, wide = draw_candidates(ranges, np.random.default_rng(0)).T
    assert np.mean(lr < 1e-2) == pytest.approx(0.5, abs=0.03)
    assert [np.mean(layers == n) for n in (1, 2, 3, 4)] == pytest.approx([0.25] * 4, abs=0.03)
    assert (wide.min(), wide.max()) == (1, pytest.approx(1000, abs=20))
    assert belongs(space, ask(study("gp-pi", space), [], [], 0))


def test_gp_pi_refuses_what_the_study_did_not_have() -> None:
    with pytest.raises(InputError, match="gp-pi takes ranges without a condition, unlike 'optimizer'"):
        check(study("gp-pi", NESTED))
    with pytest.raises(InputError, match="gp-pi has one objective, accuracy"):
        check(two_objectives("gp-pi", 1))


def test_a_grid_without_end_is_refused() -> None:
    space = Space.model_validate({f"p{i}": {"low": 0, "high": 1} for i in range(50)})
    with pytest.raises(InputError, match=f"the grid has more than {MAX_POINTS} points"):
        check(study("grid", space))


@pytest.mark.parametrize(
    ("name", "missing", "text"),
    [
        ("tpe", "optuna", "strategy tpe needs optuna: pip install 'wattfarm[tuning]'"),
        ("gp", "torch", "strategy gp needs torch: pip install 'wattfarm[gp]'"),
        ("gp-pi", "sklearn", "strategy gp-pi needs sklearn: pip install 'wattfarm[tuning]'"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    name: StrategyName, missing: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "farm.scheduling.tuning.strategies.find_spec", lambda module: None if module == missing else object()
    )
    with pytest.raises(InputError) as caught:
        ask(study(name), [], [], 0)
    assert str(caught.value) == text


def test_what_a_strategy_needs_is_loaded_when_it_is_asked() -> None:
    program = """
import sys
import farm.scheduling.tuning
heavy = {"numpy", "optuna", "scipy", "sklearn", "torch"}
print(sorted(heavy & set(sys.modules)))
from farm.kinds.tuning.space import Space
from farm.kinds.tuning.strategies import Strategy
space = Space.model_validate({"x": {"low": 0, "high": 1}})
farm.scheduling.tuning.ask(farm.scheduling.tuning.Study(Strategy(name="tpe"), space, 9, 1), [], [], 0)
print(sorted({"optuna", "sklearn", "torch"} & set(sys.modules)))"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['optuna']"]
    assert done.stderr == ""
