"""Response times and recommendations as people and scripts read them, from a sweep's rows."""

import json
from inspect import signature

import pytest

from farm.cli.response import recommend, response
from farm.kinds.serving.recommended import answer
from farm.kinds.serving.recommended.answer import Recommendation
from farm.kinds.serving.recommended.choice import Limit
from farm.kinds.serving.simulated import response as simulated
from farm.kinds.serving.simulated.assess import REQUESTS
from farm.kinds.serving.simulated.batches import measured_services
from farm.load.arrivals import Arrivals, Poisson, Recorded
from farm.load.policy import Policy
from farm.model import Domain, Flag, Quality
from farm.model.errors import InputError
from farm.report.document import Document
from farm.report.selection import Selection
from tests.documents import assert_seen, has_note, seen, tables_of
from tests.loaded import Measured, loaded
from tests.summaries import POINT, measurement_row, trial_row, widest
from tests.trainings import sweep_of

INFERENCE = sweep_of("inference")
P99 = Limit("p99", 0.05)
EVERYTHING = Selection()
MODELS = ("shufflenet_v2_x0_5", "mobilenet_v3_small")


def trial(batch_size: int, model: str = MODELS[0], number: int = 0, **changes: object) -> Measured:
    """A batch takes 4 ms and 1 ms an image; 5 W idle, 0.4 J a batch and 0.1 J an image above that."""
    row = {name.removeprefix("row_"): value for name, value in changes.items() if name.startswith("row_")}
    rest = {name: value for name, value in changes.items() if not name.startswith("row_")}
    own = 1 + 1e-7 * (2 * ((number + batch_size + len(model)) % 2) - 1)  # slow in one block, fast in the other
    batches, batch_s = 400, (0.004 + 0.001 * batch_size) * own
    net_j = batches * (0.4 + 0.1 * batch_size) * own
    made = trial_row(
        trial=f"{model}{batch_size}.{number}",
        repetition=number,
        factors={**POINT, "model": model, "batch_size": batch_size},
        facts={"device": "cpu", "unit": "image", "published_acc1_percent": 60.6 if model == MODELS[0] else 67.7},
        **{"latencies_s": (batch_s,) * 500, **rest},
    )
    plain = {
        "units": batches * batch_size,
        "duration_s": batches * batch_s,
        "baseline_w": 4.0,
        "baseline_context_w": 5.0,
        "gross_j": net_j + 5.0 * batches * batch_s,
        "net_j": net_j,
        "net_j_low": net_j * 0.99,
        "net_j_high": net_j * 1.01,
    }
    return made, [measurement_row(trial=made.trial, factors=made.factors, **plain | row)]


def sweep(*sizes: int, model: str = MODELS[0], **changes: object) -> list[Measured]:
    return [trial(size, model, number, **changes) for size in sizes for number in range(2)]


def responded(trials: list[Measured], *arrivals: Arrivals, policies: tuple[Policy, ...] = ()) -> Document:
    found = simulated.simulate_policies(
        loaded(INFERENCE, *trials), EVERYTHING, arrivals or [Poisson(50)], policies, requests=1000
    )
    return simulated.document(found)


def recommended(
    trials: list[Measured], rate: float = 50.0, limits: tuple[Limit, ...] = (P99,), selection: Selection = EVERYTHING
) -> Recommendation:
    data = loaded(INFERENCE, *trials, domain=selection.domain)
    return answer.recommend(data, selection, Poisson(rate), limits, requests=1000)


document = answer.document


# From rows to services


def test_services_are_what_was_measured() -> None:
    (found,) = measured_services(loaded(INFERENCE, *sweep(1, 8)), EVERYTHING).services
    assert found.sizes == (1, 8)
    assert found.labels == {"model": MODELS[0]}
    assert found.mean_s[7] == pytest.approx(0.012)
    assert len(found.batches[0].times_s) == 1000
    assert found.net_j is not None
    assert found.net_j[7].mean == pytest.approx(1.2)
    assert found.net_j[7].half_width is not None
    assert found.idle_w is not None
    assert found.idle_w.mean == 5.0


