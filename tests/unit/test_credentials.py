"""Secrets come from files, and appear in no message."""

import traceback
from pathlib import Path

import pytest

from farm.model.errors import FarmError, InputError, redacted
from farm.scheduling.broker import Publisher
from farm.settings import Settings, load_settings
from farm.settings.credentials import read_secret, with_password, without_secrets
from farm.store import Store

MARK = "hunter2"
AWKWARD = f"{MARK}/@:?#% "


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for service in ("BROKER", "DATABASE"):
        for kind in ("URL", "URL_FILE", "PASSWORD_FILE"):
            monkeypatch.delenv(f"FARM_{service}_{kind}", raising=False)
    monkeypatch.setenv("FARM_HOME", str(tmp_path))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return tmp_path / "secret"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_secret_is_one_line_with_or_without_its_end(secret: Path, end: str) -> None:
    secret.write_bytes(f"{MARK}{end}".encode())
    assert read_secret("FARM_X_FILE", str(secret)) == MARK


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "expected one line in .*, found none"), (b"\n", "found none"), (b"hunter2\nx", "found several"),
     (b"hunter2\xff", "it is not text"), (None, "No such file")],
)  # fmt: skip
def test_a_file_that_holds_no_secret_is_one_clear_line(secret: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(InputError, match=f"^FARM_X_FILE: .*{reason}") as caught:
        read_secret("FARM_X_FILE", str(secret))
    assert str(secret) in str(caught.value)
    assert MARK not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("service", ["broker", "database"])
def test_a_url_may_stand_in_a_file(service: str, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret.write_text(f"some://user:{MARK}@host\n")
    monkeypatch.setenv(f"FARM_{service.upper()}_URL_FILE", str(secret))
    assert getattr(load_settings(), f"{service}_url") == f"some://user:{MARK}@host"


def test_the_environment_wins_over_farm_toml_whichever_form_it_takes(
    secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret.write_text("redis://file")
    toml = tmp_path / "farm.toml"
    toml.write_text('broker_url = "redis://toml"')
    monkeypatch.setenv("FARM_BROKER_URL_FILE", str(secret))
    assert load_settings().broker_url == "redis://file"
    monkeypatch.setenv("FARM_BROKER_URL", "redis://variable")
    assert load_settings().broker_url == "redis://variable"
    monkeypatch.delenv("FARM_BROKER_URL_FILE")
    toml.write_text(f'broker_url_file = "{secret}"')
    assert load_settings().broker_url == "redis://variable"
    monkeypatch.delenv("FARM_BROKER_URL")
    assert load_settings().broker_url == "redis://file"


@pytest.mark.parametrize("service", ["broker", "database"])
def test_a_password_alone_may_stand_in_a_file(service: str, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret.write_text("p/w\n")
    scheme = {"broker": "rediss", "database": "postgresql"}[service]
    monkeypatch.setenv(f"FARM_{service.upper()}_URL", f"{scheme}://user@host/0?x=y")
    monkeypatch.setenv(f"FARM_{service.upper()}_PASSWORD_FILE", str(secret))
    assert getattr(load_settings(), f"{service}_url") == f"{scheme}://user:p%2Fw@host/0?x=y"


@pytest.mark.parametrize(
    ("url", "filled"),
    [
        ("redis://host:6379/0", "redis://:p@host:6379/0"),
        ("redis://user@host", "redis://user:p@host"),
        ("redis://user:mine@host", "redis://user:mine@host"),
        ("filesystem://", "filesystem://"),
        ("sqlite:///farm.db", "sqlite:///farm.db"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_password_goes_where_none_is(url: str, filled: str) -> None:
    assert with_password(url, "p") == filled


@pytest.mark.parametrize("variable", ["FARM_BROKER_URL_FILE", "FARM_DATABASE_URL_FILE"])
def test_a_file_that_is_missing_is_named(variable: str, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, str(secret))
    with pytest.raises(InputError, match=f"^{variable}: cannot read {secret}: No such file or directory$"):
        load_settings()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host/0", "redis://host/0"),
        ("postgresql://user@host/farm", "postgresql://user@host/farm"),
        (f"redis://{MARK}@host/0", "redis://***@host/0"),
        (f"rediss://{MARK}@host/0", "rediss://***@host/0"),
        (f"redis://user:{MARK}@host/0", "redis://user:***@host/0"),
        (f"redis://:{MARK}@host", "redis://:***@host"),
        (f"redis://user:{AWKWARD}@host/0", "redis://user:***@host/0"),
        (f"postgresql://host/farm?user=x&password={MARK}&sslpassword={MARK}",
         "postgresql://host/farm?user=x&password=***&sslpassword=***"),
        (f"redis://user:{MARK}", "redis://user:***"),
        (f"postgresql://user:{MARK}/host", "postgresql://user:***/host"),
        ("postgresql://one:5432,two:5433/farm", "postgresql://one:5432,two:5433/farm"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("redis://host:6379?db=1", "redis://host:6379?db=1"),
        (MARK, "***"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_settings_do_not_show_what_is_in_them() -> None:
    settings = Settings(broker_url=f"redis://:{MARK}@h", database_url=f"postgresql://x:{MARK}@h", wall_secret=MARK)
    assert MARK not in repr(settings)
    assert MARK not in str(settings)


def test_a_trial_inherits_no_secret() -> None:
    secret = {f"FARM_{s}_{k}": "x" for s in ("BROKER", "DATABASE") for k in ("URL", "URL_FILE", "PASSWORD_FILE")}
    secret |= dict.fromkeys(("FARM_WALL_URL", "FARM_WALL_SECRET", "FARM_WALL_SECRET_FILE", "PGPASSWORD"), "x")
    harmless = {"FARM_HOME": "x", "FARM_SIMULATOR": "x", "PATH": "x", "CUDA_VISIBLE_DEVICES": "0"}
    assert without_secrets(secret | harmless) == harmless


#: What people get wrong, with a password in it.
WRONG_BROKERS = [
    f"redis://controller:{MARK}@127.0.0.1:1/0",
    f"rediss://controller:{MARK}@127.0.0.1:1/0?ssl_ca_certs=/nowhere",
    f"redis://controller:{MARK}/x@127.0.0.1:6379/0",
    f"redis://controller:12/{MARK}@127.0.0.1:6379/0",
    f"redis://controller:12#{MARK}@127.0.0.1:6379/0",
    f"redis://{MARK}@127.0.0.1:1/0",
    f"redis://127.0.0.1:1/{MARK}",
    f"redis://127.0.0.1:1/0/{MARK}",
    f"redis://controller:{MARK}@[::1/0",
    f"amqp://farm:{MARK}@127.0.0.1",
    MARK,
]
WRONG_DATABASES = [
    f"postgresql://farm:{MARK}@127.0.0.1:1/farm",
    f"postgresql://farm:x@{MARK}@127.0.0.1:1/farm",
    f"postgresql://farm:{MARK}/@127.0.0.1:1/farm",
    f"postgresql://127.0.0.1:1/farm?user=farm&password={MARK}",
    f"postgresql://farm:{MARK}@127.0.0.1:1/farm?sslmod=x",
    f"postgresql://farm:{MARK}@127.0.0.1:1/farm?sslmode=x",
    f"postgresql://farm:{MARK}@127.0.0.1:1/farm?connect_timeout={MARK}",
    f"postgresql://farm:{MARK}@127.0.0.1:port/farm",
    f"mysql://farm:{MARK}@127.0.0.1/farm",
    MARK,
]


@pytest.mark.parametrize("url", WRONG_BROKERS)
def test_an_error_of_the_broker_shows_no_password(url: str, tmp_path: Path) -> None:
    """Neither does the traceback that --debug shows."""
    with pytest.raises(FarmError) as caught:
        Publisher(Settings(home=tmp_path, broker_url=url)).check()
    assert MARK not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", WRONG_DATABASES)
def test_an_error_of_the_database_shows_no_password(url: str) -> None:
    with pytest.raises(FarmError) as caught:
        Store.open(url)
    assert MARK not in "".join(traceback.format_exception(caught.value))
