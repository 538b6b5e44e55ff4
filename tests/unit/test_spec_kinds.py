"""Sweeps of the kinds that came after inference: each has factors of its own, and tuning has a space."""

import pytest

from farm.kinds.serving.sweep import ServingSweep
from farm.kinds.tuning.sweep import TuningSweep
from farm.spec import sweep_id
from tests.unit.test_spec import parse, problems


def test_of_an_unknown_kind_only_what_all_kinds_share_is_judged() -> None:
    assert problems("name: my sweep\nkind: trainin\nworkload: {modle: alexnet}\n") == [
        "sweep.yaml:1:7: name: expected at most 60 letters, digits, - and _, got 'my sweep'",
        "sweep.yaml:2:7: kind: expected one of command, inference, layers, serving, training, tuning, got 'trainin' "
        "(did you mean 'training'?)",
    ]


def test_each_kind_has_factors_of_its_own() -> None:
    found = problems("name: x\nkind: training\nworkload: {model: simple_cnn, compile: true}\nexclude: {epocs: 1}\n")
    assert found[0].startswith("sweep.yaml:3:31: workload.compile: unknown key: expected one of model, dataset, epochs")
    assert found[1] == "sweep.yaml:4:11: exclude.epocs: unknown key (did you mean 'epochs'?)"


TUNING = """\
name: search
kind: tuning
workload: {model: simple_cnn, epochs: 5}
tuning:
  space: {lr: {low: 0.001, high: 0.1, levels: 5}, optimizer: [adam, sgd]}
  strategies: [grid, tpe]
  seeds: 3
"""


def test_reads_a_tuning_sweep() -> None:
    sweep = parse(TUNING)
    assert isinstance(sweep, TuningSweep)
    assert sweep.tuning.seeds == (1, 2, 3)
    assert [strategy.name for strategy in sweep.tuning.strategies] == ["grid", "tpe"]
    assert (sweep.repetitions.min, sweep.repetitions.max) == (1, 1)


def test_the_order_of_a_space_means_something() -> None:
    other = TUNING.replace("[adam, sgd]", "[sgd, adam]")
    assert sweep_id(parse(other)) != sweep_id(parse(TUNING))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("lr:", "lrr:", "5:16: tuning.space.lrr: cannot be searched: expected one of batch_size, optimizer, lr"),
        ("epochs: 5", "lr: 0.1", "5:15: tuning.space.lr: workload.lr is given too: remove one of them"),
        ("sgd", "sgdd", "5:62: tuning.space.optimizer: expected one of adam, adamw, sgd, got 'sgdd'"),
        (
            "tpe",
            "{name: grid, levels: 3}",
            "6:22: tuning.strategies[1]: grid appears twice: results",
        ),
        ("seeds: 3", "seeds: 0", "7:10: tuning.seeds: expected a number of seeds, 1 to 1000, or a list of seeds"),
        ("seeds: 3", "repetitions: {min: 1, max: 2}", "7:3: tuning.repetitions: unknown key"),
        ("levels: 5", "levles: 5", "5:39: tuning.space.lr.levles: unknown key (did you mean 'levels'?)"),
    ],
)
def test_shows_what_a_tuning_sweep_cannot_search(old: str, new: str, expected: str) -> None:
    (line,) = problems(TUNING.replace(old, new))
    assert line.startswith(f"sweep.yaml:{expected}")


@pytest.mark.parametrize("kind", ["inference", "training", "layers"])
def test_a_network_may_be_of_a_users_package(kind: str) -> None:
    sweep = parse(f"name: own\nkind: {kind}\nworkload: {{model: ['my_package.nets:TinyNet', alexnet]}}\n")
    assert not isinstance(sweep, TuningSweep)
    assert dict(sweep.workload)["model"] == ("my_package.nets:TinyNet", "alexnet")


@pytest.mark.parametrize("name", ["os:", ":Net", "a b:Net", "nets.Net", "pkg:mod:Net", "../nets:Net", f"a:{'N' * 300}"])
def test_what_is_no_name_of_a_network_is_refused(name: str) -> None:
    (found,) = problems(f"name: own\nkind: inference\nworkload: {{model: '{name}'}}\n")
    assert "workload.model: expected a classification network of torchvision, or package.module:Class, got" in found


LIVE = """name: live
kind: serving
workload:
  model: alexnet
  policy: [greedy:8, "timeout:8:0.02s", fixed:16]
  rate_per_s: [16, 0.5]
"""


def test_reads_a_serving_sweep() -> None:
    sweep = parse(LIVE)
    assert isinstance(sweep, ServingSweep)
    assert sweep.workload.policy == ("greedy:8", "timeout:8:20ms", "fixed:16")
    assert (sweep.workload.rate_per_s, sweep.workload.arrivals, sweep.workload.requests) == (
        (16, 0.5), ("poisson",), (None,),
    )  # fmt: skip
    trace = parse(LIVE.replace("rate_per_s: [16, 0.5]", "arrivals: ./requests.txt"))
    assert isinstance(trace, ServingSweep)
    assert trace.workload.arrivals[0].endswith("/requests.txt")
    assert trace.workload.rate_per_s == (None,)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("greedy:8", "greedy:0", "5:12: workload.policy[0]: expected fixed:8, greedy:8 or timeout:8:20ms, got"),
        ("greedy:8", "gready:8", "5:12: workload.policy[0]: expected fixed:8, greedy:8 or timeout:8:20ms, got"),
        ("0.02s", "0s", "5:22: workload.policy[1]: expected fixed:8, greedy:8 or timeout:8:20ms, got 'timeout:8:0s'"),
        ("fixed:16", "greedy:8", "5:41: workload.policy[2]: the same as item [0]"),
        ("[16, 0.5]", "0", "6:15: workload.rate_per_s: expected requests a second, a number above 0"),
        ("[16, 0.5]", "[16, null]", "6:20: workload.rate_per_s[1]: expected requests a second, such as 16, got null"),
        ("rate_per_s: [16, 0.5]", "requests: 16", "4:3: workload: rate_per_s is missing: expected requests a second"),
        ("[16, 0.5]", "16\n  arrivals: ./a.txt", "6:15: workload.rate_per_s: a trace has its own, got 16"),
        ("[16, 0.5]", "16\n  arrivals: [poisson, ./a.txt]", "7:13: workload.arrivals: a trace has its own rate"),
        (
            "[16, 0.5]",
            "[16, 0.001]",
            "6:20: workload.rate_per_s[1]: the requests take 5.12e+05 s to arrive; at most a day",
        ),
        ("[16, 0.5]", "10\n  requests: 900000", "6:15: workload.rate_per_s: the requests take 9e+04 s to arrive"),
        ("rate_per_s", "batch_size", "6:3: workload.batch_size: unknown key"),
    ],
)
def test_shows_what_cannot_be_served(old: str, new: str, expected: str) -> None:
    (line, *_) = problems(LIVE.replace(old, new))
    assert expected in line
