"""A model of 1,000 machines on one PostgreSQL and one Redis: what gives way first.

The machines are modelled (`model_machines`): the commands on the store and the listening on Redis are the farm's own,
in a few processes that share this machine with the servers. With so few cores for all of it, times are those of a busy
machine; the processor time that each part takes is the figure to go by.
"""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import psutil

from tests.benchmarks.farms import FARM, ROOT, Farm, cpu_s, new_farm
from tests.benchmarks.figures import Figure
from tests.services import PostgresServer, RedisServer, administer, fresh_database, postgres_server, running_redis

MACHINES = (100, 300, 1000)
#: Of the model; each does nothing but wait for others most of its time.
PROCESSES = 4
TRIAL_S = 30.0
SECONDS = 60.0
#: While all of them join.
SETTLE_S = 15.0
MAX_CONNECTIONS = 1200
SWEEP = """
name: thousand
kind: inference
workload: {model: [alexnet, vgg11], batch_size: [1, 2, 4, 8, 16]}
repetitions: 600
"""
MODEL = (sys.executable, "-m", "tests.benchmarks.model_machines")


@dataclass(frozen=True)
class Run:
    """What so many machines took."""

    machines: int
    trials: int
    p99_s: dict[str, float]  #: by command on the store
    cores: dict[str, float]  #: by who used them
    connections: int
    backends_mib: float  #: private memory of PostgreSQL's processes
    errors: int
    first_error: str

    @property
    def how(self) -> str:
        """One line for the table's notes."""
        cores = ", ".join(f"{name} {share:.2f}" for name, share in self.cores.items())
        slowest = ", ".join(f"{name} {1000 * p99:.0f} ms" for name, p99 in sorted(self.p99_s.items()))
        errors = f"; {self.errors} errors, the first: {self.first_error}" if self.errors else ""
        return (
            f"a model: {self.machines:,} threads in {PROCESSES} processes, each listens, claims, beats every 5 s and "
            f"reports as a worker does, trials of {TRIAL_S:.0f} s that only wait; cores used: {cores}; 99th percentile "
            f"of a command: {slowest}; {self.connections} connections to PostgreSQL, {self.backends_mib:.0f} MiB of "
            f"memory of their own{errors}"
        )


def figures() -> Iterator[Figure]:
    """As many machines as PostgreSQL lets in, and more."""
    for count in MACHINES:
        run = _run(count)
        what = f"{count:,} machines, modelled"
        yield Figure(what=f"{what}: PostgreSQL", value=run.cores["PostgreSQL"], unit="cores", how=run.how)
        yield Figure(what=f"{what}: heartbeat, 99th percentile", value=run.p99_s["heartbeat"], unit="s", how="the same")
        yield Figure(what=f"{what}: trials", value=run.trials / SECONDS, unit="/s", digits=1, how="the same")


def _run(count: int) -> Run:
    with (
        TemporaryDirectory() as folder,
        running_redis(Path(folder)) as redis,
        postgres_server(max_connections=str(MAX_CONNECTIONS)) as postgres,
        fresh_database(postgres.url) as url,
        new_farm(redis.url, url) as farm,
    ):
        return _watched(farm, redis, postgres, count)


def _watched(farm: Farm, redis: RedisServer, postgres: PostgresServer, count: int) -> Run:
    farm.run("submit", str(farm.sweep(SWEEP)))
    with ExitStack() as stack:
        controller = stack.enter_context(farm.running(*FARM, "serve"))
        models = [_model(farm, number, count // PROCESSES) for number in range(PROCESSES)]
        for model in models:
            stack.callback(_end, model)
        time.sleep(SETTLE_S)
        if redis.process is None:
            raise RuntimeError("Redis has ended")
        parts = {"Redis": [psutil.Process(redis.process.pid)], "controller": [controller], "model": models}
        before, begin_s = _used_s(postgres, parts), time.monotonic()
        time.sleep(SECONDS / 2)
        backends = _backends(postgres)
        memory = sum(map(_own_bytes, backends)) / 2**20
        time.sleep(max(begin_s + SECONDS - time.monotonic(), 0.0))
        wall_s = time.monotonic() - begin_s
        cores = {name: (used_s - before[name]) / wall_s for name, used_s in _used_s(postgres, parts).items()}
        said = [json.loads(model.communicate()[0]) for model in models]
    took_s: dict[str, list[float]] = defaultdict(list)
    for words in said:
        for command, times_s in words["took_s"].items():
            took_s[command] += times_s
    return Run(
        machines=count,
        trials=len(took_s["complete"]),
        p99_s={command: quantiles(times_s, n=100)[98] for command, times_s in took_s.items() if len(times_s) > 1},
        cores=cores,
        connections=len(backends),
        backends_mib=memory,
        errors=sum(words["errors"] for words in said),
        first_error=next((words["first_error"] for words in said if words["errors"]), ""),
    )


def _model(farm: Farm, number: int, count: int) -> psutil.Popen:
    numbers = (str(part) for part in (number * count, count, TRIAL_S, SETTLE_S, SECONDS))
    return psutil.Popen([*MODEL, *numbers], env=farm.env, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _backends(postgres: PostgresServer) -> list[psutil.Process]:
    """Processes that serve a connection of the farm's."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'wattfarm'"
    found = (row[0] for row in administer(postgres.url, query))
    return [psutil.Process(pid) for pid in found if psutil.pid_exists(pid)]


def _own_bytes(process: psutil.Process) -> int:
    """Memory of no other process; a connection may end while it is looked at."""
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_full_info().uss)
    return 0


def _used_s(postgres: PostgresServer, parts: Mapping[str, Sequence[psutil.Process]]) -> dict[str, float]:
    """Processor time, by who used it."""
    return {"PostgreSQL": _server_cpu_s(postgres)} | {name: cpu_s(*processes) for name, processes in parts.items()}


def _server_cpu_s(postgres: PostgresServer) -> float:
    """Of the server's processes, those included that have ended."""
    parent = psutil.Process(postgres.server.get_pid())
    ended = parent.cpu_times()
    alive = 0.0
    for process in parent.children():
        with suppress(psutil.NoSuchProcess):
            alive += cpu_s(process)
    return alive + cpu_s(parent) + float(ended.children_user + ended.children_system)


def _end(process: psutil.Popen) -> None:
    """Whether it lives or not."""
    with suppress(psutil.NoSuchProcess):
        process.kill()
    process.wait()
