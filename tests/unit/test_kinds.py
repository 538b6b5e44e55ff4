"""The kinds that are installed, and those that are not, or are broken."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from farm import kinds
from farm.kinds import Kind, ready_made, registry
from farm.kinds.inference.kind import KIND as INFERENCE
from farm.kinds.inference.sweep import InferenceSweep
from farm.model import MeasureSettings
from farm.model.errors import InputError
from workers.trial.workload import load

OTHER = replace(INFERENCE, name="other")
Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Adds entry points to those that are installed."""

    def add(**values: str) -> None:
        found = [EntryPoint(name, value, registry.GROUP) for name, value in values.items()]
        known = list(registry._entries().values())
        clear()
        monkeypatch.setattr(registry, "entry_points", lambda **_: [*known, *found])

    def clear() -> None:
        registry._entries.cache_clear()
        registry.get.cache_clear()

    yield add
    monkeypatch.undo()
    clear()


def names() -> list[str]:
    return [kind.name for kind in kinds.kinds()]


@pytest.mark.parametrize("name", [name for name in kinds.names() if kinds.get(name).sweep is not None])
def test_both_sides_of_a_kind_count_in_one_unit(name: str) -> None:
    kind = kinds.get(name)
    workload: Any = load(kind.runs)
    assert workload.unit == kind.unit


@pytest.mark.parametrize("name", kinds.names())
def test_a_kind_names_settings_that_there_are(name: str) -> None:
    assert kinds.get(name).unheeded <= set(MeasureSettings.model_fields)


def test_a_kind_that_is_not_installed_names_those_that_are() -> None:
    with pytest.raises(InputError, match="kind 'quantum' is not installed here, only command, imported, inference"):
        kinds.get("quantum")


def test_a_kind_of_another_package_joins(install: Install) -> None:
    install(other=f"{__name__}:OTHER")
    assert kinds.get("other") is OTHER
    assert "other" in names()
    assert kinds.MODELS["other"] is InferenceSweep


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("farm.no_such_module:KIND", "cannot be loaded: No module named"),
        (f"{__name__}:INFERENCE", "to be a farm.kinds.Kind of that name"),
        (f"{__name__}:Path", "to be a farm.kinds.Kind of that name"),
    ],
)
def test_a_broken_kind_costs_its_own_sweeps_alone(
    value: str, reason: str, install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install(broken=value)
    with pytest.raises(InputError, match=reason):
        kinds.get("broken")
    assert "broken" not in names()
    assert "inference" in names()
    assert "kind 'broken'" in caplog.text
    with pytest.raises(InputError, match=reason):
        kinds.parse_sweep("name: x\nkind: broken\nworkload: {}\n", "x.yaml", Path("/"))


def test_imported_measurements_are_of_a_kind_that_nobody_submits() -> None:
    assert "imported" not in list(kinds.MODELS)
    assert isinstance(kinds.get("imported"), Kind)


def test_of_two_ready_made_sweeps_of_a_name_the_farms_own_counts(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quickstart.yaml").write_text("theirs")
    (tmp_path / "mine.yaml").write_text("mine")
    monkeypatch.setitem(globals(), "OTHER", replace(OTHER, examples=tmp_path))
    install(other=f"{__name__}:OTHER")
    assert ready_made.text("mine") == "mine"
    assert ready_made.text("quickstart") != "theirs"
    assert ready_made.copy("mine", tmp_path.parent).read_text() == "mine"
    with pytest.raises(InputError, match="exists already: rename it first"):
        ready_made.copy("mine", tmp_path.parent)
