"""Sweeps of the kinds that came after inference: each has factors of its own, and tuning has a space."""

import pytest

from farm.spec import TuningSweep, sweep_id
from tests.unit.test_spec import parse, problems


def test_of_an_unknown_kind_only_what_all_kinds_share_is_judged() -> None:
    assert problems("name: my sweep\nkind: trainin\nworkload: {modle: alexnet}\n") == [
        "sweep.yaml:1:7: name: expected at most 60 letters, digits, - and _, got 'my sweep'",
        "sweep.yaml:2:7: kind: expected one of inference, serving, training, tuning, layers, got 'trainin' "
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
            "6:22: tuning.strategies[1]: a second grid: results",
        ),
        ("seeds: 3", "seeds: 0", "7:10: tuning.seeds: expected how many seeds, 1 to 1000, or a list of them"),
        ("seeds: 3", "repetitions: {min: 1, max: 2}", "7:3: tuning.repetitions: unknown key"),
        ("levels: 5", "levles: 5", "5:39: tuning.space.lr.levles: unknown key (did you mean 'levels'?)"),
    ],
)
def test_says_what_a_tuning_sweep_cannot_search(old: str, new: str, expected: str) -> None:
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
