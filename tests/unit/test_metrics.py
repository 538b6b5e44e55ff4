"""What Prometheus is told."""

import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from farm import __version__
from farm.model import FailureKind, Flag
from farm.model.errors import BrokerUnavailable, InputError, StoreUnavailable
from farm.model.text import visible
from farm.scheduling.broker import celery_app
from farm.scheduling.metrics import Kept, Metrics, answer
from farm.settings import Settings
from farm.store import Store
from tests.contract.store_records import ANNE, BERT, MACHINE, claim, job_id, new_job, record, report

#: A sample by its name and labels: `wattfarm_jobs{queue="farm.any",state="queued"}`.
Samples = dict[str, float]


def samples(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in found, "told twice"
            found[name] = sample.value
    return found


def scraped(metrics: Metrics) -> Samples:
    registry = CollectorRegistry()
    registry.register(metrics)
    return samples(generate_latest(registry).decode())


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Store]:
    """A store with one machine, one sweep of four jobs."""
    with Store.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as store:
        store.register_machine(MACHINE, ANNE, "0.1.0")
        store.submit(record(), [new_job(n) for n in range(4)])
        yield store


def no_messages(queues: Sequence[str]) -> dict[str, int]:
    return dict.fromkeys(queues, 0)


def metrics_of(store: Store) -> Metrics:
    return Metrics(store, no_messages, lambda: 1234.5)


# What is told


