"""Networks of users' packages: loaded where the worker's allow-list has them, and measured like any other."""

from pathlib import Path

import pytest
import torch

from workers.agent.allowlist import refusal
from workers.kinds.inference import networks
from workers.kinds.inference.workload import Inference
from workers.kinds.training.workload import Training
from workers.trial.workload import InvalidWorkload

NETS = """
from torch import nn

class TinyNet(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1000))

class Headless(nn.ReLU):
    pass

no_class = TinyNet()
"""
TINY = "farm_test_nets.inner.nets:TinyNet"


@pytest.fixture
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "farm_test_nets" / "inner"
    folder.mkdir(parents=True)
    (folder / "nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("model", "patterns"),
    [
        ("alexnet", []),
        ("simple_cnn", ["other.*"]),
        (TINY, ["farm_test_nets.*"]),
        (TINY, ["other.*", TINY]),
        ("nets:Net", ["nets.*"]),
        ("nets:Net", ["nets:Net"]),
    ],
)
def test_what_may_be_loaded(model: str, patterns: list[str]) -> None:
    assert refusal({"model": model}, patterns) is None


@pytest.mark.parametrize(
    "patterns", [[], ["farm_test_net.*"], ["farm_test_nets"], ["*.nets"], ["FARM_TEST_NETS.*"], [""]]
)
def test_what_may_not_be_loaded_is_one_line_that_names_the_option(patterns: list[str]) -> None:
    text = refusal({"model": TINY}, patterns) or ""
    assert f"may not load {TINY}" in text
    assert "--allow-models 'farm_test_nets.*'" in text
    assert "\n" not in text


@pytest.mark.usefixtures("_package")
def test_a_users_network_infers() -> None:
    workload = Inference()
    workload.setup({"model": TINY, "batch_size": 2}, "cpu", seed=1)
    assert workload.step() == 2
    assert workload.facts()["parameters"] == 3 * 4 * 9 + 4 + 4 * 1000 + 1000


@pytest.mark.usefixtures("_package")
def test_a_users_network_is_drawn_from_the_seed_or_read_from_a_file(tmp_path: Path) -> None:
    first, second, other = (networks.build(TINY, "random", seed).module.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])
    torch.save(other, tmp_path / "net.pth")
    read = networks.build(TINY, str(tmp_path / "net.pth"), seed=1).module.state_dict()
    assert torch.equal(read["0.weight"], other["0.weight"])


@pytest.mark.usefixtures("_package")
def test_a_users_network_is_trained_with_a_head_for_the_classes() -> None:
    workload = Training()
    workload.setup({"model": TINY, "dataset": "digits", "train_size": 20, "validation_size": 10}, "cpu", seed=1)
    assert workload.train_epoch() == 20
    assert workload.facts()["parameters"] == 3 * 4 * 9 + 4 + 4 * 10 + 10


@pytest.mark.usefixtures("_package")
@pytest.mark.parametrize(
    ("model", "weights", "message"),
    [
        ("farm_test_absent:Net", "random", "install its package where the worker runs"),
        ("farm_test_nets.inner.nets:Absent", "random", "cannot be imported"),
        ("farm_test_nets.inner.nets:no_class", "random", "is not a subclass of torch.nn.Module"),
        ("os:path", "random", "is not a subclass of torch.nn.Module"),
        (TINY, "default", "there are no published weights"),
    ],
)
def test_what_is_no_network_is_one_clear_line(model: str, weights: str, message: str) -> None:
    with pytest.raises(InvalidWorkload, match=message) as caught:
        networks.build(model, weights, seed=1)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("_package")
def test_a_network_without_a_classifier_cannot_be_trained() -> None:
    with pytest.raises(InvalidWorkload, match="no linear layer and no convolution"):
        networks.replace_head(networks.build("farm_test_nets.inner.nets:Headless", "random", seed=1).module, 10)
