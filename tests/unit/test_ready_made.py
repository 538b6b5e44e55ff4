"""The ready-made sweeps of the batching study: what they run, and that the quick ones are quick."""

from pathlib import Path

import pytest

import farm.sweeps
from farm.analysis.aggregate import P99_NEEDS
from farm.kinds import load_sweep, ready_made
from farm.kinds.inference.sweep import InferenceSweep
from farm.kinds.serving.sweep import ServingSweep
from farm.kinds.tuning.sweep import TuningSweep
from farm.model import Machine
from farm.model.catalog import NETWORKS
from farm.report.terminal import text
from farm.scheduling import tuner
from farm.scheduling.plan import Plan, plan
from farm.scheduling.status import plans
from farm.spec import Sweep
from tests.summaries import widest

READY_MADE = Path(farm.sweeps.__file__).parent
MACHINES = [Machine(id="m", name="lab1", hardware_class="small", hardware={})]
#: On two cores without a GPU, by plan.
LONGEST_S = 8 * 60


def inference(name: str) -> InferenceSweep:
    sweep = load_sweep(READY_MADE / f"{name}.yaml")
    assert isinstance(sweep, InferenceSweep)
    return sweep


def planned(sweep: Sweep) -> Plan:
    return tuner.plan(sweep, MACHINES) if isinstance(sweep, TuningSweep) else plan(sweep, MACHINES)


@pytest.mark.parametrize("name", ready_made.names())
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


def test_live_requests_are_enough_for_a_p99() -> None:
    for name in ("serving", "serving-quick"):
        sweep = load_sweep(READY_MADE / f"{name}.yaml")
        assert isinstance(sweep, ServingSweep)
        assert min(requests or 0 for requests in sweep.workload.requests) >= P99_NEEDS
