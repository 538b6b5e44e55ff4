"""The services' commands of compose.yaml by hand, as the users and roles of deploy/; nothing tells a password."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
import redis

from farm.store import Store
from farm.store.tables import METADATA
from tests.compose import ROOT, service
from tests.integration.farms import WITHIN_S, assert_gone, family, running_trial, wait_for
from tests.integration.lab import DEPLOY, MARK, as_role, client_path, redis_with_users, run_psql, write_secrets
from tests.integration.test_queue import envelope
from tests.services import RedisServer, fresh_database

SWEEP = """
name: tiny
kind: inference
workload: {model: shufflenet_v2_x0_5, batch_size: 1, device: cpu}
measure: {profile: quick, window_s: 1.5, windows: 1, idle_s: 0.1, context_idle_s: 0.1, warmup_s: 0.1,
  warmup_max_s: 0.3, latency_s: 0.1, cool_down_max_s: 0, guard_s: 0.02}
repetitions: 1
"""
Process = subprocess.Popen[bytes]


@dataclass
class Lab:
    """Processes of services, and all that was said."""

    folder: Path
    redis: RedisServer
    url: str  #: of the database, for its administrator
    stands_for: dict[str, str]
    processes: list[Process] = field(default_factory=list)

    @property
    def said(self) -> Path:
        """Where every process's output goes."""
        return self.folder / "said"

    def environment(self, of_service: dict[str, str]) -> dict[str, str]:
        """A machine's, where nothing of the farm is set, and a service's."""
        machine = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
        own = {"PATH": client_path(), "FARM_HOME": str(self.folder / "home"), "FARM_HEARTBEAT_S": "1"}
        return machine | own | of_service

    def start(self, name: str, **more: str) -> Process:
        """A service of compose.yaml, by its command."""
        command, environment = service(name, self.stands_for)
        if command[0] != "sh":
            command = [sys.executable, "-m", "farm", *command]
        with (self.said / name).open("ab") as out:
            process = subprocess.Popen(
                command,
                env=self.environment(environment | more),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.processes.append(process)
        return process

    def once(self, name: str) -> None:
        """A service that ends."""
        assert self.start(name).wait(WITHIN_S) == 0, self.told(name)

    def farm(self, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """What somebody runs: `farm submit` and the like, with the rights of the controller unless told."""
        _, own = service("controller", self.stands_for)
        own.pop("FARM_METRICS")
        ran = subprocess.run(
            [sys.executable, "-m", "farm", *command],
            env=self.environment(own | environment),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        with (self.said / "people").open("a") as out:
            out.write(ran.stdout + ran.stderr)
        return ran

    def told(self, name: str) -> str:
        """What a process said so far."""
        return (self.said / name).read_text(errors="replace")


@pytest.fixture(scope="module")
def lab(postgres_admin_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Redis, PostgreSQL, the tables, the rights and the controller, in the order of compose.yaml; no worker yet."""
    folder = tmp_path_factory.mktemp("lab")
    secrets = write_secrets(tmp_path_factory.mktemp("secrets"))
    for name in ("said", "home"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        server = stack.enter_context(redis_with_users(tmp_path_factory.mktemp("redis"), secrets))
        url = stack.enter_context(fresh_database(postgres_admin_url))
        run_psql(url, DEPLOY / "postgres" / "roles.sql", secrets)
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            port = probe.getsockname()[1]
        over_tls = "?ssl_ca_certs=/run/secrets/ca.crt", "&sslmode=verify-full&sslrootcert=/run/secrets/ca.crt"
        stands_for = {over_tls[0]: "", over_tls[1].replace("&", "?", 1): ""}
        stands_for |= {"rediss://": "redis://", "@redis:6379": f"@127.0.0.1:{server.port}"}
        for role in ("owner", "controller", "worker"):
            stands_for[f"postgresql://farm_{role}@postgres:5432/farm"] = as_role(url, role)
        stands_for |= {"/etc/wattfarm": str(DEPLOY / "postgres"), "/run/secrets": str(secrets)}
        stands_for |= {"0.0.0.0:9464": f"127.0.0.1:{port}", "/var/lib/wattfarm": str(folder / "home")}
        running = Lab(folder, server, url, stands_for)
        stack.callback(_end, running)
        running.once("migrate")
        running.once("grants")
        running.start("controller")
        yield running


def _end(lab: Lab) -> None:
    for process in lab.processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def worker(lab: Lab) -> Iterator[Process]:
    """Started as compose.yaml does, with other people's secrets in its environment besides."""
    worker = lab.start("worker", FARM_WALL_SECRET=f"{MARK}-wall", PGPASSWORD=f"{MARK}-pg")
    with Store.open(lab.url) as store:
        wait_for("the worker joins", lambda: store.machines() or worker.poll() is not None)
    assert worker.poll() is None, lab.told("worker")
    yield worker
    processes = family(worker)
    worker.terminate()
    assert worker.wait(WITHIN_S) == 0, lab.told("worker")
    assert_gone(processes)


def test_a_sweep_goes_through_the_services_of_compose(lab: Lab, worker: Process) -> None:
    (lab.folder / "tiny.yaml").write_text(SWEEP)
    submitted = lab.farm("submit", "tiny.yaml")
    assert submitted.returncode == 0, submitted.stderr
    trial = running_trial(worker)
    inherited = trial.environ()
    assert not [name for name in inherited if name.startswith("FARM_") and ("URL" in name or "PASSWORD" in name)]
    assert MARK not in str(inherited)
    assert_untold_by_processes([*lab.processes, worker], trial)
    waited = lab.farm("submit", "tiny.yaml", "--wait")
    assert waited.returncode == 0, waited.stderr
    results = lab.farm("results", "--json")
    assert '"shufflenet_v2_x0_5"' in results.stdout


def assert_untold_by_processes(processes: list[Process], trial: psutil.Process) -> None:
    """`ps` shows command lines and titles to everybody."""
    alive = [psutil.Process(process.pid) for process in processes if process.poll() is None]
    shown = [
        line for one in [*alive, *(p for a in alive for p in a.children(recursive=True)), trial] for line in told(one)
    ]
    assert len(shown) > len(alive)
    assert not [line for line in shown if MARK in line]


def told(process: psutil.Process) -> list[str]:
    try:
        return [*process.cmdline(), process.name()]
    except psutil.NoSuchProcess:
        return []


def test_malformed_messages_are_refused_and_counted(lab: Lab, worker: Process) -> None:
    pickled = envelope(b"cos\nsystem\n(S'touch pickled'\ntR.", "application/x-python-serialize")
    oversized = envelope(b'[[], {"job": "%s", "attempt": 0}, {}]' % (b"x" * 4_000_000))
    with redis.Redis(port=lab.redis.port, username="auditor", password="audit") as client:
        client.lpush("farm:farm.any", pickled, oversized)
    with Store.open(lab.url) as store:
        wait_for("both are counted", lambda: store.machines()[0].rejected == 2)
    assert worker.poll() is None
    assert not list(lab.folder.rglob("pickled"))


def test_the_controller_answers_its_health_check(lab: Lab) -> None:
    address = lab.stands_for["0.0.0.0:9464"]
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        assert b"wattfarm" in answer.read()


def test_an_error_shows_no_password(lab: Lab) -> None:
    """Not even to those who ask for a traceback."""
    wrong = f"postgresql://farm:{MARK}@127.0.0.1:1/farm"
    ran = lab.farm("status", "--debug", FARM_DATABASE_URL=wrong, FARM_DATABASE_PASSWORD_FILE="")
    assert ran.returncode != 0
    assert "Traceback" in ran.stderr


def test_no_password_is_shown_anywhere(lab: Lab, worker: Process) -> None:
    """Last: in the logs of an outage, files of the home, every table, exports, and what people saw."""
    lab.redis.kill()
    wait_for("the worker misses Redis", lambda: "Cannot connect to redis" in lab.told("worker"))
    lab.redis.start()
    for command in (["doctor"], ["results", "-o", "results.json"], ["export", "-o", "all.csv"]):
        ran = lab.farm(*command)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    (lab.folder / "home" / "dump").write_text(_dump(lab.url))
    files = [path for path in lab.folder.rglob("*") if path.is_file()]
    assert {"worker", "controller", "people", "dump", "all.csv"} <= {path.name for path in files}
    assert not [path for path in files if MARK.encode() in path.read_bytes()]


def _dump(url: str) -> str:
    """All that the database holds."""
    with Store.open(url) as store, store.read() as connection:
        tables = {table.name: connection.execute(table.select()).all() for table in METADATA.sorted_tables}
    assert tables["trial"]
    return repr(tables)
