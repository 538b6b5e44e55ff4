"""Farms that have measured, and reports taken to pieces, for tests of `farm report`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

from pydantic import JsonValue

from farm.model import (
    Domain,
    FailureKind,
    Measurement,
    Owner,
    Probe,
    Quality,
    SweepRecord,
    TraceReport,
    TrialReport,
    Window,
    WindowKind,
)
from farm.store import NewJob, Store
from farm.studies.paper.loading import load_material, load_report
from farm.studies.paper.material import Material
from tests.contract.store_records import MACHINE, UTC_NOON, new_job, record, report

LATER = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SECOND_NS = 10**9
MODELS = ("alexnet", "vgg11")
YAML = "name: batching\nkind: inference\n"
PROBED = MACHINE.model_copy(
    update={"probe": Probe(probed_at=UTC_NOON, rapl_update_period_s=0.001, counter_trusted=True)}
)
VOID_TAGS = frozenset({"meta", "br", "hr", "img", "input", "link"})


@contextmanager
def batching(
    url: str, sweep: SweepRecord | None = None, models: Sequence[str] = MODELS, **changes: Any
) -> Iterator[tuple[Store, SweepRecord]]:
    """A store where two networks were measured at two batch sizes, three times each; `changes` of every trial."""
    with Store.open(url, create=True) as store:
        store.register_machine(PROBED, Owner("lab1", 1, "boot"), "0.1.0")
        sweep = sweep or record().model_copy(update={"text": YAML})
        points = [(model, size, n) for n in range(3) for model in models for size in (1, 16)]
        store.submit(sweep, [_job(sweep, place, *point) for place, point in enumerate(points)])
        for place, (model, size, repetition) in enumerate(points):
            job = f"{sweep.id}-{place}"
            store.claim(job, 0, Owner("lab1", 1, "boot"), MACHINE.id, 60.0)
            joules = (10.0 + 5 * models.index(model)) / (1 if size == 1 else 4) + 0.1 * repetition
            assert store.complete(trial(job, joules, **changes))
        yield store, sweep


def _job(sweep: SweepRecord, place: int, model: str, size: int, repetition: int) -> NewJob:
    job = new_job(place, sweep.id)
    point = {"model": model, "batch_size": size, "device": "cpu", "precision": "fp32"}
    return replace(job, spec=job.spec.model_copy(update={"point": point, "repetition": repetition}))


def window(kind: WindowKind, begin_s: float, end_s: float, units: int | None = None) -> Window:
    begin, end = round(begin_s * SECOND_NS), round(end_s * SECOND_NS)
    return Window(kind=kind, begin_at_ns=begin, end_at_ns=end, started_at_utc=UTC_NOON, units=units)


def trial(job: str, net_j: float, quality: Quality = Quality.COUNTER, **changes: Any) -> TrialReport:
    """Ten images in 2 s, `net_j` for each, and 1 J more gross; 10 readings a second, of a counter at 30 W."""
    windows = (
        window(WindowKind.IDLE_BEFORE, 0.1, 1.0),
        window(WindowKind.CONTEXT_IDLE, 1.5, 2.0),
        window(WindowKind.WARMUP, 2.0, 2.5),
        window(WindowKind.MEASURE, 3.0, 5.0, 10),
        window(WindowKind.IDLE_AFTER, 6.0, 7.0),
    )
    measurement = Measurement(
        window_kind=WindowKind.MEASURE, window_index=0, domain=Domain.CPU, quality=quality, source="rapl",
        gross_j=net_j * 10 + 10, net_j=net_j * 10, net_j_low=net_j * 10 - 0.1, net_j_high=net_j * 10 + 0.1,
    )  # fmt: skip
    times = tuple(n / 10 for n in range(70))
    unknown = (None,) * len(times)
    counter = TraceReport(
        domain=Domain.CPU, source="rapl", quality=quality, t0_ns=0, offset_s=times, power_w=unknown,
        energy_j=tuple(30.0 * s for s in times), temperature_c=unknown, clock_hz=unknown,
    )  # fmt: skip
    facts: dict[str, JsonValue] = {"device": "cpu", "unit": "image"}
    own: dict[str, Any] = {"windows": windows, "measurements": (measurement,), "traces": (counter,), "facts": facts}
    own["latencies_s"] = tuple(0.01 + n / 1e5 for n in range(500))
    return report(job, 1, **own | changes)


def failed(url: str, message: str = "out of memory") -> tuple[Store, SweepRecord]:
    """A sweep whose one job failed."""
    store = Store.open(url, create=True)
    store.register_machine(MACHINE, Owner("lab1", 1, "boot"), "0.1.0")
    job = replace(new_job(0), max_attempts=1)
    store.submit(record(), [job])
    store.claim(job.id, 0, Owner("lab1", 1, "boot"), MACHINE.id, 60.0)
    out_of_memory = report(job.id, 1, FailureKind.OOM)
    assert out_of_memory.failure is not None
    told = out_of_memory.failure.model_copy(update={"message": message})
    store.complete(out_of_memory.model_copy(update={"failure": told}))
    return store, record()


def gathered(store: Store, *sweeps: SweepRecord, trials: Sequence[str] = ()) -> Material:
    return load_material(store, load_report(store, sweeps), trials, "sqlite:///farm.db", LATER)


class Page(HTMLParser):
    """The parts of a page that tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[str, str]] = []
        self.rows: list[list[str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in {"h1", "h2", "h3"}:
            self.headings.append((tag, ""))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag not in VOID_TAGS:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if "table" in self._open and {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data
        if self._open and self._open[-1] in {"h1", "h2", "h3"}:
            tag, said = self.headings[-1]
            self.headings[-1] = (tag, said + data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]
