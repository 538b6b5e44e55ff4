"""The doorbell on both brokers: what is published is heard in order, and nothing on a queue kills a worker."""

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
from kombu import Consumer, Message, Queue

from farm.model import JobMessage
from farm.model.errors import BrokerUnavailable, InputError
from farm.scheduling.broker import Publisher, celery_app
from farm.settings import Settings
from tests.integration.farms import wait_for
from tests.services import running_redis

QUEUE = "farm.any"
WITHIN_S = 60.0
#: A worker that says what it hears instead of measuring; a job named `nap` takes until it is interrupted.
LISTENER = """
import logging, threading
from kombu.asynchronous import get_event_loop
from farm.settings import Settings
from workers.agent import consumer, main

over = threading.Event()

class Member:
    def leave(self) -> None:
        consumer.stop_consuming()

    def interrupt(self) -> None:
        over.set()

    def refuse(self, why: str) -> None:
        print("refused", why, flush=True)

    def serve(self, job: str, attempt: int) -> None:
        print(job, attempt, flush=True)
        if job == "timers":
            queue = get_event_loop().timer.queue
            print({entry.fun.__name__ for _, _, entry in queue if not entry.canceled}, flush=True)
        if job == "nap":
            over.wait(60)
            print("woken", flush=True)

logging.basicConfig(level=logging.WARNING)
member = Member()
celery = consumer.build(member.serve, member.refuse, lambda: None, Settings())
raise SystemExit(main._serve(celery, member, ["farm.any"], "test", logging.WARNING, "the broker"))
"""


