"""Junk on a queue is dropped and counted; what Redis answers with is told in one line with a remedy."""

import json
import logging
from pathlib import Path
from queue import Empty

import pytest
from kombu.transport import filesystem
from kombu.transport import redis as over_redis
from redis.exceptions import AuthenticationError, OutOfMemoryError, ReadOnlyError, ResponseError

from farm.scheduling.broker import celery_app, describe
from farm.settings import Settings
from workers.agent import consumer
from workers.agent.refused import LOG_PERIOD_S, Rejections

JUNK = [
    *("", "no json", "[]", "7", "{}", "[" * 9999, '{"properties": []}', '{"properties": {}, "headers": 5}'),
    '{"body": 5, "properties": {"delivery_tag": 1, "body_encoding": "base64"}}',
    '{"body": "x", "properties": {"delivery_tag": 1, "body_encoding": "nothing"}}',
]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Why messages were rejected, by a worker that was just built."""
    for transport in (filesystem, over_redis):
        monkeypatch.setattr(transport, "loads", transport.loads)
        monkeypatch.setattr(transport.Channel, "Message", transport.Channel.Message)
    found: list[str] = []
    consumer.build(lambda *_: None, found.append, lambda: None, Settings(home=tmp_path))
    return found


@pytest.mark.parametrize("transport", [filesystem, over_redis])
def test_junk_looks_to_kombu_as_if_nothing_came(transport: object, refused: list[str], tmp_path: Path) -> None:
    """An error would cost a new connection for each."""
    with celery_app(Settings(home=tmp_path)).connection_for_read() as connection:
        channel = connection.default_channel
        for text in JUNK:
            with pytest.raises(Empty):
                transport.Channel.Message(transport.loads(text), channel=channel)  # type: ignore[attr-defined]
        good = {"body": "e30=", "properties": {"delivery_tag": "t", "body_encoding": "base64"}}
        assert transport.Channel.Message(transport.loads(json.dumps(good)), channel=channel).body  # type: ignore[attr-defined]
    assert len(refused) == len(JUNK)


def test_a_flood_of_junk_makes_one_line_now_and_then(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    rejections = Rejections()
    for _ in range(100_000):
        rejections.add("7 bytes: it is not JSON")
    assert [record.getMessage() for record in caplog.records] == [
        "a malformed message was rejected, the last: 7 bytes: it is not JSON"
    ]
    clock[0] += LOG_PERIOD_S
    rejections.log()
    rejections.log()
    assert caplog.records[-1].getMessage().startswith("99,999 malformed messages were rejected, the last: 7 bytes")
    assert (len(caplog.records), rejections.count) == (2, 100_000)
    assert all(record.levelno == logging.WARNING for record in caplog.records)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "Redis is full: raise its maxmemory"),
        (ReadOnlyError("You can't write against a read only replica."), "Redis is a replica"),
        (ResponseError("UNBLOCKED force unblock, instance state changed (master -> replica?)"), "Redis is a replica"),
        (
            ResponseError("Command # 1 (LLEN farm:any) of pipeline caused error: WRONGTYPE Operation against a key"),
            "WRONGTYPE Operation against a key: farm:any is no list of messages",
        ),
        (
            ResponseError("Command # 1 (LPUSH farm:hw:a6000 {'body': 'sesame...) of pipeline caused error: WRONGTYPE"),
            "WRONGTYPE: farm:hw:a6000 is no list of messages",
        ),
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), "delete it with DEL"),
        (ResponseError("MISCONF Redis cannot save. " + "x" * 500), "Redis cannot save to its disk"),
        (AuthenticationError("Authentication required."), "correct the user or password"),
        (ConnectionError("refused"), "start it or correct FARM_BROKER_URL"),
        (
            ReadOnlyError('Command # 1 (LPUSH farm:any {"body":) of pipeline caused error: a read only replica.'),
            "***@h:1/0: a read only replica: Redis is a replica",
        ),
    ],
)
def test_an_error_of_the_broker_is_one_line_with_a_remedy(error: Exception, remedy: str) -> None:
    text = describe(error, Settings(broker_url="redis://:sesame@h:1/0"))
    assert text.startswith("broker redis://:***@h:1/0: ")
    assert remedy in text
    assert len(text) < 300
