"""Receive messages with Celery's consumer, and reject malformed ones before Celery acts on them."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any, Literal

from celery import Celery
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu.asynchronous import get_event_loop
from kombu.transport import filesystem
from kombu.transport import redis as over_redis
from kombu.transport.virtual import Message
from kombu.utils.json import loads
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from farm.scheduling.broker import TASK, celery_app, describe
from farm.settings import Settings
from workers.agent import refused

log = logging.getLogger(__name__)

#: Sixty times the size of a message.
MAX_MESSAGE_BYTES = 64 * 1024
#: The errors that reading a malformed message may raise.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
#: Headers that make Celery do more than call the task: delay it, limit it, unpack it, or continue after it.
_COMMANDS = ("eta", "expires", "timelimit", "group", "chord", "stamped_headers")


#: Redis that refuses commands is asked again after this time, and after twice that each further time.
LEAST_DELAY_S, MOST_DELAY_S = 1.0, 8.0


class UnsafeMessage(ValueError):
    """A message that is too dangerous to unpack."""


class _Strict(BaseModel):
    """A model that accepts no unknown field and converts no value."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _JobArguments(_Strict):
    """The arguments of a message; unknown fields and versions are rejected."""

    version: Literal[1] = 1
    job: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
    attempt: int = Field(ge=0, le=2**31 - 1)  #: attempts at the job when the message was sent


class _NoFollowUp(_Strict):
    """The fields for calls after the task, which must be empty."""

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


#: No positional arguments, the job's as keywords, and no follow-up.
_BODY: TypeAdapter[tuple[tuple[()], _JobArguments, _NoFollowUp]] = TypeAdapter(
    tuple[tuple[()], _JobArguments, _NoFollowUp]
)


def find_problem(message: Any) -> str | None:
    """Return why a message of kombu's is malformed, or None for a valid one."""
    if message.content_type != "application/json":
        return "it is not JSON"
    headers = message.headers
    if not isinstance(headers, dict) or headers.get("task") != TASK:
        return "it asks for something other than a trial"
    if any(value for name in _COMMANDS for value in _flat(headers.get(name))):
        return "it asks Celery for more than a trial"
    try:
        _BODY.validate_json(message.body)
    except ValidationError as error:
        return refused.describe(error)
    return None


def _flat(value: object) -> list[object] | tuple[object, ...]:
    return value if isinstance(value, list | tuple) else (value,)


def _bounded_loads(text: str) -> Any:
    """Parse JSON for kombu's transports, but neither what is too large nor what is compressed, as kombu would."""
    if len(text) > MAX_MESSAGE_BYTES:
        raise UnsafeMessage(f"more than {MAX_MESSAGE_BYTES}")
    message = loads(text)
    if isinstance(message, dict) and "compression" in message.get("headers", {}):
        raise UnsafeMessage("it is compressed")
    return message


def _reject_junk(refuse: Callable[[str], None]) -> None:
    """Have kombu drop what is no message: to its transports it looks as if nothing came.

    Otherwise each would raise an error in Celery's loop, which costs a new connection.
    """

    @contextmanager
    def dropping(data: Any) -> Iterator[None]:
        try:
            yield
        except UNREADABLE as error:
            why = str(error) if isinstance(error, UnsafeMessage) else f"it is not a message ({type(error).__name__})"
            refuse(f"{len(str(data))} bytes: {why}")
            raise Empty from None

    def parse(text: str) -> Any:
        with dropping(text):
            return _bounded_loads(text)

    class Envelope(Message):  # type: ignore[misc]
        def __init__(self, payload: Any, *args: Any, **options: Any) -> None:
            with dropping(payload):
                super().__init__(payload, *args, **options)

    for transport in (filesystem, over_redis):
        transport.loads = parse
        transport.Channel.Message = Envelope


class FarmConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer, which rejects malformed messages instead of exiting, and takes none after a stop request."""

    refuse: Callable[[str], None]  #: called with the reason when a message is rejected; `build` sets it
    explain: Callable[[BaseException], str]  #: called with each error of the broker; `build` sets it

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._delay_s = LEAST_DELAY_S
        self._failed_at_s = 0.0  #: monotonic
        # What else a malformed message may raise counts as a lost connection: Celery connects again, and lives on.
        self.connection_errors: tuple[type[BaseException], ...] = (*self.connection_errors, *UNREADABLE)

    def register_with_event_loop(self, hub: Any) -> None:
        """Let an idle loop sleep: kombu looks every second for queues to renew, but the farm's never expire."""
        super().register_with_event_loop(hub)
        renewal = getattr(self.connection.transport.cycle, "_binding_expiry_tref", None)  # it has no public name
        if renewal is not None:
            renewal.cancel()

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """Build what handles each message."""
        handle = super().create_task_handler(*args, **options)

        def handle_or_refuse(message: Any) -> None:
            if state.should_stop is not None:  # before it ends, Celery's loop takes one more message
                message.requeue()
                return
            why = find_problem(message)
            if why is None:
                handle(message)
            else:
                self.refuse(f"{len(str(message.body or ''))} bytes: {why}")
                message.ack_log_error(log, self.connection_errors)

        return handle_or_refuse

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Reject the message without logging its content, as Celery would."""
        self.refuse(f"{len(str(message.body or ''))} bytes: it cannot be decoded ({type(exc).__name__})")
        message.ack_log_error(log, self.connection_errors)

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Report an error of the broker in one line; one that is connected but refuses commands is given some time."""
        super().on_connection_error_after_connected(ConnectionResetError(self.explain(exc)))
        if isinstance(exc, self.channel_errors):
            is_repeated = time.monotonic() - self._failed_at_s < 2 * MOST_DELAY_S
            self._delay_s = min(2 * self._delay_s, MOST_DELAY_S) if is_repeated else LEAST_DELAY_S
            until_s = time.monotonic() + self._delay_s
            while state.should_stop is None and time.monotonic() < until_s:
                time.sleep(LEAST_DELAY_S / 10)
            self._failed_at_s = time.monotonic()


def stop_consuming() -> None:
    """End Celery's loop after the running job. Any thread or signal handler may call this."""
    if state.should_stop is None:
        state.should_stop = 0
        loop = get_event_loop()
        if loop is not None:  # it sleeps, and wakes up only for a call from another thread than its own
            threading.Thread(target=loop.call_soon, args=(_wake_up,), daemon=True).start()


def _wake_up() -> None:
    """Do nothing: Celery's loop sees that it must stop."""


def build(
    serve: Callable[[str, int], None], refuse: Callable[[str], None], alive: Callable[[], None], settings: Settings
) -> Celery:
    """Build the Celery app with its one task; `alive` is called when the loop works although no message came."""
    app = celery_app(settings)

    def explain(error: BaseException) -> str:
        alive()
        return describe(error, settings)

    own = {"refuse": staticmethod(refuse), "explain": staticmethod(explain)}
    app.conf.worker_consumer = type("FarmConsumer", (FarmConsumer,), own)
    _reject_junk(refuse)

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def trial(job: str, attempt: int, version: int = 1) -> None:  # noqa: ARG001 - `find_problem` has checked it
        serve(job, attempt)

    return app
