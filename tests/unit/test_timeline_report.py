"""Timelines as people and scripts read them, from the rows of a sweep."""

import json
from dataclasses import replace
from typing import Any

import pytest

from farm.analysis.across import Figure
from farm.model import CarbonFactor, Domain, Flag, Quality, Sample, SweepData
from farm.model.catalog import MODELS, NETWORKS, Accuracy
from farm.model.errors import InputError
from farm.report.files import json_text
from farm.report.selection import Selection
from farm.studies.timeline_view import Timelines, document, parse_accuracy, parse_figure, view
from tests.documents import assert_seen, has_note, notes_of, seen, tables_of
from tests.summaries import widest
from tests.trainings import sweep_of

DECADE = ("alexnet", "vgg11", "resnet18", "densenet121", "shufflenet_v2_x0_5", "vit_b_16", "convnext_base")
IMAGES = 100


def row(model: str, net_j: float = 1.0, batch_size: int = 8, repetition: int = 0, **changes: Any) -> Sample:
    """One trial, with so many joules an image, and one more for the idle."""
    point = {"model": model, "batch_size": batch_size, "precision": "fp32"}
    trial = f"{model}{batch_size}.{repetition}"
    known: dict[str, Any] = {
        "sweep": "abcdef012345", "part": None,
        "own_device": True, "gross_u_j": None, "gross_shared_u_j": None,
        "net_shared_u_j": 0.0, "idle_w": None, "job": trial, "trial": trial, "machine": "lab1",
        "hardware_class": "cpu-2", "environment": "env", "repetition": repetition, "factors": point,
        "device": "cpu", "domain": Domain.CPU, "unit": "image", "units": IMAGES, "duration_s": 2.0,
        "gross_j": IMAGES * (net_j + 1), "net_j": IMAGES * net_j, "net_u_j": IMAGES * 0.001, "quality": Quality.COUNTER,
        "flags": (), "carbon": CarbonFactor(), "simulated": False, "imported": False,
    }  # fmt: skip
    return Sample(**known | changes)


def decade(**changes: Any) -> list[Sample]:
    """Energy doubles every year."""
    years = {model: NETWORKS[model].year - 2012 for model in DECADE}
    return [
        row(model, 2.0**year * (1 + 0.001 * other) * (1.5 if batch == 1 else 1), batch, repetition, **changes)
        for place, (model, year) in enumerate(years.items())
        for batch in (1, 8)
        for repetition in range(2)
        for other in [(place + repetition) % 2]  # what is slow in one block is fast in the other
    ]


def of(
    *rows: Sample, include_flagged: bool = False, accuracy: Accuracy = Accuracy.V1, figure: Figure | None = None
) -> Timelines:
    selection = Selection(include_flagged=include_flagged)
    return view(SweepData(sweep_of("inference"), None, rows), selection, accuracy, figure)


def test_a_person_reads_networks_growth_and_front() -> None:
    assert_seen("timeline.txt", document(of(*decade())))


def test_all_of_torchvision_fits_a_terminal() -> None:
    found = of(*(row(model, 1.0 + n) for n, model in enumerate(MODELS)), row("my_package.networks:AVeryLongName", 5.0))
    assert widest(seen(document(found))) <= 80
    assert len(document(found).records()) == len(MODELS) + 1


def test_what_is_unknown_has_a_sentence_or_a_note() -> None:
    flat = of(*(row(model, 1.0 + n % 2 * 9, repetition=r) for n, model in enumerate(DECADE) for r in range(2)))
    growth, steeper, _ = document(flat).findings
    assert growth.startswith("Cannot tell whether net energy per image rises or falls: ")
    assert steeper.endswith(": cannot tell which outgrows the other.")
    few = document(of(row("alexnet"), row("resnet18", 2.0)))
    assert few.findings[0].startswith("Cannot tell how energy grows")
    assert has_note(few, "Where a network has only one batch size")
    assert has_note(document(of(*(row(m, 2.0**n) for n, m in enumerate(DECADE[:4])))), "There are too few papers")