def test_the_farm_as_it_stands(lab: Store) -> None:
    claim(lab, job_id(0))
    lab.complete(report(job_id(0), 1, flags=(Flag.THROTTLED, Flag.CONTAMINATED), duration_s=45.0))
    claim(lab, job_id(1))
    lab.complete(report(job_id(1), 1, FailureKind.OOM, duration_s=2.0, flags=(Flag.THROTTLED,)))
    claim(lab, job_id(2))
    lab.machine_beat(MACHINE.id, job_id(2), spooled=3, rejected=7)
    found = scraped(metrics_of(lab))
    expected = {
        f'wattfarm_build_info{{version="{__version__}"}}': 1,
        "wattfarm_store_up": 1,
        "wattfarm_broker_up": 1,
        "wattfarm_controller_last_round_timestamp_seconds": 1234.5,
        'wattfarm_jobs{queue="farm.any",state="queued"}': 1,
        'wattfarm_jobs{queue="farm.any",state="failed"}': 1,
        'wattfarm_jobs{queue="farm.any",state="running"}': 1,
        'wattfarm_jobs{queue="farm.any",state="done"}': 1,
        'wattfarm_trials_total{machine="lab1",outcome="measured"}': 1,
        'wattfarm_trials_total{machine="lab1",outcome="oom"}': 1,
        'wattfarm_trial_flags_total{flag="throttled",machine="lab1"}': 2,
        'wattfarm_trial_flags_total{flag="contaminated",machine="lab1"}': 1,
        'wattfarm_trial_seconds_count{machine="lab1"}': 1,
        'wattfarm_trial_seconds_sum{machine="lab1"}': 45,
        'wattfarm_trial_seconds_bucket{le="30.0",machine="lab1"}': 0,
        'wattfarm_trial_seconds_bucket{le="60.0",machine="lab1"}': 1,
        'wattfarm_trial_seconds_bucket{le="+Inf",machine="lab1"}': 1,
        'wattfarm_queue_wait_seconds_count{queue="farm.any"}': 3,
        'wattfarm_spool_reports{machine="lab1"}': 3,
        'wattfarm_messages_rejected_total{machine="lab1"}': 7,
        'wattfarm_machine_last_seen_timestamp_seconds{machine="lab1"}': lab.machines()[0].last_seen_at.timestamp(),
        'wattfarm_machine_info{hardware_class="cpu-2",machine="lab1",version="0.1.0",wanted_state="active"}': 1,
        'wattfarm_broker_messages{queue="farm.any"}': 0,
        'wattfarm_broker_messages{queue="farm.machine.lab1"}': 0,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_of_machines_of_one_name_the_last_seen_is_reported(lab: Store) -> None:
    lab.machine_beat(MACHINE.id, None, spooled=5)
    lab.register_machine(MACHINE.model_copy(update={"id": "m2", "hardware_class": "gpu-1"}), BERT, "0.2.0")
    found = scraped(metrics_of(lab))
    assert found['wattfarm_spool_reports{machine="lab1"}'] == 0
    assert (
        found['wattfarm_machine_info{hardware_class="gpu-1",machine="lab1",version="0.2.0",wanted_state="active"}'] == 1
    )


def test_the_names_of_machines_may_hold_anything(lab: Store) -> None:
    name = 'la"b\\ 1\n'
    lab.register_machine(MACHINE.model_copy(update={"id": "m2", "name": name}), BERT, "0.2.0")
    registry = CollectorRegistry()
    registry.register(metrics_of(lab))
    families = {f.name: f for f in text_string_to_metric_families(generate_latest(registry).decode())}
    assert visible(name) in {s.labels["machine"] for s in families["wattfarm_spool_reports"].samples}


def test_a_store_out_of_reach_is_reported_and_comes_back(lab: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("it does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(lab, "job_counts", away)
        found = scraped(metrics_of(lab))
    assert (found["wattfarm_store_up"], found["wattfarm_broker_up"]) == (0, 1)
    assert found["wattfarm_controller_last_round_timestamp_seconds"] == 1234.5
    assert not [name for name in found if name.startswith("wattfarm_jobs")]
    assert scraped(metrics_of(lab))["wattfarm_store_up"] == 1


def test_a_broker_out_of_reach_is_reported(lab: Store) -> None:
    def away(_: Sequence[str]) -> dict[str, int]:
        raise BrokerUnavailable("it does not answer")

    found = scraped(Metrics(lab, away, lambda: None))
    assert (found["wattfarm_store_up"], found["wattfarm_broker_up"]) == (1, 0)
    assert not [name for name in found if name.startswith(("wattfarm_broker_messages", "wattfarm_controller"))]


# What is read how often


@dataclass
class Slow:
    """A value that takes its time, on a clock of its own."""

    takes_s: float
    now_s: float = 0.0
    readings: int = 0
    errors: list[Exception] = field(default_factory=list)

    def read(self) -> int:
        self.readings += 1
        self.now_s += self.takes_s
        if self.errors:
            raise self.errors.pop()
        return self.readings

    def clock(self) -> float:
        return self.now_s


def look(kept: Kept[int]) -> int | None:
    kept.refresh()
    return kept.value(60)


@pytest.mark.parametrize(("takes_s", "kept_s"), [(0.0, 1.0), (0.01, 1.0), (1.0, 19.0), (10.0, 190.0)])
def test_reading_takes_a_twentieth_of_the_time_at_most(takes_s: float, kept_s: float) -> None:
    slow = Slow(takes_s)
    kept = Kept(slow.read, slow.clock)
    assert (look(kept), look(kept)) == (1, 1)
    slow.now_s += kept_s * 0.99
    assert look(kept) == 1
    slow.now_s += kept_s * 0.02
    assert look(kept) == 2


def test_a_failure_is_none_until_the_next_reading() -> None:
    slow = Slow(0.0, errors=[StoreUnavailable("away")])
    kept = Kept(slow.read, slow.clock)
    assert (look(kept), look(kept)) == (None, None)
    slow.now_s += 1.0
    assert look(kept) == 2


def test_a_mistake_of_ours_is_logged_and_kills_nobody(caplog: pytest.LogCaptureFixture) -> None:
    slow = Slow(0.0, errors=[ZeroDivisionError("oops")])
    assert look(Kept(slow.read, slow.clock)) is None
    assert "oops" in caplog.text


def test_who_looks_while_it_is_read_gets_what_was_known() -> None:
    go_on = threading.Event()
    slow = Slow(0.0)

    def read() -> int:
        if slow.readings:
            go_on.wait(60)
        return slow.read()

    kept = Kept(read, slow.clock)
    assert look(kept) == 1
    slow.now_s += 1.0
    kept.refresh()
    assert kept.value(0.01) == 1
    kept.refresh()
    go_on.set()
    assert kept.value(60) == 2
    assert slow.readings == 2, "one reads, whoever asks"


# Where it is told


def test_it_listens_at_the_given_address_and_nowhere_by_default(lab: Store) -> None:
    address = answer(metrics_of(lab), "0")
    assert address.startswith("http://127.0.0.1:")
    with urlopen(address, timeout=60) as response:
        assert samples(response.read().decode())["wattfarm_store_up"] == 1
    assert answer(metrics_of(lab), "localhost:0").startswith("http://localhost:")


@pytest.mark.parametrize("where", ["", "nine", "99999", "host:", "http://host:1", "host:1/metrics", "a@b:1", "::1"])
def test_what_is_no_address_is_refused(lab: Store, where: str) -> None:
    with pytest.raises(InputError, match="--metrics: expected PORT or HOST:PORT, got"):
        answer(metrics_of(lab), where)


def test_an_address_that_cannot_be_had_is_one_clear_line(lab: Store) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--metrics {port}: Address already in use: choose another"):
            answer(metrics_of(lab), str(port))
    with pytest.raises(InputError, match=r"--metrics no-such-host\.invalid:1: "):
        answer(metrics_of(lab), "no-such-host.invalid:1")


# For Flower


@pytest.mark.parametrize("wanted", [True, False])
def test_workers_send_task_events_only_where_that_is_wanted(tmp_path: Path, wanted: bool) -> None:
    app = celery_app(Settings(home=tmp_path, task_events=wanted))
    assert app.conf.worker_send_task_events is wanted
    assert app.conf.worker_enable_remote_control is False
