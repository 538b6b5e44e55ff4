"""What is analysed: the values of a sweep's trials, or of a file, and what must not be mixed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from farm.analysis.statistics.data import Data
from farm.exchange.observed import of_csv
from farm.model import Flag, Quality
from farm.model.errors import InputError
from farm.report.conditions import parse_conditions
from farm.report.document import Paragraph
from farm.report.observations import of_sweep
from farm.report.selection import Selection
from tests.analyses import FACTORS, measured, seen, trials
from tests.loaded import loaded
from tests.trainings import sweep_of, trained


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[[str], Path]:
    """A CSV file of these lines."""

    def write(text: str) -> Path:
        path = tmp_path / "runs.csv"
        path.write_text(text)
        return path

    return write


def test_each_trial_is_a_value_in_joules_per_unit() -> None:
    found = seen(measured("a", 0.5), measured("b", 0.25, batch=4))
    assert found.data.values == (0.5, 0.25)
    assert found.data.columns == {"model": ("alexnet", "alexnet"), "batch_size": (1, 4)}
    assert Paragraph("energy: J net per image; 2 trials") in found.caption


def test_where_a_net_energy_is_unsure_gross_ones_are_analysed_with_a_note() -> None:
    found = seen(measured("a", 0.5), measured("b", 0.25, row_net_j_low=-5.0, row_net_j_high=10.0))
    assert found.data.values == (1.0, 0.5)
    assert Paragraph("energy: J gross per image, because net energy is within its noise; 2 trials") in found.caption


def test_net_energies_that_nobody_knows_are_not_called_uncertain() -> None:
    found = seen(measured("a", 0.5, row_net_j=None, row_net_j_low=None, row_net_j_high=None))
    assert Paragraph("energy: J gross per image, because net energy is unknown; 1 trial") in found.caption


@pytest.mark.parametrize(
    ("response", "value"), [("gross_j", 1.0), ("net_j", 0.5), ("seconds", 0.2), ("units_per_s", 5)]
)
def test_other_responses_are_of_a_unit_of_work_too(response: str, value: float) -> None:
    assert list(seen(measured("a", 0.5), response=response).data.values) == pytest.approx([value])


def test_the_accuracy_of_trainings_is_that_of_the_last_epoch() -> None:
    found = of_sweep(loaded(sweep_of("training"), trained("a", 0.5, 0.9)), "accuracy", ["lr"], Selection())
    assert (found.data.values, found.data.columns) == ((0.9,), {"lr": (0.001,)})


def test_flagged_trials_are_left_out_unless_they_are_asked_for() -> None:
    bad = measured("c", 9.0, row_flags=(Flag.CONTAMINATED,))
    found = seen(measured("a", 0.5), measured("b", 0.5), bad)
    assert found.data.values == (0.5, 0.5)
    assert "1 of 3 trials is flagged and left out: --include-flagged counts it." in found.notes
    assert seen(measured("a", 0.5), bad, include_flagged=True).data.values == (0.5, 9.0)
    with pytest.raises(InputError, match=r"all trials are flagged \(contaminated 1\)"):
        seen(bad)


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ({"row_quality": Quality.MODELLED}, "trials of different quality"),
        (
            {"simulated": True},
            r"trials of different simulated \(false, true\) are never mixed",
        ),
        ({"row_quality": None}, r"trials of different quality \(null, counter\)"),
        ({"hardware_class": "cpu-4"}, "different hardware"),
    ],
)
def test_what_must_not_be_mixed_is_not(other: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        seen(measured("a", 0.5), measured("b", 0.5, **other))


def test_machines_of_which_nothing_is_known_are_never_taken_for_alike() -> None:
    two = (measured("a", 0.5, hardware_class="unknown"), measured("b", 5.0, hardware_class="unknown", machine="lab2"))
    with pytest.raises(InputError, match=r"machines of unknown hardware \(lab1, lab2\): name machine among --factors"):
        seen(*two)
    with pytest.raises(InputError, match="machines of unknown hardware"):
        seen(*two, factors=["hardware_class"])
    assert len(seen(*two, factors=["machine"]).data.values) == 2
    assert len(seen(*two, where=parse_conditions("--where", ["machine=lab1"])).data.values) == 1


def test_machines_of_one_class_count_as_one_and_that_is_reported() -> None:
    two = (measured("a", 0.5, machine="lab1"), measured("b", 0.6, machine="lab2"))
    (note,) = seen(*two).notes
    assert note.startswith("Machines of one hardware class count as one (2 of ")
    assert not seen(*two, factors=["machine"]).notes
    assert not seen(*two, where=parse_conditions("--where", ["machine=lab1"])).notes
    assert not seen(measured("a", 0.5), measured("b", 0.6)).notes


def test_hardware_may_be_a_factor_and_seconds_have_no_quality() -> None:
    two = (measured("a", 0.5), measured("b", 0.5, hardware_class="cpu-4", row_quality=Quality.MODELLED))
    assert len(seen(*two, response="seconds", factors=["hardware_class"]).data.values) == 2


def test_simulated_seconds_are_never_mixed_with_real_ones_either() -> None:
    with pytest.raises(InputError, match="trials of different simulated"):
        seen(measured("a", 0.5), measured("b", 0.5, simulated=True), response="seconds")


def test_modelled_and_simulated_energy_is_named_so() -> None:
    modelled = seen(measured("a", 0.5, row_quality=Quality.MODELLED))
    assert (modelled.data.response, modelled.data.values) == ("time", (0.2,))
    assert any(
        "because energy is modelled here" in block.text for block in modelled.caption if isinstance(block, Paragraph)
    )
    asked = seen(measured("a", 0.5, row_quality=Quality.MODELLED), response="gross_j")
    assert asked.data.response == "modelled gross energy"
    assert seen(measured("a", 0.5, simulated=True)).data.response == "simulated energy"


def test_what_differs_besides_is_reported() -> None:
    found = seen(*trials(2), factors=["model"])
    assert Paragraph("these factors differ too, and count as spread: batch_size") in found.caption


@pytest.mark.parametrize(
    ("response", "factors", "complaint"),
    [
        ("joules", FACTORS, "--response: expected energy, net_j"),
        ("accuracy", FACTORS, "accuracy is unknown in 1 of 1 trial"),
        ("energy", ["colour"], "no factor 'colour' in this sweep: there are model"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused(response: str, factors: Sequence[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        seen(measured("a", 0.5), response=response, factors=factors)


def test_a_file_has_numbers_and_words_as_levels(sheet: Callable[[str], Path]) -> None:
    found = of_csv(
        sheet("relu,net,energy\n1,a,3.5\n10,b,4\n2,a,5e0\n"),
        "energy",
        ["relu", "net"],
        parse_conditions("--where", ["net=a"]),
    )
    assert found.data == Data("energy", (3.5, 5.0), {"relu": (1, 2), "net": ("a", "a")})
    assert found.caption == (Paragraph("runs.csv: 2 rows"),)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected a line of column names, and rows below it"),
        ("energy,a\n", "runs.csv: the file has no rows"),
        ("energy,b\n1,2\n", "no column 'a': there are energy, b"),
        ("joules,a\n1,2\n", "no column 'energy': there are joules, a"),
        ("energy,a\n1,2\nmuch,2\n", "runs.csv:3: energy: expected a number, got 'much'"),
        ("energy,a\n1,2\n,2\n", "runs.csv:3: energy: expected a number, got ''"),
        ("energy,a\n1,2\nnan,2\n", "runs.csv:3: energy: expected a number, got 'nan'"),
        ("energy,a\n1,2\n1_0,2\n", "runs.csv:3: energy: expected a number, got '1_0'"),
        (
            "energy,a\n1,2\n1e308,2\n",
            "--response: energy is as large as 1e[+]308: expected between 1e-100 and",
        ),
        ("energy,a\n1e-308,2\n0,2\n", "--response: energy is as large as 1e-308: expected between"),
        ("energy,a\n1,2\n1,\n", "runs.csv:3: a: expected a level, got nothing"),
        ("energy,a\n1,2\n1\n", "runs.csv:3: expected 2 cells, as the header has, got 1"),
        ("energy,a,energy\n1,2,3\n", "runs.csv:1: two columns have the same name"),
        ("energy;a\n1,5;2\n", "runs.csv:1: semicolons separate the columns: expected commas"),
        ("energy,a\n1,2,3\n", "runs.csv:2: expected 2 cells, as the header has, got 3"),
        ("energy,a,quality\n1,2,counter\n1,2,modelled\n", "trials of different quality"),
    ],
)
def test_a_file_that_does_not_do_is_reported_with_its_line(
    text: str, complaint: str, sheet: Callable[[str], Path]
) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        of_csv(sheet(text), "energy", ["a"], [])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: cannot be read: No such file"):
        of_csv(tmp_path / "none.csv", "energy", ["a"], [])
