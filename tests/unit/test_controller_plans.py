"""What the controller plans from results: more repetitions, and what a search asks for next."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.model import StoppingRule, SweepRecord
from farm.model.errors import InputError, StoreUnavailable
from farm.scheduling import submission, tuner
from farm.settings import Settings
from farm.spec import sweep_id
from farm.store import Store
from tests.contract.store_records import SWEEP, claim, new_job, record, report, unpublished
from tests.controllers import FakePublisher, controller, waiting_store
from tests.searches import train, training_report, tuning_sweep

OTHER = "fedcba543210"
SEARCH = tuning_sweep()
SEARCH_ID = sweep_id(SEARCH)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with waiting_store(tmp_path) as opened:
        yield opened


@pytest.fixture
def publisher() -> FakePublisher:
    return FakePublisher()


def test_a_point_that_is_not_sure_enough_is_repeated_as_often_as_it_may(store: Store, publisher: FakePublisher) -> None:
    rule = StoppingRule(min=1, max=2, target=0.02)
    store.submit(record(OTHER).model_copy(update={"rule": rule, "settled": False}), [new_job(0, OTHER)])
    publishing = controller(store, publisher, OTHER)
    measured = []
    for _ in range(2):
        publishing.make_round()
        ((job, _),) = publisher.take()
        assert claim(store, job) is not None
        assert store.complete(report(job, 1))
        measured.append(job)
    publishing.make_round()
    assert publisher.take() == []
    assert store.progress(OTHER).is_over
    jobs = store.jobs(OTHER)
    assert [(job.id, job.block, job.spec.repetition) for job in jobs] == [(measured[0], 0, 0), (measured[1], 1, 1)]
    assert {(job.priority, job.max_attempts) for job in jobs} == {(jobs[0].priority, jobs[0].max_attempts)}


@pytest.fixture
def searching(store: Store) -> Store:
    """With a tuning sweep of four studies beside the other sweep."""
    store.cancel(SWEEP)
    text = "name: search"
    assert submission.enqueue(SEARCH, text, store, Settings()).added == 4
    return store


def test_a_trial_that_is_over_makes_the_next_and_the_last_settles_the_sweep(
    searching: Store, publisher: FakePublisher
) -> None:
    publishing = controller(searching, publisher)
    trained = 0
    while True:
        publishing.make_round()
        messages, publisher.published = publisher.published, []
        if not messages:
            break
        trained += len(train(searching, messages))
    assert trained == 20
    assert searching.progress(SEARCH_ID).is_over


def test_a_search_without_news_is_not_looked_at(
    searching: Store, publisher: FakePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    advance = tuner.advance

    def look(store: Store, search: SweepRecord, attempts: int) -> tuple[int, str | None]:
        looks.append(search.id)
        return advance(store, search, attempts)

    monkeypatch.setattr("farm.scheduling.tuner.advance", look)
    publishing = controller(searching, publisher)
    assert [publishing.search() for _ in range(3)] == [0, 0, 0]
    assert len(looks) == 1
    train(searching, unpublished(searching, 1, SEARCH_ID))
    assert [publishing.search() for _ in range(3)] == [1, 0, 0]
    assert len(looks) == 2


def test_a_look_that_met_an_outage_is_taken_again(
    searching: Store, publisher: FakePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing = controller(searching, publisher)
    train(searching, unpublished(searching, 1, SEARCH_ID))
    with monkeypatch.context() as outage:
        outage.setattr("farm.store.Store.extend", unavailable)
        with pytest.raises(StoreUnavailable):
            publishing.search()
    assert publishing.search() == 1


def unavailable(*_: object) -> int:
    raise StoreUnavailable("it does not answer: start it")


def test_two_controllers_ask_for_each_configuration_once(searching: Store, publisher: FakePublisher) -> None:
    one, two = controller(searching, publisher), controller(searching, publisher)
    train(searching, unpublished(searching, 10, SEARCH_ID))
    assert [one.search(), two.search()] == [4, 0]


def test_a_missing_library_costs_a_line_and_not_the_sweep(
    searching: Store, publisher: FakePublisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train(searching, unpublished(searching, 10, SEARCH_ID))
    with monkeypatch.context() as bare:
        bare.setattr("farm.scheduling.tuning.strategies.find_spec", lambda name: None)
        publishing = controller(searching, publisher)
        assert [publishing.search(), publishing.search()] == [0, 0]
        (line,) = caplog.messages
        assert SEARCH_ID in line
        assert "pip install 'wattfarm[tuning]'" in line
        with pytest.raises(InputError, match="optuna"):
            controller(searching, publisher, SEARCH_ID).search()
    assert not searching.progress(SEARCH_ID).is_over
    assert controller(searching, publisher).search() == 4


def test_a_controller_of_one_sweep_asks_for_no_other(searching: Store, publisher: FakePublisher) -> None:
    train(searching, unpublished(searching, 10, SEARCH_ID))
    assert controller(searching, publisher, SWEEP).search() == 0
    assert controller(searching, publisher, SEARCH_ID).search() == 4


def test_unknown_joules_are_logged_once(
    store: Store, publisher: FakePublisher, caplog: pytest.LogCaptureFixture
) -> None:
    greedy = tuning_sweep(tuning={"objectives": ["energy"]})
    own = submission.enqueue(greedy, "", store, Settings()).sweep_id
    publishing = controller(store, publisher)
    for message in unpublished(store, 2, own):
        won = claim(store, message.job)
        assert won is not None
        assert store.complete(training_report(won.spec, measurements=()))
        assert publishing.search() == 1
    (line,) = caplog.messages
    assert "no meter knows the joules" in line


def test_a_cancelled_search_is_taken_up_again_where_it_was(searching: Store, publisher: FakePublisher) -> None:
    publishing = controller(searching, publisher)
    train(searching, unpublished(searching, 10, SEARCH_ID))
    assert publishing.search() == 4
    train(searching, unpublished(searching, 1, SEARCH_ID))
    before = [job.id for job in searching.jobs(SEARCH_ID)]
    assert searching.cancel(SEARCH_ID) == (3, 0)
    publishing.make_round()
    assert searching.progress(SEARCH_ID).is_over
    again = submission.enqueue(SEARCH, "", searching, Settings())
    assert (again.jobs, again.added, again.total) == (9, 4, 20), "three that were cancelled, and the next of one study"
    assert before == [job.id for job in searching.jobs(SEARCH_ID)][:8]
    assert submission.enqueue(SEARCH, "", searching, Settings()).added == 0


def test_a_search_may_be_measured_afresh(searching: Store) -> None:
    again = submission.enqueue(SEARCH, "", searching, Settings(), fresh=True)
    assert (again.sweep_id, again.added) == (f"{SEARCH_ID}.2", 4)
    assert {job.point["lr"] for job in searching.asked_jobs(again.sweep_id)} == {
        job.point["lr"] for job in searching.asked_jobs(SEARCH_ID)
    }
