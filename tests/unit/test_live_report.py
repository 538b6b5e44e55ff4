"""Live requests as people and scripts read them, and beside simulated ones."""

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from farm.cli.response import response
from farm.errors import InputError
from farm.exchange import exports
from farm.exchange.loading import load, load_all, load_results
from farm.kinds.serving import results as live
from farm.kinds.serving.agreement_view import Beside, beside
from farm.kinds.views import view
from farm.model import Flag, Quality
from farm.report import across, html, markdown, observations
from farm.report.document import Figure, Grid
from farm.report.observations import of_sweep
from farm.report.paper import charts, record, sections
from farm.report.selection import Selection
from farm.store import Store
from tests.loaded import loaded
from tests.reports import Page, gathered
from tests.serving import BATCHES, LIVE, Shown, service, serving, shown, timed
from tests.serving import live as loaded_live
from tests.summaries import ends, rendered, widest

EVERYTHING = Selection()
TABLE = """\
study (abcdef012345)
machine lab1, device cpu, arrivals poisson, requests 512, precision fp32,
weights random, images sample
cpu joules: counted by the hardware
measured live: requests came in real time, whatever the server did

alexnet
                         ms                                            J      J
rate   policy          mean   p50   p95   p99   max  batch   load  gross    net
───────────────────────────────────────────────────────────────────────────────
50/s   greedy:8        5.67  5.00  9.18  10.2  11.6      1   0.08  0.686  0.487
50/s   timeout:8:20ms  21.6  25.0  27.1  29.0  31.0      2   0.08  0.497  0.299
50/s   fixed:8         83.2  74.4   190   249   360      8   0.08  0.348  0.150
733/s  greedy:8           –     –     –     –     –    7.4  1.10!  0.170  0.154
733/s  timeout:8:20ms     –     –     –     –     –    7.9  1.10!  0.166  0.151
733/s  fixed:8            –     –     –     –     –      8  1.10!  0.165  0.150

alexnet, rate 50/s
                     ms mean        ms p99      ms  served      net J/request
policy                 (95%)         (95%)  waited      /s              (95%)
─────────────────────────────────────────────────────────────────────────────
greedy:8         5.67 ± 0.33  10.25 ± 0.85   0.605    50.7    0.4872 ± 0.0068
timeout:8:20ms  21.57 ± 0.28    29.0 ± 1.4    15.1    50.6      0.299 ± 0.027
fixed:8              83 ± 16      249 ± 67    71.2    50.7  0.15000 ± 0.00087

alexnet, rate 733/s
greedy:8                   –             –       –     648    0.1542 ± 0.0068
timeout:8:20ms             –             –       –     647    0.1505 ± 0.0011
fixed:8                    –             –       –     648  0.15000 ± 0.00087

Response times: from when a request was to come to its answer, requests of all
trials together, without the first 5% of each window, which begins with an empty
queue (of a trace all). Joules: of all.
load: rate over what the warm-up served at best, in full batches back to back.
J: of a request; gross: with the idle between batches, net: above it. Intervals
are over trials.
A load of 1 or more (!) is saturated: the queue grows without bound, and has no
response times.
• alexnet, rate 50/s: greedy:8 answers soonest, on average in 5.67 ± 0.33 ms,
  74% less than timeout:8:20ms (21.57 ± 0.28 ms).
• alexnet, rate 50/s: fixed:8 takes the least energy, 0.15000 ± 0.00087 J net
  per request, 50% less than timeout:8:20ms (0.299 ± 0.027).
• alexnet, rate 733/s: greedy:8, timeout:8:20ms, fixed:8 cannot keep up.
"""


def loads(*policies: str, rates: tuple[float, ...] = (50.0,), trials: int = 3, **changes: Any) -> list[Shown]:
    each = product(rates, policies or ("greedy:8", "fixed:8"), range(trials))
    return [shown(number, point_policy=policy, point_rate_per_s=rate, **changes) for rate, policy, number in each]


def results(*trials: Shown, selection: Selection = EVERYTHING) -> live.Results:
    found = view(loaded_live(LIVE, *trials, domain=selection.domain), selection)
    assert isinstance(found, live.Results)
    return found


def text_of(*trials: Shown) -> str:
    return rendered(results(*trials).rendered())


def in_a_line(text: str) -> str:
    return " ".join(text.split())


# The table


def test_a_table_of_live_requests() -> None:
    text = text_of(*loads("fixed:8", "greedy:8", "timeout:8:20ms", rates=(733.0, 50.0)))
    assert [line.rstrip() for line in text.splitlines()] == TABLE.splitlines()


