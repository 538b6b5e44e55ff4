"""What `farm analyze` and `farm compare` show: from a sweep's rows or a file to tables and sentences."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import exp
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from farm.analysis.statistics.data import Data
from farm.analysis.statistics.multiplicity import Correction
from farm.errors import InputError
from farm.model import Flag, Quality
from farm.report.analyses import Analysis, Method, Options, analysis, method
from farm.report.comparisons import comparison
from farm.report.conclusions import change
from farm.report.files import json_text
from farm.report.observations import Observations, of_csv, of_sweep
from farm.report.selection import Selection
from farm.store import Store
from tests.summaries import POINT, measurement_row, rendered, trial_row, widest
from tests.trainings import Measured, Rows, sweep_of, trained

SWEEP = sweep_of("inference")
FACTORS = ("model", "batch_size")


def measured(name: str, net_j: float, model: str = "alexnet", batch: int = 1, **changes: Any) -> Measured:
    """A trial with 10 images; gross is twice net. `row_...` changes the measurement, the rest the trial."""
    own = {key.removeprefix("row_"): value for key, value in changes.items() if key.startswith("row_")}
    rest = {key: value for key, value in changes.items() if not key.startswith("row_")}
    factors = {**POINT, "model": model, "batch_size": batch}
    figures = {"net_j": net_j * 10, "net_j_low": net_j * 9.9, "net_j_high": net_j * 10.1, "gross_j": net_j * 20}
    trial = trial_row(trial=name, job=name, factors=factors, **rest)
    return trial, [measurement_row(trial=name, **{**figures, **own})]


def trials(repetitions: int = 5, spread: float = 0.02, prefix: str = "", **changes: Any) -> list[Measured]:
    """Batch 16 takes half of batch 1; vit_b_16 three times alexnet."""
    random = Random(11)
    return [
        measured(
            f"{prefix}{model}.{batch}.{n}",
            times * share * exp(random.gauss(0, spread)),
            model,
            batch,
            repetition=n,
            **changes,
        )
        for model, times in (("alexnet", 1.0), ("vit_b_16", 3.0))
        for batch, share in ((1, 1.0), (16, 0.5))
        for n in range(repetitions)
    ]


def store(*measurements: Measured) -> Store:
    return cast("Store", Rows(*measurements))


def seen(
    *measurements: Measured, response: str = "energy", factors: Sequence[str] = FACTORS, **chosen: Any
) -> Observations:
    return of_sweep(store(*measurements), SWEEP, response, factors, Selection(**chosen))


def analysed(how: Method, found: Observations, factors: Sequence[str] = FACTORS, **options: Any) -> Analysis:
    return analysis(how, found, factors, Options(**options))


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[[str], Path]:
    """A CSV file of these lines."""

    def write(text: str) -> Path:
        path = tmp_path / "runs.csv"
        path.write_text(text)
        return path

    return write


# Observations


def test_each_trial_is_a_value_in_joules_per_unit() -> None:
    found = seen(measured("a", 0.5), measured("b", 0.25, batch=4))
    assert found.data.values == (0.5, 0.25)
    assert found.data.columns == {"model": ("alexnet", "alexnet"), "batch_size": (1, 4)}
    assert "energy: J net per image; 2 trials" in found.caption


def test_where_a_net_energy_is_unsure_gross_ones_are_analysed_and_that_is_told() -> None:
    found = seen(measured("a", 0.5), measured("b", 0.25, row_net_j_low=-5.0, row_net_j_high=10.0))
    assert found.data.values == (1.0, 0.5)
    assert any("J gross per image, since net energies are too uncertain here" in line for line in found.caption)


def test_net_energies_that_nobody_knows_are_not_called_uncertain() -> None:
    found = seen(measured("a", 0.5, row_net_j=None, row_net_j_low=None, row_net_j_high=None))
    assert "energy: J gross per image, since net energies are unknown here; 1 trial" in found.caption


@pytest.mark.parametrize(
    ("response", "value"), [("gross_j", 1.0), ("net_j", 0.5), ("seconds", 0.2), ("units_per_s", 5)]
)
def test_other_responses_are_of_a_unit_of_work_too(response: str, value: float) -> None:
    assert list(seen(measured("a", 0.5), response=response).data.values) == pytest.approx([value])


def test_the_accuracy_of_trainings_is_that_of_the_last_epoch() -> None:
    found = of_sweep(store(trained("a", 0.5, 0.9)), sweep_of("training"), "accuracy", ["lr"], Selection())
    assert (found.data.values, found.data.columns) == ((0.9,), {"lr": (0.001,)})


def test_flagged_trials_are_left_out_unless_they_are_asked_for() -> None:
    bad = measured("c", 9.0, row_flags=(Flag.CONTAMINATED,))
    found = seen(measured("a", 0.5), measured("b", 0.5), bad)
    assert found.data.values == (0.5, 0.5)
    assert "1 of 3 trials are left out: --include-flagged brings them back." in found.notes
    assert seen(measured("a", 0.5), bad, include_flagged=True).data.values == (0.5, 9.0)
    with pytest.raises(InputError, match=r"all its trials are flagged \(contaminated 1\)"):
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
    assert len(seen(*two, where=(("machine", "lab1"),)).data.values) == 1


def test_hardware_may_be_a_factor_and_seconds_have_no_quality() -> None:
    two = (measured("a", 0.5), measured("b", 0.5, hardware_class="cpu-4", row_quality=Quality.MODELLED))
    assert len(seen(*two, response="seconds", factors=["hardware_class"]).data.values) == 2


def test_simulated_seconds_are_never_mixed_with_real_ones_either() -> None:
    with pytest.raises(InputError, match="trials of different simulated"):
        seen(measured("a", 0.5), measured("b", 0.5, simulated=True), response="seconds")


def test_modelled_and_simulated_energy_is_named_so() -> None:
    modelled = seen(measured("a", 0.5, row_quality=Quality.MODELLED))
    assert modelled.data.response == "modelled energy"
    assert seen(measured("a", 0.5, simulated=True)).data.response == "simulated energy"


def test_what_differs_besides_is_told() -> None:
    found = seen(*trials(2), factors=["model"])
    assert "batch_size differs too, and counts as spread" in found.caption


@pytest.mark.parametrize(
    ("response", "factors", "complaint"),
    [
        ("joules", FACTORS, "--response: expected energy, net_j"),
        ("accuracy", FACTORS, "accuracy is unknown in 1 of 1 trial"),
        ("energy", ["colour"], "no factor 'colour' in this sweep: there are model"),
    ],
)
def test_a_choice_that_does_not_fit_is_told(response: str, factors: Sequence[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        seen(measured("a", 0.5), response=response, factors=factors)


def test_a_file_has_numbers_and_words_as_levels(sheet: Callable[[str], Path]) -> None:
    found = of_csv(sheet("relu,net,energy\n1,a,3.5\n10,b,4\n2,a,5e0\n"), "energy", ["relu", "net"], [("net", "a")])
    assert found.data == Data("energy", (3.5, 5.0), {"relu": (1, 2), "net": ("a", "a")})
    assert found.caption == ("runs.csv: 2 rows",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected a line of column names, and rows below it"),
        ("energy,a\n", "expected a line of column names, and rows below it"),
        ("energy,b\n1,2\n", "no column 'a': there are energy, b"),
        ("joules,a\n1,2\n", "no column 'energy': there are joules, a"),
        ("energy,a\n1,2\nmuch,2\n", "runs.csv:3: energy: expected a number, got 'much'"),
        ("energy,a\n1,2\n,2\n", "runs.csv:3: energy: expected a number, got ''"),
        ("energy,a\n1,2\nnan,2\n", "runs.csv:3: energy: expected a finite number, got 'nan'"),
        ("energy,a\n1,2\n1,\n", "runs.csv:3: a: expected a level, got nothing"),
        ("energy,a\n1,2\n1\n", "runs.csv:3: a: expected a level, got nothing"),
        ("energy,a,energy\n1,2,3\n", "runs.csv:1: two columns have the same name"),
        ("energy;a\n1,5;2\n", "runs.csv:1: columns are set apart by semicolons: expected commas"),
        ("energy,a\n1,2,3\n", "runs.csv:2: more cells than columns"),
        ("energy,a,quality\n1,2,counter\n1,2,modelled\n", "trials of different quality"),
    ],
)
def test_a_file_that_does_not_do_is_told_with_its_line(text: str, complaint: str, sheet: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        of_csv(sheet(text), "energy", ["a"], [])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: cannot be read: No such file"):
        of_csv(tmp_path / "none.csv", "energy", ["a"], [])


# Analyses


def test_anova_prints_the_table_as_promised() -> None:
    found = analysed(Method.ANOVA, seen(*trials()), type=3)
    record = json.loads(json_text(found.record))
    assert next(iter(record)) == "table"
    assert list(record["table"][0]) == ["term", "df", "sum_sq", "f", "p", "eta_sq", "partial_eta_sq", "omega_sq"]
    assert [row["term"] for row in record["table"]] == ["model", "batch_size", "model:batch_size", "Residual"]
    assert record["type"] == 3
    assert found.records() == found.record["table"]


def test_the_conclusion_of_an_anova_starts_with_the_size_of_the_effect() -> None:
    first, second, third = analysed(Method.ANOVA, seen(*trials())).sentences
    assert first.startswith("model explains most of the variance of energy (eta² 0.")
    assert second.startswith("batch_size explains a large part of the variance of energy (eta² 0.")
    assert third.startswith("Interactions, together eta² 0.")


def test_on_logarithms_factors_multiply_and_do_not_interact() -> None:
    found = seen(*trials())
    logs = Observations(found.data.logs(), found.caption)
    *_, interaction = analysed(Method.ANOVA, logs).sentences
    assert "cannot tell" in interaction
    assert "log energy" in analysed(Method.ANOVA, logs).sentences[0]


def test_pairs_of_logarithms_are_the_pairs_themselves_and_normality_shows_both_anyway() -> None:
    found = seen(*trials())
    logs = Observations(found.data.logs(), found.caption)
    assert analysed(Method.PAIRS, logs).record["table"] == analysed(Method.PAIRS, found).record["table"]
    with pytest.raises(InputError, match="--log: normality shows logarithms anyway"):
        analysed(Method.NORMALITY, logs)


def test_noise_is_not_called_an_effect() -> None:
    random = Random(2)
    noise = [measured(f"{batch}.{n}", random.uniform(1, 2), batch=batch) for batch in (1, 4) for n in range(4)]
    found = analysed(Method.ANOVA, seen(*noise, factors=["batch_size"]), ["batch_size"])
    assert found.sentences[0].startswith("batch_size: cannot tell whether it changes energy (eta² 0.")
    assert "Only 4 values in a cell: more repetitions would make this surer." in found.notes


def test_doubts_are_told_in_a_line_each() -> None:
    random = Random(4)
    wild = [measured(f"{n}", random.lognormvariate(0, 2 if n % 2 else 0.1), batch=1 + n % 2) for n in range(60)]
    notes = analysed(Method.ANOVA, seen(*wild, factors=["batch_size"]), ["batch_size"]).notes
    assert any(note.startswith("Residuals are not normal (W 0.") for note in notes)
    uneven = trials()[1:]
    assert any(
        note.startswith("Unbalanced: 4 to 5 values a cell") for note in analysed(Method.ANOVA, seen(*uneven)).notes
    )


def test_pairs_say_ratio_size_and_test() -> None:
    found = analysed(
        Method.PAIRS, seen(*trials(), factors=["batch_size"], where=(("model", "alexnet"),)), ["batch_size"]
    )
    (row,) = found.record["table"]
    assert (row["a"], row["b"], row["n_a"], row["n_b"]) == ("batch_size=1", "batch_size=16", 5, 5)
    assert row["ratio"] == pytest.approx(0.5, abs=0.02)
    assert row["ratio_low"] < row["ratio"] < row["ratio_high"] < 0.6
    assert row["hedges_g"] < -5
    assert row["cliff_delta"] == -1
    assert row["p_adjusted"] == row["p"] < 0.001
    (sentence,) = found.sentences
    assert sentence.startswith("batch_size=16 against batch_size=1: ")
    assert "% less energy (ratio 0." in sentence


def test_equivalence_needs_more_than_no_difference() -> None:
    noise = [measured(f"{b}.{n}", 1 + 0.3 * ((n * 7) % 5), batch=b) for b in (1, 4) for n in range(5)]
    (loose,) = analysed(Method.EQUIVALENCE, seen(*noise, factors=["batch_size"]), ["batch_size"]).sentences
    assert "cannot tell: neither equal within a margin of 5% nor different" in loose
    wide = analysed(Method.EQUIVALENCE, seen(*noise, factors=["batch_size"]), ["batch_size"], margin=0.99)
    assert "equal energy within a margin of 99%" in wide.sentences[0]
    assert wide.record["margin"] == 0.99


def test_a_mixed_model_tells_how_alike_the_runs_of_a_group_are() -> None:
    random = Random(9)
    shifts = [random.gauss(0, 1) for _ in range(8)]
    runs = [
        measured(f"{m}.{n}.{i}", 20 + (m == "vit_b_16") * 3 + shifts[n] + random.gauss(0, 0.2), m, n)
        for m in ("alexnet", "vit_b_16") for n in range(8) for i in range(3)
    ]  # fmt: skip
    found = analysed(Method.MIXED, seen(*runs), ["model"], group=("batch_size",))
    assert found.record["icc"] > 0.7
    assert found.record["table"][0]["difference"] == pytest.approx(3, abs=0.5)
    assert any("lies between the 8 groups of batch_size (ICC)" in sentence for sentence in found.sentences)
    assert any("Only 8 groups" in note for note in found.notes)


def test_normality_of_all_values_needs_no_factor() -> None:
    found = analysed(Method.NORMALITY, seen(*trials()), [])
    assert [row["n"] for row in found.record["table"]] == [20]


@pytest.mark.parametrize("how", Method)
def test_every_analysis_fits_80_columns_and_is_a_table_for_scripts(how: Method) -> None:
    options = Options(group=("repetition",) if how is Method.MIXED else ())
    long = {"shufflenet_v2_x0_5_with_a_long_name": 1.0, "mobilenet_v3_small": 2.0, "vit": 3.0}
    random = Random(1)
    runs = [
        measured(f"{m}.{b}.{n}", base * exp(random.gauss(0, 0.1)) * 1e-4, m, b, repetition=n)
        for m, base in long.items() for b in (1, 1024) for n in range(4)
    ]  # fmt: skip
    found = analysis(how, seen(*runs, factors=(*FACTORS, "repetition")), FACTORS, options)
    text = rendered(found.rendered())
    assert widest(text) <= 80
    assert "…" not in text
    assert found.sentences
    assert found.records()
    assert json.loads(json_text(found.record))["conclusion"] == list(found.sentences)


@pytest.mark.parametrize(
    ("how", "factors", "options", "complaint"),
    [
        (Method.ANOVA, (), {}, "--factors: name what anova should compare"),
        (Method.ANOVA, FACTORS, {"type": 4}, "--type: expected 2 or 3, got 4"),
        (Method.ANOVA, FACTORS, {"margin": 0.1}, "--margin: anova has none: it is for equivalence"),
        (Method.MIXED, FACTORS, {}, "--group: name what the runs share"),
        (Method.EQUIVALENCE, FACTORS, {"margin": 1.5}, "--margin: expected a share above 0"),
        (Method.TUKEY, FACTORS, {"correction": Correction.BH}, "--correction: tukey has none"),
    ],
)
def test_options_that_do_not_suit_a_method_are_told(
    how: Method, factors: Sequence[str], options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        analysed(how, seen(*trials()), factors, **options)


def test_a_cell_that_flags_have_emptied_says_so() -> None:
    flagged = trials(2, row_flags=(Flag.CONTAMINATED,))[:1]
    with pytest.raises(InputError, match=r"has 1 value, needs 2.*; 1 of 8 trials are left out: --include-flagged"):
        analysed(Method.ANOVA, seen(*flagged, *trials(2)[1:]))


def test_an_unknown_method_is_told_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="METHOD: expected anova, tukey, kruskal"):
        method("t-test")


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(2.4, "2.40 times the energy of A"), (1.5, "50% more energy than A"), (0.95, "5.0% less energy than A")],
)
def test_changes_in_words(ratio: float, words: str) -> None:
    assert change(ratio, "energy", "A") == words


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name.partition(".")[0])

    monkeypatch.setattr("farm.analysis.statistics.libraries.import_module", missing)
    with pytest.raises(InputError, match=r"statistics need \w+: pip install 'wattfarm\[analysis\]'"):
        analysed(Method.ANOVA, seen(*trials()))


# Comparisons


class Two:
    """A store of two sweeps."""

    def __init__(self, **sweeps: Sequence[Measured]) -> None:
        self.sweeps = {name: Rows(*measurements) for name, measurements in sweeps.items()}

    def trial_rows(self, sweep: str) -> Iterator[Any]:
        return self.sweeps[sweep].trial_rows()

    def measurement_rows(self, sweep: str, **kinds: Any) -> Iterator[Any]:
        return self.sweeps[sweep].measurement_rows(**kinds)


def sides(a: str = "", b: str = "", where: str = "") -> tuple[Selection, Selection]:
    made = [Selection.parse(None, [*filter(None, [where, own])], None, False) for own in (a, b)]
    return made[0], made[1]


def compared(a: str = "", b: str = "", where: str = "", found: Sequence[Measured] | None = None) -> Analysis:
    """Two choices of one sweep."""
    return comparison(store(*(trials() if found is None else found)), (SWEEP, SWEEP), sides(a, b, where), "energy")


def between(first: Sequence[Measured], second: Sequence[Measured]) -> Analysis:
    """Two sweeps."""
    records = SWEEP.model_copy(update={"id": "first"}), SWEEP.model_copy(update={"id": "second"})
    return comparison(cast("Store", Two(first=first, second=second)), records, sides(), "energy")


def test_two_choices_are_compared_point_by_point() -> None:
    found = compared("batch_size=1", "batch_size=16")
    assert [row["model"] for row in found.record["table"]] == ["alexnet", "vit_b_16"]
    assert [row["ratio"] for row in found.record["table"]] == pytest.approx([0.5, 0.5], abs=0.02)
    assert found.record["compared"] == {"batch_size": {"a": [1], "b": [16]}}
    overall = found.record["overall"]
    assert overall["ratio_low"] < 0.5 < overall["ratio_high"]
    assert overall["p"] < 0.001
    first, second = found.sentences
    assert "% less energy than A over 2 points, geometric mean (B / A = 0." in first
    assert second.startswith("Point by point (Holm): 2 less; ratios from 0.")
    assert widest(rendered(found.rendered())) <= 80


def test_the_other_way_round_the_ratio_is_the_inverse() -> None:
    there, back = compared("batch_size=1", "batch_size=16"), compared("batch_size=16", "batch_size=1")
    assert there.record["overall"]["ratio"] == pytest.approx(1 / back.record["overall"]["ratio"])
    assert back.sentences[0].startswith("B has 2") or "% more energy than A" in back.sentences[0]


def test_a_name_that_both_sides_share_is_no_contrast() -> None:
    found = compared("model=alexnet,batch_size=1", "model=alexnet,batch_size=16")
    assert (len(found.record["table"]), list(found.record["compared"])) == (1, ["batch_size"])


def test_sweeps_meet_in_equal_points_and_what_differs_throughout_is_compared() -> None:
    def in_precision(name: str, factor: float) -> list[Measured]:
        return [
            measured(f"{name}.{b}.{n}", factor * b * (1 + n / 100), batch=b)
            for b in (1, 4, 16) for n in range(3)
        ]  # fmt: skip

    def cast_to(measurements: Sequence[Measured], precision: str) -> list[Measured]:
        return [(replace(t, factors={**t.factors, "precision": precision}), rows) for t, rows in measurements]

    found = between(cast_to(in_precision("a", 2), "fp32"), cast_to(in_precision("b", 1)[3:], "bf16"))
    assert found.record["compared"] == {"precision": {"a": ["fp32"], "b": ["bf16"]}}
    assert [row["batch_size"] for row in found.record["table"]] == [4, 16]
    assert (found.record["only_a"], found.record["only_b"]) == (1, 0)
    assert found.record["overall"]["ratio"] == pytest.approx(0.5)


def test_equal_sweeps_are_not_told_apart() -> None:
    found = between(trials(prefix="a"), trials(prefix="b"))
    assert found.record["overall"]["ratio"] == pytest.approx(1)
    assert found.sentences[0].startswith("cannot tell the energy of A and B apart over 4 points")


@pytest.mark.parametrize(
    ("a", "b", "complaint"),
    [
        ("", "", "both sides are the same"),
        ("model=alexnet", "batch_size=1", "a trial is on both sides"),
        ("model=alexnet,batch_size=1", "model=vit_b_16", r"a side has several levels of batch_size \(1, 16\)"),
    ],
)
def test_sides_that_cannot_be_compared_are_told(a: str, b: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        compared(a, b)


def test_sweeps_on_different_hardware_meet_only_when_asked() -> None:
    with pytest.raises(
        InputError, match="no point is on both sides: hardware_class is cpu-2 on one, cpu-9 on the other"
    ):
        between(trials(prefix="a"), trials(prefix="b", hardware_class="cpu-9", machine="lab9"))
    both = [*trials(prefix="a"), *trials(prefix="b", hardware_class="cpu-9", machine="lab9")]
    assert len(compared("machine=lab1", "machine=lab9", found=both).record["table"]) == 4


def test_machines_of_unknown_hardware_are_points_of_their_own() -> None:
    slow, fast = (trials(prefix=name, hardware_class="unknown", machine=name) for name in ("slow", "fast"))
    found = compared("batch_size=1", "batch_size=16", found=[*slow, *fast])
    assert {(row["model"], row["machine"]) for row in found.record["table"]} == {
        (model, machine) for model in ("alexnet", "vit_b_16") for machine in ("slow", "fast")
    }
    with pytest.raises(InputError, match="no point is on both sides: machine is slow on one, fast on the other"):
        between(slow, fast)


def test_joules_of_different_quality_are_never_compared() -> None:
    with pytest.raises(InputError, match="trials of different quality"):
        between(trials(prefix="a"), trials(prefix="b", row_quality=Quality.MODELLED))


def test_one_repetition_a_point_has_a_ratio_and_no_claim() -> None:
    found = between(trials(1, prefix="a"), [*trials(1, prefix="b")])
    assert all(row["p"] is None for row in found.record["table"])
    assert found.sentences[0].startswith("cannot tell: B has 1.00 times the energy of A over 4 points")
