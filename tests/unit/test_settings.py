"""A setting that cannot work is refused in one line that names it."""

import os
from pathlib import Path

import pytest

from farm.model.errors import InputError
from farm.scheduling import broker
from farm.settings import Settings, load_settings, origins
from farm.settings.origins import OF_COMPOSE
from farm.store import PRESENT_S, engine


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


@pytest.mark.parametrize(("heartbeat_s", "idle_s", "silent_s"), [(1, 3, 5), (5, 15, 25), (30, 30, 90)])
def test_an_idle_worker_sends_fewer_heartbeats(
    heartbeat_s: float, idle_s: float, silent_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_LEASE_S", "60")
    monkeypatch.setenv("FARM_HEARTBEAT_S", str(heartbeat_s))
    settings = load_settings()
    assert (settings.idle_heartbeat_s, settings.silent_s) == (idle_s, silent_s)
    assert settings.idle_heartbeat_s < PRESENT_S, "else the controller would think that it has left"


@pytest.mark.parametrize("name", ["FARM_LEASE_S", "FARM_GRACE_S", "FARM_WATCHDOG_S"])
def test_a_time_without_end_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "inf")
    with pytest.raises(InputError, match=f"^{name}: Input should be a finite number"):
        load_settings()


def test_a_url_of_the_wrong_type_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    monkeypatch.delenv("FARM_BROKER_URL", raising=False)
    (tmp_path / "farm.toml").write_text('broker_url = ["redis://:hush@host"]')
    with pytest.raises(InputError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"broker_url in {tmp_path / 'farm.toml'}: ")
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


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and the path of its settings file; no variable sets anything else."""
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    return tmp_path / "farm.toml"


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("FARM_BROKER_ULR", "no such setting (did you mean 'FARM_BROKER_URL'?)"),
        ("FARM_LEASE", "no such setting (did you mean 'FARM_LEASE_S'?)"),
        ("FARM_NOVELTY", "no such setting: unset it, or update wattfarm"),
    ],
)
def test_an_unknown_variable_is_an_error(name: str, rest: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().home == file.parent
    monkeypatch.setenv(name, "1")
    with pytest.raises(InputError) as caught:
        load_settings()
    assert str(caught.value) == f"{name}: {rest}"


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ('broker_ulr = "redis://lab"', "broker_ulr (did you mean 'broker_url'?)"),
        ("FARM_LEASE_S = 10", "FARM_LEASE_S (did you mean 'lease_s'?)"),
        ("[farm]\nlease_s = 10", "farm: remove it, or update wattfarm"),
    ],
)
def test_an_unknown_key_of_the_file_is_an_error(line: str, rest: str, file: Path) -> None:
    file.write_text(line)
    with pytest.raises(InputError) as caught:
        load_settings()
    assert str(caught.value) == f"{file}: no such setting: {rest}"


@pytest.mark.parametrize("name", [*(f"FARM_{name.upper()}" for name in Settings.model_fields), *OF_COMPOSE])
def test_every_variable_of_the_farm_and_of_its_containers_is_known(
    name: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(file.parent))
    origins.refuse_unknown(Settings.model_fields)
    monkeypatch.setenv(f"{name}S", "1")
    with pytest.raises(InputError, match=f"^{name}S: no such"):
        origins.refuse_unknown(Settings.model_fields)


def test_a_variable_without_a_value_counts_as_unset(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_NOVELTY", "")
    assert load_settings().home == file.parent


def test_an_error_names_the_file_or_the_variable_that_its_value_came_from(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("lease_s = 8\nmax_attempts = 0")
    with pytest.raises(InputError) as caught:
        load_settings()
    assert str(caught.value) == f"FARM_HEARTBEAT_S: Input should be at most half of lease_s in {file} (8 s), got 5.0"
    monkeypatch.setenv("FARM_LEASE_S", "60")
    with pytest.raises(InputError, match=rf"^max_attempts in {file}: Input should be greater than or equal to 1"):
        load_settings()
    monkeypatch.setenv("FARM_MAX_ATTEMPTS", "-1")
    with pytest.raises(InputError, match=r"^FARM_MAX_ATTEMPTS: Input should be"):
        load_settings()


def test_a_secret_that_a_file_names_in_vain_is_reported_by_its_key(file: Path) -> None:
    file.write_text(f'broker_url_file = "{file.parent}/absent"')
    with pytest.raises(InputError, match=rf"^broker_url_file in {file}: cannot read {file.parent}/absent"):
        load_settings()


def test_errors_of_later_use_name_the_key_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('broker_url = "amqp://lab"')
    text = "FARM_BROKER_URL: expected redis://HOST:6379/0"
    assert origins.named(text) == f"broker_url in {file}: expected redis://HOST:6379/0"
    monkeypatch.setenv("FARM_BROKER_URL", "amqp://lab")
    assert origins.named(text) == text
    file.write_text("broker_url = ")
    assert origins.named(text) == text


#: Values that no setting expects: beyond numbers, clocks, paths and ports, or not to be shown on a terminal.
STRANGE = (
    *("1e300", "1e400", "nan", "-1", "0", "99999", "9" * 30, "{}", "%s%n", "é", "x" * 5000, f"/{'y' * 300}"),
    *(
        "[::1]",
        "redis://h?password=x",
        "redis://h:99999/0",
        "redis://[::1",
        "redis+socket://",
        "postgresql://h:99999/x",
    ),
    *("\n", "a\nb", "\x1b[31m", "\udcff", "~", "~nosuchuser/x", "../x", "/", "/dev/null", "/proc/self/mem"),
)


@pytest.mark.parametrize("name", [*(f"FARM_{field.upper()}" for field in Settings.model_fields), "HOME", "TZ", "LANG"])
def test_whatever_a_variable_holds_is_fine_or_one_clear_line(
    name: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an unexpected error, nor a wait, nor a page of text; services are named, not asked."""
    monkeypatch.setattr("farm.settings.reading._PIPE_WITHIN_S", 0.0)
    os.mkfifo(file.parent / "fifo")
    for value in (*STRANGE, str(file.parent / "fifo")):
        monkeypatch.setenv(name, value)
        try:
            settings = load_settings()
            _parse_services(settings)
        except InputError as error:
            text = str(error).encode(errors="replace").decode()
            assert text.isprintable(), f"{value!r}: {text}"
            assert len(text) < 700, f"{value!r}: {text}"


