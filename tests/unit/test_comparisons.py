"""What `farm compare` shows: two sweeps, or two choices of one, point by point."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from farm.model import Quality, SweepData
from farm.model.errors import InputError
from farm.report.comparisons import comparison
from farm.report.document import Document
from farm.report.selection import Selection
from farm.report.terminal import text
from tests.analyses import SWEEP, measured, trials
from tests.contract.store_records import MEASURE
from tests.documents import notes_of
from tests.golden import assert_golden
from tests.loaded import Measured, loaded


def sides(a: str = "", b: str = "", where: str = "") -> tuple[Selection, Selection]:
    made = [Selection.parse(None, [*filter(None, [where, own])], None, False) for own in (a, b)]
    return made[0], made[1]


def compared(a: str = "", b: str = "", where: str = "", found: Sequence[Measured] | None = None) -> Document:
    """Two choices of one sweep."""
    data = loaded(SWEEP, *(trials() if found is None else found))
    return comparison((data, data), sides(a, b, where), "energy")


def between(first: Sequence[Measured], second: Sequence[Measured]) -> Document:
    """Two sweeps."""
    a, b = (loaded(SWEEP.model_copy(update={"id": name}), *own) for name, own in (("a", first), ("b", second)))
    return comparison((a, b), sides(), "energy")


def test_two_choices_are_compared_point_by_point() -> None:
    found = compared("batch_size=1", "batch_size=16")
    assert [row["model"] for row in found.record["table"]] == ["alexnet", "vit_b_16"]
    assert [row["ratio"] for row in found.record["table"]] == pytest.approx([0.5, 0.5], abs=0.02)
    assert found.record["compared"] == {"batch_size": {"a": [1], "b": [16]}}
    overall = found.record["overall"]
    assert overall["ratio_low"] < 0.5 < overall["ratio_high"]
    assert overall["p"] < 0.001
    first, second = found.findings
    assert "% less energy than A over 2 points, geometric mean (B / A = 0." in first
    assert second.startswith("Point by point (Holm): 2 less; ratios from 0.")
    assert_golden("compare.txt", text(found))


def test_the_other_way_round_the_ratio_is_the_inverse() -> None:
    there, back = compared("batch_size=1", "batch_size=16"), compared("batch_size=16", "batch_size=1")
    assert there.record["overall"]["ratio"] == pytest.approx(1 / back.record["overall"]["ratio"])
    assert back.findings[0].startswith("B has 2") or "% more energy than A" in back.findings[0]


def test_a_name_that_both_sides_share_is_no_contrast() -> None:
    found = compared("model=alexnet,batch_size=1", "model=alexnet,batch_size=16")
    assert (len(found.record["table"]), list(found.record["compared"])) == (1, ["batch_size"])


def test_sweeps_meet_in_equal_points_and_what_differs_throughout_is_compared() -> None:
    def in_precision(name: str, factor: float) -> list[Measured]:
        return [
            measured(f"{name}.{b}.{n}", factor * b * (1 + n / 100), batch=b)
            for b in (1, 4, 16) for n in range(3)
        ]  # fmt: skip

    def cast_to(measurements: Sequence[Measured], precision: str) -> list[Measured]:
        return [(replace(t, factors={**t.factors, "precision": precision}), rows) for t, rows in measurements]

    found = between(cast_to(in_precision("a", 2), "fp32"), cast_to(in_precision("b", 1)[3:], "bf16"))
    assert found.record["compared"] == {"precision": {"a": ["fp32"], "b": ["bf16"]}}
    assert [row["batch_size"] for row in found.record["table"]] == [4, 16]
    assert (found.record["only_a"], found.record["only_b"]) == (1, 0)
    assert found.record["overall"]["ratio"] == pytest.approx(0.5)


def test_sweeps_that_were_measured_in_different_ways_are_told_apart() -> None:
    def sweep(name: str, window_s: float) -> SweepData:
        own = MEASURE.model_copy(update={"window_s": window_s})
        return loaded(SWEEP.model_copy(update={"id": name}), *trials(prefix=name), measures=[own])

    apart, alike = (
        comparison((sweep("a", 1.0), sweep("b", window_s)), sides(), "energy").record["notes"] for window_s in (0.5, 1)
    )
    assert set(apart) - set(alike) == {"A and B were measured in different ways: window_s 1.0 and window_s 0.5."}


def test_a_side_is_chosen_by_the_heading_of_a_column() -> None:
    assert compared("batch=1", "batch=16").record["compared"] == {"batch_size": {"a": [1], "b": [16]}}


def test_equal_sweeps_do_not_differ() -> None:
    found = between(trials(prefix="a"), trials(prefix="b"))
    assert found.record["overall"]["ratio"] == pytest.approx(1)
    assert found.findings[0].startswith("cannot tell whether the energy of A and B differs over 4 points")


@pytest.mark.parametrize(
    ("a", "b", "complaint"),
    [
        ("", "", "both sides are the same"),
        ("model=alexnet", "batch_size=1", "a trial is on both sides"),
        ("model=alexnet,batch_size=1", "model=vit_b_16", r"a side has several levels of batch_size \(1, 16\)"),
    ],
)
def test_sides_that_cannot_be_compared_are_reported(a: str, b: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        compared(a, b)


def test_sweeps_on_different_hardware_meet_only_when_asked() -> None:
    with pytest.raises(
        InputError, match="no point is on both sides: hardware_class is cpu-2 on one, cpu-9 on the other"
    ):
        between(trials(prefix="a"), trials(prefix="b", hardware_class="cpu-9", machine="lab9"))
    both = [*trials(prefix="a"), *trials(prefix="b", hardware_class="cpu-9", machine="lab9")]
    assert len(compared("machine=lab1", "machine=lab9", found=both).record["table"]) == 4


def test_machines_of_unknown_hardware_are_points_of_their_own() -> None:
    slow, fast = (trials(prefix=name, hardware_class="unknown", machine=name) for name in ("slow", "fast"))
    found = compared("batch_size=1", "batch_size=16", found=[*slow, *fast])
    assert {(row["model"], row["machine"]) for row in found.record["table"]} == {
        (model, machine) for model in ("alexnet", "vit_b_16") for machine in ("slow", "fast")
    }
    with pytest.raises(InputError, match="no point is on both sides: machine is slow on one, fast on the other"):
        between(slow, fast)


def test_joules_of_different_quality_are_never_compared() -> None:
    with pytest.raises(InputError, match="trials of different quality"):
        between(trials(prefix="a"), trials(prefix="b", row_quality=Quality.MODELLED))


def test_one_repetition_a_point_has_a_ratio_and_no_claim() -> None:
    found = between(trials(1, prefix="a"), [*trials(1, prefix="b")])
    assert all(row["p"] is None for row in found.record["table"])
    assert found.findings[0].startswith("cannot tell: B has 1.00 times the energy of A over 4 points")


def test_machines_of_one_class_count_as_one_unless_one_is_chosen() -> None:
    found = [*trials(prefix="x", machine="lab1"), *trials(prefix="y", machine="lab2")]
    assert any(
        "count as one (2 of " in note for note in notes_of(compared("batch_size=1", "batch_size=16", found=found))
    )
    for choice in (("machine=lab1", "machine=lab2", ""), ("batch_size=1", "batch_size=16", "machine=lab1")):
        assert not any("count as one" in note for note in notes_of(compared(*choice, found=found)))


def test_intervals_are_of_each_point_by_itself_and_that_is_told() -> None:
    by_itself = "p is corrected for 2 pairs (holm); each 95% interval is for its pair alone."
    assert by_itself in notes_of(compared("batch_size=1", "batch_size=16"))


def test_what_disturbs_a_block_cancels_on_one_sweep_and_counts_between_two() -> None:
    noise, days = (0.99, 1.01, 1.005, 0.995), (1.0, 1.5, 0.7, 1.2)

    def side(sweep: str, batch: int, mean_j: float) -> list[Measured]:
        return [
            measured(f"{batch}{n}", mean_j * day * noise[(n + batch) % 4], batch=batch, repetition=n, sweep=sweep)
            for n, day in enumerate(days)
        ]

    together = compared("batch_size=1", "batch_size=4", found=[*side("a", 1, 1.0), *side("a", 4, 0.9)])
    assert together.record["overall"]["ratio_high"] < 0.93
    assert notes_of(together)[0].endswith("within blocks (repetitions of a sweep).")
    apart = between(side("a", 1, 1.0), side("b", 2, 0.9))
    assert apart.record["overall"]["ratio_high"] > 1.2
    assert "Welch" in notes_of(apart)[0]
