"""A setting that cannot work is refused in one line that names it."""

from pathlib import Path

import pytest

from farm.model.errors import InputError
from farm.settings import load_settings


@pytest.mark.parametrize(
    ("lease_s", "heartbeat_s", "said"),
    [
        ("60", "100", "at most half of FARM_LEASE_S (60 s), got '100'"),
        ("60", "31", "at most half of FARM_LEASE_S (60 s), got '31'"),
        ("8", None, "at most half of FARM_LEASE_S (8 s), got 5.0"),
    ],
)
def test_a_heart_that_beats_too_slowly_to_keep_its_lease_is_refused(
    lease_s: str, heartbeat_s: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_LEASE_S", lease_s)
    monkeypatch.delenv("FARM_HEARTBEAT_S", raising=False)
    if heartbeat_s is not None:
        monkeypatch.setenv("FARM_HEARTBEAT_S", heartbeat_s)
    with pytest.raises(InputError) as caught:
        load_settings()
    assert str(caught.value).startswith("FARM_HEARTBEAT_S: ")
    assert said in str(caught.value)


def test_one_late_beat_keeps_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_LEASE_S", "8")
    monkeypatch.setenv("FARM_HEARTBEAT_S", "4")
    assert load_settings().heartbeat_s == 4


@pytest.mark.parametrize("name", ["FARM_LEASE_S", "FARM_GRACE_S", "FARM_WATCHDOG_S"])
def test_a_time_without_end_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "inf")
    with pytest.raises(InputError, match=f"^{name}: Input should be a finite number"):
        load_settings()


def test_a_url_of_the_wrong_type_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    monkeypatch.delenv("FARM_BROKER_URL", raising=False)
    (tmp_path / "farm.toml").write_text('broker_url = ["redis://:hush@host"]')
    with pytest.raises(InputError, match=r"^FARM_BROKER_URL: ") as caught:
        load_settings()
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("name", ["x 3/é", "-lab", "a" * 64])
def test_a_machine_has_a_name_that_sweeps_can_write(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_MACHINE_NAME", name)
    with pytest.raises(InputError, match="FARM_MACHINE_NAME: Input should be at most 63 letters, digits"):
        load_settings()


def test_the_owner_sets_the_rated_power_by_variable_or_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    monkeypatch.delenv("FARM_CPU_TDP_W", raising=False)
    assert load_settings().cpu_tdp_w is None
    (tmp_path / "farm.toml").write_text("cpu_tdp_w = 65")
    assert load_settings().cpu_tdp_w == 65
    monkeypatch.setenv("FARM_CPU_TDP_W", "120")
    assert load_settings().cpu_tdp_w == 120
    monkeypatch.setenv("FARM_CPU_TDP_W", "0")
    with pytest.raises(InputError, match=r"^FARM_CPU_TDP_W: Input should be greater than 0"):
        load_settings()
