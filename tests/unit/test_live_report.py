"""Live requests as people and scripts read them, and beside simulated ones."""

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from farm.cli.response import response
from farm.exchange import exports
from farm.exchange.loading import load, load_results
from farm.kinds.serving.live import results as live
from farm.kinds.serving.simulated import beside
from farm.kinds.views import view
from farm.model import Flag, Quality
from farm.model.errors import InputError
from farm.report import across, html, markdown, observations
from farm.report.document import Document, Paragraph, Table
from farm.report.observations import of_sweep
from farm.report.selection import Selection
from farm.store import Store
from farm.studies.paper import record, sections
from tests.documents import assert_seen, figures_of, has_note, tables_of
from tests.loaded import loaded
from tests.reports import Page, gathered
from tests.serving import BATCHES, LIVE, Shown, service, serving, shown, timed
from tests.serving import live as loaded_live
from tests.summaries import ends

EVERYTHING = Selection()


def loads(*policies: str, rates: tuple[float, ...] = (50.0,), trials: int = 3, **changes: Any) -> list[Shown]:
    each = product(rates, policies or ("greedy:8", "fixed:8"), range(trials))
    return [shown(number, point_policy=policy, point_rate_per_s=rate, **changes) for rate, policy, number in each]


def results(*trials: Shown, selection: Selection = EVERYTHING) -> live.Results:
    return live.results(loaded_live(LIVE, *trials, domain=selection.domain), selection)


def document(*trials: Shown) -> Document:
    return live.document(results(*trials))


# The table


def test_a_person_reads_loads_how_sure_they_are_and_the_best_policies() -> None:
    assert_seen("serving-results.txt", document(*loads("fixed:8", "greedy:8", "timeout:8:20ms", rates=(733.0, 50.0))))


def test_loads_are_never_averaged_over() -> None:
    by_machine = Selection.parse("machine", [], None, include_flagged=False)
    found = results(*loads("greedy:8", "greedy:16", rates=(50.0, 100.0), own=WIDE), selection=by_machine)
    assert [live_.work.labels for live_ in found.lives] == [
        {"machine": "lab1", "rate_per_s": rate_per_s, "policy": policy}
        for rate_per_s in (50.0, 100.0)
        for policy in ("greedy:8", "greedy:16")
    ]


WIDE = service({size: [0.01] for size in (1, 16)}, {size: ends(1.0, 0.01) for size in (1, 16)})


def test_a_trace_goes_by_the_name_of_its_file_and_the_rate_of_its_requests() -> None:
    trials = [
        shown(trial=day, point_arrivals=f"/data/{day}.txt", point_rate_per_s=None) for day in ("monday", "tuesday")
    ]
    found = document(*trials)
    (_, _, (requests,)) = trials[0]
    arrivals_per_s = 511 / (requests.arrival_s[-1] - requests.arrival_s[0])
    row, first = tables_of(found)[0].rows[0].values, found.records()[0]
    assert (row["arrivals"], row["rate"]) == ("trace monday.txt", f"{arrivals_per_s:.4g}/s")
    assert (first["arrivals"], first["rate_per_s"], first["requests"]) == ("/data/monday.txt", None, 512)
    assert first["arrivals_per_s"] == pytest.approx(arrivals_per_s)


def test_few_requests_one_trial_and_a_late_generator_have_a_note() -> None:
    found = document(*loads("greedy:8", trials=1, point_requests=100, late_s=0.001))
    assert tables_of(found)[0].rows[0].marks == {"response_p99_s": "*", "response_p99_9_s": "*"}
    assert has_note(found, "* rests on fewer requests than a claim needs: p99 459.")
    assert has_note(found, "Requests came late: one in 100 by 1.00 ms or more (alexnet, rate 50/s, policy greedy:8)")
    assert not has_note(document(*loads()), "Requests came late")


