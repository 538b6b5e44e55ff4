"""The ready-made sweeps of the batching study: what they run, and that the quick ones are quick."""

from pathlib import Path

import pytest

import farm.sweeps
from farm.analysis.aggregate import P99_NEEDS
from farm.model import Machine
from farm.report.terminal import text
from farm.scheduling import tuner
from farm.scheduling.plan import Plan, plan
from farm.scheduling.status import plans
from farm.spec import InferenceSweep, ServingSweep, Sweep, TuningSweep, load_sweep, profile_settings
from farm.spec.catalog import MODELS, NETWORKS
from tests.summaries import widest

READY_MADE = Path(farm.sweeps.__file__).parent
MACHINES = [Machine(id="m", name="lab1", hardware_class="small", hardware={})]
STUDY = {"alexnet", "densenet121", "shufflenet_v2_x0_5", "vit_b_16", "convnext_base"}
#: On two cores without a GPU, by plan.
LONGEST_S = 8 * 60


def inference(name: str) -> InferenceSweep:
    sweep = load_sweep(READY_MADE / f"{name}.yaml")
    assert isinstance(sweep, InferenceSweep)
    return sweep


def planned(sweep: Sweep) -> Plan:
    return tuner.plan(sweep, MACHINES) if isinstance(sweep, TuningSweep) else plan(sweep, MACHINES)


@pytest.mark.parametrize("name", farm.sweeps.names())
def test_a_dry_run_of_each_fits_a_terminal(name: str) -> None:
    sweep = load_sweep(READY_MADE / f"{name}.yaml")
    shown = text(plans.described(sweep, planned(sweep)))
    assert widest(shown) <= 80
    assert shown.splitlines()[-1].strip() == "Nothing was submitted."


@pytest.mark.parametrize("name", ["batching-quick", "timeline-quick"])
def test_the_quick_ones_are_quick(name: str) -> None:
    sweep = inference(name)
    assert plans.record(sweep, planned(sweep))["expected_duration_s"] <= LONGEST_S
    batches = [
        int(job.spec.point["batch_size"] or 1) * NETWORKS[str(job.spec.point["model"])].gflops
        for job in planned(sweep).jobs
    ]
    assert max(batches) < 50  # two cores do some 40 a second


def test_batching_is_asked_of_the_studys_networks() -> None:
    sweep = inference("batching")
    assert set(sweep.workload.model) == STUDY
    assert {1, 16, 32, 64, 128} <= set(sweep.workload.batch_size)
    assert sweep.repetitions.min >= 5
    assert set(inference("batching-quick").workload.model) == STUDY


def test_the_faithful_one_has_the_studys_cells_once_each_with_all_of_its_requests() -> None:
    sweep = load_sweep(READY_MADE / "batching-faithful.yaml")
    assert isinstance(sweep, ServingSweep)
    measure = profile_settings(sweep.measure)
    assert set(sweep.workload.model) == STUDY
    assert sweep.workload.policy == ("fixed:16", "fixed:32", "fixed:64", "fixed:128", "greedy:128")
    assert (sweep.workload.arrivals, sweep.workload.rate_per_s) == (("constant",), (16.0,))
    assert (sweep.repetitions.min, sweep.repetitions.max) == (1, 1)
    assert (sweep.workload.requests, sweep.workload.preprocess) == ((8192,), (True,))
    assert (measure.cool_down_max_s, measure.guard_s) == (0, 0)
    assert sweep.workload.device == ("cuda",)


def test_live_requests_are_enough_for_a_p99() -> None:
    for name in ("serving", "serving-quick"):
        sweep = load_sweep(READY_MADE / f"{name}.yaml")
        assert isinstance(sweep, ServingSweep)
        assert min(requests or 0 for requests in sweep.workload.requests) >= P99_NEEDS


def test_the_timeline_has_every_network_of_torchvision() -> None:
    assert inference("timeline").workload.model == MODELS


def test_the_quick_timeline_has_a_paper_for_most_years_of_the_decade() -> None:
    networks = [NETWORKS[model] for model in inference("timeline-quick").workload.model]
    years = [network.year for network in networks]
    assert len({network.source for network in networks}) == len(networks) >= 5
    assert (min(years), max(years)) == (2012, 2022)
