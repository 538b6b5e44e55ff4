"""Results as people read them."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.analysis.intervals import Interval
from farm.errors import InputError
from farm.kinds.inference.kind import COLUMNS
from farm.kinds.views import Results, plain, results
from farm.model import Domain, Flag, Quality, Scalar, StoppingRule, SweepRecord
from farm.report import results as layout
from farm.report.selection import Selection
from tests.loaded import Measured, loaded
from tests.summaries import NOON, POINT, batches, ends, measurement_row, rendered, summary, trial_row, widest

SWEEP = SweepRecord(
    id="abcdef012345",
    name="batching",
    kind="inference",
    submitted_at=NOON,
    text="name: batching\n",
    meaning="{}",
    rule=StoppingRule(min=2, max=2, target=0.02),
    settled=True,
    submitter="anne",
)
MODELS = ("shufflenet_v2_x0_5", "mobilenet_v3_small")

# Tables


Key = dict[str, Scalar]


def table(*keys: Key, **changes: object) -> str:
    return rendered(layout.tables([summary(key, **changes) for key in keys], {"alexnet": 56.522}))


def test_a_table_shows_every_figure() -> None:
    text = table({"model": "alexnet", "batch_size": 4})
    assert text.splitlines()[0].rstrip() == "alexnet  published ImageNet top-1 56.5%"
    row = next(line for line in text.splitlines() if line.startswith("4 "))
    assert row.split() == ["4", "123", "32.1", "34.5", "45.6", "0.253", "0.1234", "±", "0.0021", "0.0230"]


def test_unknown_figures_are_dashes_and_few_batches_are_marked() -> None:
    bare = {"gross_j": None, "net_j": None, "carbon_g": None, "p50_s": None, "p95_s": None}
    row = table({"batch_size": 4}, batches=458, **bare).splitlines()[-2]
    assert row.split() == ["4", "123", "–", "–", "45.6*", "–", "–", "–"]


def test_each_model_is_a_heading_and_columns_line_up() -> None:
    keys: list[Key] = [{"model": model, "batch_size": batch} for model, batch in product(MODELS, (1, 128))]
    lines = [line.rstrip() for line in table(*keys).splitlines()]
    assert [line for line in lines if line in MODELS] == list(MODELS)
    assert len({len(line) for line in lines if line.startswith(("1 ", "128 "))}) == 1
    assert sum("gCO2e" in line for line in lines) == 1


def test_a_model_alone_is_a_column() -> None:
    assert table({"model": "alexnet"}).splitlines()[1].startswith("model  ")


EXTREMES = [1e-9, 1.23456e-5, 0.00123456, 0.123456, 123.456, 123_456.0, 1.23456e7, 1e12]


@pytest.mark.parametrize("size", EXTREMES)
@pytest.mark.parametrize("net", [ends(0.1234, 0.0021), ends(-1.234e-3, 4.5e-5), ends(123_456.7, 0.1), ends(1e9, 1e8)])
def test_tables_fit_80_columns_whatever_the_figures(size: float, net: Interval) -> None:
    figures = {"units_per_s": 1 / size, "gross_j": ends(size), "net_j": net, "p50_s": size, "p95_s": size}
    text = table({"model": "alexnet", "batch_size": 4}, **figures, p99_s=size, carbon_g=size, batches=3)
    assert widest(text) <= 80
    assert "…" not in text


KEYS: Key = {
    "model": "shufflenet_v2_x0_5",
    "batch_size": 1024,
    "machine": "a-machine-whose-name-is-as-long-as-they-get.cluster.example.org",
    "hardware_class": "nvidia-rtx-pro-6000-blackwell-max-q-workstation-edition",
    "precision": "bf16",
    "channels_last": True,
    "images": "/data/imagenet/a/folder/deep/below/another/one/validation",
}


@given(st.permutations(list(KEYS)), st.integers(1, len(KEYS)))
def test_tables_fit_80_columns_whatever_the_keys_and_lose_nothing(names: list[str], count: int) -> None:
    key = {name: KEYS[name] for name in names[:count]}
    text = table(key)
    assert widest(text) <= 80
    assert "…" not in text
    folded = "".join(text.split())
    assert all(str(value)[:8].lower() in folded.lower() for value in key.values())
    assert "0.1234±0.0021" in folded


# Footnotes and sentences


def test_footnotes_say_what_a_reader_must_know() -> None:
    flags = {Flag.BELOW_NOISE: 1, Flag.NO_STEADY_STATE: 2}
    doubtful = summary(batches=458, net_j=ends(1.0), carbon_g=None, trials=3, left_out=2, flags=flags)
    assert layout.footnotes([doubtful, summary()]) == [
        "* fewer than 459 batches: too few to claim a 99th percentile.",
        "±? one trial alone says nothing of the spread: raise repetitions.",
        "gCO2e is known where the sweep names a country: carbon: {country: NLD}.",
        "2 of 7 trials are left out: --include-flagged brings them back.",
        "Flags: no_steady_state 2, below_noise 1; `farm export` tells which trials.",
    ]


def test_a_row_of_flagged_trials_alone_is_marked_and_not_compared() -> None:
    pair = [summary({"batch_size": 1}, net_j=ends(2.0, 0.1)), summary({"batch_size": 4}, is_doubtful=True)]
    assert any("!" in line for line in rendered(layout.tables(pair, {})).splitlines())
    assert layout.footnotes(pair) == ["! every trial of this row is flagged: shown all the same, not compared."]
    assert layout.sentences(pair) == []


def test_what_is_sound_needs_no_footnote() -> None:
    assert layout.footnotes([summary(), summary(gross_j=None, net_j=None, carbon_g=None)]) == []


def test_a_sentence_names_the_best_batch_and_the_saving() -> None:
    assert layout.sentences(batches(b1=ends(2.0, 0.1), b16=ends(0.5, 0.1))) == [
        "alexnet: batch 16 takes the least energy, 0.500 J net per image, 75% less than batch 1."
    ]


def test_a_sentence_says_when_nothing_is_saved() -> None:
    (sentence,) = layout.sentences(batches(b1=ends(1.0, 0.1), b4=ends(2.0, 0.1)))
    assert sentence == "alexnet: batch 1 takes the least energy per image."


def test_a_sentence_admits_doubt() -> None:
    (sentence,) = layout.sentences(batches(b1=ends(2.0, 0.6), b4=ends(1.0, 0.6)))
    assert sentence.endswith("50% less than batch 1; the intervals overlap, more repetitions would tell.")


@pytest.mark.parametrize(
    "net_j", [(ends(2.0), ends(1.0)), (ends(2.0, 0.1), ends(1.0, 0.1))], ids=["imported", "metered"]
)
def test_a_sentence_says_where_one_trial_knows_no_spread(net_j: tuple[Interval, Interval]) -> None:
    pair = [replace(one, trials=1) for one in batches(b1=net_j[0], b4=net_j[1])]
    (sentence,) = layout.sentences(pair)
    assert sentence.endswith("50% less than batch 1; one trial alone tells nothing of the spread.")


def test_a_sentence_compares_gross_energies_where_net_ones_are_noise() -> None:
    (sentence,) = layout.sentences(batches(b1=ends(2.0, 0.1), b4=ends(0.0, 0.1)))
    assert "batch 4 takes the least energy, 1.00 J gross per image, 67% less than batch 1" in sentence
    assert "net energies are too uncertain here, so gross ones are compared" in sentence


def test_a_sentence_says_that_joules_are_modelled() -> None:
    pair = [summary({"batch_size": size}, quality=Quality.MODELLED, net_j=ends(2 / size, 0.1)) for size in (1, 2)]
    assert "1.00 J net per image (modelled), 50% less" in layout.sentences(pair)[0]


def test_each_model_and_machine_has_a_sentence_of_its_own() -> None:
    keys = product(MODELS, ("lab1", "lab2"), (1, 2))
    several = [summary({"model": model, "machine": machine, "batch_size": batch}) for model, machine, batch in keys]
    starts = [sentence.partition(":")[0] for sentence in layout.sentences(several)]
    assert starts == [f"{model}, machine {machine}" for model, machine in product(MODELS, ("lab1", "lab2"))]


def test_nothing_is_said_where_nothing_is_compared() -> None:
    assert layout.sentences([summary()]) == []


# Selected and grouped


def trial(number: int, net_j: float = 10.0, **changes: object) -> Measured:
    """A trial with one window; `point_...` changes a factor, `row_...` the measurement, the rest the trial."""
    point = {name.removeprefix("point_"): value for name, value in changes.items() if name.startswith("point_")}
    row = {name.removeprefix("row_"): value for name, value in changes.items() if name.startswith("row_")}
    rest = {name: value for name, value in changes.items() if not name.startswith(("point_", "row_"))}
    made = trial_row(trial=f"job{number}.1", factors={**POINT, **point}, **rest)
    measured = measurement_row(trial=made.trial, factors=made.factors, net_j=net_j, **row)
    return made, [measured]


def shown(*trials: Measured, by: str | None = None, where: str = "") -> Results:
    selection = Selection.parse(by, [where] if where else [], None, False)
    return results(loaded(SWEEP, *trials), selection, COLUMNS)


def keys(view: Results) -> list[list[Scalar]]:
    return [list(s.labels.values()) for s in view.summaries]


def test_groups_are_sorted_numbers_by_size() -> None:
    view = shown(*(trial(size, point_batch_size=size) for size in (16, 1, 4)))
    assert keys(view) == [["alexnet", 1], ["alexnet", 4], ["alexnet", 16]]


def test_a_caption_names_what_all_rows_share() -> None:
    lines = rendered(shown(trial(1), trial(2, point_batch_size=1)).rendered()).splitlines()
    assert [line.rstrip() for line in lines[:3]] == [
        "batching (abcdef012345)",
        "machine lab1, device cpu, precision fp32",
        "cpu joules: counted by the hardware",
    ]


def test_a_factor_that_differs_becomes_a_column() -> None:
    view = shown(trial(1, point_precision="bf16"), trial(2))
    assert [s.labels["precision"] for s in view.summaries] == ["bf16", "fp32"]
    assert "precision" not in view.selected.shared


def test_a_caption_names_what_the_rows_average_over() -> None:
    view = shown(trial(1), trial(2, point_batch_size=1), by="model")
    assert keys(view) == [["alexnet"]]
    assert "mean over batch_size 1 4" in rendered(view.rendered())


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("quality", trial(2, row_quality=Quality.MODELLED)),
        ("simulated", trial(2, simulated=True)),
        ("domain", trial(2, facts={"device": "cuda:0"}, row_domain=Domain.GPU)),
    ],
)
def test_joules_of_different_kinds_are_rows_of_their_own(name: str, other: Measured) -> None:
    view = shown(trial(1), other, by="model")
    assert [(s.trials, name in s.labels) for s in view.summaries] == [(1, True), (1, True)]


def test_modelled_and_simulated_joules_are_called_so() -> None:
    text = rendered(shown(trial(1, simulated=True, row_quality=Quality.MODELLED)).rendered())
    assert "MODELLED from load and rated power: an estimate, not a measurement" in text
    assert "SIMULATED hardware: these are no real joules" in text


def test_an_unmetered_domain_is_said_so() -> None:
    text = rendered(shown(trial(1, row_gross_j=None, row_quality=None)).rendered())
    assert "cpu joules: unknown, no meter here: `farm doctor` says what is missing" in text


def test_filters_choose_by_spelling() -> None:
    several = [trial(1), trial(2, point_compile=True), trial(3, point_threads=2)]
    assert len(shown(*several, where="compile=true").summaries) == 1
    assert [s.trials for s in shown(*several, where="compile=False,threads=null").summaries] == [1]
    assert [s.trials for s in shown(*several, where="batch_size=4,threads=2").summaries] == [1]


@pytest.mark.parametrize(
    ("by", "where", "message"),
    [
        ("modle", "", "no factor 'modle' in this sweep: there are model, batch_size, "),
        (None, "x=1", "no factor 'x' in this sweep"),
        (None, "model=vgg11", "--where: no trial has model=vgg11: there are alexnet"),
        (None, "model", "--where: expected NAME=VALUE, got 'model'"),
        (None, "=3", "--where: expected NAME=VALUE, got '=3'"),
    ],
)
def test_a_wrong_choice_names_the_right_ones(by: str | None, where: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        shown(trial(1), by=by, where=where)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_domain_is_refused() -> None:
    with pytest.raises(InputError, match="--domain: expected gpu, cpu, dram, wall, got 'tpu'"):
        Selection.parse(None, [], "tpu", False)


def test_a_sweep_without_results_says_how_to_go_on() -> None:
    view = shown()
    assert "nothing is measured yet: `farm status abcdef012345` tells how it stands" in rendered(view.rendered())
    assert view.records() == []


def test_records_carry_units_in_their_names_and_the_published_accuracy() -> None:
    one, other = (
        trial(1, facts={"device": "cpu", "unit": "image", "published_acc1_percent": 56.5}),
        trial(2, net_j=30.0),
    )
    (record,) = shown(one, other).records()
    assert (record["model"], record["trials"], record["quality"]) == ("alexnet", 2, "counter")
    assert (record["net_j_per_unit"], record["gross_j_per_unit"]) == (2.0, 2.0)
    assert record["published_top1_percent"] == 56.5
    assert record["carbon_g_per_unit"] == pytest.approx(360.0 * 2.0 / 3.6e6)
    assert record["flags"] == ""


def test_a_view_for_a_file_has_no_colours() -> None:
    view = shown(trial(1)).rendered()
    assert "\x1b" not in plain(view)
    assert plain(view) == rendered(view)
