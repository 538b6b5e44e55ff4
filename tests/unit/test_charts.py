"""Charts: scales, intervals, labels and what captions say."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from farm.analysis.intervals import Interval
from farm.analysis.rules import overlap
from farm.kinds.inference.kind import COLUMNS
from farm.kinds.inference.results import document, results
from farm.model import Quality
from farm.report.charts import in_rows, leader, shared, signs, stated
from farm.report.document import Figure
from farm.report.drawing import COLOURS, Value, beside, dots, parted, quantity, series, spans, within
from farm.report.selection import Selection
from farm.report.svg import alone, drawn
from tests.documents import figures_of
from tests.loaded import Measured, loaded
from tests.summaries import ends
from tests.trainings import part, taken_apart, trained
from tests.unit.test_results import SWEEP, trial
from tests.unit.test_results_of_kinds import search, seen, study

LONG = "mobilenet_v3_small, machine a-machine-with-a-long-name, precision bf16, policy timeout:16:50ms"


def value(mean: float, low: float | None, high: float | None, **more: Any) -> Value:
    return {"series": "a", "row": "a", "value": mean, "low": low, "high": high, "hollow": False, **more}


def svg_of(spec: Mapping[str, Any]) -> str:
    found = drawn(spec)
    assert isinstance(found, str)
    return found


# Scales and intervals


def test_no_interval_of_positive_values_ends_below_0() -> None:
    (one, other) = within([value(1.0, -0.5, 1.5), value(2.0, 1.0, 3.0)], "value")
    assert (one["low"], one["cut_low"], one["high"], one["cut_high"]) == (0.0, True, 1.5, False)
    assert (other["low"], other["cut_low"]) == (1.0, False)


def test_intervals_on_a_logarithmic_scale_stay_positive() -> None:
    known = within([value(1.0, -5.0, 7.0), value(20.0, -100.0, 140.0)], "value")
    assert [(v["low"], v["high"], v["cut_high"]) for v in known] == [(0.5, 7.0, False), (0.5, 40.0, True)]
    assert quantity("value", "J", known)["scale"]["type"] == "log"


def test_values_that_may_be_negative_are_left_as_they_are() -> None:
    known = [value(-1.0, -2.0, 0.5), value(2.0, 1.0, 30.0)]
    assert within(known, "value") == known
    assert within([value(1.0, None, None)], "value")[0]["low"] is None


def test_values_decide_the_scale_and_intervals_do_not() -> None:
    known = within([value(1.0, 0.01, 2.0), value(2.0, 1.0, 3.0)], "value")
    assert "type" not in quantity("value", "J", known)["scale"]


def test_an_end_that_is_cut_has_an_arrow_and_the_caption_explains_it() -> None:
    cut, whole = ([value(1.0, low, 1.5), value(2.0, 1.0, 3.0)] for low in (-0.5, 0.5))
    for values, arrows in ((cut, 1), (whole, 0)):
        known = within(values, "value")
        x = quantity("value", "J", known)
        assert len(spans(known, x, {"field": "row"}, series(known), along="x")) == 1 + arrows
        assert ("Arrow: the interval goes on outside the chart." in signs(known)) == bool(arrows)


def test_series_at_one_place_lie_beside_each_other() -> None:
    first, second, alone = beside(
        [value(1, 1, 1, batch=4), value(1, 1, 1, batch=4, series="b"), value(1, 1, 1, batch=64)], "batch"
    )
    assert first["at"] < 4 < second["at"] < 5
    assert alone["at"] == pytest.approx(64, rel=0.1)


@pytest.mark.parametrize("ends_of", [(1.0, 1e308), (5e-324, 1.0), (1e-200, 1e200)])
def test_values_beyond_all_ticks_have_a_scale_too(ends_of: tuple[float, float]) -> None:
    assert quantity("value", "J", [value(end, None, None) for end in ends_of])["scale"].get("type") != "log"


def test_a_name_of_any_length_takes_a_few_lines() -> None:
    made = svg_of(dots([value(1.0, None, None, row="x" * 5000, series=name) for name in ("a", "y" * 5000)], "J"))
    assert 0 < made.count("x" * 52) <= 2 * 8, "each line is drawn twice"
    assert "…" in made


def test_a_long_label_of_a_row_is_drawn_whole_in_several_lines() -> None:
    made = svg_of(dots([value(1.0, 0.5, 1.5, row=LONG)], "J"))
    assert all(word in made for word in ("precision bf16,", "timeout:16:50ms"))
    assert "…" not in made


def test_a_long_label_of_a_legend_is_drawn_whole() -> None:
    (figure, *_) = charts_of({LONG: {1: 1.0, 4: 0.5}, "alexnet": {1: 2.0, 4: 1.0}})
    assert "…" not in svg_of(figure.spec)


# What captions say


def test_intervals_overlap_where_they_have_a_value_in_common() -> None:
    assert overlap(ends(1.0, 0.5), ends(2.0, 0.5)) is True
    assert overlap(ends(1.0, 0.4), ends(2.0, 0.5)) is False
    assert overlap(ends(1.0), ends(2.0, 0.5)) is None


@pytest.mark.parametrize(
    ("other", "end"),
    [
        (ends(2.0, 0.1), "takes least, 1; no other interval overlaps."),
        (ends(1.1, 0.1), "takes least, 1, but its interval overlaps that of b: the difference may be chance."),
        (ends(2.0), "takes least, 1, but cannot tell yet: one repetition shows no spread."),
    ],
)
def test_a_leader_is_one_only_where_no_interval_overlaps(other: Interval, end: str) -> None:
    found = [("b", other), ("a", ends(1.0, 0.1))]
    assert leader(found, "takes least", lambda v: f"{v.mean:g}") == f"a {end}"
    assert leader(found[:1], "takes least", str) == ""


def test_what_all_share_is_said_once() -> None:
    keys = [{"model": "alexnet", "batch_size": size, "domain": "cpu"} for size in (1, 4)]
    assert shared(keys) == {"model": "alexnet"}
    assert shared(keys[:1]) == {}
    assert stated({"batch_size": 4, "threads": None}) == "All: batch 4."
    assert stated({}) == ""


def test_a_chart_of_rows_names_what_it_leaves_out() -> None:
    (figure,) = in_rows([value(1.0 + n, 0.5, 2.0, row=f"r{n}") for n in range(50)], "Energy", "", "J")
    assert figure.caption.endswith("The first 40 of 50 rows.")


# Each kind


def charts_of(energies: dict[str, dict[int, float]], **changes: Any) -> list[Figure]:
    """Of three trials each of these energies by model and batch size, 1 % apart."""
    random = Random(1)
    each = [(model, size, j) for model, by_size in energies.items() for size, j in by_size.items()]
    trials = [
        trial(n * 3 + k, random.gauss(j, j / 100), point_model=model, point_batch_size=size, repetition=k, **changes)
        for n, (model, size, j) in enumerate(each)
        for k in range(3)
    ]
    return figures_of(document(results(loaded(SWEEP, *trials), Selection(), COLUMNS)))


def bars_of(figures: list[Figure]) -> dict[str, list[Any]]:
    """The middles of bars by what a terminal calls them."""
    return {
        str(figure.bars.column.heading): [bar.middle for bar in figure.bars.bars] for figure in figures if figure.bars
    }


def near(*values: float) -> Any:
    return pytest.approx(list(values), rel=0.05)


def test_batches_have_a_bar_of_net_joules_each_and_a_caption_with_the_saving() -> None:
    figures = charts_of({"alexnet": {1: 10.0, 4: 5.0}})
    assert bars_of(figures) == {"cpu net J per image": near(1.0, 0.5)}
    assert figures[0].caption.startswith("alexnet: batch 4 needs 0.497 net J per image, 51% less")
    assert "than batch 1." in figures[0].caption


def test_a_saving_that_may_be_chance_is_called_so() -> None:
    (figure, *_) = charts_of({"alexnet": {1: 10.0, 4: 9.99}})
    assert "the difference may be chance" in figure.caption


def test_many_savings_are_a_range() -> None:
    (figure, *_) = charts_of({f"net{n}": {1: 10.0, 4: 5.0 - n / 2} for n in range(5)})
    assert figure.caption.startswith("In 5 of 5 rows the best batch surely needs less than the smallest, by ")


def test_seconds_are_drawn_where_joules_are_modelled() -> None:
    figures = charts_of({"alexnet": {1: 10.0, 4: 5.0}}, row_quality=Quality.MODELLED)
    assert bars_of(figures) == {"ms per image": near(0.2, 0.2)}
    assert [figure.name for figure in figures[:2]] == [
        "Time per image against batch size", "CPU energy, modelled, per image against batch size",
    ]  # fmt: skip


def test_trainings_have_the_joules_that_were_asked_for_and_curves_over_joules() -> None:
    runs = [
        trained(f"{lr}{n}", 0.5, 0.7, 0.9, gross_j=10.0 * lr + n / 10, point_lr=lr, repetition=n)
        for lr in (1.0, 2.0)
        for n in range(3)
    ]
    until = figures_of(seen("training", *runs, selection=Selection(targets=(0.7,))))
    assert bars_of(until) == {"cpu net J until an accuracy of 0.7": near(12.2, 32.2)}
    figures = figures_of(seen("training", *runs))
    assert bars_of(figures) == {"cpu net J per image of training": near(0.061, 0.161)}
    assert figures[0].caption.startswith("lr 1.0 takes the least energy per image of training, ")
    assert [figure.name for figure in figures[2:]] == ["Accuracy over joules spent", "Loss over joules spent"]
    first = [v["j"] for v in figures[2].spec["data"]["values"] if v["trial"] == "1.00"]
    assert first == pytest.approx([11.0, 22.0, 33.0])


def test_trainings_without_joules_are_drawn_by_epoch_and_modelled_ones_by_their_time() -> None:
    run, rows = trained("a", 0.5, 0.7)
    unmetered = [replace(row, gross_j=None, net_j=None, net_j_low=None, net_j_high=None, quality=None) for row in rows]
    unknown = figures_of(seen("training", (run, unmetered)))
    modelled = figures_of(seen("training", trained("a", 0.5, 0.7, row_quality=Quality.MODELLED)))
    for figures in (unknown, modelled):
        assert [figure.name for figure in figures[-2:]] == ["Accuracy by epoch", "Loss by epoch"]
        assert bars_of(figures) == {"s per epoch": near(2.0)}


def test_layers_have_a_bar_for_each_type() -> None:
    parts = [part("Net", "forward", "whole"), part("Conv2d a", "forward"), part("ReLU b", "forward")]
    figures = figures_of(seen("layers", *(taken_apart(str(n), parts, [4.0, 3.0, 1.0]) for n in range(2))))
    assert bars_of(figures) == {"share of the cpu energy by type of layer": near(0.75, 0.25)}
    assert "Conv2d takes 75% of the cpu energy." in figures[0].caption
    run, rows = taken_apart("0", parts, [4.0, 3.0, 1.0])
    modelled = figures_of(seen("layers", (run, [replace(row, quality=Quality.MODELLED) for row in rows])))
    assert bars_of(modelled) == {"share of the time by type of layer": near(0.5, 0.5)}


def test_searches_have_what_each_took_until_the_target() -> None:
    figures = figures_of(seen("tuning", *search(2)))
    (spent,) = bars_of(figures).values()
    assert spent[0] is None
    assert spent[1] > 0
    assert [figure.name for figure in figures] == [
        "Best accuracy so far", "Accuracy against joules", "Importance of hyperparameters",
    ]  # fmt: skip
    assert figures[0].caption.startswith("gp ends highest, at ")
    values = [v for v in figures[0].spec["data"]["values"] if v["series"] == "gp"]
    assert all(v["low"] <= v["accuracy"] <= v["high"] for v in values)
    assert [v["accuracy"] for v in values] == sorted(v["accuracy"] for v in values)


def few(bonus: float) -> list[Measured]:
    """Two seeds of random search and of another strategy: too few trainings for the importance of parameters."""
    each = [(strategy, seed) for strategy in ("random", "gp") for seed in (1, 2)]
    return [t for strategy, seed in each for t in study(strategy, seed, bonus * (strategy == "gp"), trials=2)]


def test_a_search_over_modelled_joules_has_no_front_and_counts_trials() -> None:
    modelled = [(t, [replace(row, quality=Quality.MODELLED) for row in rows]) for t, rows in few(0.2)]
    figures = figures_of(seen("tuning", *modelled))
    assert next(iter(bars_of(figures))).startswith("trials until the target")
    assert not any("Pareto" in figure.caption for figure in figures)


def test_searches_without_a_target_have_their_best_accuracies() -> None:
    alone = [trial for trial in few(0.2) if trial[0].factors["strategy"] == "gp"]
    assert list(bars_of(figures_of(seen("tuning", *alone)))) == ["best accuracy, %"]


def test_a_chart_in_a_file_of_its_own_says_what_it_shows() -> None:
    (figure, *_) = charts_of({"alexnet": {1: 10.0, 4: 5.0}})
    made = alone(replace(figure, caption="a < b & c"))
    assert isinstance(made, str)
    assert f"<title>{figure.name}</title><desc>a &lt; b &amp; c</desc>" in made


def test_series_are_parted_with_a_few_looks_at_each_value() -> None:
    looks = 0

    class Counted(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            nonlocal looks
            looks += 1
            return super().__getitem__(name)

    values = [Counted(series=f"network {n % 100}") for n in range(300)]
    parts = parted(values)
    assert [len({value["series"] for value in part}) for part in parts] == [len(COLOURS)] * 14 + [2]
    assert sum(map(len, parts)) == 300
    assert looks <= 4 * 300
