"""The broker: the Celery app of controller and worker, and the messages that the controller publishes.

A message is a hint; the store is the source of truth. A message names one job and the number of its attempts when it
was published, as JSON. A worker that consumes it claims the job in the store; where the claim fails, the message was
stale. A message may therefore be lost or published twice without harm.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from celery import Celery
from kombu import Connection, Queue
from kombu.exceptions import BatchPublishError, KombuError

from farm.model import JobMessage, disk
from farm.model.errors import BrokerUnavailable, InputError, redacted
from farm.settings import Settings

TASK = "farm.trial"
#: The filesystem broker orders messages by the millisecond; spacing them keeps the blocks of a plan in order.
FILESYSTEM_SPACING_S = 0.0011
_SCHEMES = frozenset({"redis", "rediss", "redis+socket", "filesystem"})
#: Brokers whose databases have numbers, and such a number as the path of a URL.
_NUMBERED, _DATABASE = frozenset({"redis", "rediss"}), re.compile(r"(/[0-9]{0,9})?")
#: Options of a rediss:// URL that name a file: ?ssl_ca_certs=/etc/wattfarm/ca.crt, a client's certificate and its key.
_CERTIFICATES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
#: The options of a URL, by its scheme; the certificate of the server is verified whatever they say.
_OPTIONS: Mapping[str, frozenset[str]] = {
    "rediss": _CERTIFICATES | {"ssl_cert_reqs", "ssl_check_hostname"},
    "redis+socket": frozenset({"virtual_host"}),
}
_REPLICA = "Redis is a replica: correct FARM_BROKER_URL, or make it the primary (REPLICAOF NO ONE)"
_LOGIN = "correct the user or password in FARM_BROKER_URL or FARM_BROKER_PASSWORD_FILE, and start this again"
#: What to do about errors of Redis, by a part of their text, where it can be reached but does not do what it is asked.
_REMEDIES = (
    ("maxmemory", "Redis is full: raise its maxmemory, or delete what other programs keep there"),
    ("read only replica", _REPLICA),
    ("UNBLOCKED", _REPLICA),
    ("WRONGTYPE", "{key} is no list of messages: look at it with TYPE, and delete it with DEL"),
    ("MISCONF", "Redis cannot save to its disk: free space there, and see its log"),
    ("loading the dataset", "Redis is starting: it answers once it has read its data"),
    ("Authentication required", _LOGIN),
    ("invalid username-password pair", _LOGIN),
    ("max number of clients", "Redis has too many clients: raise its maxclients"),
)
#: What redis-py adds to such a text: the command with its key; a message follows, which nobody needs to see.
_IN_PIPELINE = re.compile(r"^Command # \d+ \(\w+ (farm:[^{]*)?.*\) of pipeline caused error: ", re.DOTALL)
#: Messages sent to Redis in one round trip.
BATCH = 1000

_REDIS_OPTIONS: dict[str, Any] = {
    "ack_emulation": False,  # a consumed message is removed: no redelivery, no second copy of a long trial
    "global_keyprefix": "farm:",  # one Redis may serve other programs too
    "socket_timeout": 15,  # so that a dead network is noticed
    "socket_connect_timeout": 5,  # so that an unreachable broker is reported soon
    "socket_keepalive": True,  # nothing is sent while a trial runs: a router would forget the connection
    "health_check_interval": 10,  # an idle connection is tried before it is used again
    "unacked_restore_interval": 3600,  # of no use without `ack_emulation`: an idle worker wakes up less often
    "reauth_check_interval": 3600,  # of no use without passwords that change
    "polling_interval": 5,  # the longest wait of one BRPOP: an idle worker wakes up less often
    "priority_steps": list(range(10)),  # a sweep's priority is the broker's priority, 0 is the highest
    "queue_order_strategy": "round_robin",  # among queues of one priority: `any` cannot starve this machine's queue
}


def celery_app(settings: Settings) -> Celery:
    """Return the Celery app of controller and worker: long exclusive jobs, no results, JSON only.

    Raises InputError for a URL that names no broker, BrokerUnavailable for a folder that cannot be made.
    """
    _check_url(settings.broker_url)
    broker = "filesystem://localhost" if settings.is_embedded else _verifying(settings.broker_url)
    app = Celery("farm", broker=broker, set_as_current=False)
    app.conf.update(
        broker_transport_options=_transport_options(settings),
        task_ignore_result=True,  # results go to the store
        task_acks_late=False,  # the store's lease queues a lost job again, not the broker
        accept_content=["json"],  # a pickled message is refused
        task_serializer="json",
        worker_prefetch_multiplier=1,  # a job waits in the queue, not in a busy worker
        worker_enable_remote_control=False,  # time limits and cancel are the store's
        worker_send_task_events=settings.task_events,  # for Flower: 0.5 ms of CPU a trial, none while it runs
        worker_hijack_root_logger=False,  # farm.settings.logs sets up logging
        worker_redirect_stdouts=False,  # a worker does not print
        worker_cancel_long_running_tasks_on_connection_loss=True,  # affects no task here; Celery warns where unset
        broker_connection_retry_on_startup=True,  # a worker may start before the broker
        broker_connection_max_retries=None,  # a worker outlives an outage of the broker
        broker_channel_error_retry=True,  # and a Redis that is full, or read-only
        task_create_missing_queues=True,  # each machine and hardware class has its own
    )
    return app


def _check_url(text: str) -> None:
    try:
        url = urlsplit(text)
        is_broker = url.scheme in _SCHEMES and url.port != 0 and text.isprintable()
    except ValueError:  # the port is no number
        is_broker = False
    if not is_broker:
        raise InputError(f"FARM_BROKER_URL: expected redis://HOST:6379/0 or filesystem://, got {redacted(text)!r}")
    if "@" in url.path + url.query + url.fragment:  # the password held a / ? or #
        raise InputError("FARM_BROKER_URL: quote the password (%2F for /), or use FARM_BROKER_PASSWORD_FILE")
    if url.scheme in _NUMBERED and not _DATABASE.fullmatch(url.path):  # what stands there may be a password
        raise InputError(f"FARM_BROKER_URL: only the number of a database may follow /, {url.scheme}://HOST:6379/0")
    options = parse_qsl(url.query)
    allowed = _OPTIONS.get(url.scheme, frozenset())
    if len(dict(options)) < len(options) or not allowed.issuperset(dict(options)):
        may_follow = f"{', '.join(sorted(allowed))} may follow ?, each once" if allowed else "nothing may follow ?"
        raise InputError(  # which names nothing that was found there: it may be secret
            f"FARM_BROKER_URL: {may_follow}; a password stands before the host, {url.scheme}://:PASSWORD@HOST:6379/0, "
            "or in FARM_BROKER_PASSWORD_FILE"
        )
    if url.scheme == "redis+socket" and not url.path:
        raise InputError("FARM_BROKER_URL: expected the path of a socket, redis+socket:///run/redis.sock")
    for name, path in options:
        if name in _CERTIFICATES and not os.access(path, os.R_OK):
            raise InputError(f"FARM_BROKER_URL: {name}: cannot read {path}")


def _verifying(text: str) -> str:
    """Return the URL with certificate checks: over TLS kombu accepts any certificate unless the URL asks for more."""
    url = urlsplit(text)
    if url.scheme != "rediss":
        return text
    query = dict(parse_qsl(url.query)) | {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
    return urlunsplit(url._replace(query=urlencode(query)))


def _transport_options(settings: Settings) -> dict[str, Any]:
    if not settings.is_embedded:
        return _REDIS_OPTIONS
    folder = Path(urlsplit(settings.broker_url).path or settings.home / "broker")
    try:
        for part in ("messages", "control"):
            disk.make_private(folder / part)
    except OSError as error:
        raise BrokerUnavailable(
            f"broker folder {folder}: cannot be made ({error.strerror}): name another with FARM_HOME"
        ) from None
    return {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
        "polling_interval": 0.2,
    }


class Publisher:
    """The sender of messages; it also counts the messages that wait."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app = celery_app(settings)

    def publish(self, messages: Sequence[JobMessage]) -> None:
        """Publish messages in order.

        Raises:
            BrokerUnavailable: none, some or all of them were published.
        """
        with self._connection() as connection:
            producer = connection.Producer(serializer="json")
            if self._settings.is_embedded:
                for message in messages:
                    self._send(message, producer)
                    sleep(FILESYSTEM_SPACING_S)
            else:
                with producer.batch(BATCH):
                    for message in messages:
                        self._send(message, producer)

    def depth(self, queue: str) -> int:
        """Return how many messages wait in a queue; a queue that nobody has used is empty."""
        return self.depths([queue])[queue]

    def depths(self, queues: Iterable[str]) -> dict[str, int]:
        """Return how many messages wait in each of these queues."""
        with self._connection() as connection:
            # Not a passive declaration: kombu would look for the queue without `global_keyprefix` and never find it.
            declare = connection.default_channel.queue_declare
            return {queue: int(declare(queue).message_count) for queue in queues}

    def check(self) -> None:
        """Raise BrokerUnavailable where the broker cannot be reached."""
        with self._connection() as connection:
            connection.default_channel.close()

    def _send(self, message: JobMessage, producer: Any) -> None:
        self._app.send_task(
            TASK,
            kwargs={"job": message.job, "attempt": message.attempt},
            queue=Queue(message.queue, routing_key=message.queue),
            priority=message.priority,
            producer=producer,
            retry=False,
        )

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        connection = self._app.connection_for_write()
        try:
            connection.ensure_connection(max_retries=1, interval_start=0.2, timeout=6)
            yield connection
        except (KombuError, OSError, ValueError, *connection.connection_errors, *connection.channel_errors) as error:
            raise BrokerUnavailable(describe(error, self._settings)) from error
        finally:
            connection.release()


def describe(error: BaseException, settings: Settings) -> str:
    """Say in one line what the broker's error is, and what to do about it."""
    cause = error.__cause__ if isinstance(error, BatchPublishError) and error.__cause__ else error
    text = str(cause).partition("\n")[0]
    command = _IN_PIPELINE.match(text)
    reason = _IN_PIPELINE.sub("", text).rstrip(".") or type(cause).__name__
    found = next((remedy for part, remedy in _REMEDIES if part in reason), None)
    if found:
        key = command[1].strip() if command and command[1] else "a key farm:*"
        found = found.format(key=key)
        reason = reason.partition(". ")[0]  # some are long
    return f"broker {redacted(settings.broker_url)}: {reason}: {found or 'start it or correct FARM_BROKER_URL'}"
