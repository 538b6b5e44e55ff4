"""The sentences with which a report begins: for each kind, and where nothing can be told."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from farm.kinds import views
from farm.model import Flag, JobState, Progress, Quality, SweepData
from farm.report import notes
from farm.report.document import Findings, Note
from farm.report.headlines import MOST
from farm.report.selection import Selection
from tests.loaded import Measured, loaded
from tests.serving import LIVE, shown
from tests.serving import live as loaded_live
from tests.summaries import measurement_row, trial_row
from tests.trainings import asked, part, sweep_of, taken_apart, trained

EVERYTHING = Selection()
MEANING = '{"tuning": {"space": {"lr": {"low": 1e-5, "high": 0.1, "log": true}}}}'
PARTS = [
    part("SimpleCNN", "forward", "whole"),
    part("SimpleCNN", "backward", "whole"),
    *(part("Conv2d conv", pass_) for pass_ in ("forward", "backward")),
    part("ReLU relu", "forward"),
]


def found(data: SweepData, selection: Selection = EVERYTHING) -> tuple[list[str], list[str]]:
    """The sentences of a sweep, and the notes below them."""
    blocks = views.findings(data, selection)
    sentences = [item for block in blocks if isinstance(block, Findings) for item in block.items]
    return sentences, [block.text for block in blocks if isinstance(block, Note)]


def batch(model: str, size: int, net_j: float, repetition: int, p50_s: float = 0.01, **changes: Any) -> Measured:
    """Ten images in 1 s."""
    name = f"{model}-{size}-{repetition}"
    point = {"model": model, "batch_size": size, "device": "cpu"}
    trial = trial_row(trial=name, job=name, factors=point, repetition=repetition, latencies_s=(p50_s,) * 500)
    quality = changes.pop("quality", Quality.COUNTER)
    figures = {"net_j": net_j * 10, "net_j_low": net_j * 10 - 0.1, "net_j_high": net_j * 10 + 0.1, "quality": quality}
    duration_s = changes.pop("duration_s", 1.0)
    row = measurement_row(trial=name, units=10, duration_s=duration_s, gross_j=net_j * 10 + 1, **figures)
    return replace(trial, **changes), [row]


def batches(models: Sequence[str] = ("alexnet",), repetitions: int = 3, **changes: Any) -> SweepData:
    """Batch 8 takes a quarter of the energy of batch 1, and eight times as long; trials differ by up to 2 %."""
    trials = []
    for place, model in enumerate(models, 1):
        for size, share in ((1, 1.0), (8, 0.25)):
            for n in range(repetitions):
                net_j = place * share * (1 + 0.01 * (n * size * place % 3))
                trials.append(batch(model, size, net_j, n, 0.01 * size, **changes))
    return loaded(sweep_of("inference"), *trials)


def test_one_network_names_its_best_batch_with_an_interval_and_the_wait() -> None:
    (size, wait), below = found(batches())
    assert size.startswith("alexnet: batch 8 needs the least net energy per image, 0.253 J, 75.0% less (")
    assert (
        wait == "alexnet: a batch takes longer the larger it is: 10.0 ms with batch 1, 80.0 ms with batch 8 (medians)."
    )
    assert below == []


def test_several_networks_are_summed_up_and_compared() -> None:
    (size, network, wait), _ = found(batches(("alexnet", "vgg11")))
    assert size == "Batch 8 needs 75% less energy per image than batch 1, and the least, for both networks."
    assert network.startswith(
        "alexnet needs the least net energy per image at its best batch size: 0.253 J, 50% less ("
    )
    assert wait == "A batch of the best size takes 8.0 times as long as one of the smallest (medians)."


def test_one_repetition_tells_nothing_and_says_so() -> None:
    (size, network, _), _ = found(batches(("alexnet", "vgg11"), repetitions=1))
    assert size == (
        "Cannot tell yet whether larger batches need less: one repetition shows no spread. Add repetitions."
    )
    assert network.startswith(
        "Cannot tell yet which needs the least net energy per image at its best batch size: alexnet"
    )


def test_modelled_joules_never_decide() -> None:
    data = loaded(
        sweep_of("inference"),
        *(
            batch("alexnet", size, 1.0, n, quality=Quality.MODELLED, duration_s=(2.0 if size == 1 else 1.0) + 0.01 * n)
            for size in (1, 8)
            for n in range(3)
        ),
    )
    sentences, _ = found(data)
    assert sentences[0].startswith("alexnet: energy is modelled here; batch 8 is the fastest")
    assert not any("energy per image" in sentence for sentence in sentences)


def test_modelled_joules_of_several_networks_are_compared_by_speed() -> None:
    trials = [
        batch(model, size, 1.0, n, quality=Quality.MODELLED, duration_s=(2.0 if size == 1 else 1.0) + wobble * n % 3)
        for model, wobble in (("alexnet", 0.01), ("vgg11", 0.02))
        for size in (1, 8)
        for n in range(3)
    ]
    sentence = found(loaded(sweep_of("inference"), *trials))[0][0]
    assert sentence.startswith("Batch 8 is 1.9")
    assert sentence.endswith(" times as fast (energy is modelled here) as batch 1, and the fastest, for both networks.")


def test_flagged_trials_are_counted_and_compared_only_if_asked_for() -> None:
    data = batches(flags=(Flag.CONTAMINATED,))
    sentences, below = found(data)
    assert sentences == [
        "Nothing is compared, because every trial is flagged. Measure again while the machine is quiet, or add "
        "`--include-flagged` to compare them all the same."
    ]
    assert below == ["6 of 6 trials are flagged (contaminated 6): they are shown, but not compared."]
    sentences, below = found(data, Selection(include_flagged=True))
    assert "batch 8 needs the least net energy" in sentences[0]
    assert below[0].endswith("they are compared too, as `--include-flagged` asks.")


def test_one_point_has_nothing_to_be_compared_with() -> None:
    data = loaded(sweep_of("inference"), *(batch("alexnet", 1, 1.0, n) for n in range(3)))
    assert found(data)[0] == ["The sweep has one point, and nothing to compare it with: give a factor several values."]


def test_without_samples_the_reason_is_told() -> None:
    waiting = loaded(sweep_of("inference"), progress=Progress({JobState.QUEUED: 3}))
    assert found(waiting)[0] == ["Nothing is measured yet. `farm status abcdef012345` shows how the sweep progresses."]


def test_trainings_name_the_most_accurate_and_the_cheapest() -> None:
    every = [
        trained(f"{lr}{n}", accuracy, accuracy + 0.01 * n, gross_j=joules + 0.1 * n, point_lr=lr, repetition=n)
        for lr, accuracy, joules in ((0.1, 0.9, 20.0), (0.01, 0.5, 10.0))
        for n in range(3)
    ]
    (accuracy, energy), _ = found(loaded(sweep_of("training"), *every))
    assert accuracy.startswith(
        "The most accurate is lr 0.1 with 91.0 ± 2.5% for 44.2 J gross a training; the next is lr"
    )
    assert energy.startswith("lr 0.01 needs the least net energy per image of training: ")


def test_trainings_whose_intervals_overlap_are_not_told_apart() -> None:
    every = [trained(f"{lr}{n}", 0.8 + 0.02 * n, point_lr=lr, repetition=n) for lr in (0.1, 0.01) for n in range(3)]
    (accuracy, energy), _ = found(loaded(sweep_of("training"), *every))
    assert "may be as good. Add repetitions." in accuracy
    assert energy.startswith("Cannot tell yet which needs the least net energy per image of training: ")


def test_a_search_names_its_best_configuration_and_that_it_is_the_best_of_many() -> None:
    every = [
        asked(strategy, seed, 0, 0.5, 0.6 + best, point_lr=best or 0.01, gross_j=10.0 * (1 + best))
        for strategy, best in (("random", 0.0), ("tpe", 0.1))
        for seed in (1, 2)
    ]
    (best, strategies, price), _ = found(loaded(sweep_of("tuning", MEANING), *every))
    assert best.startswith("The best of 4 configurations reaches 70.0%, for ")
    assert best.endswith("lr 0.100 (tpe). Repeat it before use: the best of many is partly chance.")
    assert strategies == (
        "Cannot tell whether tpe needs less energy than random: a verdict needs 6 seeds, there are 2."
    )
    assert price.startswith("Less accuracy takes less energy: 60.0% takes ")


def test_a_search_counts_its_flagged_trials() -> None:
    every = [asked("random", seed, 0, 0.6, flags=(Flag.CONTAMINATED,)) for seed in (1, 2)]
    _, below = found(loaded(sweep_of("tuning", MEANING), *every))
    (note,) = below
    assert note.startswith("2 of 2 trials are flagged (contaminated 2): they are counted too, because the search")


def test_layers_name_the_largest_type_the_passes_and_the_closure() -> None:
    every = [taken_apart(name, PARTS, [1.0, 2.0, 0.8, 1.9, 0.1]) for name in ("a", "b")]
    sentences, _ = found(loaded(sweep_of("layers"), *every))
    assert sentences == [
        "simple_cnn, input digits: Conv2d takes most, 96% of the energy of all layers.",
        "The layers take 2.1 times as many joules backward as forward.",
        "Measured alone, the layers add up to 0.933 of the whole network: they explain it.",
    ]


def test_layers_that_may_not_add_up_are_called_uncertain() -> None:
    every = [taken_apart(f"{n}", PARTS, [1.0, 2.0, 0.8, 1.4 + 0.5 * n, 0.1]) for n in range(3)]
    *_, closure = found(loaded(sweep_of("layers"), *every))[0]
    assert closure.endswith("of the whole network: too uncertain to say that they explain it. Add repetitions.")


def test_loads_have_their_policies_in_common() -> None:
    every = [
        shown(n, point_policy=policy, point_rate_per_s=rate)
        for rate in (20.0, 50.0)
        for policy in ("greedy:8", "fixed:8")
        for n in range(3)
    ]
    (fast, cheap), _ = found(loaded_live(LIVE, *every))
    assert fast.startswith("greedy:8 answers soonest under both loads, with ")
    assert fast.endswith("% less time than the next policy.")
    assert cheap.startswith("fixed:8 takes the least energy under both loads, with ")


def test_rates_that_nobody_can_serve_are_named() -> None:
    every = [shown(n, point_policy="fixed:8", point_rate_per_s=rate) for rate in (50.0, 733.0) for n in range(3)]
    assert found(loaded_live(LIVE, *every))[0] == ["Some cannot keep up: fixed:8 at 733/s."]
    assert found(loaded_live(LIVE, *every[3:]))[0][0].endswith("fixed:8 cannot keep up.")


def test_a_view_begins_with_few_sentences() -> None:
    lrs = (0.1, 0.01, 0.001, 0.0001)
    every = [trained(f"{lr}{n}", 0.8, point_lr=lr, point_dataset=f"d{n}", repetition=n) for lr in lrs for n in range(4)]
    assert len(found(loaded(sweep_of("training"), *every))[0]) <= MOST


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([["used 96% of a core"], ["used 7% of a core"]], [("used 7 to 96% of a core", 2)]),
        ([["used 7% of a core", "used 9% of a core"]], [("used 7 to 9% of a core", 1)]),
        ([["a"], ["b"], ["b"]], [("b", 2), ("a", 1)]),
        ([["first 1,000 of 2.5 s"], ["first 900 of 2.5 s"]], [("first 900 to 1,000 of 2.5 s", 2)]),
        ([["process 12 used the GPU too"], ["process 7 used the GPU too"]], None),
        ([["timeout:8:20ms is slow"], ["timeout:4:20ms is slow"]], None),
        ([["torch 2.11.1"], ["torch 2.12.0"]], None),
        ([["fp32 lab1"], ["fp16 lab2"]], None),
    ],
)
def test_notes_that_differ_in_amounts_alone_are_one(
    told: list[list[str]], expected: list[tuple[str, int]] | None
) -> None:
    assert notes.alike(told) == (expected or [(note, 1) for (note,) in told])
