"""Inference on a real NVIDIA GPU, in this process and in a trial forked by the helper."""

import tempfile
import time

import pytest
import torch

from farm.model import FailureKind, Point, Scalar, WindowKind
from tests.unit.test_zygote import SPEC, follow
from workers.kinds.inference.workload import DTYPES, Inference
from workers.supervisor.zygote import Zygote
from workers.trial import protocol
from workers.trial.timing import Events, make_timer

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here")]

POINT: Point = {"model": "shufflenet_v2_x0_5", "batch_size": 4}


def run_trial(**change: Scalar) -> list[protocol.Event]:
    """All events of a trial on the GPU."""
    spec = SPEC.model_copy(update={"point": {**SPEC.point, "device": "cuda", **change}})
    zygote = Zygote()
    zygote.start()
    with tempfile.TemporaryFile() as log_file:
        trial = zygote.spawn(log_file)
        events = follow(trial, spec)
        trial.wait(30)
    zygote.close()
    return events


@pytest.mark.parametrize("precision", sorted(DTYPES))
def test_a_batch_runs_in_its_precision(precision: str) -> None:
    workload = Inference()
    workload.setup({**POINT, "precision": precision, "channels_last": True}, "cuda:0", 1)
    assert workload.step() == 4
    workload.synchronize()
    assert workload._batch.is_cuda
    assert {p.dtype for p in workload._network.parameters()} == {DTYPES[precision]}
    assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
    workload.close()


def test_the_gpu_computes_what_the_cpu_does() -> None:
    outputs = []
    for device in ("cpu", "cuda:0"):
        workload = Inference()
        workload.setup(POINT, device, 1)
        with torch.inference_mode():
            outputs.append(workload._network(workload._batch).cpu())
    torch.testing.assert_close(*outputs, rtol=1e-3, atol=1e-4)


def test_a_forked_trial_uses_the_gpu() -> None:
    events = run_trial()
    assert isinstance(events[-1], protocol.Done)
    (facts,) = [event for event in events if isinstance(event, protocol.Facts)]
    assert facts.device == "cuda:0"
    units = {event.window.kind: event.window.units for event in events if isinstance(event, protocol.Closed)}
    assert units[WindowKind.MEASURE]


def test_events_time_each_batch_without_waiting_for_it() -> None:
    workload = Inference()
    workload.setup(POINT, "cuda:0", 1)
    for _ in range(10):
        workload.step()
    timer = make_timer("cuda:0", 50)
    assert isinstance(timer, Events)
    workload.synchronize()
    begin_s = time.perf_counter()
    timer.begin()
    for _ in range(50):
        workload.step()
        timer.mark()
    workload.synchronize()
    passed_s = time.perf_counter() - begin_s
    durations_s = timer.durations_s()
    workload.close()
    assert len(durations_s) == 50
    assert min(durations_s) > 0
    assert sum(durations_s) <= passed_s


def test_a_batch_beyond_the_gpus_memory_is_reported() -> None:
    last = run_trial(batch_size=10**8)[-1]
    assert isinstance(last, protocol.Failed)
    assert last.failure.kind == FailureKind.OOM
    assert "batch_size 100000000" in last.failure.message


def test_a_gpu_that_is_not_there_is_reported() -> None:
    last = run_trial(device="cuda:99")[-1]
    assert isinstance(last, protocol.Failed)
    assert last.failure.kind == FailureKind.INVALID
    assert "cuda:99" in last.failure.message
