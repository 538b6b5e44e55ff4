from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm import kinds
from farm.kinds import load_sweep, parse_sweep
from farm.kinds.inference.sweep import InferenceSweep
from farm.kinds.serving.sweep import ServingSweep
from farm.kinds.training.sweep import TrainingSweep
from farm.model import Machine, Point
from farm.model.errors import InputError
from farm.scheduling.plan import UNKNOWN_LIMIT_S, plan, plan_block, points, trial_s
from farm.spec import PROFILES, Sweep, canonical, sweep_id


def sweep_of(**fields: Any) -> Sweep:
    written = {"name": "demo", "kind": "inference", "workload": {"model": "alexnet"}, **fields}
    return InferenceSweep.model_validate(written)


def machine(name: str, hardware_class: str = "small") -> Machine:
    return Machine(id=f"id-{name}", name=name, hardware_class=hardware_class, hardware={})


def frozen(point: Point) -> tuple[tuple[str, object], ...]:
    return tuple(point.items())


FACTORS: dict[str, list[Any]] = {
    "model": ["alexnet", "vgg11", "vit_b_16"],
    "batch_size": [1, 4, 16],
    "precision": ["fp32", "bf16"],
    "compile": [False, True],
    "threads": [None, 1, 2],
}


@st.composite
def written_sweeps(draw: st.DrawFn) -> dict[str, Any]:
    """Sweeps with a few factors and an exclusion that leaves something."""
    workload: dict[str, Any] = {
        name: draw(st.lists(st.sampled_from(levels), min_size=1, unique=True))
        for name, levels in FACTORS.items()
        if name == "model" or draw(st.booleans())
    }
    written = {
        "name": "demo",
        "kind": "inference",
        "workload": workload,
        "repetitions": draw(st.integers(1, 3)),
        "seed": draw(st.integers(0, 5)),
    }
    rule = {name: draw(st.sampled_from(levels)) for name, levels in workload.items() if draw(st.booleans())}
    if rule and any(len(workload[name]) > 1 for name in rule):
        written["exclude"] = [rule]
    return written


