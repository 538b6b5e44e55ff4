"""Results of trainings, searches and networks taken apart, as people and scripts read them."""

import json
import sys
from dataclasses import replace
from math import log10
from random import Random

import pytest

from farm.errors import InputError
from farm.kinds.views import View, view
from farm.model import Domain, Flag, Quality, Stopped, WindowKind
from farm.report.selection import Selection
from tests.loaded import Measured, loaded
from tests.summaries import rendered, widest
from tests.trainings import asked, part, sweep_of, taken_apart, trained

MEANING = json.dumps(
    {"tuning": {"space": {"lr": {"low": 1e-5, "high": 0.1, "log": True}, "beta1": {"low": 0.1, "high": 0.99}}}}
)


def seen(kind: str, *trials: Measured, selection: Selection | None = None) -> View:
    chosen = selection or Selection()
    return view(loaded(sweep_of(kind, MEANING), *trials, domain=chosen.domain), chosen)


def text(kind: str, *trials: Measured, selection: Selection | None = None) -> str:
    shown = rendered(seen(kind, *trials, selection=selection).rendered())
    assert widest(shown) <= 80
    assert "…" not in shown
    return shown


def words(shown: str) -> list[list[str]]:
    return [line.split() for line in shown.splitlines()]


def flat(shown: str) -> str:
    """Without line breaks."""
    return " ".join(shown.split())


@pytest.mark.parametrize("kind", ["inference", "training", "tuning", "layers"])
def test_a_sweep_of_any_kind_without_results_says_how_to_go_on(kind: str) -> None:
    assert "nothing is measured yet: `farm status abcdef012345` tells how it stands" in text(kind)
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


def test_a_training_shows_what_it_reached_and_took() -> None:
    shown = text("training", trained("a", 0.5, 0.8, 0.9))
    assert "machine lab1, device cpu, epochs 4, batch_size 128, optimizer adam, lr 0.001" in shown
    assert ["digits", "3", "90.0", "±?", "0.0600", "±", "0.0098", "30.0", "3.00", "2.00"] in words(shown)


def test_joules_that_noise_left_below_nothing_are_a_bound() -> None:
    pair = []
    for name, gross_j in (("a", -0.3), ("b", -0.5)):
        trial, rows = trained(name, 0.9)
        pair.append((trial, [replace(r, gross_j=gross_j) if r.window == WindowKind.VALIDATION else r for r in rows]))
    assert ["10.0", "<", "0.87", "2.00"] in [line[-4:] for line in words(text("training", *pair))]


def test_a_factor_that_varies_becomes_a_column_and_flagged_trials_are_left_out() -> None:
    flagged = trained("c", 0.9, point_lr=0.1, gross_j=50.0, row_flags=(Flag.THROTTLED,))
    shown = text("training", trained("a", 0.8), trained("b", 0.9, point_lr=0.1), flagged)
    assert ["digits", "0.001", "1", "80.0", "±?", "0.0600", "±", "0.0098", "10.0", "1.00", "2.00"] in words(shown)
    assert ["digits", "0.1", "1", "90.0", "±?", "0.0600", "±", "0.0098", "10.0", "1.00", "2.00"] in words(shown)
    assert "±? one trial alone says nothing of the spread: raise repetitions." in shown
    assert "1 of 3 trials are left out: --include-flagged brings them back." in shown
    assert "Flags: throttled 1" in shown


def test_accuracies_that_are_never_reached_are_said_so() -> None:
    pair = (trained("a", 0.5, 0.8), trained("b", 0.5, 0.95, stopped=Stopped.EARLY))
    shown = text("training", *pair, selection=Selection(targets=(0.8, 0.9, 0.99)))
    assert ["digits", "0.8", "2", "of", "2", "2", "12.0", "±", "2.8", "22.0", "10.0"] in words(shown)
    assert ["digits", "0.9", "1", "of", "2", "2", "12.0", "±", "3.9", "22.0", "10.0", "±?"] in words(shown)
    assert ["digits", "0.99", "0", "of", "2", "–", "–", "–", "–"] in words(shown)
    assert "Trainings that never reach an accuracy are counted, and are in no mean." in shown
    assert "Stopped before the last epoch: early 1." in shown


