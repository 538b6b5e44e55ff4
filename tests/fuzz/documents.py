"""Targets that are files: sweeps, settings, tables, traces."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from farm import kinds
from farm.exchange import importing, observed
from farm.load.arrivals import Recorded
from farm.model.carbon import Hourly
from farm.model.errors import FarmError
from farm.scheduling import plan
from farm.scheduling.broker import celery_app
from farm.settings import Settings, load_settings
from farm.spec import Sweep, sweep_id
from farm.store import Store
from tests.contract.store_records import MACHINE, UTC_NOON, record
from tests.fuzz.corpora import MAPPED

#: A plan with more jobs takes longer than an input may, and is no other plan.
_MOST_JOBS = 2000
_VARIABLE = "FARM_"


def _written(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def take_sweep(data: bytes, folder: Path) -> None:
    """A sweep file, as `farm run FILE --dry-run` reads and plans it; its id does not depend on the reading."""
    sweep = kinds.load_sweep(_written(data, folder, "sweep.yaml"))
    stored = record().model_copy(update={"kind": sweep.kind, "meaning": sweep.model_dump_json(exclude_unset=True)})
    if sweep_id(kinds.restored(stored)) != sweep_id(sweep):
        raise AssertionError("the sweep that is stored is not the one that was read")
    if _jobs(sweep) <= _MOST_JOBS:
        plan.plan(sweep, [MACHINE])


def _jobs(sweep: Sweep) -> int:
    return sweep.workload.size * sweep.repetitions.min * len(sweep.targets)


def take_restored(data: bytes, folder: Path) -> None:
    """What a store has of a sweep, where another program may have written it."""
    kind = re.search(rb'"kind": ?"(\w+)"', data)
    changes = {"meaning": data.decode(errors="replace"), "kind": kind[1].decode() if kind else "inference"}
    try:
        kinds.restored(record().model_copy(update=changes))
    except ValidationError:
        raise FarmError("not the meaning of a sweep") from None


def take_toml(data: bytes, folder: Path) -> None:
    """A settings file."""
    _written(data, folder, "farm.toml")
    with_environment({}, folder)


def take_settings(data: bytes, folder: Path) -> None:
    """Lines NAME=VALUE become variables of the environment."""
    (folder / "farm.toml").unlink(missing_ok=True)
    pairs = (line.partition("=")[::2] for line in os.fsdecode(data).replace("\0", "").split("\n"))
    with_environment({f"{_VARIABLE}{name.strip()}": value for name, value in pairs if name.strip()}, folder)


def with_environment(variables: Mapping[str, str], folder: Path) -> Settings:
    """Read the settings, and prepare with them what a command prepares."""
    before = dict(os.environ)
    try:
        for name in [name for name in os.environ if name.startswith(_VARIABLE)]:
            del os.environ[name]
        os.environ.update({"FARM_HOME": str(folder), **{n: v for n, v in variables.items() if n != "FARM_HOME"}})
        settings = load_settings()
        celery_app(settings)
        if not settings.database_url or settings.database_url.startswith("postgres"):
            Store(settings.store_url).close()
        return settings
    finally:
        os.environ.clear()
        os.environ.update(before)


def take_import(data: bytes, folder: Path) -> None:
    """A CSV file for `farm import`."""
    importing.read(_written(data, folder, "runs.csv"), None, MAPPED)


def take_parquet(data: bytes, folder: Path) -> None:
    """A Parquet file for `farm import`."""
    importing.read(_written(data, folder, "runs.parquet"), None, MAPPED)


def take_observations(data: bytes, folder: Path) -> None:
    """A CSV file for `farm analyze --csv`."""
    observed.of_csv(_written(data, folder, "runs.csv"), "gross_j", ("model",), ())


def take_trace(data: bytes, folder: Path) -> None:
    """A trace of arrivals."""
    trace = Recorded.read(str(_written(data, folder, "trace.txt")))
    times_s = trace.times_s(1, np.random.default_rng(1))
    if not (np.isfinite(times_s).all() and np.isfinite(trace.rate_per_s) and trace.rate_per_s > 0):
        raise AssertionError(f"a trace without a rate: {trace.rate_per_s}")


def take_carbon(data: bytes, folder: Path) -> None:
    """A file of hourly intensities."""
    Hourly.read(_written(data, folder, "hourly.csv")).mean_g_per_kwh(UTC_NOON, UTC_NOON)
