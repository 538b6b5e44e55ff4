"""Results of trainings, searches and networks taken apart, as people and scripts read them."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from math import log10
from random import Random

import pytest

from farm.analysis.intervals import Interval
from farm.kinds.views import view
from farm.model import Domain, Flag, Quality, Stopped, WindowKind
from farm.model.errors import InputError
from farm.report.conditions import parse_conditions
from farm.report.document import Alert, Document, Heading, Note, Row, Table, Value
from farm.report.selection import Selection
from farm.report.terminal import text
from tests.documents import assert_typed
from tests.golden import assert_golden
from tests.loaded import Measured, loaded
from tests.summaries import widest
from tests.trainings import asked, part, sweep_of, taken_apart, trained

MEANING = json.dumps(
    {"tuning": {"space": {"lr": {"low": 1e-5, "high": 0.1, "log": True}, "beta1": {"low": 0.1, "high": 0.99}}}}
)
TARGETS = Selection(targets=(0.8, 0.9, 0.99))


def seen(kind: str, *trials: Measured, selection: Selection | None = None) -> Document:
    chosen = selection or Selection()
    return view(loaded(sweep_of(kind, MEANING), *trials, domain=chosen.domain), chosen)


def golden(name: str, document: Document) -> None:
    assert_typed(document)
    shown = text(document)
    assert widest(shown) <= 80
    assert "…" not in shown
    assert_golden(f"results-{name}.txt", shown)


def tables(document: Document) -> list[Table]:
    return [block for block in document.blocks if isinstance(block, Table)]


def rows(document: Document, place: int = 0) -> list[Row]:
    return list(tables(document)[place].rows)


def values(row: Row, *names: str) -> list[object]:
    """Means and plain values."""
    found = [row.values[name] for name in names]
    return [value.mean if isinstance(value, Interval) else value for value in found]


def notes(document: Document) -> str:
    return " ".join(block.text for block in document.blocks if isinstance(block, Note))


@pytest.mark.parametrize("kind", ["inference", "training", "tuning", "layers"])
def test_a_sweep_of_any_kind_without_results_names_the_next_command(kind: str) -> None:
    assert "`farm status abcdef012345`" in text(seen(kind))
    assert seen(kind).records() == []


@pytest.mark.parametrize("kind", ["inference", "layers"])
def test_no_accuracy_is_asked_of_what_trains_nothing(kind: str) -> None:
    with pytest.raises(InputError, match=f"--target-accuracy: sweeps of kind {kind} train nothing"):
        seen(kind, selection=Selection(targets=(0.9,)))


@pytest.mark.parametrize("target", [0.0, 1.5, 90])
def test_an_accuracy_is_a_share(target: float) -> None:
    with pytest.raises(InputError, match="--target-accuracy: expected a share above 0, at most 1"):
        Selection.parse(None, [], None, False, [target])


# Training


def test_a_view_of_trainings() -> None:
    flagged = trained("c", 0.9, point_lr=0.1, gross_j=50.0, row_flags=(Flag.THROTTLED,))
    early = trained("b", 0.5, 0.95, stopped=Stopped.EARLY)
    golden("training", seen("training", trained("a", 0.5, 0.8), early, flagged, selection=TARGETS))


def test_joules_that_noise_left_below_nothing_are_a_bound() -> None:
    pair = []
    for name, gross_j in (("a", -0.3), ("b", -0.5)):
        trial, measured = trained(name, 0.9)
        own = [replace(r, gross_j=gross_j) if r.window == WindowKind.VALIDATION else r for r in measured]
        pair.append((trial, own))
    assert text(seen("training", *pair)).count("< 0.87") == 1


def test_a_factor_that_varies_becomes_a_column_and_flagged_trials_are_left_out() -> None:
    flagged = trained("c", 0.9, point_lr=0.1, gross_j=50.0, row_flags=(Flag.THROTTLED,))
    found = rows(seen("training", trained("a", 0.8), trained("b", 0.9, point_lr=0.1), flagged))
    assert [values(row, "lr", "last_accuracy", "trials", "left_out") for row in found] == [
        [0.001, 0.8, 1, 0],
        [0.1, 0.9, 1, 1],
    ]


def test_accuracies_that_are_never_reached_are_censored() -> None:
    pair = (trained("a", 0.5, 0.8), trained("b", 0.5, 0.95, stopped=Stopped.EARLY))
    found = seen("training", *pair, selection=TARGETS)
    assert [values(row, "until", "reached", "epochs_done", "j", "s", "j_per_success") for row in rows(found, 1)] == [
        [0.8, "2 of 2", 2.0, 12.0, 10.0, 12.0],
        [0.9, "1 of 2", 2.0, 12.0, 10.0, 24.0],
        [0.99, "0 of 2", None, None, None, None],
    ]
    assert "Trainings that never reach an accuracy" in notes(found)


def test_records_of_trainings() -> None:
    selection = Selection(targets=(0.6, 0.99))
    (record,) = seen("training", trained("a", 0.5, 0.8), trained("b", 0.5, 0.8), selection=selection).records()
    assert (record["model"], record["trials"], record["epochs_done"]) == ("simple_cnn", 2, 2.0)
    assert (record["training_gross_j"], record["training_net_j"], record["validation_gross_j"]) == (20.0, 12.0, 2.0)
    assert (record["last_accuracy"], record["setup_gross_j"], record["epoch_net_j"]) == (0.8, 2.0, None)
    assert (record["until_0.6_reached"], record["until_0.6_gross_j"]) == (2, 22.0)
    assert (record["until_0.99_reached"], record["until_0.99_gross_j_low"]) == (0, None)
    assert "p99_s" not in record


def test_trainings_on_simulated_hardware_or_with_modelled_joules_have_alerts() -> None:
    found = seen("training", trained("a", 0.5, simulated=True, row_simulated=True, row_quality=Quality.MODELLED))
    assert sum(isinstance(block, Alert) for block in found.blocks) == 2
    assert "(modelled, simulated)" in found.findings[0]


# Tuning


def study(strategy: str, seed: int, bonus: float, trials: int = 12) -> list[Measured]:
    """Accuracy falls with the distance of lr from 1e-3; the third trial fails, the fifth is pruned."""
    draw = Random(f"{strategy}/{seed}")
    made = []
    for number in range(trials):
        lr, beta1 = 10 ** draw.uniform(-5, -1), draw.uniform(0.1, 0.99)
        accuracies = (0.3, 0.5, 0.6, 0.8 - 0.1 * abs(log10(lr) + 3) + bonus)
        point = {"point_lr": lr, "point_beta1": beta1, "gross_j": 10 + draw.random()}
        if number == 2:
            made.append(asked(strategy, seed, number, **point))
        elif number == 4:
            made.append(asked(strategy, seed, number, *accuracies[:2], stopped=Stopped.PRUNED, **point))
        else:
            made.append(asked(strategy, seed, number, *accuracies, **point))
    return made


def search(seeds: int) -> list[Measured]:
    strategies = {"random": 0.0, "gp": 0.2, "grid": -0.2}
    return [t for seed in range(seeds) for name, bonus in strategies.items() for t in study(name, seed, bonus)]


def test_a_view_of_searches() -> None:
    golden("tuning", seen("tuning", *search(7), selection=Selection(targets=(0.3, 0.99))))


def test_a_view_of_configurations() -> None:
    golden("tuning-configurations", seen("tuning", *study("gp", 1, 0.0, 6), selection=Selection(by=("configuration",))))


def test_five_seeds_and_two_rivals_cannot_decide() -> None:
    claim, _ = seen("tuning", *search(5)).findings
    assert "gp against random: cannot tell" in claim
    assert "a verdict needs 7 seeds, has 5." in claim


def test_modelled_joules_compare_no_strategies() -> None:
    modelled = [t for t in search(7) if t[0].factors["strategy"] != "grid"]
    found = seen("tuning", *((t, [replace(r, quality=Quality.MODELLED) for r in own]) for t, own in modelled))
    assert found.findings == ["Strategies are not compared: energy is modelled here. The tables count trials."]


def test_without_random_search_nothing_is_compared() -> None:
    assert seen("tuning", *study("gp", 1, 0.0)).findings[0].startswith("Nothing is compared")


def test_seeds_of_which_neither_side_gets_there_decide_nothing() -> None:
    pairs = [(0.9, 0.5), *[(0.5, 0.4)] * 5, (0.9, 0.5)]
    trials = [
        asked(name, seed, 0, accuracy)
        for seed, pair in enumerate(pairs)
        for name, accuracy in zip(("random", "gp"), pair, strict=True)
    ]
    (claim,) = seen("tuning", *trials).findings
    assert "0 of 7 seeds need less; a verdict needs 6 seeds that differ, has 0: add seeds or trials." in claim


def test_workloads_have_tables_of_their_own() -> None:
    two = [asked("gp", n, 0, 0.5, point_dataset=name) for n, name in enumerate(("digits", "mnist"))]
    found = seen("tuning", *two)
    assert [block.text for block in found.blocks if isinstance(block, Heading)] == ["dataset digits", "dataset mnist"]
    assert [record["dataset"] for record in found.records()] == ["digits", "mnist"]


def test_unknown_and_doubtful_joules_are_named() -> None:
    lost: Measured = (asked("gp", 1, 1)[0], [])
    shown = notes(seen("tuning", asked("gp", 1, 0, 0.5, flags=(Flag.THROTTLED,)), lost))
    assert "The joules of 1 trial are unknown" in shown
    assert "1 flagged trial counted too" in shown


def test_importance_without_its_library_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert "needs sklearn: pip install 'wattfarm[tuning]'" in notes(seen("tuning", *search(1)))


def test_records_of_strategies() -> None:
    records: Mapping[str, Mapping[str, Value]] = {
        str(record["strategy"]): record for record in seen("tuning", *search(6)).records()
    }
    gp = records["gp"]
    assert (gp["seeds"], gp["trials"], gp["failed"], gp["pruned"], gp["is_net"]) == (6, 72, 6, 6, True)
    assert (gp["seeds_compared"], gp["reached_target"], gp["cheaper_than_random"], gp["verdict"]) == (
        6,
        6,
        6,
        "unclear",
    )
    assert (records["grid"]["verdict"], records["grid"]["reached_target"]) == ("unclear", 0)
    assert records["random"]["verdict"] is None


def test_records_of_configurations_hold_the_curve() -> None:
    trials = [asked("gp", 1, 0, 0.5, point_lr=0.01), asked("gp", 1, 1, 0.4, point_lr=0.02), asked("gp", 1, 2)]
    records = seen("tuning", *trials, selection=Selection(by=("configuration",))).records()
    assert [(r["configuration"], r["lr"], r["accuracy"], r["best_accuracy_so_far"]) for r in records] == [
        (0, 0.01, 0.5, 0.5),
        (1, 0.02, 0.4, 0.5),
        (2, 0.001, None, 0.5),
    ]
    assert [(r["energy_j"], r["j_so_far"], r["outcomes"]) for r in records] == [
        (6.0, 6.0, "complete"),
        (6.0, 12.0, "complete"),
        (None, 12.0, "failed"),
    ]
    assert [r["is_on_front"] for r in records] == [True, False, False]


def test_a_search_is_shown_by_nothing_else() -> None:
    with pytest.raises(InputError, match="--by: a tuning sweep is shown by strategy or by configuration"):
        seen("tuning", selection=Selection(by=("model",)))


def test_a_search_is_filtered() -> None:
    found = seen(
        "tuning", *search(2), selection=Selection(where=parse_conditions("--where", ["strategy=gp,tuning_seed=1"]))
    )
    assert [(r["strategy"], r["seeds"]) for r in found.records()] == [("gp", 1)]


# Layers

PARTS = [
    part("SimpleCNN", "forward", "whole"),
    part("SimpleCNN", "backward", "whole"),
    part("Conv2d conv", "forward", count=2),
    part("Conv2d conv", "backward", count=2),
    part("ReLU relu", "forward"),
    part("SimpleCNN without ReLU", "forward", "ablated", ablated="ReLU"),
]
NET_J = [1.0, 2.0, 0.4, 1.3, 0.1, 0.9]


def test_a_view_of_a_network_taken_apart() -> None:
    """Of three trials, whose parts differ by 1 %."""
    random = Random(2)
    several = [taken_apart(str(n), PARTS, [j * random.gauss(1, 0.01) for j in NET_J]) for n in range(3)]
    golden("layers", seen("layers", *several))


def test_a_single_trial_has_no_interval() -> None:
    assert "(n=1): one trial shows no spread" in notes(seen("layers", taken_apart("a", PARTS, NET_J)))


def test_gross_joules_of_layers_are_shown_where_net_ones_are_noise() -> None:
    """Gross is 1 J a call more, for 2 s in ten calls."""
    found = seen("layers", taken_apart("a", PARTS, [0.0] * len(PARTS)))
    assert values(rows(found)[0], "type", "forward_j", "share") == ["Conv2d", 2.0, 0.8]
    assert "J/pass: gross" in notes(found)


def test_records_of_layers() -> None:
    records = seen("layers", taken_apart("a", PARTS, NET_J)).records()
    assert [record["row"] for record in records] == ["type", "type", *["closure"] * 3, "ablation"]
    assert (records[0]["type"], records[0]["forward_j"], records[0]["calls"]) == ("Conv2d", 0.8, 2)
    assert (records[3]["pass"], records[3]["is_closed"], records[5]["agrees"]) == ("backward", False, None)


def test_networks_that_differ_are_not_averaged_over() -> None:
    trial, measured = taken_apart("b", PARTS, [2 * joules for joules in NET_J])
    other = replace(trial, factors={**trial.factors, "relu": False})
    by_model = seen("layers", taken_apart("a", PARTS, NET_J), (other, measured), selection=Selection(by=("model",)))
    whole = [record["whole_j"] for record in by_model.records() if record["row"] == "closure"]
    assert whole == [pytest.approx(j) for j in (1.0, 2.0, 3.0, 2.0, 4.0, 6.0)]


def test_another_domain_of_layers_is_unknown_where_nobody_metered_it() -> None:
    found = seen("layers", taken_apart("a", PARTS, NET_J), selection=Selection(domain=Domain.WALL))
    assert values(rows(found)[0], "type", "calls", "forward_j", "share", "duration_s") == ["Conv2d", 2, None, None, 0.8]
    assert "the shares of its layers are unknown" in found.findings[0]