@pytest.fixture(params=["filesystem", "redis"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = "filesystem://" if request.param == "filesystem" else request.getfixturevalue("redis_url")
    return Settings(home=tmp_path, broker_url=url)


def messages(*jobs: str, queue: str = QUEUE, priority: int = 5) -> list[JobMessage]:
    return [JobMessage(job=job, attempt=n, queue=queue, priority=priority) for n, job in enumerate(jobs)]


def heard(settings: Settings, queue: str = QUEUE) -> list[tuple[str, int]]:
    """Take all messages from a queue, the next one first."""
    found = []
    with celery_app(settings).connection_for_read() as connection:
        while (message := connection.default_channel.basic_get(queue, no_ack=True)) is not None:
            _, named, _ = json.loads(message.body)
            found.append((named["job"], named["attempt"]))
    return found


def test_published_messages_are_consumed_in_order(settings: Settings) -> None:
    names = [f"job{n}" for n in (3, 1, 2, 9, 5, 4, 8)]
    Publisher(settings).publish(messages(*names[:4]))
    Publisher(settings).publish(messages(*names[4:]))
    assert [job for job, _ in heard(settings)] == names


def test_a_message_names_the_job_and_the_attempt_seen(settings: Settings) -> None:
    Publisher(settings).publish([JobMessage(job="abc", attempt=7, queue=QUEUE)])
    assert heard(settings) == [("abc", 7)]


def test_depth_counts_what_waits_in_a_queue(settings: Settings) -> None:
    publisher = Publisher(settings)
    assert publisher.depth(QUEUE) == 0
    publisher.publish(messages("a", "b"))
    publisher.publish(messages("c", priority=0))
    publisher.publish(messages("d", queue="farm.machine.lab1"))
    assert (publisher.depth(QUEUE), publisher.depth("farm.machine.lab1"), publisher.depth("farm.hw.unused")) == (
        3,
        1,
        0,
    )
    heard(settings)
    assert (publisher.depth(QUEUE), publisher.depth("farm.machine.lab1")) == (0, 1)


def test_on_redis_the_more_urgent_is_consumed_first(redis_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, broker_url=redis_url)
    for job, priority in (("last", 9), ("middle", 5), ("first", 0), ("middle too", 5)):
        Publisher(settings).publish(messages(job, priority=priority))
    assert [job for job, _ in heard(settings)] == ["first", "middle", "middle too", "last"]


def test_on_redis_a_worker_consumes_its_queues_by_turns(redis_url: str, tmp_path: Path) -> None:
    """Else jobs for one machine would wait until nobody has any for all."""
    settings = Settings(home=tmp_path, broker_url=redis_url)
    own = "farm.machine.lab1"
    Publisher(settings).publish([*messages("a1", "a2", "a3"), *messages("b1", "b2", "b3", queue=own)])
    Publisher(settings).publish(messages("urgent", queue=own, priority=0))
    found: list[str] = []

    def hear(body: list[dict[str, str]], message: Message) -> None:
        message.ack()
        found.append(body[1]["job"])

    with celery_app(settings).connection_for_read() as connection:
        queues = [Queue(name, routing_key=name) for name in (QUEUE, own)]
        with Consumer(connection, queues, callbacks=[hear], accept=["json"], prefetch_count=1):
            while len(found) < 7:
                connection.drain_events(timeout=WITHIN_S)
    assert found == ["urgent", "a1", "b1", "a2", "b2", "a3", "b3"]


def test_on_redis_all_keys_are_the_farms_own(redis_url: str, tmp_path: Path) -> None:
    Publisher(Settings(home=tmp_path, broker_url=redis_url)).publish(messages("a"))
    with redis.Redis.from_url(redis_url) as client:
        keys = client.keys()
    assert keys
    assert all(key.startswith(b"farm:") for key in keys)


def test_a_broker_that_answers_passes_the_check(settings: Settings) -> None:
    Publisher(settings).check()


PUBLISHER: list[Callable[[Publisher], object]] = [
    lambda b: b.publish(messages("a")),
    lambda b: b.depth(QUEUE),
    lambda b: b.check(),
]


def assert_clear(error: Exception, *parts: str) -> None:
    assert "\n" not in str(error)
    assert "secret" not in str(error)
    assert all(part in str(error) for part in parts)


@pytest.mark.parametrize("use", PUBLISHER, ids=["message", "depth", "check"])
def test_a_broker_out_of_reach_is_one_clear_line(use: Callable[[Publisher], object], tmp_path: Path) -> None:
    publisher = Publisher(Settings(home=tmp_path, broker_url="redis://:secret@127.0.0.1:1/0"))
    with pytest.raises(BrokerUnavailable) as caught:
        use(publisher)
    assert_clear(caught.value, "redis://:***@127.0.0.1:1/0", "refused", "FARM_BROKER_URL")


@pytest.mark.parametrize("login", ["", ":secret@", "nobody:secret@"])
def test_a_wrong_password_is_one_clear_line(login: str, tmp_path: Path) -> None:
    with running_redis(tmp_path, "--requirepass", "another") as server:
        publisher = Publisher(Settings(home=tmp_path, broker_url=server.url.replace("://", f"://{login}")))
        for use in PUBLISHER:
            with pytest.raises(BrokerUnavailable) as caught:
                use(publisher)
            assert_clear(caught.value, "FARM_BROKER_URL")


@pytest.mark.parametrize(
    "url", ["", "nonsense", "http://host:6379", "redis://:secret@host:port/0", "sqs://", "amqp://guest:secret@host//"]
)
def test_a_url_that_names_no_broker_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="FARM_BROKER_URL: expected redis://") as caught:
        Publisher(Settings(home=tmp_path, broker_url=url))
    assert_clear(caught.value)


@pytest.mark.parametrize(
    "url",
    ["redis://h?password=secret", "redis://h/0?secret=1", "rediss://h?ssl_keyfile=a&ssl_keyfile=b", "redis+socket://"],
)
def test_a_url_with_other_options_is_one_clear_line(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="FARM_BROKER_URL: ") as caught:
        Publisher(Settings(home=tmp_path, broker_url=url))
    assert_clear(caught.value)


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("in the way")
    with pytest.raises(BrokerUnavailable) as caught:
        Publisher(Settings(home=tmp_path))
    assert_clear(caught.value, str(tmp_path / "broker"), "FARM_HOME")


@contextmanager
def listener(settings: Settings, stderr: IO[bytes] | None = None) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    env = {
        **os.environ,
        "FARM_HOME": str(settings.home),
        "FARM_BROKER_URL": settings.broker_url,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER], env=env, stdout=subprocess.PIPE, stderr=stderr, text=True
    )
    with process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def put(settings: Settings, number: int, message: bytes) -> None:
    """Straight on the queue, past all that Celery does."""
    if settings.is_embedded:
        whole = settings.home / "broker" / "message"
        whole.write_bytes(message)  # elsewhere first: it must not be read before all of it is there
        whole.rename(settings.home / "broker" / "messages" / f"{time.monotonic_ns() // 10**6}_{number:04d}.{QUEUE}.msg")
    else:
        with redis.Redis.from_url(settings.broker_url) as client:
            client.lpush(f"farm:{QUEUE}", message)


def envelope(body: bytes, content_type: str = "application/json", **headers: str) -> bytes:
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
        "headers": {"task": "farm.trial", "id": "id", "lang": "py"} | headers,
        "properties": properties,
    }
    return json.dumps(message).encode()


def body(*, embed: str = "{}", args: str = "[]", **message: object) -> bytes:
    """What Celery puts into an envelope: by default a message."""
    return f"[{args}, {json.dumps({'job': 'SECRET', 'attempt': 0} | message)}, {embed}]".encode()


