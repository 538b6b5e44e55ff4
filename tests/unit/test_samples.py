"""From the windows of a trial to its sample."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from farm.analysis.aggregate import UnitSample
from farm.analysis.samples import device_domain, per_unit
from farm.model import (
    CarbonFactor,
    Domain,
    Failure,
    FailureKind,
    Flag,
    Labels,
    MeasurementRow,
    Quality,
    WindowKind,
    distinct,
    values_of,
)
from tests.loaded import samples_of_rows
from tests.summaries import TimedRow, measurement_row, trial_row
from tests.trainings import part, taken_apart, trained


def samples(
    trials: Sequence[TimedRow], rows: Sequence[MeasurementRow], domain: Domain | None = None
) -> list[UnitSample]:
    found = [sample for trial in trials for sample in samples_of_rows(trial, rows, domain) if sample.part is None]
    return per_unit(found, {trial.trial: trial.latencies_s for trial in trials})


def two_windows(**changes: object) -> list[MeasurementRow]:
    return [measurement_row(), measurement_row(window_index=1, units=30, **changes)]


def test_energies_are_per_unit_of_work() -> None:
    (found,) = samples([trial_row()], [measurement_row()])
    assert (found.units_per_s, found.gross_j, found.net_j) == (5.0, 2.0, 1.0)
    assert found.net_u_j == pytest.approx(0.05, rel=0.03)
    assert (found.quality, found.simulated, found.flags) == (Quality.COUNTER, False, ())
    assert (found.latencies_s, found.carbon) == ((0.01, 0.02), CarbonFactor(360.0, 1.0, "given outright"))


def test_the_windows_of_a_trial_add_up() -> None:
    (found,) = samples([trial_row()], two_windows())
    assert (found.units_per_s, found.gross_j, found.net_j) == (10.0, 1.0, 0.5)


def test_a_window_without_joules_makes_them_unknown() -> None:
    (found,) = samples([trial_row()], two_windows(gross_j=None, net_j=None, net_j_low=None, quality=None))
    assert (found.gross_j, found.net_j, found.net_u_j, found.quality) == (None,) * 4
    assert found.units_per_s == 10.0


def test_a_window_without_baseline_leaves_gross_joules() -> None:
    (found,) = samples([trial_row()], two_windows(net_j=None, net_j_low=None, net_j_high=None))
    assert (found.gross_j, found.net_j, found.net_u_j) == (1.0, None, None)


def test_a_sum_takes_the_worst_quality_of_its_parts() -> None:
    (found,) = samples([trial_row()], two_windows(quality=Quality.SAMPLED))
    assert (found.quality, found.labels["quality"]) == (Quality.SAMPLED, "sampled")


def test_only_measure_windows_count() -> None:
    warm_up = measurement_row(window=WindowKind.WARMUP, units=1000, gross_j=1e6)
    (found,) = samples([trial_row()], [warm_up, measurement_row()])
    assert found.gross_j == 2.0
    assert samples([trial_row()], [warm_up]) == []


def test_failed_trials_and_trials_without_windows_give_no_sample() -> None:
    failed = trial_row(failure=Failure(kind=FailureKind.OOM, message="too large"))
    assert samples([failed], [measurement_row()]) == []
    assert samples([trial_row()], []) == []


@pytest.mark.parametrize(("device", "domain"), [("cpu", Domain.CPU), ("cuda:1", Domain.GPU)])
def test_joules_are_those_of_the_device_that_did_the_work(device: str, domain: Domain) -> None:
    trial = trial_row(facts={"device": device})
    rows = [measurement_row(), measurement_row(domain=Domain.GPU, gross_j=500.0)]
    (found,) = samples([trial], rows)
    assert device_domain(trial) == domain
    assert (found.labels["domain"], found.labels["device"]) == (domain.value, device)
    assert found.gross_j == {Domain.CPU: 2.0, Domain.GPU: 50.0}[domain]


def test_another_domain_may_be_chosen() -> None:
    rows = [measurement_row(), measurement_row(domain=Domain.DRAM, gross_j=5.0)]
    (found,) = samples([trial_row()], rows, Domain.DRAM)
    assert (found.gross_j, found.units_per_s) == (0.5, 5.0)


def test_a_domain_that_nobody_metered_is_unknown_and_not_zero() -> None:
    (found,) = samples([trial_row()], [measurement_row()], Domain.WALL)
    assert (found.gross_j, found.net_j, found.quality) == (None, None, None)
    assert found.units_per_s == 5.0


def test_a_sample_carries_the_flags_of_its_domain() -> None:
    rows = [
        measurement_row(flags=(Flag.TOO_SHORT,)),
        measurement_row(domain=Domain.GPU, flags=(Flag.BELOW_NOISE, Flag.TOO_SHORT)),
    ]
    (found,) = samples([trial_row()], rows)
    assert found.flags == (Flag.TOO_SHORT,)


def test_trials_may_be_grouped_by_factors_and_by_where_they_ran() -> None:
    (found,) = samples([trial_row(simulated=True)], [measurement_row()])
    expected = {"model": "alexnet", "batch_size": 4, "machine": "lab1", "hardware_class": "cpu-2", "simulated": True}
    assert expected.items() <= found.labels.items()


def test_a_training_is_judged_by_its_training_images_alone() -> None:
    """Two epochs of 100 images: 10 J gross, 6 J net and 4 s each; setup and validation are no part of it."""
    trial, rows = trained("a", 0.5, 0.8)
    (found,) = samples([trial], rows)
    assert (found.gross_j, found.net_j, found.units_per_s) == (0.1, 0.06, 25.0)
    assert found.net_u_j == pytest.approx(0.005)


PARTS = [
    part("Net", "forward", "whole"),
    part("Net", "backward", "whole"),
    part("ReLU relu", "forward"),
]


def test_a_network_taken_apart_is_judged_by_the_whole() -> None:
    """A call of each of its passes: 1 J and 2 J net, 1 J more gross, 0.2 s; the layer is no part of it."""
    trial, rows = taken_apart("a", PARTS, [1.0, 2.0, 50.0])
    (found,) = samples([trial], rows)
    assert (found.net_j, found.gross_j, found.units_per_s) == (3.0, 5.0, 2.5)
    assert found.net_u_j == pytest.approx(0.02)


def test_a_network_of_which_a_pass_is_missing_gives_no_sample() -> None:
    trial, rows = taken_apart("a", PARTS, [1.0, 2.0, 50.0])
    assert samples([trial], rows[:1]) == []


def test_each_part_of_a_network_has_a_sample_of_its_own() -> None:
    trial, rows = taken_apart("a", PARTS, [1.0, 2.0, 50.0])
    found = {sample.part: sample for sample in samples_of_rows(trial, rows)}
    assert [(part, found[part].units, found[part].net_j) for part in (0, 1, 2)] == [
        (0, 10, 10.0),
        (1, 10, 20.0),
        (2, 10, 500.0),
    ]
    assert (found[None].units, found[None].net_j, found[None].duration_s) == (10, 30.0, 4.0)


def test_passes_of_a_network_count_for_the_units_of_the_first() -> None:
    trial, rows = taken_apart("a", PARTS, [1.0, 2.0, 50.0])
    twice = [rows[0], replace(rows[1], units=20), rows[2]]
    (whole,) = (sample for sample in samples_of_rows(trial, twice) if sample.part is None)
    assert (whole.units, whole.net_j, whole.duration_s) == (10, 10.0 + 20.0 / 2, 2.0 + 2.0 / 2)


def test_samples_of_a_point_share_their_labels() -> None:
    shared = {"model": "vgg11", "repetition": None, "job": None, "trial": None, "unit": "image"}
    first, second = (Labels(shared, n, f"job{n}", f"job{n}.1") for n in range(2))
    assert dict(first) == shared | {"repetition": 0, "job": "job0", "trial": "job0.1"}
    assert (second["job"], second.get("model"), second.get("lr"), len(second)) == ("job1", "vgg11", None, 5)
    assert distinct([first, second]) == [shared]
    assert values_of([first, second], ("model", "unit")) == [("vgg11", "image")] * 2
    assert values_of([first, second], ("repetition", "model")) == [(0, "vgg11"), (1, "vgg11")]
