"""What `farm analyze` shows: tables, doubts and findings."""

import json
from collections.abc import Sequence
from dataclasses import replace
from math import exp
from random import Random
from typing import Any

import pytest

from farm.analysis.statistics.data import Data
from farm.analysis.statistics.multiplicity import Correction
from farm.model import Flag, StoppingRule
from farm.model.errors import InputError
from farm.report.analyses import Method, Options, analysis
from farm.report.conclusions import change
from farm.report.conditions import parse_conditions
from farm.report.files import json_text
from farm.report.observations import Observations, of_sweep
from farm.report.selection import Selection, parse_choice
from farm.report.terminal import text
from tests.analyses import FACTORS, SWEEP, analysed, measured, seen, trials
from tests.documents import notes_of, tables_of
from tests.golden import assert_golden
from tests.loaded import loaded
from tests.summaries import widest


def test_anova_prints_the_table_as_promised() -> None:
    found = analysed(Method.ANOVA, seen(*trials()), type=3)
    record = json.loads(json_text(found.record))
    assert next(iter(record)) == "table"
    assert list(record["table"][0]) == ["term", "df", "sum_sq", "f", "p", "eta_sq", "partial_eta_sq", "omega_sq"]
    assert [row["term"] for row in record["table"]] == ["model", "batch_size", "model:batch_size", "Residual"]
    assert record["type"] == 3
    assert found.records() == record["table"]


def test_the_conclusion_of_an_anova_starts_with_the_size_of_the_effect() -> None:
    first, second, third = analysed(Method.ANOVA, seen(*trials())).findings
    assert first.startswith("model explains most of the variance of energy (eta² 0.")
    assert second.startswith("batch_size explains a large part of the variance of energy (eta² 0.")
    assert third.startswith("Interactions, together eta² 0.")


def test_on_logarithms_factors_multiply_and_do_not_interact() -> None:
    found = seen(*trials())
    logs = Observations(found.data.logs(), found.caption)
    *_, interaction = analysed(Method.ANOVA, logs).findings
    assert "cannot tell" in interaction
    assert "log energy" in analysed(Method.ANOVA, logs).findings[0]


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
    assert found.findings[0].startswith("batch_size: cannot tell whether it changes energy (eta² 0.")
    assert "Only 4 values in a cell: add repetitions for a surer result." in notes_of(found)


def test_doubts_are_reported_in_a_line_each() -> None:
    random = Random(4)
    wild = [measured(f"{n}", random.lognormvariate(0, 2 if n % 2 else 0.1), batch=1 + n % 2) for n in range(60)]
    notes = notes_of(analysed(Method.ANOVA, seen(*wild, factors=["batch_size"]), ["batch_size"]))
    assert any(note.startswith("Residuals are not normal (W 0.") for note in notes)
    uneven = trials()[1:]
    assert any(
        note.startswith("Unbalanced: cells hold 4 to 5 values")
        for note in notes_of(analysed(Method.ANOVA, seen(*uneven)))
    )


def test_pairs_show_ratio_size_and_test() -> None:
    found = analysed(
        Method.PAIRS,
        seen(*trials(), factors=["batch_size"], where=parse_conditions("--where", ["model=alexnet"])),
        ["batch_size"],
    )
    (row,) = found.record["table"]
    assert (row["a"], row["b"], row["n_a"], row["n_b"]) == ("batch_size=1", "batch_size=16", 5, 5)
    assert row["ratio"] == pytest.approx(0.5, abs=0.02)
    assert row["ratio_low"] < row["ratio"] < row["ratio_high"] < 0.6
    assert row["hedges_g"] < -5
    assert row["cliff_delta"] == -1
    assert row["p_adjusted"] == row["p"] < 0.001
    (sentence,) = found.findings
    assert sentence.startswith("batch_size=16 against batch_size=1: ")
    assert "% less energy (ratio 0." in sentence


