"""What may stand in a sweep: networks and data sets, as `farm models` and `farm datasets` list them."""

import pytest

from farm.kinds import levels
from farm.model.catalog import DATASETS, MODELS, NETWORKS, STUDY_MODELS, Accuracy
from farm.model.errors import InputError
from farm.report.terminal import text
from tests.summaries import widest


def test_every_network_is_listed_with_what_is_published_of_it() -> None:
    records = {record["model"]: record for record in levels.models().record}
    assert set(records) == {*MODELS, *STUDY_MODELS}
    found, known = records["resnet50"], NETWORKS["resnet50"]
    assert (found["parameters"], found["year"]) == (known.parameters, 2015)
    assert found["top1_percent"] == known.top1_percent[Accuracy.DEFAULT]
    assert found["kinds"] == ["inference", "layers", "serving", "training", "tuning"]
    assert (records["simple_cnn"]["parameters"], records["simple_cnn"]["kinds"]) == (
        None, ["layers", "training", "tuning"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("vgg1?", {"vgg11", "vgg13", "vgg16", "vgg19"}), ("alex", {"alexnet"}), ("simple_cnn*", {*STUDY_MODELS[:2]})],
)
def test_a_pattern_or_a_part_of_a_name_chooses(pattern: str, names: set[str]) -> None:
    assert {record["model"] for record in levels.models(pattern).record} == names


def test_a_name_that_nothing_has_is_one_line_with_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"no network is called 'resnat18' \(did you mean 'resnet18'\?\)"):
        levels.models("resnat18")


def test_the_data_sets_are_those_of_training() -> None:
    records = levels.datasets().record
    assert [record["dataset"] for record in records] == list(DATASETS)
    assert records[0] == {
        "dataset": "digits", "train_images": 1797, "validation_images": None, "shape": "1x8x8", "classes": 10,
        "origin": "scikit-learn", "kinds": ["training", "tuning"],
    }  # fmt: skip


def test_the_lists_fit_80_columns() -> None:
    for shown in (text(levels.models()), text(levels.datasets())):
        assert widest(shown) <= 80