def test_joules_count_above_the_idle_of_the_loaded_network_whatever_the_baseline() -> None:
    """The bare machine draws 4 W: net joules of the sweep hold the context's watt besides."""
    (bare,) = measured_services(loaded(INFERENCE, *sweep(8, row_net_j=9e9)), EVERYTHING).services
    assert bare.net_j is not None
    assert bare.net_j[7].mean == pytest.approx(1.2)


def test_flagged_trials_are_left_out_as_in_results() -> None:
    noisy = trial(8, number=9, flags=(Flag.CONTAMINATED,), row_flags=(Flag.CONTAMINATED,))
    (found,) = measured_services(loaded(INFERENCE, *sweep(8), noisy), EVERYTHING).services
    assert len(found.batches[0].times_s) == 1000
    with_flagged = Selection.parse(None, [], None, include_flagged=True)
    (found,) = measured_services(loaded(INFERENCE, *sweep(8), noisy), with_flagged).services
    assert len(found.batches[0].times_s) == 1500


def test_a_batch_size_whose_trials_are_all_flagged_is_not_served_with() -> None:
    noisy = trial(8, flags=(Flag.CONTAMINATED,), row_flags=(Flag.CONTAMINATED,))
    found = measured_services(loaded(INFERENCE, *sweep(1, 4), noisy), EVERYTHING)
    assert found.services[0].sizes == (1, 4)
    (note,) = (n for n in found.notes([], []) if "every trial is flagged" in n)
    assert note == "1 batch size left out because every trial is flagged: --include-flagged includes them."
    with pytest.raises(InputError, match="every trial is flagged: --include-flagged includes them"):
        measured_services(loaded(INFERENCE, noisy), EVERYTHING)


def test_qualities_and_simulated_hardware_are_services_of_their_own() -> None:
    modelled = [trial(8, number=5, row_quality=Quality.MODELLED), trial(8, number=6, simulated=True)]
    found = measured_services(loaded(INFERENCE, *sweep(8), *modelled), EVERYTHING).services
    assert {(s.quality, s.simulated) for s in found} == {
        (Quality.COUNTER, False),
        (Quality.MODELLED, False),
        (Quality.COUNTER, True),
    }


def test_only_sweeps_of_inference_can_serve() -> None:
    with pytest.raises(InputError, match="study: of kind training: only sweeps of kind inference"):
        measured_services(loaded(sweep_of("training")), EVERYTHING)
    with pytest.raises(InputError, match="Nothing is measured yet"):
        measured_services(loaded(INFERENCE), EVERYTHING)


# Response times


def test_a_person_reads_a_row_for_each_policy() -> None:
    found = responded(sweep(1, 8), Poisson(50), Poisson(500))
    assert_seen("response.txt", found)
    rows = {(row["rate_per_s"], row["policy"]): row for row in found.records()}
    assert list(rows) == [(rate, policy) for rate in (50, 500) for policy in ("greedy:1", "greedy:8", "fixed:8")]
    fixed, saturated = rows[50, "fixed:8"], rows[500, "greedy:1"]
    assert fixed["net_j_per_request"] == pytest.approx(0.15)
    assert fixed["gross_j_per_request"] == pytest.approx(0.15 + 5 / 50)
    assert (saturated["saturated"], saturated["response_p99_s"]) == (True, None)


def test_rows_have_every_statistic_with_its_interval() -> None:
    (row,) = responded(sweep(1, 8), policies=(Policy(8, 0.02),)).records()
    for name in ("mean", "p50", "p90", "p95", "p99", "p99_9", "max"):
        low, value, high = (row[f"response_{name}_s{end}"] for end in ("_low", "", "_high"))
        assert low <= value <= high
    assert (row["policy"], row["response_times"], row["simulated"]) == ("timeout:8:20ms", "simulated", False)


def test_a_trace_may_be_too_short_for_a_batch() -> None:
    found = responded(sweep(8), Recorded("t", (0.0, 1.0)), policies=(Policy.fixed(8),))
    assert found.records()[0]["unserved"] == 2
    assert has_note(found, "The last requests, which do not fill a batch, are not served")


def test_a_batch_larger_than_any_that_was_measured_is_refused() -> None:
    with pytest.raises(InputError, match="--policy: fixed:16: the largest batch that was measured is 8"):
        responded(sweep(1, 8), policies=(Policy.fixed(16),))


# Recommendation