def test_machines_are_shown_apart() -> None:
    found = document(of(*decade(), *decade(machine="lab2")))
    assert [table.rows[0].marks for table in tables_of(found)[::2]] == [{"model": "*"}] * 2
    assert {(row["machine"], row["quality"]) for row in found.records()} == {("lab1", "counter"), ("lab2", "counter")}


def test_seconds_are_compared_where_energy_is_modelled() -> None:
    """Energy doubles every year, but the time of an image halves: the youngest network is the fastest."""
    years = {model: NETWORKS[model].year - 2012 for model in DECADE}
    found = document(
        of(*(row(model, 2.0**year, duration_s=2.0**-year, quality=Quality.MODELLED) for model, year in years.items()))
    )
    decides, growth, _, front = found.findings
    assert decides.startswith("Energy is modelled here")
    assert growth.startswith("Time per image falls: -50% a year")
    assert front.startswith("Most accurate for their time, the least time first: ")
    assert "alexnet" not in front
    assert {row["energy"] for row in found.records()} == {"seconds"}
    assert any("s/image, best batch" in row.values.values() for row in tables_of(found)[1].rows)


def test_a_script_reads_the_same_figures() -> None:
    found = document(of(*decade()))
    whole = json.loads(json_text(found.json()))
    (timeline,) = whole["timelines"]
    assert (timeline["machine"], timeline["device"], timeline["energy"]) == ("lab1", "cpu", "net")
    assert timeline["conclusions"] == found.findings
    energy = timeline["trends"][0]
    assert (energy["of"], energy["verdict"], energy["papers"]) == ("energy", "rises", 7)
    assert energy["growth_per_year"] == pytest.approx(1.0)
    assert timeline["front"][0] == "alexnet"
    first = timeline["networks"][0]
    assert first == json.loads(json_text(found.records()[0]))
    assert (first["model"], first["year"], first["batch_size"], first["batch_sizes"]) == ("alexnet", 2012, 8, "1;8")
    assert first["published_top1_percent"] == 56.522
    assert first["source"].startswith("https://")
    assert first["net_j_per_unit"] == pytest.approx(1.0, rel=0.01)
    assert (first["on_front"], first["front_is_clear"]) == (True, True)


def test_flagged_trials_count_only_where_they_are_asked_for() -> None:
    doubtful = [row("alexnet", flags=(Flag.CONTAMINATED,)), row("resnet18", 2.0)]
    left = of(*doubtful)
    assert ([entry.model for entry in left.found[0].entries], left.left_out) == (["resnet18"], ["alexnet"])
    asked = document(of(*doubtful, include_flagged=True))
    assert [shown.values["model"] for shown in tables_of(asked)[0].rows] == ["alexnet", "resnet18"]
    assert any("contaminated 1" in line for line in notes_of(asked))
    with pytest.raises(InputError, match="every trial is flagged: --include-flagged"):
        of(doubtful[0])


def test_networks_without_a_published_accuracy_are_named() -> None:
    rows = (row("vit_h_14", 30.0), row("my.nets:Tiny", 0.1), *decade())
    assert has_note(document(of(*rows)), "In no trend, because no such accuracy is published: my.nets:Tiny, vit_h_14")
    assert has_note(
        document(of(*rows, accuracy=Accuracy.DEFAULT)),
        "In no trend, because no such accuracy is published: my.nets:Tiny",
    )


def test_what_is_no_timeline_is_one_clear_line() -> None:
    with pytest.raises(InputError, match="only sweeps of kind inference have an energy per image"):
        view(SweepData(sweep_of("training"), None, ()), Selection(), Accuracy.V1, None)
    with pytest.raises(InputError, match="Nothing is measured yet"):
        of()
    with pytest.raises(InputError, match="every energy per image is unknown or within its noise"):
        of(replace(row("alexnet"), gross_j=None, net_j=None, net_u_j=None, quality=None))
    with pytest.raises(InputError, match="--accuracy: expected v1 or default, got 'v2'"):
        parse_accuracy("v2")
    with pytest.raises(InputError, match="--of: expected net or gross, got 'grams'"):
        parse_figure("grams")
    assert (parse_accuracy("default"), parse_figure("gross"), parse_figure(None)) == ("default", "gross", None)