@settings(max_examples=60, deadline=None)
@given(written_sweeps(), st.randoms(use_true_random=False))
def test_ids_do_not_depend_on_the_order_of_writing(written: dict[str, Any], random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = [(key, shuffled(item)) for key, item in value.items()]
            random.shuffle(items)
            return dict(items)
        if isinstance(value, list) and len(value) == 1:
            return value[0]
        return random.sample(value, len(value)) if isinstance(value, list) else value

    one, other = InferenceSweep.model_validate(written), InferenceSweep.model_validate(shuffled(written))
    assert canonical(one) == canonical(other)
    assert plan(one, []) == plan(other, [])


@settings(max_examples=60, deadline=None)
@given(written_sweeps())
def test_every_block_has_every_point_once_and_no_excluded_one(written: dict[str, Any]) -> None:
    sweep = InferenceSweep.model_validate(written)
    jobs = plan(sweep, []).jobs
    blocks: dict[int, list[Point]] = {}
    for job in jobs:
        blocks.setdefault(job.block, []).append(job.spec.point)
    expected = Counter(map(frozen, points(sweep)))
    assert list(blocks) == list(range(sweep.repetitions.min))
    assert all(Counter(map(frozen, block)) == expected for block in blocks.values())
    assert set(expected.values()) == {1}
    for rule in written.get("exclude", []):
        assert not any(all(job.spec.point[name] == value for name, value in rule.items()) for job in jobs)


@settings(max_examples=60, deadline=None)
@given(written_sweeps(), st.integers(1, 3))
def test_ids_are_unique_within_and_between_generations(written: dict[str, Any], generation: int) -> None:
    sweep = InferenceSweep.model_validate(written)
    jobs = [*plan(sweep, [], generation).jobs, *plan(sweep, [], generation + 1).jobs]
    assert len({job.id for job in jobs}) == len(jobs)
    assert all(len(job.id) == 16 and job.id == job.spec.job for job in jobs)


def test_ids_are_pinned_since_a_change_would_measure_everybodys_sweeps_anew() -> None:
    planned = plan(sweep_of(workload={"model": "alexnet", "batch_size": [1, 4]}, repetitions=1), [])
    assert planned.sweep_id == "d48692da5769"
    assert [job.id for job in planned.jobs] == ["d9591c0fcebba792", "12eff139758d0e7e"]


def test_points_are_in_the_order_of_the_file_with_keys_in_a_fixed_order() -> None:
    sweep = sweep_of(
        workload={"batch_size": [4, 1], "model": ["vgg11", "alexnet"]}, exclude={"model": "vgg11", "batch_size": 1}
    )
    assert [(point["model"], point["batch_size"]) for point in points(sweep)] == [
        ("vgg11", 4),
        ("alexnet", 4),
        ("alexnet", 1),
    ]
    assert list(points(sweep)[0]) == [
        "model",
        "batch_size",
        "precision",
        "device",
        "weights",
        "images",
        "channels_last",
        "compile",
        "threads",
    ]


def test_an_exclusion_takes_lists_of_values() -> None:
    sweep = sweep_of(
        workload={"model": ["alexnet", "vgg11"], "batch_size": [1, 4, 16]},
        exclude=[{"model": "alexnet", "batch_size": [4, 16]}, {"batch_size": 1}],
    )
    assert [(point["model"], point["batch_size"]) for point in points(sweep)] == [("vgg11", 4), ("vgg11", 16)]


def test_the_order_differs_from_block_to_block_target_to_target_and_seed_to_seed() -> None:
    workload = {"model": "alexnet", "batch_size": list(range(1, 21))}
    machines = [machine("a"), machine("b")]

    def orders(seed: int) -> dict[tuple[int, str], list[object]]:
        sweep = sweep_of(workload=workload, repetitions=2, targets=["a", "b"], seed=seed)
        found: dict[tuple[int, str], list[object]] = {}
        for job in plan(sweep, machines).jobs:
            found.setdefault((job.block, job.spec.target), []).append(job.spec.point["batch_size"])
        return found

    several = [*orders(1).values(), *orders(2).values()]
    assert len(several) == 8
    assert len({tuple(order) for order in several}) == 8
    assert orders(1) == orders(1)


def test_blocks_follow_one_another() -> None:
    sweep = sweep_of(workload={"model": ["alexnet", "vgg11"]}, repetitions=3, targets=["a", "b"])
    jobs = plan(sweep, [machine("a"), machine("b")]).jobs
    assert [job.ordinal for job in jobs] == list(range(12))
    assert [job.block for job in jobs] == [0] * 4 + [1] * 4 + [2] * 4
    assert all(job.block == job.spec.repetition for job in jobs)


def test_any_machine() -> None:
    jobs = plan(sweep_of(), []).jobs
    assert {(job.spec.target, job.queue) for job in jobs} == {("any", "farm.any")}
    assert len(jobs) == 5


def test_each_hardware_class_gets_every_point() -> None:
    machines = [machine("a", "H200 x2"), machine("b", "laptop"), machine("c", "laptop")]
    planned = plan(sweep_of(targets="each-hardware", repetitions=1), machines)
    assert [(job.spec.target, job.queue) for job in planned.jobs] == [
        ("hw:H200 x2", "farm.hw.H200-x2"),
        ("hw:laptop", "farm.hw.laptop"),
    ]
    assert planned.warnings == ()


@pytest.mark.parametrize("word", ["each-hardware", "each-machine"])
def test_each_of_nothing_shows_what_to_do(word: str) -> None:
    with pytest.raises(InputError, match=f"targets: {word} needs a machine.* start `farm worker` first"):
        plan(sweep_of(targets=word), [])


def test_each_machine_gets_every_point_once_whatever_it_was_before() -> None:
    machines = [machine("b", "laptop"), machine("a", "H200 x2"), machine("b", "H200 x2")]
    planned = plan(sweep_of(targets="each-machine", repetitions=1), machines)
    assert [(job.spec.target, job.queue) for job in planned.jobs] == [
        ("machine:a", "farm.machine.a"),
        ("machine:b", "farm.machine.b"),
    ]


def test_named_machines_are_planned_for_whether_they_are_there_or_not() -> None:
    planned = plan(sweep_of(targets=["gpu-one", "lab2"], repetitions=1), [machine("lab2")])
    assert [(job.spec.target, job.queue) for job in planned.jobs] == [
        ("machine:gpu-one", "farm.machine.gpu-one"),
        ("machine:lab2", "farm.machine.lab2"),
    ]


def test_a_capability_is_one_target_however_it_is_written() -> None:
    ways = ("gpu.memory_gib>=40 and  cpu.model ~ EPYC", ["cpu.model ~ EPYC and gpu.memory_gib >= 40.0"])
    one, other = (plan(sweep_of(targets=way, repetitions=1), []) for way in ways)
    assert one == other
    canonical = "cpu.model ~ EPYC and gpu.memory_gib >= 40"
    assert [(job.spec.target, job.queue) for job in one.jobs] == [(canonical, canonical)]


def test_the_jobs_carry_the_values_of_the_sweep() -> None:
    sweep = sweep_of(measure={"profile": "quick", "windows": 2}, carbon={"country": "NLD"}, seed=7, time_limit="10m")
    planned = plan(sweep, [], generation=2)
    spec = planned.jobs[0].spec
    assert planned.sweep_id == spec.sweep == sweep_id(sweep) + ".2"
    assert spec.measure == PROFILES["quick"].model_copy(update={"windows": 2})
    assert (spec.carbon_country, spec.seed, spec.time_limit_s, spec.kind) == ("NLD", 7, 600, "inference")
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec


def training_sweep(repetitions: int) -> Sweep:
    workload = {"model": "simple_cnn", "lr": [0.1, 0.2]}
    written = {"name": "demo", "kind": "training", "workload": workload, "repetitions": repetitions, "seed": 7}
    return TrainingSweep.model_validate(written)


def test_repetitions_of_a_training_differ_in_their_seed_and_those_of_a_block_do_not() -> None:
    jobs = plan(training_sweep(3), []).jobs
    assert [(job.block, job.spec.seed) for job in jobs] == [(0, 7), (0, 7), (1, 8), (1, 8), (2, 9), (2, 9)]


def test_a_later_block_of_trainings_is_what_it_would_have_been_from_the_start() -> None:
    jobs = plan(training_sweep(3), []).jobs
    first_two = [job.spec for job in plan(training_sweep(3), []).jobs if job.block == 1]
    later = plan_block(kinds.get("training"), first_two, 2, 4)
    assert [(job.id, job.ordinal, job.spec) for job in later] == [(job.id, job.ordinal, job.spec) for job in jobs[4:]]


def test_a_trial_is_expected_to_last_the_sum_of_its_stretches() -> None:
    spec = plan(sweep_of(), []).jobs[0].spec
    assert trial_s(kinds.get("inference"), spec) == pytest.approx(10 / 10 + 5 + 3 + 3 * 10.5 + 2)
    assert spec.time_limit_s == pytest.approx(10 * 42.5 + 300)


def serving_sweep(**workload: object) -> Sweep:
    return ServingSweep.model_validate(
        {
            "name": "live",
            "kind": "serving",
            "workload": {"model": "alexnet", "policy": "greedy:8"} | workload,
            "measure": {"profile": "quick"},
        }
    )


def test_a_live_trial_lasts_as_long_as_its_requests_come() -> None:
    specs = [job.spec for job in plan(serving_sweep(rate_per_s=[16, 1000]), []).jobs]
    lasts = {spec.point["rate_per_s"]: trial_s(kinds.get("serving"), spec) for spec in specs}
    assert lasts == {16: pytest.approx(3.2 + 0.6 + 512 / 16 + 0.5), 1000: pytest.approx(3.2 + 0.6 + 2 + 0.5)}
    assert {spec.time_limit_s for spec in specs} == {10 * trial_s(kinds.get("serving"), spec) + 300 for spec in specs}


def test_fixed_batches_are_all_full() -> None:
    for job in plan(serving_sweep(rate_per_s=16, policy="fixed:1000"), []).jobs:
        assert trial_s(kinds.get("serving"), job.spec) == pytest.approx(3.2 + 0.6 + 1000 / 16 + 0.5)


def test_nobody_knows_how_long_a_trace_lasts() -> None:
    (spec,) = {job.spec.target: job.spec for job in plan(serving_sweep(arrivals="./requests.txt"), []).jobs}.values()
    assert spec.time_limit_s == UNKNOWN_LIMIT_S


def test_a_time_limit_below_the_expected_duration_is_a_warning() -> None:
    warnings = plan(sweep_of(time_limit=30), []).warnings
    assert warnings == ("time_limit: 30 s is less than a trial needs (42 s): all will time out",)


def test_too_many_jobs_are_refused() -> None:
    sweep = sweep_of(workload={"model": "alexnet", "batch_size": list(range(1, 1001))}, repetitions=101)
    with pytest.raises(InputError, match="makes 101000 jobs, at most 100000"):
        plan(sweep, [])


def test_the_quickstart_is_a_matter_of_minutes() -> None:
    sweep = load_sweep(Path(__file__).parents[2] / "farm/sweeps/quickstart.yaml")
    jobs = plan(sweep, []).jobs
    assert len(jobs) == 27
    assert sum(trial_s(kinds.get("inference"), job.spec) for job in jobs) < 210


def test_a_sweep_from_text_plans_like_one_from_values() -> None:
    text = "name: demo\nkind: inference\nworkload: {model: alexnet}\n"
    assert plan(parse_sweep(text, "sweep.yaml", Path("/")), []) == plan(sweep_of(), [])
