"""The workload of kind training: what an epoch is, what validation sees, what a checkpoint holds."""

import contextlib
import io
from collections.abc import Mapping
from copy import deepcopy

import pytest
import torch
from torch.nn.functional import cross_entropy

from farm.model import Scalar
from workers.kinds.training.workload import Training

POINT: Mapping[str, Scalar] = {"model": "simple_cnn", "epochs": 3, "batch_size": 64, "train_size": 256}


def ready(seed: int = 1, /, **change: Scalar) -> Training:
    workload = Training()
    workload.setup({**POINT, **change}, "cpu", seed)
    return workload


def parameters(workload: Training) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in workload._network.state_dict().items()}


def are_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_a_network_learns_digits() -> None:
    workload = ready(train_size=None, epochs=12)
    for _ in range(12):
        workload.train_epoch()
    images, scores = workload.validate()
    losses = [score.train_loss for score in scores]
    assert images == 12 * 359
    assert losses[0] is not None
    assert losses[-1] is not None
    assert losses[-1] < losses[0] / 2
    assert scores[-1].validation_accuracy > 0.8


def test_an_epoch_is_what_a_plain_loop_does() -> None:
    workload, plain = ready(), ready()
    order = torch.randperm(256, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(plain._network.parameters(), 0.001)
    for chosen in order.split(64):  # type: ignore[no-untyped-call]
        optimizer.zero_grad()
        loss = cross_entropy(plain._network(plain._train.images[chosen]), plain._train.labels[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert workload.train_epoch() == 256
    assert are_equal(parameters(workload), parameters(plain))


def test_every_network_that_was_kept_is_validated_as_it_was() -> None:
    together, apart = ready(), ready()
    for _ in range(3):
        together.train_epoch()
    _, kept = together.validate()
    one_by_one = []
    for _ in range(3):
        apart.train_epoch()
        one_by_one += apart.validate()[1]
    assert kept == one_by_one
    assert len({score.train_loss for score in kept}) == 3


def test_validation_changes_nothing() -> None:
    workload = ready()
    workload.train_epoch()
    before = parameters(workload)
    assert workload.validate()[0] == 359
    assert are_equal(parameters(workload), before)
    assert workload.kept_bytes == 0
    assert workload.validate() == (0, [])


def test_accuracy_is_that_of_evaluation_mode() -> None:
    workload = ready()
    workload.train_epoch()
    _, (score,) = workload.validate()
    with torch.inference_mode():
        logits = workload._network.eval()(workload._validation.images)
    right = (logits.argmax(dim=1) == workload._validation.labels).float().mean().item()
    loss = cross_entropy(logits, workload._validation.labels).item()
    assert score.validation_accuracy == pytest.approx(right)
    assert score.validation_loss == pytest.approx(loss)


def test_the_split_is_the_same_whatever_the_seed_and_the_weights_are_not() -> None:
    first, second = ready(1), ready(2)
    assert torch.equal(first._validation.images, second._validation.images)
    assert first.facts()["order_sha256"] == second.facts()["order_sha256"]
    assert not are_equal(parameters(first), parameters(second))


@pytest.mark.parametrize(
    ("change", "kind", "group"),
    [
        ({"optimizer": "adam", "lr": 0.5, "beta1": 0.3, "beta2": 0.8, "eps": 1e-5, "weight_decay": 0.1},
         torch.optim.Adam, {"lr": 0.5, "betas": (0.3, 0.8), "eps": 1e-5, "weight_decay": 0.1}),
        ({"optimizer": "adamw", "beta1": 0.3}, torch.optim.AdamW, {"betas": (0.3, 0.999)}),
        ({"optimizer": "sgd", "lr": 0.2, "momentum": 0.7}, torch.optim.SGD, {"lr": 0.2, "momentum": 0.7}),
    ],
)  # fmt: skip
def test_hyperparameters_reach_the_optimizer(
    change: dict[str, Scalar], kind: type[torch.optim.Optimizer], group: dict[str, object]
) -> None:
    optimizer = ready(**change)._optimizer
    assert type(optimizer) is kind
    assert {name: optimizer.param_groups[0][name] for name in group} == group


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [("constant", [1.0, 1.0, 1.0]), ("step", [0.1, 0.01, 0.001]), ("cosine", [0.75, 0.25, 0.0])],
)
def test_the_learning_rate_follows_its_schedule(schedule: str, rates: list[float]) -> None:
    workload = ready(schedule=schedule, lr=1.0, train_size=64)
    seen = []
    for _ in range(3):
        workload.train_epoch()
        seen.append(workload._optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx(rates)


@pytest.mark.parametrize("change", [{}, {"optimizer": "sgd", "momentum": 0.9, "schedule": "cosine"}])
def test_a_checkpoint_holds_all_that_the_next_epoch_depends_on(change: dict[str, Scalar]) -> None:
    whole, first, second = ready(**change), ready(**change), ready(**change)
    for _ in range(3):
        whole.train_epoch()
    first.train_epoch()
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second.restore(torch.load(file, weights_only=True))
    for _ in range(2):
        second.train_epoch()
    assert are_equal(parameters(second), parameters(whole))
    assert second.validate()[1] == whole.validate()[1][1:]


@pytest.mark.parametrize("part", ["network", "optimizer", "schedule", "order"])
def test_a_state_of_which_a_part_does_not_fit_can_be_undone(part: str) -> None:
    mine, other, untouched = ready(), ready(conv_layers=1), ready()
    before = deepcopy(mine.state())
    for workload in (mine, other, untouched):
        workload.train_epoch()
        workload.validate()
    mine.restore(before)
    strange = {"schedule": {"a": 1}, "order": torch.zeros(3)}.get(part, other.state()[part])
    with contextlib.suppress(Exception):
        mine.restore(untouched.state() | {part: strange})
    mine.restore(before)
    mine.train_epoch()
    assert are_equal(parameters(mine), parameters(untouched))


def test_mixed_precision_keeps_parameters_in_fp32() -> None:
    workload = ready(precision="amp-bf16")
    workload.train_epoch()
    dtypes = {tensor.dtype for tensor in workload._network.parameters()}
    assert dtypes == {torch.float32}
    assert not are_equal(parameters(workload), parameters(_trained_in_fp32()))


def _trained_in_fp32() -> Training:
    workload = ready()
    workload.train_epoch()
    return workload


def test_a_loss_that_is_no_number_is_unknown() -> None:
    workload = ready(optimizer="sgd", lr=1000.0, momentum=0.9)
    for _ in range(3):
        workload.train_epoch()
    scores = workload.validate()[1]
    assert scores[-1].train_loss is None
    assert 0 <= scores[-1].validation_accuracy <= 1


@pytest.mark.slow
def test_torchvisions_networks_take_grey_images() -> None:
    workload = ready(model="shufflenet_v2_x0_5", image_size=32, train_size=8, validation_size=8, batch_size=4)
    assert workload.train_epoch() == 8
    assert workload.facts()["image_shape"] == [3, 32, 32]
    assert workload.validate()[0] == 8


def test_the_training_loss_is_the_mean_over_images() -> None:
    workload = ready(optimizer="sgd", lr=1e-12, train_size=100, batch_size=64)
    workload.train_epoch()
    (score,) = workload.validate()[1]
    order = torch.randperm(100, generator=torch.Generator().manual_seed(1))
    network = ready(train_size=100)._network.train()
    parts = [order[:64], order[64:]]
    images, labels = workload._train.images, workload._train.labels
    losses = [cross_entropy(network(images[part]), labels[part], reduction="sum").item() for part in parts]
    assert score.train_loss == pytest.approx(sum(losses) / 100, rel=1e-5)
