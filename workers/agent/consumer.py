"""How a worker hears messages: Celery's consumer, and what is refused before Celery gets to see it."""

import logging
from collections.abc import Callable
from typing import Any, Literal

from celery import Celery
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu.transport import filesystem
from kombu.transport import redis as over_redis
from kombu.utils.json import loads
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from farm.scheduling.broker import TASK, celery_app
from farm.settings import Settings
from workers.agent import refused

log = logging.getLogger(__name__)

#: Sixty times the size of a message.
MAX_MESSAGE_BYTES = 64 * 1024
#: What reading garbage raises.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
#: Headers with which Celery would do more than call the task: hold it back, limit it, unpack it, go on after it.
_COMMANDS = ("eta", "expires", "timelimit", "group", "chord", "stamped_headers")


class UnsafeMessage(ValueError):
    """One that is not even to be unpacked."""


class _Closed(BaseModel):
    """Nothing unknown, nothing converted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Message(_Closed):
    """What a message says; unknown fields and versions are refused."""

    version: Literal[1] = 1
    job: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
    attempt: int = Field(ge=0, le=2**31 - 1)  #: attempts seen when it was sent


class _Afterwards(_Closed):
    """What Celery would call after the task: nothing."""

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


#: No arguments by place, a message by name.
_BODY: TypeAdapter[tuple[tuple[()], Message, _Afterwards]] = TypeAdapter(tuple[tuple[()], Message, _Afterwards])


def refusal(message: Any) -> str | None:
    """What is wrong with a message of kombu's; None for a message."""
    if message.content_type != "application/json":
        return "it is not JSON"
    headers = message.headers
    if not isinstance(headers, dict) or headers.get("task") != TASK:
        return "it calls for something else than a trial"
    if any(value for name in _COMMANDS for value in _flat(headers.get(name))):
        return "it asks Celery for more than a trial"
    try:
        _BODY.validate_json(message.body)
    except ValidationError as error:
        return refused.reason(error)
    return None


def _flat(value: object) -> list[object] | tuple[object, ...]:
    return value if isinstance(value, list | tuple) else (value,)


def _bounded_loads(text: str) -> Any:
    """`loads` for kombu's transports: what is too large is not parsed, and nothing is decompressed, as kombu would."""
    if len(text) > MAX_MESSAGE_BYTES:
        raise UnsafeMessage(f"{len(text)} bytes: more than {MAX_MESSAGE_BYTES}")
    message = loads(text)
    if isinstance(message, dict) and "compression" in message.get("headers", {}):
        raise UnsafeMessage(f"{len(text)} bytes: it is compressed")
    return message


class FarmConsumer(Consumer):  # type: ignore[misc]
    """Reads the queues: garbage is refused, where Celery's own would exit, and told to stop it takes no more."""

    refuse: Callable[[str], None]  #: takes note of a message that was refused, and why; `build` sets it

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # A message that is not even an envelope counts as a lost connection: it is gone, and a new one is made.
        self.connection_errors: tuple[type[BaseException], ...] = (*self.connection_errors, *UNREADABLE)

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """What is done with each message."""
        handle = super().create_task_handler(*args, **options)

        def handle_or_refuse(message: Any) -> None:
            if state.should_stop is not None:  # Celery's loop takes one more message on its way out
                message.requeue()
                return
            why = refusal(message)
            if why is None:
                handle(message)
            else:
                self.refuse(f"{len(message.body or '')} bytes: {why}")
                message.ack_log_error(log, self.connection_errors)

        return handle_or_refuse

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Celery would log all that the message held."""
        self.refuse(f"{len(message.body or '')} bytes: it cannot be decoded ({type(exc).__name__})")
        message.ack_log_error(log, self.connection_errors)

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Where the connection was fine but a message was not, say that, and nothing of what it held."""
        if isinstance(exc, UNREADABLE):
            self.refuse(str(exc) if isinstance(exc, UnsafeMessage) else f"it is no message ({type(exc).__name__})")
            exc = ConnectionResetError("a message was refused")
        super().on_connection_error_after_connected(exc)


def stop_listening() -> None:
    """Have Celery's loop end, after the job that runs; from any thread, or a signal handler."""
    if state.should_stop is None:
        state.should_stop = 0


def build(serve: Callable[[str, int], None], refuse: Callable[[str], None], settings: Settings) -> Celery:
    """The Celery app with its one task."""
    app = celery_app(settings)
    app.conf.worker_consumer = type("FarmConsumer", (FarmConsumer,), {"refuse": staticmethod(refuse)})
    for transport in (filesystem, over_redis):
        transport.loads = _bounded_loads

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def trial(job: str, attempt: int, version: int = 1) -> None:  # noqa: ARG001 - checked by now
        serve(job, attempt)

    return app
