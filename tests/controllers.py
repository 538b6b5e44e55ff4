"""A controller with a store of three jobs and a publisher that messages nowhere."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from farm.model import JobMessage
from farm.model.errors import BrokerUnavailable
from farm.scheduling.broker import Publisher
from farm.scheduling.controller import Controller
from farm.settings import Settings
from farm.store import Store
from tests.contract.store_records import ANNE, MACHINE, new_job, record


class FakePublisher(Publisher):
    """Keeps what is published; can be out of reach."""

    def __init__(self) -> None:
        self.published: list[JobMessage] = []
        self.waiting: dict[str, int] = {}
        self.is_away = False

    def publish(self, messages: Sequence[JobMessage]) -> None:
        self._reach()
        self.published += messages

    def depths(self, queues: Iterable[str]) -> dict[str, int]:
        self._reach()
        return {queue: self.waiting.get(queue, 0) for queue in queues}

    def _reach(self) -> None:
        if self.is_away:
            raise BrokerUnavailable("broker redis://lab: it does not answer: start it")

    def take(self) -> list[tuple[str, int]]:
        """What was published since the last time."""
        taken, self.published = self.published, []
        return [(message.job, message.attempt) for message in taken]


@contextmanager
def waiting_store(tmp_path: Path) -> Iterator[Store]:
    """Three jobs of one sweep wait in it, and a machine is known."""
    with Store.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as opened:
        opened.register_machine(MACHINE, ANNE, "0.1.0")
        opened.submit(record(), [new_job(n) for n in range(3)])
        yield opened


def controller(store: Store, publisher: FakePublisher, sweep: str | None = None, grace_s: float = 60) -> Controller:
    return Controller(store, publisher, Settings(grace_s=grace_s), sweep)