def test_flagged_trials_are_left_out_and_those_of_a_row_alone_marked() -> None:
    noisy: dict[str, Any] = {"flags": (Flag.CONTAMINATED,), "row_flags": (Flag.CONTAMINATED,)}
    some = document(*loads(), shown(7, point_policy="greedy:8", **noisy))
    assert [(row["trials"], row["left_out"]) for row in some.records()] == [(3, 1), (3, 0)]
    alone = document(*loads(**noisy))
    assert [row.marks["net_j_per_request"] for row in tables_of(alone)[0].rows] == ["!", "!"]
    assert alone.findings == []


def test_saturation_is_a_note_that_leaves_nothing_out() -> None:
    noted: dict[str, Any] = {"flags": (Flag.SATURATED,), "row_flags": (Flag.SATURATED,)}
    found = document(*loads("greedy:1", rates=(733.0,), **noted))
    (row,), (shown_,) = found.records(), tables_of(found)[0].rows
    assert (row["trials"], row["left_out"], row["flags"]) == (3, 0, "saturated")
    assert (row["saturated"], row["response_p99_s"], row["wait_s"]) == (True, None, None)
    assert isinstance(row["net_j_per_request"], float)
    assert (shown_.marks, shown_.values["response_mean_s"]) == ({"load": "!"}, None)
    below = document(*loads("greedy:1"), shown(7, point_policy="greedy:1", **noted))
    assert has_note(below, "Some trials were saturated")


# Sentences


@pytest.mark.parametrize(
    ("trials", "is_clear"),
    [
        (loads("greedy:8", "fixed:8"), True),
        (loads("greedy:8", "greedy:4"), False),
        (loads("greedy:8", "fixed:8", trials=1), False),
    ],
)
def test_policies_that_do_not_differ_clearly_have_a_doubt(trials: list[Shown], is_clear: bool) -> None:
    found = document(*trials).findings
    assert len(found) == 2
    assert all(("; cannot tell yet: " in sentence) is not is_clear for sentence in found)


def test_modelled_joules_rank_no_policy() -> None:
    modelled = loads("fixed:8", row_quality=Quality.MODELLED)
    both = document(*loads("greedy:8", row_quality=Quality.MODELLED), *modelled)
    assert [("answers soonest" in sentence) for sentence in both.findings] == [True]
    assert has_note(both, "Energy is modelled here, from load and rated power: it ranks nothing")
    assert document(*loads("greedy:8"), *modelled).findings == []


def test_net_joules_within_their_noise_are_not_ranked() -> None:
    noisy: dict[str, Any] = {"row_net_j_low": -1000.0, "row_net_j_high": 1000.0}
    found = document(*loads("greedy:8", **noisy), *loads("fixed:8", **noisy))
    assert "J gross per request" in found.findings[1]


# Charts


def test_one_rate_is_drawn_as_a_row_for_each_policy_and_saturation_not_at_all() -> None:
    mean, *_ = figures_of(document(*loads("greedy:8"), *loads("greedy:1", rates=(733.0,))))
    assert (mean.name, [value["row"] for value in mean.spec["data"]["values"]]) == (
        "Mean response time", ["alexnet, policy greedy:8"],
    )  # fmt: skip
    assert "Saturated loads are left out." in mean.caption
    assert mean.bars is not None
    assert [bar.middle is None for bar in mean.bars.bars] == [False, True], "a terminal names what has no time"


def test_no_time_that_is_drawn_or_recorded_is_below_0_and_its_other_end_stays() -> None:
    """Two trials, whose intervals are wide."""
    wide = results(*loads("greedy:1", rates=(150.0,), trials=2))
    (live_,), (row,) = wide.lives, live.document(wide).records()
    assert live_.wait_s is not None
    for name, value in {"response_mean_s": live_.figures.response_s["mean"], "wait_s": live_.wait_s}.items():
        assert value.low is not None
        assert value.low < 0
        assert (row[name], row[f"{name}_low"], row[f"{name}_high"]) == (value.mean, 0.0, value.high)
    for figure in figures_of(live.document(wide))[:2]:
        assert all(value["low"] >= 0 for value in figure.spec["data"]["values"])