def _parse_services(settings: Settings) -> None:
    """Read what is in URLs, before anything is asked."""
    broker._check_url(settings.broker_url)
    engine._parsed(settings.store_url)


@pytest.mark.parametrize("name", ["FARM_LEASE_S", "FARM_GRACE_S", "FARM_WATCHDOG_S", "FARM_HEARTBEAT_S"])
def test_a_time_is_at_most_a_year(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1e300")
    with pytest.raises(InputError, match=f"^{name}: Input should be less than or equal to 31622400, got '1e300'$"):
        load_settings()


def test_a_home_may_begin_with_the_home_of_its_user(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(file.parent))
    monkeypatch.setenv("FARM_HOME", "~/farm")
    assert load_settings().home == file.parent / "farm"


def test_a_settings_file_is_small_and_flat_and_no_pipe(file: Path) -> None:
    for content, problem in (
        ("x = " + "[" * 3000 + "]" * 3000, "a value is nested too deep: expected plain values such as lease_s = 60"),
        ("#" * 2**21, "larger than 1 MiB"),
        (None, "Is a directory"),
    ):
        if content is None:
            file.unlink()
            file.mkdir()
        else:
            file.write_text(content)
        with pytest.raises(InputError, match=f"^{file}: {problem}$"):
            load_settings()
    file.rmdir()
    os.mkfifo(file)
    with pytest.raises(InputError, match="not a regular file"):
        load_settings()


def test_the_lock_is_where_an_administrator_put_it_or_in_tmp(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in TMPDIR: users of one machine must find the same lock."""
    assert not file.exists()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("farm.settings.LOCKS", tmp_path / "absent")
    assert load_settings().lock_file == Path("/tmp/wattfarm.lock")
    monkeypatch.setattr("farm.settings.LOCKS", tmp_path)
    assert load_settings().lock_file == tmp_path / "machine.lock"