def test_equivalence_needs_more_than_no_difference() -> None:
    noise = [measured(f"{b}.{n}", 1 + 0.3 * ((n * 7) % 5), batch=b) for b in (1, 4) for n in range(5)]
    (loose,) = analysed(Method.EQUIVALENCE, seen(*noise, factors=["batch_size"]), ["batch_size"]).findings
    assert "cannot tell: neither equal within a margin of 5% nor different" in loose
    wide = analysed(Method.EQUIVALENCE, seen(*noise, factors=["batch_size"]), ["batch_size"], margin=0.99)
    assert "equal energy within a margin of 99%" in wide.findings[0]
    assert wide.record["margin"] == 0.99


def test_a_mixed_model_shows_how_alike_the_runs_of_a_group_are() -> None:
    random = Random(9)
    shifts = [random.gauss(0, 1) for _ in range(8)]
    runs = [
        measured(f"{m}.{n}.{i}", 20 + (m == "vit_b_16") * 3 + shifts[n] + random.gauss(0, 0.2), m, n)
        for m in ("alexnet", "vit_b_16") for n in range(8) for i in range(3)
    ]  # fmt: skip
    found = analysed(Method.MIXED, seen(*runs), ["model"], group=("batch_size",))
    assert found.record["icc"] > 0.7
    assert found.record["table"][0]["difference"] == pytest.approx(3, abs=0.5)
    assert any("lies between the 8 groups of batch_size (ICC)" in sentence for sentence in found.findings)
    assert (found.record["table"][0]["varies"], found.record["table"][0]["groups"]) == ("within", 8)
    assert any(note.startswith("Varies within groups: model.") for note in notes_of(found))


@pytest.mark.parametrize("how", Method)
@pytest.mark.slow
def test_repetitions_that_depended_on_results_are_allowed_for(how: Method) -> None:
    """Of four repetitions two were planned at first."""
    rule = StoppingRule(min=2, max=5, target=0.02)
    data = replace(loaded(SWEEP, *trials(4)), record=SWEEP.model_copy(update={"rule": rule}))
    options = {"group": ("repetition",)} if how is Method.MIXED else {}
    found = analysed(how, of_sweep(data, "energy", (*FACTORS, "repetition"), Selection()), **options)
    about = [note for note in notes_of(found) if note.startswith("Repetitions depended on results:")]
    assert len(about) == (how is not Method.MIXED)
    assert all("the 8 of 16 values that were planned before any result" in note for note in about)


def test_normality_of_all_values_needs_no_factor() -> None:
    found = analysed(Method.NORMALITY, seen(*trials()), [])
    assert [row["n"] for row in found.record["table"]] == [20]


@pytest.mark.parametrize("how", Method)
def test_an_analysis_as_people_read_it(how: Method) -> None:
    group = ("repetition",) if how is Method.MIXED else ()
    found = analysed(how, seen(*trials(), factors=(*FACTORS, "repetition")), group=group)
    assert_golden(f"analyze-{how}.txt", text(found))
    assert json.loads(json_text(found.record))["conclusion"] == found.findings


@pytest.mark.parametrize("how", Method)
def test_every_analysis_fits_80_columns(how: Method) -> None:
    group = ("repetition",) if how is Method.MIXED else ()
    long = {"shufflenet_v2_x0_5_with_a_long_name": 1.0, "mobilenet_v3_small": 2.0, "vit": 3.0}
    random = Random(1)
    runs = [
        measured(f"{m}.{b}.{n}", base * exp(random.gauss(0, 0.1)) * 1e-4, m, b, repetition=n)
        for m, base in long.items() for b in (1, 1024) for n in range(4)
    ]  # fmt: skip
    shown = text(analysed(how, seen(*runs, factors=(*FACTORS, "repetition")), group=group))
    assert widest(shown) <= 80
    assert "…" not in shown


