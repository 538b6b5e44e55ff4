"""Live requests on a real NVIDIA GPU."""

import pytest
import torch

from farm.model import Point
from workers.kinds.serving.workload import Serving

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here")]


@pytest.mark.parametrize("preprocess", [False, True])
def test_a_batch_of_requests_runs_on_the_gpu(preprocess: bool) -> None:
    point: Point = {"model": "shufflenet_v2_x0_5", "policy": "greedy:4", "rate_per_s": 16.0, "preprocess": preprocess}
    on_gpu, on_cpu = Serving(), Serving()
    on_gpu.setup(point, "cuda:0", 1)
    on_cpu.setup(point, "cpu", 1)
    for workload in (on_gpu, on_cpu):
        workload.take(1, 3)
        workload.serve(3)
        workload.synchronize()
    assert on_gpu._batch.is_cuda
    assert torch.equal(on_gpu._batch[:3].cpu(), on_cpu._batch[:3])
    assert on_gpu.step() == 4
    on_gpu.synchronize()
    on_gpu.close()
