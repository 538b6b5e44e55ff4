"""The search space, strategies and pruning rules as written: what is understood, and one line for what is wrong."""

import pytest
from pydantic import ValidationError

from farm.kinds.tuning.space import MAX_PARAMETERS, Choice, Range, Space
from farm.kinds.tuning.strategies import Pruning, PruningOrRule, Strategy, StrategyOrName
from farm.model import Frozen, Point, Scalar
from farm.spec.positions import Loc, read
from farm.spec.types import PROBLEM


class Written(Frozen):
    """The part of a sweep that is tested here."""

    space: Space | None = None
    strategy: StrategyOrName | None = None
    pruning: PruningOrRule | None = None


def space(text: str) -> Space:
    found = Written.model_validate(read(f"space: {text}").value).space
    assert found is not None
    return found


def problems(text: str) -> list[str]:
    """Every problem as `where: what`; a place is named by those of its parts that the text has."""
    document = read(text)
    with pytest.raises(ValidationError) as caught:
        Written.model_validate(document.value)
    lines = []
    for details in caught.value.errors(include_url=False):
        written: Loc = ()
        for part in details["loc"]:
            written = (*written, part) if (*written, part) in document.places else written
        lines.append(f"{'.'.join(map(str, written))}: {details.get('ctx', {}).get(PROBLEM, details['type'])}")
    return lines


def test_reads_floats_whole_numbers_choices_and_conditions() -> None:
    found = space("""
  lr: {low: 1e-5, high: 0.1, log: true, levels: 7}
  conv_layers: {low: 1, high: 4, type: int}
  optimizer: [adam, sgd, null]
  momentum: {low: 0, high: 0.99, when: {optimizer: sgd}}
  nesterov: {choices: [true, false], when: {optimizer: [sgd, null]}}
""")
    assert dict(found.items()) == {
        "lr": Range(low=1e-5, high=0.1, log=True, levels=7),
        "conv_layers": Range(low=1, high=4, type="int"),
        "optimizer": Choice(choices=("adam", "sgd", None)),
        "momentum": Range(low=0, high=0.99, when={"optimizer": ("sgd",)}),
        "nesterov": Choice(choices=(True, False), when={"optimizer": ("sgd", None)}),
    }
    assert list(dict(found.items())) == ["lr", "conv_layers", "optimizer", "momentum", "nesterov"]


def test_a_space_is_the_same_after_a_round_trip() -> None:
    found = space("{a: [x, y], b: {low: 1, high: 2, when: {a: y}}}")
    assert Space.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [("adam", ["optimizer"]), ("sgd", ["optimizer", "nesterov"]), ("rmsprop", ["optimizer", "nesterov", "damping"])],
)
def test_a_point_has_what_its_conditions_allow(optimizer: str, expected: list[str]) -> None:
    found = space("""
  optimizer: [adam, sgd, rmsprop]
  nesterov: {choices: [on, off], when: {optimizer: [sgd, rmsprop]}}
  damping: {low: 0, high: 1, when: {optimizer: rmsprop, nesterov: on}}
  never: {low: 0, high: 1, when: {optimizer: adam, nesterov: on}}
""")

    def choose(name: str, parameter: Range | Choice) -> Scalar:
        if isinstance(parameter, Range):
            return parameter.low
        return optimizer if name == "optimizer" else parameter.choices[0]

    point: Point = found.fill(choose)
    assert list(point) == expected