@pytest.mark.parametrize(
    ("how", "factors", "options", "complaint"),
    [
        (Method.ANOVA, (), {}, "--factors: name what anova should compare"),
        (Method.ANOVA, FACTORS, {"type": 4}, "--type: expected 2 or 3, got 4"),
        (Method.ANOVA, FACTORS, {"margin": 0.1}, "--margin: anova does not use this option; it is for equivalence"),
        (Method.MIXED, FACTORS, {}, "--group: name the factors that runs share"),
        (Method.EQUIVALENCE, FACTORS, {"margin": 1.5}, "--margin: expected a share above 0"),
        (Method.TUKEY, FACTORS, {"correction": Correction.BH}, "--correction: tukey does not use this option"),
    ],
)
def test_options_that_do_not_suit_a_method_are_reported(
    how: Method, factors: Sequence[str], options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        analysed(how, seen(*trials()), factors, **options)


def test_a_cell_that_flags_have_emptied_reports_it() -> None:
    flagged = trials(2, row_flags=(Flag.CONTAMINATED,))[:1]
    with pytest.raises(InputError, match=r"has 1 value, needs 2.*; 1 of 8 trials is flagged and left out"):
        analysed(Method.ANOVA, seen(*flagged, *trials(2)[1:]))


def test_an_unknown_method_is_reported_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="METHOD: expected anova, tukey, kruskal"):
        parse_choice("METHOD", "t-test", Method)


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


@pytest.mark.parametrize("how", [Method.TUKEY, Method.PAIRS, Method.KRUSKAL, Method.EQUIVALENCE])
def test_of_many_pairs_the_table_has_the_largest_and_shows_where_all_are(how: Method) -> None:
    random = Random(5)
    found = [measured(f"{x}.{n}", x * random.gauss(1, 0.01), batch=x) for x in range(1, 16) for n in range(3)]
    shown = analysed(how, seen(*found, factors=["batch_size"]), ["batch_size"])
    (note,) = (note for note in notes_of(shown) if "largest" in note)
    assert note.startswith(f"The table shows the 40 largest of 105 differences: `farm analyze {how} --format ")
    assert len(tables_of(shown)[-1].rows) == 40
    assert len(shown.record["dunn" if how is Method.KRUSKAL else "table"]) == 105


def test_few_pairs_are_all_there() -> None:
    assert not any("largest" in note for note in notes_of(analysed(Method.PAIRS, seen(*trials()))))


def test_p_is_corrected_and_intervals_are_not() -> None:
    notes = notes_of(analysed(Method.PAIRS, seen(*trials())))
    assert "p is corrected for 6 pairs (holm); each 95% interval is for its pair alone." in notes
    one = analysed(Method.PAIRS, seen(*trials(), factors=["model"]), ["model"], correction=Correction.BH)
    assert not any("corrected" in note for note in notes_of(one))


def test_a_change_is_of_what_was_measured_and_unknown_against_nothing() -> None:
    found = seen(*trials())
    logs = Observations(found.data.logs(), found.caption)
    (half,) = (row for row in analysed(Method.TUKEY, logs).record["table"] if row["factor"] == "batch_size")
    assert half["relative"] == pytest.approx(-0.5, abs=0.02)
    values = [0.0, 0.1, -0.1, 0.0, 1.0, 1.1, 0.9, 1.0]
    step = Observations(Data("accuracy", tuple(values), {"a": (0,) * 4 + (1,) * 4, "g": (0, 1, 2, 0) * 2}), ())
    for how, options in ((Method.TUKEY, Options()), (Method.MIXED, Options(group=("g",)))):
        shown = analysis(how, step, ["a"], options)
        assert shown.record["table"][0]["relative"] is None


def test_normality_is_the_same_in_any_unit() -> None:
    values = [1.0, 1.1, 0.9, 1.3, 2.4]
    (plain, tiny) = (
        analysis(Method.NORMALITY, Observations(Data("energy", tuple(v * unit for v in values), {}), ()), [], Options())
        for unit in (1.0, 1e-40)
    )
    assert tiny.record["table"][0]["w"] == pytest.approx(plain.record["table"][0]["w"])
    assert tiny.record["table"][0]["w"] < 0.9