#: Messages and why each is refused.
GARBAGE = [
    (b"", "not a message"),
    (b"no json", "not a message"),
    (b"\xff\xfe", "not a message"),
    (b"[]", "not a message"),
    (b"{}", "not a message"),
    (b"7", "not a message"),
    (b'"text"', "not a message"),
    (b'{"body": "x", "properties": {}}', "not a message"),
    (b'{"body": 5, "properties": {"delivery_tag": 1}}', "it is not JSON"),
    (b"[" * 60_000, "not a message"),
    (envelope(b"[" * 15_000), "recursion limit"),
    (b'"' + b"SECRET" * 20_000 + b'"', "120002 bytes: more than 65536"),
    (envelope(b"no json"), "Invalid JSON"),
    (envelope(b"[]"), "Field required"),
    (envelope(body(), task="os.system"), "asks for something other"),
    (envelope(body(unheard_SECRET=1)), "an unknown field"),
    (envelope(body(version=2)), "version: Input should be 1"),
    (envelope(body(job=7)), "job: Input should be a valid string"),
    (envelope(body(job="")), "job: String should have at least 1"),
    (envelope(body(job="x" * 65)), "job: String should have at most 64"),
    (envelope(body(job="../SECRET")), "job: String should match"),
    (envelope(body(attempt="0")), "attempt: Input should be a valid integer"),
    (envelope(body(attempt=-1)), "attempt: Input should be greater"),
    (envelope(body(args='["SECRET", 0]')), "at most 0 items"),
    (envelope(body(embed='{"errbacks": [{"task": "SECRET"}]}')), "errbacks: Input should be null"),
    (envelope(body(embed='{"SECRET": null}')), "an unknown field"),
    (envelope(body(), eta="2999-01-01T00:00:00+00:00"), "more than a trial"),
    (envelope(body(), compression="application/x-bz2"), "it is compressed"),
    (envelope(b"[[], {}, {}]"), "job: Field required"),
    (envelope(b"cos\nsystem\n(S'touch pickled'\ntR.", "application/x-python-serialize"), "not JSON"),
]


@pytest.mark.slow
def test_garbage_on_a_queue_is_refused_and_does_not_kill_a_worker(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "listener.log"
    with log.open("wb") as err, listener(settings, err) as (process, out):
        Publisher(settings).publish(messages("before"))
        assert out.readline() == "before 0\n"
        for number, (message, why) in enumerate(GARBAGE):
            put(settings, number, message)
            line = out.readline()
            assert line.startswith("refused "), why
            assert why in line
            assert "SECRET" not in line
        Publisher(settings).publish(messages("after"))
        assert out.readline() == "after 0\n"
        assert process.poll() is None
    assert not list(tmp_path.rglob("pickled"))
    said = log.read_text(errors="replace")
    assert "SECRET" not in said
    assert "Connection to broker lost" not in said


def make_full(client: redis.Redis) -> None:
    """As other programs would."""
    client.set("other", b"x" * 2**20)
    client.config_set("maxmemory", 2**20)


def test_a_full_redis_is_one_clear_line(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        make_full(client)
        publisher = Publisher(Settings(home=tmp_path, broker_url=server.url))
        for use in PUBLISHER[:2]:
            with pytest.raises(BrokerUnavailable) as caught:
                use(publisher)
            assert_clear(caught.value, "Redis is full: raise its maxmemory")
        client.config_set("maxmemory", 0)
        publisher.publish(messages("a"))
        assert publisher.depth(QUEUE) == 1


BLOWS: dict[str, tuple[Callable[[redis.Redis], object], Callable[[redis.Redis], object]]] = {
    "Redis is a replica": (lambda r: r.replicaof("127.0.0.1", 1), lambda r: r.replicaof("NO", "ONE")),
    "no list of messages": (lambda r: r.set(f"farm:{QUEUE}", "x"), lambda r: r.delete(f"farm:{QUEUE}")),
}


@pytest.mark.slow
def test_a_worker_outlives_a_redis_that_refuses_commands(tmp_path: Path) -> None:
    log = tmp_path / "listener.log"
    with running_redis(tmp_path) as server, redis.Redis.from_url(server.url) as client, log.open("wb") as err:
        settings = Settings(home=tmp_path, broker_url=server.url)
        with listener(settings, err) as (process, out):
            Publisher(settings).publish(messages("before"))
            assert out.readline() == "before 0\n"
            for remedy, (strike, mend) in BLOWS.items():
                strike(client)
                wait_for(remedy, lambda remedy=remedy: remedy in log.read_text(errors="replace"))  # type: ignore[misc]
                mend(client)
                Publisher(settings).publish(messages("after"))
                assert out.readline() == "after 0\n"
            assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.slow
def test_a_stopping_worker_finishes_its_job_and_takes_no_other(number: int, settings: Settings) -> None:
    with listener(settings) as (process, out):
        Publisher(settings).publish(messages("nap", "another"))
        assert out.readline() == "nap 0\n"
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(number)
        assert out.read() == "woken\n"
        assert process.wait(WITHIN_S) == 0
    assert Publisher(settings).depth(QUEUE) == 1


def test_on_redis_an_idle_worker_does_not_look_for_queues_to_renew(redis_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, broker_url=redis_url)
    with listener(settings) as (process, output):
        Publisher(settings).publish(messages("timers"))
        assert output.readline() == "timers 0\n"
        timers = output.readline()
        assert "maybe_check_brpop_health" in timers
        assert "maybe_refresh_binding_expiry" not in timers
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0


@pytest.mark.slow
def test_an_idle_worker_leaves_when_stopped(settings: Settings) -> None:
    with listener(settings) as (process, out):
        Publisher(settings).publish(messages("before"))
        assert out.readline() == "before 0\n"
        process.terminate()
        assert process.wait(WITHIN_S) == 0