WRONG: dict[str, tuple[str, list[str]]] = {
    "nothing to search": ("space: {}", [f"space: expected 1 to {MAX_PARAMETERS} parameters, got none"]),
    "too much to search": (
        "space: {" + ", ".join(f"p{i}: [1]" for i in range(51)) + "}",
        [f"space: expected 1 to {MAX_PARAMETERS} parameters, got 51"],
    ),
    "one value": (
        "space: {lr: 5}",
        ["space.lr: expected a range such as {low: 0.001, high: 0.1} or a list of choices, got 5"],
    ),
    "no numbers": (
        "space: {lr: {low: true, high: .inf}}",
        ["space.lr.low: expected a number, got true", "space.lr.high: expected a number, got inf"],
    ),
    "upside down": ("space: {lr: {low: 1, high: 1}}", ["space.lr.high: high (1) is not above low (1)"]),
    "no logarithm": (
        "space: {lr: {low: 0, high: 1, log: true}}",
        ["space.lr.low: a logarithmic scale needs a low above 0, got 0.0"],
    ),
    "not whole": (
        "space: {n: {low: 1.5, high: 3, type: int}}",
        ["space.n.low: expected a whole number because type is int, got 1.5"],
    ),
    "a misspelt type": (
        "space: {n: {low: 1, high: 3, type: flaot}}",
        ["space.n.type: expected one of float, int, got 'flaot' (did you mean 'float'?)"],
    ),
    "a bound that is missing": ("space: {lr: {low: 1}}", ["space.lr: missing"]),
    "an unknown key": ("space: {lr: {low: 1, high: 2, lgo: true}}", ["space.lr.lgo: extra_forbidden"]),
    "a choice twice": ("space: {a: [x, y, x]}", ["space.a.2: the same as item [0]: remove one"]),
    "a list for a choice": (
        "space: {a: [[1], 2]}",
        ["space.a.0: expected a text, a number, true, false or null, got a list"],
    ),
    "a condition on nothing": (
        "space: {optimizer: [adam, sgd], m: {low: 0, high: 1, when: {optimiser: sgd}}}",
        ["space.m.when.optimiser: no parameter 'optimiser' is in the space (did you mean 'optimizer'?)"],
    ),
    "a condition on what comes later": (
        "space: {m: {low: 0, high: 1, when: {a: x}}, a: [x, y]}",
        ["space.m.when.a: 'a' must stand above 'm', because it is a condition of it"],
    ),
    "a condition on a range": (
        "space: {a: {low: 0, high: 1}, m: {low: 0, high: 1, when: {a: 1}}}",
        ["space.m.when.a: 'a' is a range: a condition needs a list of choices"],
    ),
    "a condition on what is no choice": (
        "space: {a: [x, y], m: {low: 0, high: 1, when: {a: [x, z]}}}",
        ["space.m.when.a.1: expected a choice of 'a' ('x', 'y'), got 'z'"],
    ),
    "a misspelt strategy": (
        "strategy: sobel",
        [
            "strategy: expected one of grid, random, halton, sobol, gp, tpe, nsga2, gp-pi, got 'sobel'"
            " (did you mean 'sobol'?)"
        ],
    ),
    "an option of another strategy": (
        "strategy: {name: random, endpoint: false, startup: 3}",
        [
            "strategy.endpoint: belongs to grid: random has no such option",
            "strategy.startup: belongs to gp and tpe: random has no such option",
        ],
    ),
    "an option of another rule": (
        "pruning: {rule: median, factor: 3}",
        ["pruning.factor: belongs to halving and hyperband: median has no such option"],
    ),
}


@pytest.mark.parametrize(("text", "lines"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_reported_at_its_place(text: str, lines: list[str]) -> None:
    assert problems(text) == lines


def test_strategies_and_rules_have_short_forms() -> None:
    found = Written.model_validate({"strategy": "tpe", "pruning": "median"})
    assert found.strategy == Strategy(name="tpe")
    assert found.pruning == Pruning(rule="median")
    long = Written.model_validate({"strategy": {"name": "grid", "levels": 3, "endpoint": False}})
    assert long.strategy == Strategy(name="grid", levels=3, endpoint=False)


def test_the_schema_offers_both_forms() -> None:
    schema = Written.model_json_schema()
    (dimension,) = [schema["$defs"]["Space"]["additionalProperties"]]
    assert dimension["anyOf"][0]["type"] == "array"
    assert {"Range", "Choice", "Strategy", "Pruning"} <= set(schema["$defs"])