def test_records_of_trainings() -> None:
    selection = Selection(targets=(0.6, 0.99))
    (record,) = seen("training", trained("a", 0.5, 0.8), trained("b", 0.5, 0.8), selection=selection).records()
    assert (record["model"], record["trials"], record["epochs_done"]) == ("simple_cnn", 2, 2.0)
    assert (record["training_gross_j"], record["training_net_j"], record["validation_gross_j"]) == (20.0, 12.0, 2.0)
    assert (record["last_accuracy"], record["setup_gross_j"], record["epoch_net_j"]) == (0.8, 2.0, None)
    assert (record["until_0.6_reached"], record["until_0.6_gross_j"]) == (2, 22.0)
    assert (record["until_0.99_reached"], record["until_0.99_gross_j"]) == (0, None)
    assert "p99_s" not in record


def test_trainings_on_simulated_hardware_or_with_modelled_joules_are_called_so() -> None:
    shown = text("training", trained("a", 0.5, simulated=True, row_simulated=True, row_quality=Quality.MODELLED))
    assert "MODELLED from load and rated power" in shown
    assert "SIMULATED hardware: these are no real joules" in shown


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


def test_a_strategy_that_takes_less_is_claimed_with_interval_and_test() -> None:
    said = flat(text("tuning", *search(7)))
    assert "gp reaches random's best accuracy with less energy: 7 of 7 seeds reach it, after " in said
    assert "Wilcoxon signed-rank, one-sided, Holm: p = 0.016." in said
    assert "grid reaches random's best accuracy with none of 7 seeds." in said


def test_five_seeds_and_two_rivals_cannot_tell() -> None:
    said = flat(text("tuning", *search(5)))
    assert "gp against random: cannot tell whether it needs less energy. 5 of 5 seeds reach it" in said
    assert "so few seeds cannot give a p below 0.062: use more." in said


def test_modelled_joules_make_a_modelled_claim() -> None:
    modelled = [t for t in search(7) if t[0].factors["strategy"] != "grid"]
    said = flat(text("tuning", *((t, [replace(r, quality=Quality.MODELLED) for r in rows]) for t, rows in modelled)))
    assert "gp reaches random's best accuracy with less modelled energy" in said


def test_a_search_shows_where_its_joules_went() -> None:
    shown = text("tuning", *search(2))
    assert "J: net, of setup, training and validation of every trial" in shown
    (row,) = [line for line in words(shown) if line[:2] == ["gp", "24"]]
    assert row[-2:] == ["0.500", "0.250"]
    assert any(line[:1] == ["lr"] and line[1].endswith("%") for line in words(shown))
    assert "saved by pruning: an estimate" in shown
    assert "a claim needs at least 5 seeds" in flat(shown)


def test_without_random_search_nothing_is_compared() -> None:
    shown = flat(text("tuning", *study("gp", 1, 0.0)))
    assert "Nothing is compared: that takes random search and another strategy" in shown


def test_a_strategy_that_mostly_fails_to_get_there_has_no_ratio() -> None:
    pairs = [(0.9, 0.95), (0.9, 0.5), (0.9, 0.5)]
    trials = [
        asked(name, seed, 0, accuracy)
        for seed, pair in enumerate(pairs)
        for name, accuracy in zip(("random", "gp"), pair, strict=True)
    ]
    assert "1 of 3 seeds reach it; a claim needs at least 5 seeds." in flat(text("tuning", *trials))


def test_workloads_have_tables_of_their_own() -> None:
    two = [asked("gp", n, 0, 0.5, point_dataset=name) for n, name in enumerate(("digits", "mnist"))]
    shown = [line.strip() for line in text("tuning", *two).splitlines()]
    assert not any(line.startswith("mean over") for line in shown)
    assert {"dataset digits", "dataset mnist"} <= set(shown)
    assert len(seen("tuning", *two).records()) == 2


def test_what_search_takes_until_an_accuracy() -> None:
    shown = text("tuning", *search(2), selection=Selection(targets=(0.3, 0.99)))
    assert ["gp", "0.3", "2", "of", "2", "1"] in [line[:6] for line in words(shown)]
    assert ["gp", "0.99", "0", "of", "2", "–", "–"] in words(shown)


def test_unknown_and_doubtful_joules_are_said_so() -> None:
    lost: Measured = (asked("gp", 1, 1)[0], [])
    shown = flat(text("tuning", asked("gp", 1, 0, 0.5, flags=(Flag.THROTTLED,)), lost))
    assert "The joules of 1 trials are unknown, and in no sum." in shown
    assert "Flagged trials count all the same: a search without them never took place. Flags: throttled 1" in shown


