"""How long medians and means with their intervals take, by model x batch x machine, over a million measurements."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from itertools import chain, islice, product
from typing import Any

import numpy as np
from pydantic import JsonValue
from sqlalchemy import create_engine, text

from farm.energy.samples import samples
from farm.exchange.loading import load
from farm.model import Budget, Component, Domain, JobSpec, Measurement, StoppingRule, Window, WindowKind
from farm.model.percentiles import percentile
from farm.report import across
from farm.report.selection import Selection
from farm.spec.profiles import PROFILES
from farm.store import Store
from farm.store.blobs import pack
from farm.store.samples import sample_row
from tests.benchmarks.farms import Farm, costs, new_farm
from tests.benchmarks.figures import Figure
from tests.services import fresh_database, running_postgres

MACHINES, MODELS, BATCHES, REPETITIONS = 10, 8, 10, 47
#: Those of an inference trial of profile full.
WINDOWS = (
    *((kind, 0) for kind in (WindowKind.IDLE_BEFORE, WindowKind.SETUP, WindowKind.CONTEXT_IDLE, WindowKind.WARMUP)),
    *((WindowKind.MEASURE, index) for index in range(3)),
    *((kind, 0) for kind in (WindowKind.LATENCY, WindowKind.IDLE_AFTER)),
)
DOMAINS = (Domain.GPU, Domain.CPU, Domain.DRAM)
TRIALS = MACHINES * MODELS * BATCHES * REPETITIONS
ROWS = TRIALS * len(WINDOWS) * len(DOMAINS)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_AT = "2026-11-21 12:00:00.000000"
_GROSS = (Component.AGE, Component.STEP, Component.SAMPLING, Component.BEAT, Component.WARM)
_NET = (Component.IDLE, Component.WANDER, Component.IDLE_MODEL, Component.CLOCK)
FACTS: dict[str, JsonValue] = {"device": "cuda:0", "unit": "image"}
#: As many components as a GPU's counter has.
BUDGET = Budget(gross=dict.fromkeys(_GROSS, 0.5), net=dict.fromkeys([*_GROSS, *_NET], 0.5)).model_dump_json()
WINDOW_S, UNITS = 10, 640
AT_MOST_S = {"SQLite": 4.0, "PostgreSQL": 2.0}
#: Peak memory of any command that reads a store of a million measurements.
AT_MOST_MB = 300.0
BY = ("model", "batch_size", "machine")
ROUNDS = 3
_UNSET = ("imported", "is_search", "fresh")

Row = Mapping[str, Any]


def figures() -> Iterator[Figure]:
    """What `farm across` computes, and what whole commands cost, on either database."""
    with new_farm() as farm:
        yield from _figures("SQLite", farm)
    with running_postgres() as admin, fresh_database(admin) as url, new_farm(database_url=url) as farm:
        yield from _figures("PostgreSQL", farm)


def _figures(name: str, farm: Farm) -> Iterator[Figure]:
    with farm.store() as store:
        fill(store)
        yield _figure(name, store)
    yield from costs(farm, f"{ROWS:,} measurements in {name}", _goals(farm))


def _goals(farm: Farm) -> Mapping[str, tuple[tuple[str, ...], float, float]]:
    """User CPU in s and peak memory in MB that each command may take, by its name; importing scipy takes 100 MB."""
    one = ("--where", "machine=m1")
    sides = ("compare", "made-up", "--a", "model=net0", "--b", "model=net1")
    factors = ("--factors", "model,batch_size,machine")
    served = ("--slo", "p99=5s", "--rate", "1/s", "--where", "machine=m1,model=net1")
    return {
        "farm results": (("results",), 3.0, AT_MOST_MB),
        "farm results --format json": (("results", "--format", "json"), 3.0, AT_MOST_MB),
        "farm across": (("across",), 1.5, AT_MOST_MB),
        "farm compare": (sides, 4.0, AT_MOST_MB),
        "farm analyze anova": (("analyze", "anova", *factors), 5.0, AT_MOST_MB),
        "farm analyze pairs": (("analyze", "pairs", "--factors", "model", *one), 5.0, AT_MOST_MB),
        "farm timeline": (("timeline",), 3.0, AT_MOST_MB),
        "farm response": (("response", "--rate", "16/s", *one, "--where", "model=net1"), 5.0, AT_MOST_MB),
        "farm recommend": (("recommend", *served), 30.0, AT_MOST_MB),
        "farm report, HTML": (("report", "-o", str(farm.home / "report.html")), 20.0, AT_MOST_MB),
        "farm report, Markdown": (("report", "--format", "md"), 20.0, AT_MOST_MB),
        "farm report, JSON": (("report", "-o", str(farm.home / "report.json")), 20.0, AT_MOST_MB),
        "farm export, Parquet": (("export", "-o", str(farm.home / "rows.parquet")), 20.0, AT_MOST_MB),
        "farm export, CSV": (("export", "-o", str(farm.home / "rows.csv")), 20.0, AT_MOST_MB),
        "farm export --rows batch": (("export", "--rows", "batch", "--format", "csv"), 60.0, AT_MOST_MB),
    }


def _figure(name: str, store: Store) -> Figure:
    rounds = [_analysis_s(store) for _ in range(ROUNDS)]
    return Figure(
        what=f"medians and means by {' x '.join(BY)} of {ROWS:,} measurements in {name}",
        value=max(wall_s for wall_s, _ in rounds),
        unit="s",
        at_most=AT_MOST_S[name],
        how=f"from the store to the last interval as in `farm across`, {TRIALS:,} trials in "
        f"{MACHINES * MODELS * BATCHES} groups, the slowest of {ROUNDS} in one process, the first imports numpy: "
        + ", ".join(f"{wall_s:.2f} s ({cpu_s:.2f} s CPU without the server's)" for wall_s, cpu_s in rounds),
    )


def _analysis_s(store: Store) -> tuple[float, float]:
    begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
    cells = across.view([load(store, store.find_sweep())], Selection(by=BY)).cells
    wall_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
    found = [cell.group.summary for cell in cells]
    medians = [s.net_median_j for s in found if s.trials == REPETITIONS]
    if len(medians) != MACHINES * MODELS * BATCHES or any(m is None or m.low is None for m in medians):
        raise RuntimeError("the analysis did not see every trial")
    return wall_s, cpu_s


def fill(store: Store) -> None:
    """A sweep of MACHINES x MODELS x BATCHES x REPETITIONS trials, as if measured."""
    with store.write() as connection:
        driver: Any = connection.connection.driver_connection
        for table, rows in _tables():
            _insert(driver, store.is_sqlite, table, rows)
    _settle(store)


def _settle(store: Store) -> None:
    """What a database does by itself in time."""
    engine = create_engine(store.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("ANALYZE" if store.is_sqlite else "VACUUM ANALYZE"))
    engine.dispose()


def _insert(driver: Any, is_sqlite: bool, table: str, rows: Iterator[Row]) -> None:
    """By the fastest way of each database."""
    first = next(rows)
    names = ", ".join(f'"{name}"' for name in first)
    every = (tuple(row.values()) for row in chain([first], rows))
    if is_sqlite:
        driver.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(first))})', every)
        return
    with driver.cursor().copy(f'COPY "{table}" ({names}) FROM STDIN') as out:
        for row in every:
            out.write_row(row)


def _tables() -> Iterator[tuple[str, Iterator[Row]]]:
    rule = StoppingRule(min=REPETITIONS, max=REPETITIONS, target=0.02).model_dump_json()
    sweep = {"id": "made-up", "name": "made-up", "kind": "inference", "submitted_at": _AT, "text": "", "meaning": "{}"}
    sweep |= {"carbon": "{}"}
    yield (
        "sweep",
        iter([sweep | {"rule": rule, "submitter": "", "settled": True, **dict.fromkeys(_UNSET, False)}]),
    )
    yield "machine", (_machine(f"m{machine}") for machine in range(MACHINES))
    yield "job", (_job(*one) for one in _trials())
    yield "trial", (_trial(*one) for one in _trials())
    yield "window", (_window(f"{_id(*one)}.1", kind, index) for one in _trials() for kind, index in WINDOWS)
    yield "measurement", _measurements()
    yield "sample", _samples()
    yield "latency", (_latency(*one) for one in _trials())


def _trials() -> Iterable[tuple[int, int, int, int]]:
    return product(range(REPETITIONS), range(MACHINES), range(MODELS), range(BATCHES))


def _id(*one: int) -> str:
    return "{:04x}{:04x}{:04x}{:04x}".format(*one)


def _machine(name: str) -> Row:
    return {
        "id": name, "name": name, "hardware_class": f"class-{name}", "hardware": "{}", "software": "{}",
        "abilities": "{}",
        "simulated": False, "worker_owner": "", "worker_version": "", "last_seen_at": _AT, "wanted_state": "active",
        "spooled": 0, "rejected": 0, "imported": False,
    }  # fmt: skip


def _job(repetition: int, machine: int, model: int, batch: int) -> Row:
    point: dict[str, Any] = {
        "model": f"net{model}", "batch_size": 2**batch, "precision": "fp32", "device": "auto", "compile": False,
        "channels_last": False, "threads": None, "images": "sample", "weights": "random",
    }  # fmt: skip
    spec = JobSpec(
        job=_id(repetition, machine, model, batch), sweep="made-up", kind="inference", point=point,
        repetition=repetition, target=f"machine:m{machine}", measure=PROFILES["full"], seed=0, time_limit_s=3600.0,
    )  # fmt: skip
    return {
        "id": spec.job,
        "sweep_id": "made-up",
        "key": spec.job,
        "ordinal": 0,
        "block": repetition,
        "repetition": repetition,
        "target": f"machine:m{machine}",
        "queue": "",
        "priority": 5,
        "state": "done",
        "attempt": 1,
        "max_attempts": 1,
        "machine_id": f"m{machine}",
        "cancel_requested": False,
        "point": json.dumps(point),
        "spec": spec.model_dump_json(),
    }


def _trial(*one: int) -> Row:
    job = _id(*one)
    return {
        "id": f"{job}.1",
        "job_id": job,
        "attempt": 1,
        "machine_id": f"m{one[1]}",
        "started_at_utc": _AT,
        "finished_at_utc": _AT,
        "duration_s": 100.0,
        "facts": json.dumps(FACTS),
        "carbon_g_per_kwh": 268.0,
        "carbon_pue": 1.0,
        "carbon_source": "given outright",
        "carbon_is_own": True,
        "flags": "[]",
        "notes": "[]",
        "log_tail": "",
        "simulated": False,
    }


def _window(trial: str, kind: WindowKind, index: int) -> Row:
    return {
        "trial_id": trial, "kind": kind.value, "index": index, "begin_at_ns": 0, "end_at_ns": WINDOW_S * 10**9,
        "started_at_utc": _AT, "units": UNITS if kind.is_work else None,
    }  # fmt: skip


def _latency(*one: int) -> Row:
    return {"trial_id": f"{_id(*one)}.1", **_batches(one[3])}


@cache
def _batches(batch: int) -> Row:
    """The times of the batches that three measure windows hold."""
    values_s = np.random.default_rng(batch).normal(WINDOW_S * 2**batch / UNITS, 1e-3, max(3 * UNITS // 2**batch, 3))
    ordered_s = sorted(np.abs(values_s).tolist())
    shares = {f"p{percent}_s": percentile(ordered_s, percent) for percent in (50, 95, 99)}
    return {
        "values_s": pack(ordered_s, 8),
        "batches": len(ordered_s),
        "mean_s": float(np.mean(ordered_s)),
        **shares,
    }


def _measurements() -> Iterator[Row]:
    noise = iter(np.random.default_rng(0).normal(1.0, 0.02, ROWS).tolist())
    for one in _trials():
        trial = f"{_id(*one)}.1"
        for (kind, index), domain in product(WINDOWS, DOMAINS):
            gross_j = 1000.0 * (1 + one[2]) * (1 + one[1] / 10) * next(noise)
            net_j = gross_j - 500.0
            yield {
                "trial_id": trial,
                "window_kind": kind.value,
                "window_index": index,
                "domain": domain.value,
                "quality": "counter",
                "source": "nvml-energy",
                "gross_j": gross_j,
                "gross_u_j": 1.0,
                "baseline_w": 50.0,
                "net_j": net_j,
                "net_j_low": net_j - 4.0,
                "net_j_high": net_j + 4.0,
                "mean_w": gross_j / 10,
                "budget": BUDGET,
                "flags": "[]",
            }


def _samples() -> Iterator[Row]:
    """As the store sums them up when a trial comes in, of the same windows."""
    each = _measurements()
    windows = [
        Window.model_validate(
            {k: v for k, v in _window("", kind, index).items() if k != "trial_id"} | {"started_at_utc": NOON}
        )
        for kind, index in WINDOWS
    ]
    for one in _trials():
        trial = f"{_id(*one)}.1"
        rows = islice(each, len(WINDOWS) * len(DOMAINS))
        measured = [
            Measurement.model_validate(
                {k: v for k, v in row.items() if k != "trial_id"} | {"flags": (), "budget": json.loads(BUDGET)}
            )
            for row in rows
        ]
        for sample in samples(windows, measured, FACTS, ()):
            yield {"trial_id": trial} | sample_row(sample)
