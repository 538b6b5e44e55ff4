"""Training and single layers on a real NVIDIA GPU."""

import math

import pytest
import torch

from farm.model import Point
from workers.kinds.layers.workload import Layers
from workers.kinds.training.workload import Training

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here")]

POINT: Point = {"model": "simple_cnn", "dataset": "digits", "epochs": 12, "batch_size": 64}


@pytest.mark.parametrize("precision", ["fp32", "tf32", "amp-fp16", "amp-bf16"])
def test_a_network_learns_in_every_precision(precision: str) -> None:
    workload = Training()
    workload.setup({**POINT, "precision": precision}, "cuda:0", 1)
    for _ in range(12):
        workload.train_epoch()
    workload.synchronize()
    images, scores = workload.validate()
    assert {tensor.device.type for tensor in workload._network.parameters()} == {"cuda"}
    assert {tensor.dtype for tensor in workload._network.parameters()} == {torch.float32}
    assert images == 12 * len(workload._validation)
    assert scores[-1].validation_accuracy > 0.8
    workload.close()


def test_a_checkpoint_from_the_gpu_is_taken_up_there() -> None:
    first, second = Training(), Training()
    for workload in (first, second):
        workload.setup(POINT, "cuda:0", 1)
    first.train_epoch()
    second.restore(first.state())
    for workload in (first, second):
        workload.train_epoch()
    (last,) = second.validate()[1]
    expected = first.validate()[1][-1]
    assert last.train_loss is not None
    assert expected.train_loss is not None
    assert math.isclose(last.train_loss, expected.train_loss, rel_tol=1e-3)


@pytest.mark.parametrize("model", ["simple_cnn", "resnet18"])
def test_every_part_runs_on_the_gpu(model: str) -> None:
    workload = Layers()
    workload.setup({"model": model, "input": "cifar10", "batch_size": 8}, "cuda:0", 1)
    assert workload.parts
    for part in workload.parts:
        workload.select(part.index)
        assert workload.step() == 1
        workload.synchronize()
    workload.close()