def test_net_joules_are_drawn_where_all_are_sure() -> None:
    sure = loads("greedy:1", rates=(150.0,))
    noisy = loads("fixed:8", rates=(150.0,), row_net_j_low=-1000.0, row_net_j_high=1000.0, flags=(Flag.CONTAMINATED,))
    for trials, is_drawn in ((sure, True), ([*sure, *noisy], False)):
        assert any(figure.name.endswith(", net") for figure in figures_of(document(*trials))) == is_drawn


# From the database


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('live') / 'farm.db'}"
    with serving(url):
        return url


def test_what_the_store_keeps_is_what_is_shown(stored: str) -> None:
    with Store.open(stored) as store:
        found = view(load_results(store, store.find_sweep(None)), EVERYTHING)
    expected = document(*loads(rates=(50.0, 150.0)))
    figures = ("response_mean_s", "response_p99_s", "response_p99_s_low", "mean_batch", "load", "wait_s", "late_p99_s")
    for name in (*figures, "gross_j_per_request", "net_j_per_request", "requests"):
        assert [own[name] for own in found.records()] == pytest.approx([own[name] for own in expected.records()]), name
    assert json.loads(json.dumps(found.records()))[0]["response_times"] == "live"


def test_an_export_has_a_row_for_each_window_with_its_load(stored: str) -> None:
    with Store.open(stored) as store:
        rows = list(exports.exported(store, store.find_sweep(None), exports.Rows.MEASUREMENT).records())
    assert len(rows) == 12
    assert rows[0]["kind"] == "serving"
    assert (rows[0]["policy"], rows[0]["rate_per_s"], rows[0]["units"]) == ("greedy:8", 50.0, 512)


def test_loads_are_compared_across_machines_a_request(stored: str) -> None:
    with Store.open(stored) as store:
        found = across.view([load(store, store.find_sweep(None))], EVERYTHING)
    assert {dict(cell.kind)["unit"] for cell in found.cells} == {"request"}
    assert len(found.cells) == 4


def test_a_report_shows_live_requests(stored: str) -> None:
    with Store.open(stored) as store:
        material = gathered(store, store.find_sweep(None))
    found = sections.document(material)
    assert [figure.name for figure in found.figures][:4] == [
        "Mean response time, against the rate",
        "99th percentile of the response time, against the rate",
        "CPU energy per request, net, against the rate",
        "CPU energy per request, gross, against the rate",
    ]
    grids = [block for section in found.sections for block in section.blocks if isinstance(block, Table)]
    assert any({"response_mean_s", "load"} <= {column.name for column in grid.columns} for grid in grids)
    written = markdown.report(found).replace("\\", "")
    assert "greedy:8 answers soonest" in written
    assert "latency max batches" not in written
    assert any(row[1:2] == ["fixed:8"] for row in Page(html.page(found).text).rows)
    assert json.loads(json.dumps(record.report_record(material), default=str))["sweeps"][0]["results"][0]["load"] > 0


# Beside simulated ones


def both(*trials: Shown, sizes: tuple[int, ...] = (1, 2, 4, 8), batches: Mapping[str, Any] | None = None) -> Document:
    each = [timed(size, number, **(batches or {})) for size in sizes for number in range(2)]
    return beside.document(beside.compare_with_live(loaded(BATCHES, *each), loaded_live(LIVE, *trials), EVERYTHING))


def test_simulated_and_live_stand_beside_each_other() -> None:
    found = both(*loads("greedy:8", "fixed:8", rates=(50.0, 100.0)))
    assert_seen("serving-beside.txt", found)
    rows = found.records()
    assert len(rows) == 4
    for row in rows:
        assert row["ratio_response_mean"] == pytest.approx(1, abs=0.05)
        assert row["ratio_net_j_per_request"] == pytest.approx(1, abs=0.05)
        assert row["simulated_response_mean_s"] != row["live_response_mean_s"]
    whole = json.loads(json.dumps(found.json()))
    assert [each["what"] for each in whole["agreement"]] == [
        *("mean response", "p99 response", "service time"),
        *("gross J", "net J"),
    ]
    assert len(whole["loads"]) == 4


def test_joules_of_another_quality_have_no_ratio() -> None:
    found = both(*loads("greedy:8", row_quality=Quality.MODELLED))
    (row,) = found.records()
    assert row["ratio_response_mean"] is not None
    assert (row["ratio_gross_j_per_request"], row["ratio_net_j_per_request"]) == (None, None)
    assert has_note(found, "Joules that are unknown, within their noise, or of different quality have no ratio.")


