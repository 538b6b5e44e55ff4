"""`farm pause`, `farm resume` and `farm drain`, as a person uses them; workers read their state in the store."""

import pytest

from farm.model import MachineState
from farm.store import Store
from tests.acceptance.person import Person, ended
from tests.contract.store_records import ANNE, MACHINE, claim, job_id, new_job, record, report


@pytest.fixture
def store_url(person: Person) -> str:
    """A farm with one machine, lab1, that runs a job."""
    person.home.mkdir()
    url = f"sqlite:///{person.home / 'farm.db'}"
    with Store.open(url, create=True) as store:
        store.register_machine(MACHINE, ANNE, "0.1.0")
        store.submit(record(), [new_job(n) for n in range(2)])
        assert claim(store, job_id(0)) is not None
    return url


def wanted_state(url: str) -> MachineState:
    with Store.open(url) as store:
        return store.machines()[0].wanted_state


def test_a_machine_is_paused_and_resumed(person: Person, store_url: str) -> None:
    paused = person.runs("pause", "lab1")
    assert " ".join(paused.out.split()) == (
        f"lab1 is paused: job {job_id(0)} goes on to its end, then no new trial starts there until `farm resume lab1`"
    )
    assert (paused.status, wanted_state(store_url)) == (0, MachineState.PAUSED)
    resumed = person.runs("resume", "lab1", "--json")
    assert resumed.json == [{"machine": "lab1", "wanted_state": "active", "running_job": job_id(0)}]
    assert wanted_state(store_url) == MachineState.ACTIVE


@pytest.mark.slow
def test_a_drain_can_be_waited_for(person: Person, store_url: str) -> None:
    with person.starts("drain", "lab1", "--wait") as waiting:
        with Store.open(store_url) as store:
            while store.machines()[0].wanted_state != MachineState.DRAINING:
                assert waiting.poll() is None
            assert waiting.poll() is None
            store.complete(report(job_id(0), 1))
        done = ended(waiting)
    assert (done.status, done.out.startswith("lab1 is draining and runs nothing: its worker leaves")) == (0, True)


@pytest.mark.parametrize("command", ["pause", "resume", "drain"])
@pytest.mark.usefixtures("store_url")
def test_an_unknown_machine_is_one_line_with_a_suggestion(person: Person, command: str) -> None:
    done = person.runs(command, "lab")
    assert (done.status, done.complaint) == (
        2,
        "farm: no machine 'lab': did you mean lab1? `farm machines` lists all",
    )


def test_the_error_shows_that_no_machine_has_joined(person: Person) -> None:
    done = person.runs("pause", "lab1")
    assert (done.status, "none has joined yet" in done.complaint) == (2, True)