def test_a_person_reads_the_answer_first() -> None:
    trials = [*sweep(1, 2, 4, 8), *sweep(1, 8, model=MODELS[1], row_gross_j=5000.0)]
    assert_seen("recommend.txt", document(recommended(trials)))


def test_seconds_decide_where_energy_is_modelled() -> None:
    found = document(recommended(sweep(1, 8, row_quality=Quality.MODELLED)))
    assert "takes the least time of the server, " in found.findings[0]
    assert " ms a request, since energy is modelled here; " in found.findings[0]
    assert has_note(found, "Energy is modelled here")
    captions = [table.caption for table in tables_of(found)]
    assert any(caption.startswith("Front: more time of the server gives") for caption in captions)


def test_two_networks_that_do_not_differ_clearly_are_named() -> None:
    found = document(recommended([*sweep(1, 8), *sweep(1, 8, model=MODELS[1])]))
    assert found.findings[-1].startswith(f"Cannot tell yet whether {MODELS[0]} would take more energy")


def test_a_trial_that_alone_would_miss_the_limit_has_a_sentence() -> None:
    fast, slow = (trial(8, number=n, latencies_s=(each_s,) * 500) for n, each_s in enumerate((0.001, 0.049)))
    found = document(recommended([fast, slow], rate=1.0, limits=(Limit("mean", 0.04),)))
    assert found.findings[1].endswith("ms, some of them miss the limits.")


def test_the_command_serves_as_many_requests_as_the_analysis() -> None:
    for command in (recommend, response):
        assert signature(command).parameters["requests"].default == REQUESTS


def test_where_nothing_answers_in_time_the_nearest_is_named() -> None:
    found = document(recommended(sweep(1, 8), limits=(Limit("p99", 0.001), Limit("mean", 1.0))))
    assert "within p99 ≤ 1 ms and mean ≤ 1000 ms: no policy meets the limits. The nearest is" in found.findings[0]
    assert tables_of(found)[0].rows[0].marks["response_p99_s"] == ">"
    assert has_note(found, "> above the limit")


def test_where_nothing_keeps_up_the_fastest_is_named() -> None:
    found = document(recommended(sweep(1, 8), rate=5000.0))
    assert f"None keeps up: the fastest, {MODELS[0]} with greedy:8, serves 667/s" in found.findings[0]
    assert tables_of(found)[0].rows[0].values["policy"] == "no policy keeps up"


def test_each_machine_has_an_answer_of_its_own() -> None:
    machines = ("lab1", "lab2-with-a-long-name.example.org")
    found = recommended([one for machine in machines for one in sweep(1, 8, machine=machine)])
    assert [dict(a.place) for a in found.advice] == [{"machine": machine} for machine in machines]
    shown = document(found)
    assert widest(seen(shown)) <= 80
    assert [row["machine"] for row in shown.records() if row["row"] == "network"] == list(machines)


def test_few_measured_batches_claim_no_p99() -> None:
    few = sweep(1, 8, latencies_s=(0.01,) * 50)
    assert "*" not in tables_of(document(recommended(sweep(1, 8))))[0].rows[0].marks.get("response_p99_s", "")
    assert has_note(document(recommended(few)), "* rests on fewer measured batches, or requests, than a claim needs")


def test_without_joules_there_is_no_advice() -> None:
    with pytest.raises(InputError, match="no joules are known: `farm doctor` shows what is missing"):
        recommended(sweep(1, 8), selection=Selection(domain=Domain.GPU))


def test_json_holds_the_answer_and_csv_the_rows() -> None:
    found = document(recommended(sweep(1, 8)))
    record = json.loads(json.dumps(found.json()))
    (advice,) = record["advice"]
    assert advice["answer"] == " ".join(found.findings)
    assert (record["limits_s"], record["rate_per_s"]) == ({"p99": 0.05}, 50.0)
    assert advice["best"]["gross_j_per_request"] > advice["best"]["net_j_per_request"]
    assert [price["factor"] for price in advice["prices"]] == [0.5, 0.75, 1.0, 1.5, 2.0]
    rows = found.records()
    assert {row["row"] for row in rows} == {"network", "price", "front"}
    assert all(not isinstance(value, dict | list) for row in rows for value in row.values())