@pytest.mark.parametrize("rate_per_s", [0.01, 5.0, 1e5])
def test_tables_fit_80_columns_whatever_the_rates(rate_per_s: float) -> None:
    names = {"point_model": "mobilenet_v3_small", "machine": "lab1-with-a-rather-long-name.example.org"}
    text = text_of(*loads("timeout:8:12.5ms", "fixed:8", rates=(rate_per_s,), trials=1, **names))
    assert widest(text) <= 80
    assert "…" not in text


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
    text = text_of(*trials)
    assert "trace monday.txt" in text
    assert "/data" not in text
    first = results(*trials).records()[0]
    assert first["rate_per_s"] is None
    (_, _, (requests,)) = trials[0]
    span_s = requests.arrival_s[-1] - requests.arrival_s[0]
    assert first["arrivals_per_s"] == pytest.approx(511 / span_s)
    assert first["requests"] == 512


def test_few_requests_one_trial_and_a_late_generator_are_told() -> None:
    text = in_a_line(text_of(*loads("greedy:8", trials=1, point_requests=100, late_s=0.001)))
    assert "* fewer requests than a claim needs: p99 459." in text
    assert "±? one trial alone says nothing of the spread" in text
    assert "Requests came late: one in 100 by 1.00 ms or more (alexnet, rate 50/s, policy greedy:8)" in text
    assert "came late" not in text_of(*loads())


def test_flagged_trials_are_left_out_and_those_of_a_row_alone_marked() -> None:
    noisy: dict[str, Any] = {"flags": (Flag.CONTAMINATED,), "row_flags": (Flag.CONTAMINATED,)}
    some = [*loads(), shown(7, point_policy="greedy:8", **noisy)]
    text = in_a_line(text_of(*some))
    assert "1 of 7 trials are left out" in text
    row = next(line for line in text_of(*loads(**noisy)).splitlines() if "greedy:8" in line)
    assert row.rstrip().endswith("0.487!")
    assert results(*loads(**noisy)).sentences() == []


def test_saturation_is_a_note_that_leaves_nothing_out() -> None:
    noted: dict[str, Any] = {"flags": (Flag.SATURATED,), "row_flags": (Flag.SATURATED,)}
    found = results(*loads("greedy:1", rates=(733.0,), **noted)).records()[0]
    assert (found["trials"], found["left_out"], found["flags"]) == (3, 0, "saturated")
    assert (found["saturated"], found["response_p99_s"], found["wait_s"]) == (True, None, None)
    assert isinstance(found["net_j_per_request"], float)
    below = in_a_line(text_of(*loads("greedy:1"), shown(7, point_policy="greedy:1", **noted)))
    assert "Some trials found themselves saturated, their rows on the whole are not." in below


# Sentences


def test_policies_that_cannot_be_told_apart_are_said_so() -> None:
    said = results(*loads("greedy:8", "greedy:4")).sentences()
    assert len(said) == 2
    assert all(sentence.endswith("; the intervals overlap, more repetitions would tell.") for sentence in said)
    alone = results(*loads("greedy:8", "fixed:8", trials=1)).sentences()
    assert len(alone) == 2
    assert all(sentence.endswith("; one trial alone tells nothing of the spread.") for sentence in alone)


def test_modelled_joules_rank_no_policy() -> None:
    modelled = loads("fixed:8", row_quality=Quality.MODELLED)
    both = results(*loads("greedy:8", row_quality=Quality.MODELLED), *modelled)
    assert [("answers soonest" in sentence) for sentence in both.sentences()] == [True]
    assert "No policy is said to take less energy: modelled joules follow" in " ".join(
        rendered(both.rendered()).split()
    )
    assert results(*loads("greedy:8"), *modelled).sentences() == []


def test_net_joules_within_their_noise_are_not_ranked() -> None:
    noisy: dict[str, Any] = {"row_net_j_low": -1000.0, "row_net_j_high": 1000.0}
    said = results(*loads("greedy:8", **noisy), *loads("fixed:8", **noisy)).sentences()
    assert "J gross per request" in said[1]


# From the database


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('live') / 'farm.db'}"
    with serving(url):
        return url


