"""What a submission stores, and what it says of jobs that no machine takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.kinds import Sweep, here, parse_sweep
from farm.model import FailureKind
from farm.model.errors import InputError
from farm.scheduling import submission
from farm.settings import Settings
from farm.store import Store
from tests.contract.store_records import ANNE, MACHINE, claim, report

LACKING = "1 job waits for a machine with a GPU: lab1 has none"


def sweep(levels: str) -> Sweep:
    return parse_sweep(
        f"name: x\nkind: inference\nworkload: {{model: alexnet, {levels}}}\nrepetitions: 1\n", "x", Path("/")
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as opened:
        opened.register_machine(MACHINE, ANNE, "0.1.0")
        yield opened


def test_jobs_that_no_machine_has_what_they_need_for_are_named(store: Store) -> None:
    mixed = sweep("device: [cpu, cuda]")
    assert submission.planned(mixed, store).warnings == (LACKING,)
    submitted = submission.enqueue(mixed, "", store, Settings())
    assert (submitted.added, submitted.warnings) == (2, (LACKING,))
    outbox = {part.queue for part in store.outbox(submitted.sweep_id)}
    assert outbox == {"farm.any", "worker.gpus >= 1"}


def test_nothing_is_said_of_them_once_they_are_measured(store: Store) -> None:
    cuda = sweep("device: cuda")
    (job,) = store.jobs(submission.enqueue(cuda, "", store, Settings()).sweep_id)
    assert claim(store, job.id) is not None
    assert store.complete(report(job.id, 1))
    assert submission.enqueue(cuda, "", store, Settings()).warnings == ()


def test_an_embedded_farm_waits_for_no_other_machine(store: Store) -> None:
    alone = submission.here(sweep("device: cuda, images: ./gone"))
    assert submission.planned(alone, store, this_machine=Settings()).warnings == ()
    assert submission.enqueue(alone, "", store, Settings(), is_alone=True).warnings == ()


def test_a_path_that_only_workers_may_have_is_noted(store: Store) -> None:
    (note,) = submission.planned(sweep("images: /gone"), store).warnings
    assert note == "images: /gone: no such folder on this machine: workers read it on theirs"


def test_jobs_that_failed_as_invalid_are_queued_by_the_next_submission(store: Store) -> None:
    batches = sweep("batch_size: [1, 2]")
    submitted = submission.enqueue(batches, "", store, Settings())
    first, second = store.jobs(submitted.sweep_id)
    for job, failure in ((first, FailureKind.INVALID), (second, FailureKind.OOM)):
        assert claim(store, job.id) is not None
        assert store.complete(report(job.id, 1, failure))
    assert submission.enqueue(batches, "", store, Settings()).added == 1
    assert [message.job for message in store.unpublished(submitted.sweep_id, "farm.any", 9)] == [first.id]


def test_a_broker_that_is_none_is_refused_before_anything_is_stored() -> None:
    with pytest.raises(InputError, match="FARM_BROKER_URL: expected redis"):
        submission.require_broker(Settings(broker_url="http://host"))


def test_a_file_of_intensities_that_cannot_be_read_is_a_problem_of_the_sweep() -> None:
    text = "name: x\nkind: inference\nworkload: {model: alexnet}\ncarbon: {file: ./gone.csv}\n"
    ((place, problem),) = here.problems(parse_sweep(text, "x", Path("/nowhere")), (), Path("/"))
    assert (place, "/nowhere/gone.csv cannot be read" in problem) == (("carbon", "file"), True)
