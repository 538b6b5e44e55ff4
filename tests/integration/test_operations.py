"""Looking after a farm of real processes: what the controller tells Prometheus and its log, what commands show."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any
from urllib.request import urlopen

import psycopg
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from farm.model import FailureKind
from tests.acceptance.person import Done, called, ended
from tests.contract.store_records import ANNE, MACHINE, SWEEP, claim, job_id, new_job, record, report
from tests.integration.farms import Farm, running_farm, wait_for
from tests.summaries import widest

ROOT = Path(__file__).parents[2]
MESSAGES = ("wattfarm_broker_messages", "farm.any")
ROUND = ("wattfarm_controller_last_round_timestamp_seconds",)


@pytest.fixture
def lab(tmp_path: Path, redis_url: str, postgres_url: str) -> Iterator[Farm]:
    with running_farm(tmp_path, redis_url, postgres_url) as farm:
        yield farm


def log_of(lab: Farm) -> list[str]:
    return (lab.home / "serve.log").read_text(errors="replace").splitlines()


def address(lab: Farm) -> str:
    """Where the controller answers, as it says."""
    said = r"http://127\.0\.0\.1:\d+/metrics"
    found: list[str] = wait_for("the controller says where", lambda: re.findall(said, "\n".join(log_of(lab))))
    return found[0]


def scrape(url: str) -> dict[tuple[str, ...], float]:
    """Samples by name and values of the labels, in the order of their names."""
    with urlopen(url, timeout=90) as response:
        text = response.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def farm_command(lab: Farm, *arguments: str, **settings: str) -> Done:
    own = {"FARM_HOME": str(lab.home), "FARM_BROKER_URL": lab.broker_url, "FARM_DATABASE_URL": lab.store_url}
    environment = {**os.environ, **own, **settings}
    if arguments[0] != "serve":
        return called(ROOT, environment, *arguments)
    command = [sys.executable, "-m", "farm", *arguments]
    return ended(subprocess.Popen(command, env=environment, cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True))


# Metrics


@pytest.mark.slow
def test_a_controller_answers_prometheus(lab: Farm) -> None:
    lab.submit("waiting", 3)
    controller = lab.start("serve", "--metrics", "0")
    url = address(lab)
    wait_for("a round", lambda: ROUND in scrape(url))
    found = wait_for("the jobs are published", lambda: s if (s := scrape(url)).get(MESSAGES) == 3 else None)
    assert found["wattfarm_jobs", "farm.any", "queued"] == 3
    assert (found["wattfarm_store_up",], found["wattfarm_broker_up",]) == (1, 1)
    assert found["process_resident_memory_bytes",] > 0
    controller.send_signal(signal.SIGTERM)
    assert controller.wait(90) == 0


@pytest.mark.slow
def test_an_outage_of_the_database_is_reported_and_kills_nobody(lab: Farm) -> None:
    controller = lab.start("serve", "--metrics", "0")
    url = address(lab)
    wait_for("the store is up", lambda: scrape(url)["wattfarm_store_up",] == 1)
    name = lab.store.url.database
    with psycopg.connect(lab.store_url.replace(f"/{name}", "/postgres"), autocommit=True) as admin:

        def let_in(yes: bool) -> None:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {yes}")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

        let_in(False)
        try:
            down = wait_for("it is away", lambda: s if (s := scrape(url))["wattfarm_store_up",] == 0 else None)
        finally:
            let_in(True)
    assert down["wattfarm_broker_up",] == 1
    assert ROUND in down
    wait_for("it is back", lambda: scrape(url)["wattfarm_store_up",] == 1)
    assert controller.poll() is None


def test_a_port_that_is_taken_is_one_clear_line(lab: Farm) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = farm_command(lab, "serve", FARM_METRICS=str(port))
    assert (done.status, done.out) == (2, "")
    assert done.err == f"farm: --metrics {port}: Address already in use: choose another with FARM_METRICS\n"


# Logs


def structured(lines: list[str]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in lines]
    assert all({"time", "level", "message"} <= set(record) for record in found)
    return found


@pytest.mark.slow
def test_the_logs_of_controller_and_worker_are_objects_line_by_line(lab: Farm) -> None:
    controller = lab.start("serve", "--verbose", FARM_LOG_FORMAT="json")
    worker = lab.start_worker(FARM_LOG_FORMAT="json", FARM_MACHINE_NAME="lab7")
    (job,) = lab.submit("measured", 1)
    lab.wait_until_over("measured")
    for process in (controller, worker):
        process.send_signal(signal.SIGTERM)
        process.wait(90)
    assert "serving" in structured(log_of(lab))[0]["message"]
    said = structured(lab.log().splitlines())
    mine = [r for r in said if r.get("trial") == f"{job}.1"]
    assert mine
    assert {(r["job"], r["sweep"], r["machine"]) for r in mine} == {(job, "measured", "lab7")}
    assert any(r["logger"].startswith("celery") for r in said), "Celery's lines are among them"


def test_an_error_that_ends_a_process_is_an_object_too(lab: Farm) -> None:
    done = farm_command(lab, "serve", FARM_LOG_FORMAT="json", FARM_DATABASE_URL="postgresql://127.0.0.1:1/farm")
    assert done.status == 3
    (last,) = structured(done.err.splitlines())
    assert (last["level"], "PostgreSQL at 127.0.0.1:1" in last["message"]) == ("ERROR", True)


# Commands


@pytest.fixture
def failing(lab: Farm) -> Farm:
    """One machine, one sweep: a job failed, two wait; and one waits for a machine that has never joined."""
    absent = new_job(3).spec.model_copy(update={"target": "machine:lab9"})
    lab.store.register_machine(MACHINE, ANNE, "0.0.9")
    lab.store.submit(record(), [new_job(0), new_job(1), new_job(2), new_job(3, spec=absent)])
    claim(lab.store, job_id(0))
    lab.store.complete(report(job_id(0), 1, FailureKind.OOM, log_tail="no memory left\nfor anything\n"))
    return lab


def test_status_shows_what_waits_for_what(failing: Farm) -> None:
    with redis.Redis.from_url(failing.broker_url) as client:
        assert client.dbsize() == 0
    done = farm_command(failing, "status")
    assert (done.status, widest(done.out) <= 80) == (0, True), done.err
    assert "no machine 'lab9' is registered" in done.out
    (found,) = farm_command(failing, "status", "--json").json
    assert found["waiting"] == [
        {"target": "any", "needs": [], "jobs": 2, "messages": 0, "machines": ["lab1"]},
        {"target": "machine:lab9", "needs": [], "jobs": 1, "messages": 0, "machines": []},
    ]


def test_a_broker_out_of_reach_is_no_failure_of_status(failing: Farm) -> None:
    done = farm_command(failing, "status", FARM_BROKER_URL="redis://127.0.0.1:1/0")
    assert done.status == 0
    assert "messages are not known: broker redis://127.0.0.1:1/0" in " ".join(done.out.split())


def test_status_leads_to_the_last_words_of_a_trial(failing: Farm) -> None:
    told = " ".join(farm_command(failing, "status", SWEEP).out.split())
    assert f"`farm logs {job_id(0)}.1`" in told
    done = farm_command(failing, "logs", f"{job_id(0)}.1")
    assert (done.status, done.out.endswith("\nno memory left\nfor anything\n")) == (0, True)
    assert "oom (signal 11): it said so" in done.out
    found = farm_command(failing, "logs", job_id(0), "--json").json
    assert (found["failure"]["kind"], found["log_tail"]) == ("oom", "no memory left\nfor anything\n")
    refused = farm_command(failing, "logs", "nothing.1")
    assert (refused.status, refused.out, len(refused.err.splitlines())) == (2, "", 1)
    assert "`farm status SWEEP` names those that failed" in refused.err


def test_machines_show_how_they_are(failing: Farm) -> None:
    done = farm_command(failing, "machines")
    assert (done.status, widest(done.out) <= 80) == (0, True)
    assert "version 0.0.9" in " ".join(done.out.split())
    (found,) = farm_command(failing, "machines", "lab1", "--json").json
    assert found["recent_trials"] == {"trials": 1, "failed": 1, "flagged": 0, "flags": {}}
    assert found["temperature"] is None