def test_what_the_store_keeps_is_what_is_shown(stored: str) -> None:
    with Store.open(stored) as store:
        found = view(load_results(store, store.find_sweep(None)), EVERYTHING)
    expected = results(*loads(rates=(50.0, 150.0)))
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
        found = across.view(load_all(store, [store.find_sweep(None)]), EVERYTHING)
    assert "net J/request" in rendered(found.rendered())
    assert len(found.cells) == 4


def test_a_report_shows_live_requests(stored: str) -> None:
    with Store.open(stored) as store:
        material = gathered(store, store.find_sweep(None))
    document = sections.document(material)
    names = [block.name for section in document.sections for block in section.blocks if isinstance(block, Figure)]
    assert names[:4] == [
        "Mean response time, against the rate",
        "99th percentile of the response time, against the rate",
        "CPU energy per request, gross, against the rate",
        "CPU energy per request, net, against the rate",
    ]
    grids = [block for section in document.sections for block in section.blocks if isinstance(block, Grid)]
    assert any("ms mean" in grid.headings and "load" in grid.headings for grid in grids)
    said = markdown.text(document).replace("\\", "")
    assert "requests come in real time" in said
    assert "latency max batches" not in said
    assert "greedy:8 answers soonest" in said
    page = Page(html.page(document))
    assert any(row[1:2] == ["fixed:8"] for row in page.rows)
    assert json.loads(json.dumps(record.of(material), default=str))["sweeps"][0]["results"][0]["load"] > 0


def test_one_rate_is_drawn_as_a_row_for_each_policy_and_saturation_not_at_all(tmp_path_factory: Any) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('one') / 'farm.db'}"
    with serving(url, ("greedy:1", "greedy:8"), (50.0, 733.0)) as (store, sweep):
        document = sections.document(gathered(store, sweep))
    figures = [block for section in document.sections for block in section.blocks if isinstance(block, Figure)]
    mean = next(figure for figure in figures if figure.name == "Mean response time")
    assert [value["row"] for value in mean.spec["data"]["values"]] == [
        "alexnet, policy greedy:1",
        "alexnet, policy greedy:8",
    ]
    assert "Saturated loads are left out." in mean.caption


def test_no_drawn_time_is_below_nothing_and_net_joules_are_drawn_where_all_are_sure() -> None:
    """Two trials, whose intervals are wide."""
    wide = results(*loads("greedy:1", rates=(150.0,), trials=2))
    lows = [wide.lives[0].figures.response_s[name].low for name in ("mean", "p99")]
    assert any(low is not None and low < 0 for low in lows)
    for figure in charts.of_serving(wide)[:2]:
        assert all(value["low"] >= 0 for value in figure.spec["data"]["values"])
    sure = [figure.name for figure in charts.of_serving(wide)]
    noisy = loads("fixed:8", rates=(150.0,), row_net_j_low=-1000.0, row_net_j_high=1000.0, flags=(Flag.CONTAMINATED,))
    unsure = [figure.name for figure in charts.of_serving(results(*loads("greedy:1", rates=(150.0,)), *noisy))]
    assert [name.endswith(", net") for name in sure].count(True) == 1
    assert not any(name.endswith(", net") for name in unsure)


def test_no_recorded_time_is_below_nothing_and_its_other_end_stays() -> None:
    """Cut where no time can be, an interval holds what it held."""
    wide = results(*loads("greedy:1", rates=(150.0,), trials=2))
    (live_,), (row,) = wide.lives, wide.records()
    assert live_.wait_s is not None
    cut = {"response_mean_s": live_.figures.response_s["mean"], "wait_s": live_.wait_s}
    for name, value in cut.items():
        assert value.low is not None
        assert value.low < 0
        assert (row[name], row[f"{name}_low"], row[f"{name}_high"]) == (value.mean, 0.0, value.high)
    sure = results(*loads("greedy:8")).lives[0].figures.response_s["mean"].low
    assert sure is not None
    assert results(*loads("greedy:8")).records()[0]["response_mean_s_low"] == sure > 0


# Beside simulated ones


def both(*trials: Shown, sizes: tuple[int, ...] = (1, 2, 4, 8), batches: Mapping[str, Any] | None = None) -> Beside:
    each = [timed(size, number, **(batches or {})) for size in sizes for number in range(2)]
    return beside(loaded(BATCHES, *each), loaded_live(LIVE, *trials), EVERYTHING)


