"""Results of batches: tables, notes and findings; how trials are selected and grouped."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.analysis.aggregate import grouped
from farm.analysis.intervals import Interval
from farm.kinds.inference.kind import COLUMNS
from farm.kinds.inference.results import Results, document, footnotes, results, sentences, table
from farm.model import Domain, Flag, Quality, Scalar, StoppingRule, SweepRecord
from farm.model.errors import InputError
from farm.report.document import Alert, Document, Figure, Paragraph
from farm.report.selection import Selection
from farm.report.terminal import text
from tests.contract.store_records import MEASURE
from tests.golden import assert_golden
from tests.loaded import Measured, loaded
from tests.summaries import NOON, POINT, ends, measurement_row, sample, summary, trial_row, widest

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
Key = dict[str, Scalar]


def trial(number: int, net_j: float = 10.0, **changes: object) -> Measured:
    """A trial with one window; `point_...` changes a factor, `row_...` the measurement, the rest the trial."""
    point = {name.removeprefix("point_"): value for name, value in changes.items() if name.startswith("point_")}
    row = {name.removeprefix("row_"): value for name, value in changes.items() if name.startswith("row_")}
    rest = {name: value for name, value in changes.items() if not name.startswith(("point_", "row_"))}
    made = trial_row(trial=f"job{number}.1", factors={**POINT, **point}, **rest)
    measured = measurement_row(trial=made.trial, factors=made.factors, net_j=net_j, **row)
    return made, [measured]


def found(*trials: Measured, by: str | None = None, where: str = "") -> Results:
    selection = Selection.parse(by, [where] if where else [], None, False)
    return results(loaded(SWEEP, *trials), selection, COLUMNS)


def keys(view: Results) -> list[list[Scalar]]:
    return [list(s.labels.values()) for s in view.summaries]


def shown(*of: Key, **changes: object) -> str:
    made = table([summary(key, **changes) for key in of], {"alexnet": 56.522}, list(of[0]))
    return text(Document([made]))


# The whole view


def test_a_view() -> None:
    facts = {"device": "cpu", "unit": "image", "published_acc1_percent": 56.5}
    exact = {"row_net_j_low": 9.9, "row_net_j_high": 10.1}
    view = found(
        *(trial(n, 10.0 + n / 10, point_batch_size=4, facts=facts, repetition=n, **exact) for n in range(3)),
        *(trial(n + 3, 30.0 + n / 10, point_batch_size=1, facts=facts, repetition=n, **exact) for n in range(3)),
        trial(6, point_batch_size=16, point_model="vgg11", simulated=True, row_quality=Quality.MODELLED),
        trial(7, point_batch_size=1, point_model="vgg11", row_flags=(Flag.THROTTLED,)),
    )
    assert_golden("results-inference.txt", text(document(view)))


# Tables


def test_unknown_figures_are_dashes_and_few_batches_are_marked() -> None:
    bare = {"gross_j": None, "net_j": None, "carbon_g": None, "p50_s": None, "p95_s": None}
    row = shown({"batch_size": 4}, batches=458, **bare).splitlines()[-1]
    assert row.split() == ["4", "123", "–", "–", "45.6*", "–", "–", "–"]


EXTREMES = [1e-9, 1.23456e-5, 0.00123456, 0.123456, 123.456, 123_456.0, 1.23456e7, 1e12]


@pytest.mark.parametrize("size", EXTREMES)
@pytest.mark.parametrize("net", [ends(0.1234, 0.0021), ends(-1.234e-3, 4.5e-5), ends(123_456.7, 0.1), ends(1e9, 1e8)])
def test_tables_fit_80_columns_whatever_the_figures(size: float, net: Interval) -> None:
    figures = {"units_per_s": 1 / size, "gross_j": ends(size), "net_j": net, "p50_s": size, "p95_s": size}
    made = shown({"model": "alexnet", "batch_size": 4}, **figures, p99_s=size, carbon_g=size, batches=3)
    assert widest(made) <= 80
    assert "…" not in made


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
    made = shown(key)
    assert widest(made) <= 80
    assert "…" not in made
    folded = "".join(made.split())
    assert all(str(value)[:8].lower() in folded.lower() for value in key.values())
    assert "0.1234±0.0021" in folded


# Notes and findings


def test_each_doubt_has_a_note() -> None:
    flags = {Flag.BELOW_NOISE: 1, Flag.NO_STEADY_STATE: 2}
    doubtful = summary(batches=458, net_j=ends(1.0), carbon_g=None, trials=3, left_out=2, flags=flags)
    assert [note.split()[0] for note in footnotes([doubtful, summary()])] == ["*", "(n=1):", "gCO2e", "2", "Flags:"]
    assert footnotes([summary(), summary(gross_j=None, net_j=None, carbon_g=None)]) == []


def test_a_row_of_flagged_trials_alone_is_marked_and_not_compared() -> None:
    pair = [summary({"batch_size": 1}, net_j=ends(2.0, 0.1)), summary({"batch_size": 4}, is_doubtful=True)]
    assert [row.marks for row in table(pair, {}, ["batch_size"]).rows] == [{}, {"net_j_per_unit": "!"}]
    assert footnotes(pair)[0] == (
        "2 of 4 trials are flagged: rows without other trials are marked with ! and never compared (2 trials); "
        "--include-flagged counts them."
    )


def findings_of(joules: dict[int, float], blocks: int = 3, **changes: Any) -> list[str]:
    """In each block every batch size once, which varies by 1 % in a way of its own."""
    noise = (0.99, 1.01, 1.005)
    samples = [
        sample(
            labels={"model": "alexnet", "batch_size": size, "machine": "lab1", "sweep": "s", "repetition": block},
            **{"net_j": j, "gross_j": j + 1, "net_u_j": None, "units_per_s": 10 / j, **changes},
        )
        for place, (size, mean_j) in enumerate(joules.items())
        for block, j in enumerate(mean_j * share for share in (noise * 2)[place : place + blocks])
    ]
    return sentences(grouped(samples, ("model", "batch_size")))


GROSS = "(compared on gross energy, because net is within its noise)"


@pytest.mark.parametrize(
    ("joules", "sentence"),
    [
        (
            {1: 2.0, 4: 1.0, 16: 0.5},
            "batch 16 needs the least net energy per image, 0.501 J, 75.0% less (74.1 to 75.9%) than batch 1 and "
            "50% less (48 to 52%) than batch 4.",
        ),
        ({1: 2.0, 4: 1.5}, "batch 4 needs the least net energy per image, 1.50 J, 25% less (22 to 28%) than batch 1."),
        ({1: 1.0, 4: 2.0}, "batch 1 needs the least net energy per image, 1.00 J, 50% less (48 to 52%) than batch 4."),
        (
            {1: 2.0, 4: 1.0, 16: 1.001},
            "batch 4 needs 50% less (48 to 52%) than batch 1, 1.00 J; cannot tell yet whether batch 16 is as good: the "
            "difference may be chance. Add repetitions.",
        ),
        (
            {1: 1.01, 4: 1.0},
            "cannot tell yet which batch size needs the least net energy per image: batch 4 needs 1.0% less (5.3% "
            "less to 3.5% more) than batch 1, 1.00 J, but the difference may be chance. Add repetitions.",
        ),
    ],
    ids=["three", "two", "smallest", "next as good", "chance"],
)
def test_a_finding_claims_no_more_than_its_intervals_show(joules: dict[int, float], sentence: str) -> None:
    assert findings_of(joules) == [f"alexnet: {sentence}"]


def test_one_repetition_claims_nothing() -> None:
    assert findings_of({1: 2.0, 4: 1.0}, blocks=1) == [
        "alexnet: cannot tell yet which batch size needs the least net energy per image: batch 4 needs 49% less than "
        "batch 1, 1.01 J, but one repetition shows no spread. Add repetitions."
    ]


def test_a_finding_names_gross_energy_and_why() -> None:
    (said,) = findings_of({1: 2.0, 4: 1.0}, net_j=-1.0)
    assert said.startswith(f"alexnet: batch 4 needs the least gross energy per image, 2.00 J {GROSS}, 33% less")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ({1: 10.0, 4: 5.0}, "batch 4 is the fastest, 2.00x (1.91x to 2.09x) batch 1."),
        (
            {1: 10.0, 4: 9.9},
            "cannot tell yet which batch size is the fastest: batch 4 is 1.01x (0.966x to 1.06x) batch 1, but the "
            "difference may be chance. Add repetitions.",
        ),
    ],
)
def test_seconds_decide_where_energy_is_modelled(seconds: dict[int, float], said: str) -> None:
    modelled = findings_of(seconds, quality=Quality.MODELLED, net_j=1.0)
    assert modelled == [f"alexnet: energy is modelled here; {said}"]


def test_doubtful_rows_and_unknown_rates_decide_nothing() -> None:
    assert findings_of({1: 1.0, 4: 2.0}, flags=(Flag.THROTTLED,)) == []
    assert findings_of({1: 1.0, 4: 2.0}, quality=Quality.MODELLED, units_per_s=None) == []


def test_charts_of_modelled_energy_say_so_and_call_nothing_better() -> None:
    several = [trial(n, point_batch_size=2**n, row_quality=Quality.MODELLED) for n in range(3)]
    figures = [block for block in document(found(*several)).blocks if isinstance(block, Figure)]
    _, energy, trade = (f for f in figures if "atency" not in f.name)
    assert energy.name == "CPU energy, modelled, per image against batch size"
    assert trade.caption.startswith("Right is faster. ")


def test_each_model_and_machine_has_a_finding_of_its_own() -> None:
    of = product(MODELS, ("lab1", "lab2"), (1, 2))
    every = [sample(labels={"model": m, "machine": on, "batch_size": size, "unit": "image"}) for m, on, size in of]
    said = sentences(grouped(every, ("model", "machine", "batch_size")))
    starts = [sentence.partition(":")[0] for sentence in said]
    assert starts == [f"{model}, machine {machine}" for model, machine in product(MODELS, ("lab1", "lab2"))]


# Selected and grouped


def test_groups_are_sorted_numbers_by_size() -> None:
    view = found(*(trial(size, point_batch_size=size) for size in (16, 1, 4)))
    assert keys(view) == [["alexnet", 1], ["alexnet", 4], ["alexnet", 16]]


def test_a_factor_that_differs_becomes_a_column() -> None:
    view = found(trial(1, point_precision="bf16"), trial(2))
    assert [s.labels["precision"] for s in view.summaries] == ["bf16", "fp32"]
    assert "precision" not in view.selected.shared


def test_a_caption_names_what_the_rows_average_over() -> None:
    view = found(trial(1), trial(2, point_batch_size=1), by="model")
    assert keys(view) == [["alexnet"]]
    assert Paragraph("mean over batch_size 1 4") in document(view).blocks


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("quality", trial(2, row_quality=Quality.MODELLED)),
        ("simulated", trial(2, simulated=True)),
        ("domain", trial(2, facts={"device": "cuda:0"}, row_domain=Domain.GPU)),
    ],
)
def test_joules_of_different_kinds_are_rows_of_their_own(name: str, other: Measured) -> None:
    view = found(trial(1), other, by="model")
    assert [(s.trials, name in s.labels) for s in view.summaries] == [(1, True), (1, True)]


def test_nobody_misses_modelled_and_simulated_joules() -> None:
    blocks = document(found(trial(1, simulated=True, row_quality=Quality.MODELLED))).blocks
    alerts = [block.text for block in blocks if isinstance(block, Alert)]
    assert ["MODELLED" in alert for alert in alerts] == [True, False]
    assert alerts[1].startswith("SIMULATED hardware")


GUESS = "8 W, codecarbon's guess; set FARM_CPU_TDP_W"


def modelled(number: int, rating: str) -> Measured:
    """A trial whose joules follow from a rated power."""
    facts = {"device": "cpu", "unit": "image", "cpu_rating": rating}
    return trial(number, facts=facts, row_quality=Quality.MODELLED)


def test_modelled_joules_name_the_rated_power_and_who_knows_it() -> None:
    alert = next(block.text for block in document(found(modelled(1, GUESS))).blocks if isinstance(block, Alert))
    assert alert.startswith(f"cpu joules: MODELLED from load and rated power ({GUESS}): an estimate")


def test_joules_modelled_from_two_ratings_are_not_averaged() -> None:
    view = found(modelled(1, GUESS), modelled(2, "65 W, set by FARM_CPU_TDP_W"), by="model")
    assert [(s.trials, s.labels["rating"]) for s in view.summaries] == [(1, "65 W, set by FARM_CPU_TDP_W"), (1, GUESS)]


def test_a_rating_is_no_fact_of_measured_joules() -> None:
    assert found(trial(1, facts={"device": "cpu", "unit": "image", "cpu_rating": GUESS})).selected.ratings == ()


def test_an_unmetered_domain_names_the_remedy() -> None:
    view = found(trial(1, row_gross_j=None, row_quality=None))
    assert "`farm doctor`" in view.selected.joules


def test_filters_choose_by_spelling() -> None:
    several = [trial(1), trial(2, point_compile=True), trial(3, point_threads=2)]
    assert len(found(*several, where="compile=true").summaries) == 1
    assert [s.trials for s in found(*several, where="compile=False,threads=null").summaries] == [1]
    assert [s.trials for s in found(*several, where="batch_size=4,threads=2").summaries] == [1]


@pytest.mark.parametrize(
    ("by", "where", "message"),
    [
        ("modle", "", "no factor 'modle' in this sweep (did you mean 'model'?): there are model, batch_size, "),
        (None, "x=1", "no factor 'x' in this sweep"),
        (None, "model=vgg11", "--where: no trial has model=vgg11: there are alexnet"),
        (None, "model", "--where: expected NAME=VALUE, got 'model'"),
        (None, "=3", "--where: expected NAME=VALUE, got '=3'"),
    ],
)
def test_a_wrong_choice_names_the_right_ones(by: str | None, where: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        found(trial(1), by=by, where=where)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_domain_is_refused() -> None:
    with pytest.raises(InputError, match="--domain: expected gpu, cpu, dram, wall, got 'tpu'"):
        Selection.parse(None, [], "tpu", False)


def test_a_selection_takes_the_headings_of_columns() -> None:
    pair = trial(1), trial(2, point_batch_size=16)
    assert [s.labels for s in found(*pair, by="batch").summaries] == [{"batch_size": 4}, {"batch_size": 16}]
    assert [s.labels["batch_size"] for s in found(*pair, where="batch=16").summaries] == [16]
    with pytest.raises(
        InputError,
        match=r"no factor 'batches' in this sweep \(did you mean 'batch_size'\?\): there are model, batch_size",
    ):
        found(*pair, by="batches")


@pytest.mark.parametrize(
    ("latency_s", "of_batches"),
    [(0.0, "of each batch in these windows"), (2.0, "of a later pass that times each batch alone")],
)
def test_rates_and_times_of_batches_name_their_windows(latency_s: float, of_batches: str) -> None:
    data = loaded(SWEEP, trial(1), measures=[MEASURE.model_copy(update={"latency_s": latency_s})])
    said = text(document(results(data, Selection(), COLUMNS)))
    expected = f"image/s and J: of the measure windows, where batches follow each other; ms/batch: {of_batches}."
    assert expected in " ".join(said.split())


def test_records_carry_units_in_their_names_and_the_published_accuracy() -> None:
    one, other = (
        trial(1, facts={"device": "cpu", "unit": "image", "published_acc1_percent": 56.5}),
        trial(2, net_j=30.0),
    )
    (record,) = document(found(one, other)).records()
    assert (record["model"], record["trials"], record["quality"]) == ("alexnet", 2, "counter")
    assert (record["net_j_per_unit"], record["gross_j_per_unit"]) == (2.0, 2.0)
    assert record["published_top1_percent"] == 56.5
    assert record["carbon_g_per_unit"] == pytest.approx(360.0 * 2.0 / 3.6e6)
    assert list(record) == [
        *("machine", "device", "precision", "compile", "threads", "domain", "unit"),
        *("model", "batch_size", "trials", "left_out", "doubtful", "flags", "quality", "simulated", "units_per_s"),
        *("p50_s", "p95_s", "p99_s", "batches", "gross_j_per_unit", "gross_j_per_unit_low", "gross_j_per_unit_high"),
        *("net_j_per_unit", "net_j_per_unit_low", "net_j_per_unit_high", "net_j_per_unit_meter"),
        *("spread_points", "carbon_g_per_unit", "carbon_source"),
        "published_top1_percent",
    ]
