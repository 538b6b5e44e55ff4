"""A probe's verdict in words."""

from datetime import UTC, datetime

import pytest

from farm.model import Check, Probe, verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_every_fact_of_a_probe_is_reported_with_its_unit() -> None:
    probe = Probe(
        probed_at=NOW, sensor="instant", sensor_update_period_s=0.1, averaging_window_s=0.025,
        counter_update_period_s=0.1, counter_update_period_u_s=1.74e-6, counter_update_jitter_s=0.0005,
        counter_over_power_idle=0.9985, counter_over_power_load=1.01, counter_trusted=True,
        rapl_update_period_s=0.00098,
    )  # fmt: skip
    assert [(check.name, check.state, check.detail) for check in verdict.findings(probe)] == [
        ("probe sensor", "ok", "new every 100 ms; each value is the mean over 25 ms; read as it is published"),
        (
            "probe counter", "ok",
            "new every 100 ms; standard uncertainty of that 1.74 µs; two updates differ in lateness by 500 µs on "
            "average; counts 0.999 idle, 1.010 under load of the integrated power; trusted",
        ),
        ("probe rapl", "ok", "new every 980 µs"),
    ]  # fmt: skip


def test_what_is_unknown_is_left_to_the_notes() -> None:
    probe = Probe(probed_at=NOW, sensor="smoothed", notes=("averaging window: who knows",))
    assert list(verdict.findings(probe)) == [
        Check(name="probe sensor", state="ok", detail="smoothed over a second by the driver"),
        Check(name="probe", state="note", detail="averaging window: who knows"),
    ]


def test_a_counter_that_is_wrong_is_no_good_news() -> None:
    (found,) = verdict.findings(Probe(probed_at=NOW, counter_over_power_load=0.5, counter_trusted=False))
    assert found.state == "note"
    assert "counts 0.500 under load of the integrated power; not trusted" in found.detail


@pytest.mark.parametrize(
    ("seconds", "written"), [(12.5, "12.5 s"), (0.9999, "1 s"), (0.1, "100 ms"), (0.00099996, "1 ms"), (0.0, "0 µs")]
)
def test_durations_have_three_digits(seconds: float, written: str) -> None:
    assert verdict.duration(seconds) == written