def test_simulated_and_live_stand_beside_each_other() -> None:
    found = both(*loads("greedy:8", "fixed:8", rates=(50.0, 100.0)))
    text = rendered(found.rendered())
    assert widest(text) <= 80
    rows = found.records()
    assert len(rows) == 4
    for row in rows:
        assert row["ratio_response_mean"] == pytest.approx(1, abs=0.05)
        assert row["ratio_net_j_per_request"] == pytest.approx(1, abs=0.05)
        assert row["simulated_response_mean_s"] != row["live_response_mean_s"]
    assert "mean response: simulated and live differ by" in in_a_line(text)
    whole = json.loads(json.dumps(found.record()))
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
    assert "of different quality have no ratio" in in_a_line(rendered(found.rendered()))


def test_slower_batches_are_found_out() -> None:
    slow = service({size: [0.02 + 0.001 * size] for size in (1, 8)}, {size: ends(1.0, 0.01) for size in (1, 8)})
    found = both(*loads("greedy:8", own=slow))
    (row,) = found.records()
    assert isinstance(row["ratio_response_mean"], float)
    assert row["ratio_response_mean"] < 0.5
    assert "0 of 1 live intervals hold the simulated figure" in found.sentences()[0]


@pytest.mark.parametrize(
    "batches",
    [{"model": "vgg11"}, {"precision": "bf16"}, {"threads": 1}, {"compile": True}, {"weights": "default"}],
)
def test_a_load_without_batches_of_its_kind_is_named(batches: dict[str, Any]) -> None:
    found = both(*loads("greedy:8"), batches=batches)
    assert found.records() == []
    assert found.sentences() == [
        "Not simulated, since batches (fedcba543210) timed no such batches on the same machine: alexnet, rate 50/s, "
        "policy greedy:8."
    ]
    assert found.record()["without_batches"] == [{"model": "alexnet", "rate_per_s": 50.0, "policy": "greedy:8"}]
    assert "policy greedy:8" in in_a_line(rendered(found.rendered()))


def test_a_policy_of_larger_batches_than_any_that_was_timed_is_named() -> None:
    found = both(*loads("greedy:8", "greedy:4"), sizes=(1, 4))
    assert [row["policy"] for row in found.records()] == ["greedy:4"]
    assert found.sentences()[-1].endswith("alexnet, rate 50/s, policy greedy:8.")


def test_a_trace_is_simulated_as_it_came() -> None:
    trace: dict[str, Any] = {"point_arrivals": "/data/monday.txt", "point_rate_per_s": None}
    found = both(shown(3, trial="a", **trace), shown(3, trial="b", **trace))
    (row,) = found.records()
    assert row["ratio_response_mean"] == pytest.approx(1)
    assert row["simulated_requests"] == 512


def test_decoding_while_served_is_told() -> None:
    assert "preprocess: live images were decoded" in rendered(both(*loads(point_preprocess=True)).rendered())


def test_live_is_of_kind_serving_and_brings_its_own_loads() -> None:
    batches = loaded(BATCHES, timed(1))
    with pytest.raises(InputError, match="--live: batches: of kind inference: expected a sweep of kind serving"):
        beside(batches, batches, EVERYTHING)
    with pytest.raises(InputError, match="--live: rates, policies and arrivals are those of its trials"):
        response("batches", live="study", rate=["16/s"])


# Tests of significance


def test_response_times_are_analysed_a_value_a_trial(stored: str) -> None:
    with Store.open(stored) as store:
        sweep = store.find_sweep(None)
        data = load(store, sweep, observations.NEEDS)
        found = of_sweep(data, "response_s", ("policy", "rate_per_s"), EVERYTHING)
        p99 = of_sweep(data, "response_p99_s", ("policy", "rate_per_s"), EVERYTHING)
        joules = of_sweep(data, "gross_j", ("policy", "rate_per_s"), EVERYTHING)
    assert len(found.data.values) == 12
    each = [record["response_mean_s"] for record in results(*loads(rates=(50.0, 150.0))).records()]
    assert sum(found.data.values) / 12 == pytest.approx(sum(map(float, each)) / 4)  # type: ignore[arg-type]
    assert all(long > mean for long, mean in zip(p99.data.values, found.data.values, strict=True))
    assert "per request" in joules.caption[-1]


def test_a_saturated_trial_has_no_response_time_to_analyse(tmp_path: Path) -> None:
    saturated = serving(f"sqlite:///{tmp_path / 'farm.db'}", flags=(Flag.SATURATED,))
    with saturated as (store, sweep), pytest.raises(InputError, match="response_s is unknown in 12 of 12 trials"):
        of_sweep(load(store, sweep, observations.NEEDS), "response_s", ("policy",), EVERYTHING)
