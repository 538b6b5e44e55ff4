"""Which hyperparameters matter, where the answer is known."""

import sys
from random import Random

import pytest

from farm.kinds.tuning.importance import LEAST_CONFIGURATIONS, importance
from farm.kinds.tuning.searches import Configuration
from farm.kinds.tuning.space import Space
from farm.model import Point
from farm.model.errors import InputError

SPACE = Space.model_validate(
    {
        "lr": {"low": 1e-5, "high": 0.1, "log": True},
        "batch_size": {"low": 16, "high": 512, "type": "int"},
        "optimizer": ["adam", "sgd"],
        "momentum": {"low": 0.0, "high": 0.9, "when": {"optimizer": "sgd"}},
    }
)


def configurations(count: int) -> list[Configuration]:
    draw = Random(1)
    made = []
    for number in range(count):
        optimizer = draw.choice(["adam", "sgd"])
        params: Point = {"lr": 10 ** draw.uniform(-5, -1), "batch_size": draw.randint(16, 512), "optimizer": optimizer}
        if optimizer == "sgd":
            params["momentum"] = draw.uniform(0, 0.9)
        made.append(Configuration(number, params, ()))
    return made


def test_what_the_figure_depends_on_matters_most() -> None:
    """A step at 1e-3, in the middle of the decades: on a plain scale it would be at the very edge."""
    found = importance(SPACE, [(c, float(float(c.params["lr"] or 0) < 1e-3)) for c in configurations(40)])
    assert found is not None
    assert next(iter(found)) == "lr"
    assert found["lr"] > 0.9
    assert sum(found.values()) == pytest.approx(1)
    assert set(found) == {"lr", "batch_size", "optimizer"}


def test_too_few_or_equal_figures_show_nothing() -> None:
    several = configurations(LEAST_CONFIGURATIONS)
    assert importance(SPACE, [(c, None if c.number == 0 else float(c.number)) for c in several]) is None
    assert importance(SPACE, [(c, 1.0) for c in several]) is None


def test_what_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(InputError, match=r"needs sklearn: pip install 'wattfarm\[tuning\]'"):
        importance(SPACE, [(c, float(c.number)) for c in configurations(20)])
