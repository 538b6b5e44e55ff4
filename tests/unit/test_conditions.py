"""Conditions of `--where`, and the names that trials may be grouped by though no table lists them."""

from dataclasses import replace
from typing import Any

import pytest

from farm.analysis.samples import labels, unit_samples
from farm.kinds.views import view
from farm.model import Flag, Scalar
from farm.model.errors import InputError
from farm.model.facets import FACETS, facets
from farm.report.conditions import parse_conditions
from farm.report.selection import Selection
from tests.loaded import Measured, loaded
from tests.summaries import trial_row
from tests.trainings import sweep_of, trained

ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "old": {"wattfarm": "0.1.0", "libraries": {"torch": "2.9.1"}, "torch": {"version": "2.9.1+cu126", "cuda": "12.6"}},
    "new": {"wattfarm": "0.1.0", "libraries": {"torch": "2.11.0"}, "torch": None, "driver": "580.65.06"},
}


@pytest.mark.parametrize(
    ("text", "fits", "does_not"),
    [
        ("batch_size=8", [8, 8.0, "8"], [16, "eight", None, True]),
        ("batch_size==8", [8], [16]),
        ("batch_size!=8", [16, None], [8]),
        ("flags=contaminated", ["contaminated", "below_noise;contaminated"], ["below_noise", "", None]),
        ("batch_size>=8", [8, 9.5], [7, None, "x", True]),
        ("batch_size>8", [9], [8]),
        ("batch_size < 8", [7, -1], [8]),
        ("lr<=1e-3", [0.001, 0], [0.01]),
        ("lr=1e-3", [0.001], [0.01]),
        ("model=alexnet,vgg11", ["alexnet", "VGG11"], ["resnet18"]),
        ("model!=alexnet,vgg11", ["resnet18"], ["alexnet", "vgg11"]),
        ("compile=false", [False], [True, None]),
        ("threads=null", [None], [0, 2]),
        ("torch>=2.10", ["2.10.0", "2.11.0+cu126", "3"], ["2.9.1", None]),
        ("driver<550", ["535.104.05"], ["550.1", "580.65.06"]),
    ],
)
def test_a_condition_holds_or_not(text: str, fits: list[Scalar], does_not: list[Scalar]) -> None:
    (condition,) = parse_conditions("--where", [text])
    assert [condition.holds(value) for value in (*fits, *does_not)] == [True] * len(fits) + [False] * len(does_not)


def test_a_comma_separates_conditions_and_values() -> None:
    found = parse_conditions("--where", ["model=alexnet,vgg11,batch_size>=8", "threads=2"])
    assert list(map(str, found)) == ["model=alexnet,vgg11", "batch_size>=8", "threads=2"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("batch_size", "got 'batch_size'; a condition with > or < needs quotes, .* a file: --where 'batch_size>=8'$"),
        ("=8", "expected NAME=VALUE, got '=8'$"),
        ("batch_size>8,16", "got '16'$"),
        ("batch_size>large", "batch_size>large: expected a number or a version behind >"),
        ("batch_size>=", "expected a number or a version behind >="),
        ("", "got ''$"),
    ],
)
def test_what_is_no_condition_is_named(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=rf"^--where: .*{complaint}"):
        parse_conditions("--where", [text])


def test_facets_are_read_from_an_environment() -> None:
    found = facets(ENVIRONMENTS["old"])
    assert set(found) == set(FACETS) - {"flags"}
    assert (found["torch"], found["cuda"], found["driver"]) == ("2.9.1+cu126", "12.6", None)
    assert facets(ENVIRONMENTS["new"])["torch"] == "2.11.0", "of a trial that never loaded it"


def of(name: str, environment: str, *flags: Flag) -> Measured:
    trial, rows = trained(name, 0.5, row_flags=flags)
    return replace(trial, environment=environment), rows


def seen(**selection: Any) -> list[dict[str, Any]]:
    trials = (of("a", "old"), of("b", "new"), of("c", "new", Flag.THROTTLED))
    data = loaded(sweep_of("training"), *trials, environments=ENVIRONMENTS)
    return view(data, Selection.parse(selection.get("by"), selection.get("where", ()), None, False)).records()


def test_results_are_grouped_by_versions_and_flags() -> None:
    rows = seen(by="torch,driver")
    assert [(row["torch"], row["driver"], row["trials"], row["left_out"]) for row in rows] == [
        ("2.11.0", "580.65.06", 1, 1),
        ("2.9.1+cu126", None, 1, 0),
    ]
    assert [(row["flags"], row["trials"], row["doubtful"]) for row in seen(by="flags")] == [
        ("", 2, False),
        ("throttled", 1, True),
    ]


def test_versions_choose_trials() -> None:
    assert [row["trials"] for row in seen(where=["torch>=2.10"])] == [1]
    with pytest.raises(InputError, match=r"--where: no trial has torch>=3: there are 2\.11\.0, 2\.9\.1\+cu126"):
        seen(where=["torch>=3"])


def test_a_misspelt_name_is_suggested() -> None:
    with pytest.raises(
        InputError, match=r"no factor 'torhc' in this sweep \(did you mean 'torch'\?\): there are model"
    ):
        seen(by="torhc")
    with pytest.raises(InputError, match=r"no factor 'batchsize' in this sweep \(did you mean 'batch_size'\?\)"):
        seen(where=["batchsize=8"])


def test_facets_are_listed_nowhere() -> None:
    data = loaded(sweep_of("training"), of("a", "old"), environments=ENVIRONMENTS)
    (sample,) = unit_samples(data)
    assert not {"torch", "flags"} & set(sample.labels)
    assert sample.labels["torch"] == sample.labels.get("torch") == "2.9.1+cu126"
    with pytest.raises(KeyError):
        sample.labels["colour"]
    assert labels(trial_row(environment=None)).get("torch", "?") is None
    assert not set(FACETS) & set(seen()[0]) - {"flags"}
