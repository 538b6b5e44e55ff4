"""The doorbell on both brokers: what is rung is heard in order, and nothing on a queue kills a worker."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
import redis

from farm.errors import BrokerUnavailable, InputError
from farm.model import Ring
from farm.queue import Bell, celery_app
from farm.settings import Settings
from tests.services import running_redis

QUEUE = "farm.any"
WITHIN_S = 60.0
#: A worker that says what it hears instead of measuring; a job named `nap` takes until it is interrupted.
LISTENER = """
import logging, threading
from farm.settings import Settings
from workers import app, main

over = threading.Event()

class Member:
    def serve(self, job: str, attempt: int) -> None:
        print(job, attempt, flush=True)
        if job == "nap":
            over.wait(60)
            print("woken", flush=True)

logging.basicConfig(level=logging.WARNING)
raise SystemExit(main._serve(app.build(Member(), Settings()), ["farm.any"], "test", logging.WARNING, over.set))
"""


@pytest.fixture(params=["filesystem", "redis"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = "filesystem://" if request.param == "filesystem" else request.getfixturevalue("redis_url")
    return Settings(home=tmp_path, broker_url=url)


def rings(*jobs: str, queue: str = QUEUE, priority: int = 5) -> list[Ring]:
    return [Ring(job=job, attempt=n, queue=queue, priority=priority) for n, job in enumerate(jobs)]


def heard(settings: Settings, queue: str = QUEUE) -> list[tuple[str, int]]:
    """Take all messages from a queue, the next one first."""
    found = []
    with celery_app(settings).connection_for_read() as connection:
        while (message := connection.default_channel.basic_get(queue, no_ack=True)) is not None:
            _, named, _ = json.loads(message.body)
            found.append((named["job"], named["attempt"]))
    return found


def test_what_is_rung_is_heard_in_order(settings: Settings) -> None:
    names = [f"job{n}" for n in (3, 1, 2, 9, 5, 4, 8)]
    Bell(settings).ring(rings(*names[:4]))
    Bell(settings).ring(rings(*names[4:]))
    assert [job for job, _ in heard(settings)] == names


def test_a_ring_names_the_job_and_the_attempt_seen(settings: Settings) -> None:
    Bell(settings).ring([Ring(job="abc", attempt=7, queue=QUEUE)])
    assert heard(settings) == [("abc", 7)]


def test_depth_counts_what_waits_in_a_queue(settings: Settings) -> None:
    bell = Bell(settings)
    assert bell.depth(QUEUE) == 0
    bell.ring(rings("a", "b"))
    bell.ring(rings("c", priority=0))
    bell.ring(rings("d", queue="farm.machine.lab1"))
    assert (bell.depth(QUEUE), bell.depth("farm.machine.lab1"), bell.depth("farm.hw.unused")) == (3, 1, 0)
    heard(settings)
    assert (bell.depth(QUEUE), bell.depth("farm.machine.lab1")) == (0, 1)


def test_on_redis_the_more_urgent_is_heard_first(redis_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, broker_url=redis_url)
    for job, priority in (("last", 9), ("middle", 5), ("first", 0), ("middle too", 5)):
        Bell(settings).ring(rings(job, priority=priority))
    assert [job for job, _ in heard(settings)] == ["first", "middle", "middle too", "last"]


def test_on_redis_all_keys_are_the_farms_own(redis_url: str, tmp_path: Path) -> None:
    Bell(Settings(home=tmp_path, broker_url=redis_url)).ring(rings("a"))
    with redis.Redis.from_url(redis_url) as client:
        keys = client.keys()
    assert keys
    assert all(key.startswith(b"farm:") for key in keys)


def test_a_broker_that_answers_passes_the_check(settings: Settings) -> None:
    Bell(settings).check()


BELL: list[Callable[[Bell], object]] = [lambda b: b.ring(rings("a")), lambda b: b.depth(QUEUE), lambda b: b.check()]


def assert_clear(error: Exception, *parts: str) -> None:
    assert "\n" not in str(error)
    assert "secret" not in str(error)
    assert all(part in str(error) for part in parts)


@pytest.mark.parametrize("use", BELL, ids=["ring", "depth", "check"])
def test_a_broker_out_of_reach_is_one_clear_line(use: Callable[[Bell], object], tmp_path: Path) -> None:
    bell = Bell(Settings(home=tmp_path, broker_url="redis://:secret@127.0.0.1:1/0"))
    with pytest.raises(BrokerUnavailable) as caught:
        use(bell)
    assert_clear(caught.value, "redis://:***@127.0.0.1:1/0", "refused", "FARM_BROKER_URL")


@pytest.mark.parametrize("login", ["", ":secret@", "nobody:secret@"])
def test_a_wrong_password_is_one_clear_line(login: str, tmp_path: Path) -> None:
    with running_redis(tmp_path, "--requirepass", "another") as server:
        bell = Bell(Settings(home=tmp_path, broker_url=server.url.replace("://", f"://{login}")))
        for use in BELL:
            with pytest.raises(BrokerUnavailable) as caught:
                use(bell)
            assert_clear(caught.value, "FARM_BROKER_URL")


@pytest.mark.parametrize(
    "url", ["", "nonsense", "http://host:6379", "redis://:secret@host:port/0", "sqs://", "amqp://guest:secret@host//"]
)
def test_a_url_that_names_no_broker_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="FARM_BROKER_URL: expected redis://") as caught:
        Bell(Settings(home=tmp_path, broker_url=url))
    assert_clear(caught.value)


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("in the way")
    with pytest.raises(BrokerUnavailable) as caught:
        Bell(Settings(home=tmp_path))
    assert_clear(caught.value, str(tmp_path / "broker"), "FARM_HOME")


@contextmanager
def listener(settings: Settings) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    env = {
        **os.environ,
        "FARM_HOME": str(settings.home),
        "FARM_BROKER_URL": settings.broker_url,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    process = subprocess.Popen([sys.executable, "-c", LISTENER], env=env, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def put(settings: Settings, number: int, message: bytes) -> None:
    """Straight on the queue, past all that Celery does."""
    if settings.is_embedded:
        name = f"{time.monotonic_ns() // 10**6}_{number:04d}.{QUEUE}.msg"
        (settings.home / "broker" / "messages" / name).write_bytes(message)
    else:
        with redis.Redis.from_url(settings.broker_url) as client:
            client.lpush(f"farm:{QUEUE}", message)


def envelope(body: bytes, content_type: str = "application/json", task: str = "farm.trial") -> bytes:
    """A message as Celery writes it, but for its contents."""
    properties = {
        "delivery_tag": "tag",
        "delivery_info": {"exchange": "", "routing_key": QUEUE},
        "delivery_mode": 2,
    }
    message = {
        "body": body.decode(),
        "content-encoding": "utf-8",
        "content-type": content_type,
        "headers": {"task": task, "id": "id", "lang": "py"},
        "properties": properties,
    }
    return json.dumps(message).encode()


GARBAGE = [
    b"",
    b"no json",
    b"\xff\xfe",
    b"[]",
    b"{}",
    b"7",
    b'"text"',
    b'{"body": "x", "properties": {}}',
    envelope(b"no json"),
    envelope(b"[]"),
    envelope(b'[[], {"job": "x", "attempt": 0}, {}]', task="os.system"),
    envelope(b'[[], {"job": "x", "attempt": 0, "unheard": 1}, {}]'),
    envelope(b"[[], {}, {}]"),
    envelope(b"cos\nsystem\n(S'touch pickled'\ntR.", "application/x-python-serialize"),
]


def test_garbage_on_a_queue_does_not_kill_a_worker(settings: Settings, tmp_path: Path) -> None:
    with listener(settings) as (process, out):
        Bell(settings).ring(rings("before"))
        assert out.readline() == "before 0\n"
        for number, message in enumerate(GARBAGE):
            put(settings, number, message)
        time.sleep(0.002)  # the folder's messages are ordered by the millisecond
        Bell(settings).ring(rings("after"))
        assert out.readline() == "after 0\n"
        assert process.poll() is None
    assert not list(tmp_path.rglob("pickled"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_a_worker_finishes_its_job_and_takes_no_other(number: int, settings: Settings) -> None:
    with listener(settings) as (process, out):
        Bell(settings).ring(rings("nap", "another"))
        assert out.readline() == "nap 0\n"
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(number)
        assert out.read() == "woken\n"
        assert process.wait(WITHIN_S) == 0
    assert Bell(settings).depth(QUEUE) == 1


def test_an_idle_worker_leaves_when_told(settings: Settings) -> None:
    with listener(settings) as (process, out):
        Bell(settings).ring(rings("before"))
        assert out.readline() == "before 0\n"
        process.terminate()
        assert process.wait(WITHIN_S) == 0
