"""The contract of workers/trial/workload.py, line by line, over every registered workload; then each one's own."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import pytest
import torch
from PIL import Image
from torchvision import models

from farm.model import Point, Scalar
from workers.kinds.burn import workload as burn
from workers.kinds.burn.workload import Burn
from workers.kinds.inference import networks
from workers.kinds.inference.workload import Inference
from workers.kinds.layers import leaves
from workers.kinds.layers.workload import Layers
from workers.kinds.serving.workload import Serving
from workers.kinds.training.workload import Training
from workers.trial.workload import InvalidWorkload, Workload, load

MODEL = "shufflenet_v2_x0_5"
#: One small point of each kind, and the units of its step.
POINTS: Mapping[str, tuple[Point, int]] = {
    "inference": ({"model": MODEL, "batch_size": 3}, 3),
    "serving": ({"model": MODEL, "policy": "greedy:3", "rate_per_s": 16.0, "requests": 5}, 3),
    "training": ({"model": "simple_cnn", "dataset": "digits", "epochs": 2, "train_size": 64}, 64),
    "layers": ({"model": "simple_cnn", "input": "digits", "batch_size": 4}, 1),
    "burn": ({"period_s": 0.01, "busy_share": 0.5}, 1),
}
#: What cannot be had, by kind: what to change in the point, and what the message must name.
IMPOSSIBLE: Mapping[str, list[tuple[Point, str]]] = {
    "inference": [
        ({"model": "shufflenet"}, "shufflenet"),
        ({"batch_size": 0}, "batch_size"),
        ({"precision": "fp8"}, "precision"),
        ({"precision": "tf32"}, "tf32"),
        ({"colour": "blue"}, "colour"),
        ({"weights": "/nowhere/weights.pth"}, "/nowhere/weights.pth"),
        ({"images": "/nowhere"}, "/nowhere"),
    ],
    "serving": [
        ({"model": "shufflenet"}, "shufflenet"),
        ({"policy": "hasty:3"}, "policy"),
        ({"rate_per_s": None}, "rate_per_s"),
        ({"arrivals": "/nowhere/requests.txt"}, "/nowhere/requests.txt"),
        ({"requests": 0}, "requests"),
        ({"precision": "tf32"}, "tf32"),
        ({"images": "/nowhere"}, "/nowhere"),
        ({"colour": "blue"}, "colour"),
    ],
    "training": [
        ({"model": "simple_cnm"}, "simple_cnm"),
        ({"dataset": "/nowhere"}, "/nowhere"),
        ({"conv_layers": 4}, "conv_layers"),
        ({"beta1": 1.0}, "beta1"),
        ({"train_size": 10_000}, "train_size"),
        ({"precision": "tf32"}, "tf32"),
        ({"weights": "default"}, "weights"),
        ({"colour": "blue"}, "colour"),
    ],
    "layers": [
        ({"model": "simple_cnm"}, "simple_cnm"),
        ({"input": "sounds"}, "input"),
        ({"precision": "tf32"}, "tf32"),
        ({"colour": "blue"}, "colour"),
    ],
    "burn": [
        ({"period_s": 0.0}, "period_s"),
        ({"busy_share": 1.5}, "busy_share"),
        ({"colour": "blue"}, "colour"),
    ],
}


def _inference_fingerprint(workload: Workload) -> tuple[torch.Tensor, ...]:
    assert isinstance(workload, Inference)
    return (workload._batch, *workload._network.state_dict().values())


def _serving_fingerprint(workload: Workload) -> tuple[torch.Tensor, ...]:
    assert isinstance(workload, Serving)
    workload.step()
    return (workload._batch, *workload._network.state_dict().values())


def _burn_fingerprint(workload: Workload) -> tuple[torch.Tensor, ...]:
    assert isinstance(workload, Burn)
    return (workload._matrix,)


def _training_fingerprint(workload: Workload) -> tuple[torch.Tensor, ...]:
    assert isinstance(workload, Training)
    workload.train_epoch()  # the order of the batches depends on the seed too
    return (workload._train.images, *workload._network.state_dict().values())


def _layers_fingerprint(workload: Workload) -> tuple[torch.Tensor, ...]:
    assert isinstance(workload, Layers)
    return tuple(t for _, subject in workload._listed for t in leaves.tensors(subject.arguments))


#: Parameters and inputs, by kind.
FINGERPRINTS: Mapping[str, Callable[[Workload], tuple[torch.Tensor, ...]]] = {
    "inference": _inference_fingerprint,
    "serving": _serving_fingerprint,
    "training": _training_fingerprint,
    "layers": _layers_fingerprint,
    "burn": _burn_fingerprint,
}

#: The kinds of this project: their package may be installed beside others.
KINDS = sorted(POINTS)
each_kind = pytest.mark.parametrize("kind", KINDS)
each_impossible = pytest.mark.parametrize(
    ("kind", "change", "named"),
    [(kind, change, named) for kind in KINDS for change, named in IMPOSSIBLE[kind]],
)


def ready(kind: str, seed: int = 1, **change: Scalar) -> Any:
    workload = load(kind)()
    workload.setup({**POINTS[kind][0], **change}, "cpu", seed)
    return workload


def work(workload: Any) -> int:
    """One batch, or one epoch."""
    units: int = workload.train_epoch() if isinstance(workload, Training) else workload.step()
    return units


@each_impossible
def test_what_cannot_be_had_is_one_clear_line(kind: str, change: Point, named: str) -> None:
    workload = load(kind)()
    with pytest.raises(InvalidWorkload) as caught:
        workload.setup({**POINTS[kind][0], **change}, "cpu", 1)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    workload.close()


@each_kind
def test_params_and_seed_decide_parameters_and_inputs(kind: str) -> None:
    first, again, other = (FINGERPRINTS[kind](ready(kind, seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@each_kind
def test_a_step_does_units_and_leaves_waiting_to_synchronize(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = ready(kind)
    with monkeypatch.context() as patched:
        patched.setattr(torch.cuda, "synchronize", lambda *_: pytest.fail("step synchronized"))
        assert [work(workload) for _ in range(2)] == [POINTS[kind][1]] * 2
    workload.synchronize()
    assert workload.unit


@each_kind
def test_facts_are_json(kind: str) -> None:
    facts = dict(ready(kind).facts())
    assert facts
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


@each_kind
def test_close_is_safe_at_any_time(kind: str) -> None:
    load(kind)().close()
    workload = ready(kind)
    workload.close()
    workload.close()
    workload.setup(POINTS[kind][0], "cpu", 1)
    assert work(workload) == POINTS[kind][1]


# Inference


def test_facts_hold_what_is_counted_and_what_is_published() -> None:
    facts = ready("inference", batch_size=1).facts()
    assert facts["parameters"] == models.ShuffleNet_V2_X0_5_Weights.DEFAULT.meta["num_params"]
    assert facts["published_acc1_percent"] == 60.552
    assert facts["published_acc5_percent"] == 81.746
    assert facts["gflops"] == 0.04
    assert facts["published_weights"] == "ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1"
    assert facts["input_shape"] == [3, 224, 224]
    assert facts["photographs"] == 1


@pytest.mark.parametrize("model", ["vit_h_14", "vit_b_32", "swin_v2_t", "maxvit_t"])
def test_networks_of_one_image_size_take_the_published_one(model: str) -> None:
    with torch.device("meta"):
        network = networks.build(model, "random", seed=1, published_size=True)
        crop = network.preprocess.crop_size[0]  # type: ignore[attr-defined]
        assert network.module(torch.empty(1, 3, crop, crop)).shape == (1, 1000)


def test_a_batch_cycles_over_the_photographs() -> None:
    batch = _inference_fingerprint(ready("inference", batch_size=5))[0]
    assert batch.shape == (5, 3, 224, 224)
    assert torch.equal(batch[0], batch[2])
    assert torch.equal(batch[1], batch[3])
    assert not torch.equal(batch[0], batch[1])


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_precision_is_that_of_parameters_and_inputs(precision: str, dtype: torch.dtype) -> None:
    workload = ready("inference", batch_size=1, precision=precision)
    assert {t.dtype for t in _inference_fingerprint(workload) if t.is_floating_point()} == {dtype}
    assert workload.step() == 1


def test_channels_last_is_the_layout_of_parameters_and_inputs() -> None:
    workload = ready("inference", channels_last=True)
    images = [t for t in _inference_fingerprint(workload) if t.dim() == 4]
    assert all(t.is_contiguous(memory_format=torch.channels_last) for t in images)
    assert workload.step() == 3


def test_a_folder_of_images_is_read_with_the_folders_below_it(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    Image.new("L", (40, 300), 200).save(tmp_path / "grey.png")
    Image.new("RGB", (300, 40), "red").save(tmp_path / "below" / "red.WEBP")
    (tmp_path / "notes.txt").write_text("no image")
    assert ready("inference", images=str(tmp_path)).facts()["photographs"] == 2


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "red").save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 cut short")
    with pytest.raises(InvalidWorkload, match=r"bad\.jpg"):
        ready("inference", images=str(tmp_path))


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkload, match=str(tmp_path)):
        ready("inference", images=str(tmp_path))


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    wanted = models.get_model(MODEL).state_dict()
    torch.save(wanted, path)
    loaded = networks.build(MODEL, str(path), seed=1).module.state_dict()
    assert all(torch.equal(loaded[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    "save",
    [
        lambda path: path.write_text("no weights"),
        lambda path: path.write_bytes(b""),
        lambda path: torch.save(models.get_model("squeezenet1_1").state_dict(), path),
        lambda path: torch.save({"fc.weight": torch.zeros(2)}, path),
        lambda path: torch.save([1, 2], path),
    ],
    ids=["text", "empty", "of another network", "partial", "no mapping"],
)
def test_weights_that_do_not_fit_are_one_clear_line(save: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    save(path)
    with pytest.raises(InvalidWorkload, match=r"weights\.pth") as caught:
        networks.build(MODEL, str(path), seed=1)
    assert "\n" not in str(caught.value)


def test_default_weights_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    wanted = models.get_model(MODEL).state_dict()
    (tmp_path / "checkpoints").mkdir()
    torch.save(wanted, tmp_path / "checkpoints" / Path(models.ShuffleNet_V2_X0_5_Weights.DEFAULT.url).name)
    loaded = networks.build(MODEL, "default", seed=1).module.state_dict()
    assert all(torch.equal(loaded[name], wanted[name]) for name in wanted)


def test_default_weights_without_a_network_show_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(InvalidWorkload, match=r"no route to host.*TORCH_HOME.*weights: random"):
        networks.build(MODEL, "default", seed=1)


@pytest.mark.parametrize("model", sorted(networks.WITH_AUXILIARY_HEADS))
def test_auxiliary_heads_are_left_out(model: str) -> None:
    module = networks.build(model, "random", seed=1).module
    assert not [name for name, _ in module.named_parameters() if name.lower().startswith("aux")]
    with torch.inference_mode():
        assert module(torch.zeros(1, 3, 299, 299)).shape == (1, 1000)


@pytest.mark.parametrize(
    ("said", "raised", "match"),
    [
        ("InvalidCxxCompiler: none found", InvalidWorkload, "install g.*compile: false"),
        ("some other bug", RuntimeError, "some other bug"),
    ],
)
def test_a_missing_compiler_is_reported(
    said: str, raised: type[Exception], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: torch.Tensor) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: setattr(self, "forward", fail))
    with pytest.raises(raised, match=match):
        ready("inference", compile=True)


# Serving


def test_a_request_gets_its_image_whatever_batch_it_is_in() -> None:
    workload = ready("serving")
    workload.take(0, 3)
    first = workload._batch.clone()
    workload.take(1, 2)
    assert torch.equal(workload._batch[:2], first[1:3])
    assert not torch.equal(first[0], first[1])


def test_images_may_be_prepared_while_their_request_is_served() -> None:
    ready_made, anew = ready("serving"), ready("serving", preprocess=True)
    for workload in (ready_made, anew):
        workload.take(0, 3)
    assert torch.equal(ready_made._batch, anew._batch)
    anew._photographs = [Image.new("RGB", (300, 300), "red")] * 2
    anew.take(0, 3)
    assert not torch.equal(ready_made._batch, anew._batch)


def test_a_trace_has_a_rate_and_requests_of_its_own(tmp_path: Path) -> None:
    trace = tmp_path / "requests.txt"
    trace.write_text("\ufeff0.0\n0.5\n1.0  # the last\n")
    workload = ready("serving", arrivals=str(trace), rate_per_s=None, requests=None)
    assert (workload.requests, workload.arrivals.rate_per_s, workload.arrivals.stamps_s) == (None, 2.0, (0, 0.5, 1))
    trace.write_text("0.5\n0.25\n")
    with pytest.raises(InvalidWorkload, match="before that of the line above"):
        ready("serving", arrivals=str(trace), rate_per_s=None)


# Burn


def test_a_burn_is_busy_from_each_multiple_of_its_period_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns, slept_ns = [12_345], list[tuple[int, int]]()

    def monotonic_ns() -> int:
        now_ns[0] += 1
        return now_ns[0]

    def sleep(duration_s: float) -> None:
        slept_ns.append((now_ns[0], now_ns[0] + round(duration_s * 1e9)))
        now_ns[0] = slept_ns[-1][1]

    workload = ready("burn", period_s=1e-6, busy_share=0.3)
    monkeypatch.setattr(burn, "time", SimpleNamespace(monotonic_ns=monotonic_ns, sleep=sleep))
    assert [workload.step() for _ in range(3)] == [1, 1, 1]
    assert slept_ns == [(12_346, 13_000), (13_300, 14_000), (14_300, 15_000)]