def test_importance_without_its_library_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    shown = flat(text("tuning", *search(1)))
    assert "importance of hyperparameters needs sklearn: pip install 'wattfarm[tuning]'" in shown


def test_records_of_strategies() -> None:
    records = {str(record["strategy"]): record for record in seen("tuning", *search(6)).records()}
    gp = records["gp"]
    assert (gp["seeds"], gp["trials"], gp["failed"], gp["pruned"], gp["is_net"]) == (6, 72, 6, 6, True)
    assert (gp["races"], gp["reached_random_best"], gp["verdict"]) == (6, 6, "less")
    assert (records["grid"]["verdict"], records["grid"]["j_over_random"]) == ("never", None)
    assert records["random"]["verdict"] is None


def test_records_of_configurations_hold_the_curve() -> None:
    trials = [asked("gp", 1, 0, 0.5, point_lr=0.01), asked("gp", 1, 1, 0.4, point_lr=0.02), asked("gp", 1, 2)]
    by = Selection(by=("configuration",))
    records = seen("tuning", *trials, selection=by).records()
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
    shown = words(text("tuning", *trials, selection=by))
    assert ["gp", "1", "1", "40.0", "6.00", "50.0", "12.0"] in [line[:7] for line in shown]


def test_a_search_is_shown_by_nothing_else() -> None:
    with pytest.raises(InputError, match="--by: a tuning sweep is shown by strategy or by configuration"):
        seen("tuning", selection=Selection(by=("model",)))


def test_a_search_is_filtered() -> None:
    shown = seen("tuning", *search(2), selection=Selection(where=(("strategy", "gp"), ("tuning_seed", "1"))))
    assert [(r["strategy"], r["seeds"]) for r in shown.records()] == [("gp", 1)]


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


def test_a_network_taken_apart() -> None:
    shown = words(text("layers", taken_apart("a", PARTS, NET_J), taken_apart("b", PARTS, NET_J)))
    assert ["digits", "Conv2d", "2", "0.800", "±", "0.028", "2.600", "±", "0.028", "97%", "800"] in shown
    assert ["digits", "ReLU", "1", "0.100", "±", "0.014", "–", "3%", "200"] in shown
    assert ["digits", "forward", "0.900", "±", "0.031", "1.000", "±", "0.014", "0.900", "±", "0.033", "3.00"] in shown
    assert [line[-4:] for line in shown if line[:2] == ["digits", "backward"]] == [["1.300", "±", "0.017!", "2.00"]]
    assert ["digits", "ReLU", "forward", "0.100", "±", "0.014", "0.100", "±", "0.020", "yes"] in shown


def test_gross_joules_of_layers_are_shown_where_net_ones_are_noise() -> None:
    """Gross is 1 J a call more, for 2 s in ten calls."""
    shown = text("layers", taken_apart("a", PARTS, [0.0] * len(PARTS)))
    assert ["digits", "Conv2d", "2", "2.000", "±", "0.039", "2.000", "±", "0.039", "80%", "800"] in words(shown)
    assert "J/pass: gross, since net energies of the whole are within the noise" in flat(shown)


def test_records_of_layers() -> None:
    records = seen("layers", taken_apart("a", PARTS, NET_J)).records()
    assert [record["row"] for record in records] == ["type", "type", *["closure"] * 3, "ablation"]
    assert (records[0]["type"], records[0]["forward_j"], records[0]["calls"]) == ("Conv2d", 0.8, 2)
    assert (records[3]["pass"], records[3]["is_closed"], records[5]["agrees"]) == ("backward", False, True)


def test_networks_that_differ_are_not_averaged_over() -> None:
    trial, rows = taken_apart("b", PARTS, [2 * joules for joules in NET_J])
    other = replace(trial, factors={**trial.factors, "relu": False})
    view_by_model = seen("layers", taken_apart("a", PARTS, NET_J), (other, rows), selection=Selection(by=("model",)))
    whole = [record["whole_j"] for record in view_by_model.records() if record["row"] == "closure"]
    assert whole == [pytest.approx(j) for j in (1.0, 2.0, 3.0, 2.0, 4.0, 6.0)]


def test_another_domain_of_layers_is_unknown_where_nobody_metered_it() -> None:
    shown = text("layers", taken_apart("a", PARTS, NET_J), selection=Selection(domain=Domain.WALL))
    assert ["digits", "Conv2d", "2", "–", "–", "–", "800"] in words(shown)