def test_slower_batches_are_found_out() -> None:
    slow = service({size: [0.02 + 0.001 * size] for size in (1, 8)}, {size: ends(1.0, 0.01) for size in (1, 8)})
    found = both(*loads("greedy:8", own=slow))
    (row,) = found.records()
    assert isinstance(row["ratio_response_mean"], float)
    assert row["ratio_response_mean"] < 0.5
    assert "0 of 1 live intervals include the simulated figure" in found.findings[0]


@pytest.mark.parametrize(
    "batches",
    [{"model": "vgg11"}, {"precision": "bf16"}, {"threads": 1}, {"compile": True}, {"weights": "default"}],
)
def test_a_load_without_batches_of_its_kind_is_named(batches: dict[str, Any]) -> None:
    found = both(*loads("greedy:8"), batches=batches)
    assert found.records() == []
    assert found.findings == [
        "Not simulated, because batches (fedcba543210) has no such batches from the same machine: alexnet, rate 50/s, "
        "policy greedy:8."
    ]
    assert found.json()["without_batches"] == [{"model": "alexnet", "rate_per_s": 50.0, "policy": "greedy:8"}]


def test_a_policy_of_larger_batches_than_any_that_was_timed_is_named() -> None:
    found = both(*loads("greedy:8", "greedy:4"), sizes=(1, 4))
    assert [row["policy"] for row in found.records()] == ["greedy:4"]
    assert found.findings[-1].endswith("alexnet, rate 50/s, policy greedy:8.")


def test_a_trace_is_simulated_as_it_came() -> None:
    trace: dict[str, Any] = {"point_arrivals": "/data/monday.txt", "point_rate_per_s": None}
    found = both(shown(3, trial="a", **trace), shown(3, trial="b", **trace))
    (row,) = found.records()
    assert row["ratio_response_mean"] == pytest.approx(1)
    assert row["simulated_requests"] == 512


def test_decoding_while_served_has_a_note() -> None:
    assert has_note(both(*loads(point_preprocess=True)), "preprocess: live images were decoded")


def test_live_is_of_kind_serving_and_brings_its_own_loads() -> None:
    batches = loaded(BATCHES, timed(1))
    with pytest.raises(InputError, match="--live: batches: of kind inference: expected a sweep of kind serving"):
        beside.compare_with_live(batches, batches, EVERYTHING)
    with pytest.raises(InputError, match="--live: rates, policies and arrivals are those of its trials"):
        response("batches", live="study", rate=["16/s"])


# Tests of significance


def test_response_times_are_analysed_a_value_a_trial(stored: str) -> None:
    with Store.open(stored) as store:
        sweep = store.find_sweep(None)
        data = load(store, sweep, observations.needs("response_s"))
        found = of_sweep(data, "response_s", ("policy", "rate_per_s"), EVERYTHING)
        p99 = of_sweep(data, "response_p99_s", ("policy", "rate_per_s"), EVERYTHING)
        joules = of_sweep(data, "gross_j", ("policy", "rate_per_s"), EVERYTHING)
    assert len(found.data.values) == 12
    each = [record["response_mean_s"] for record in document(*loads(rates=(50.0, 150.0))).records()]
    assert sum(found.data.values) / 12 == pytest.approx(sum(map(float, each)) / 4)
    assert all(long > mean for long, mean in zip(p99.data.values, found.data.values, strict=True))
    assert any(isinstance(block, Paragraph) and "per request" in block.text for block in joules.caption)


def test_a_saturated_trial_has_no_response_time_to_analyse(tmp_path: Path) -> None:
    saturated = serving(f"sqlite:///{tmp_path / 'farm.db'}", flags=(Flag.SATURATED,))
    with saturated as (store, sweep), pytest.raises(InputError, match="response_s is unknown in 12 of 12 trials"):
        of_sweep(load(store, sweep, observations.needs("response_s")), "response_s", ("policy",), EVERYTHING)
