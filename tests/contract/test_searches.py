"""Searches on every database: what is asked for is asked once, whoever asks, and what came of it is read back."""

import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from farm.kinds.tuning.sweep import TuningSweep
from farm.model import Domain, Flag, JobState, Stopped, WindowKind
from farm.scheduling import tuner
from farm.scheduling.plan import PlannedJob
from farm.spec import sweep_id
from farm.store import NewJob, Search, Store
from tests.contract.store_records import ANNE, MACHINE, NO_LEASE_S, claim, new_job, record, unpublished
from tests.searches import accuracies, pruned, record_of, train, training_report, tuning_sweep

SWEEP = tuning_sweep()
ID = sweep_id(SWEEP)
RECORD = record_of(SWEEP, ID)


def numbers(store: Store) -> Counter[tuple[str, int]]:
    """How many jobs each configuration has."""
    return Counter((job.study, job.number) for job in store.asked_jobs(ID))


def new(jobs: tuple[PlannedJob, ...], store: Store) -> int:
    return store.submit(RECORD, [job.new(5, 3) for job in jobs])


@pytest.fixture
def begun(store: Store) -> Store:
    """A store with the first configurations of a search."""
    store.register_machine(MACHINE, ANNE, "0.1.0")
    assert new(tuner.plan(SWEEP, []).jobs, store) == 4
    return store


def advance(store: Store) -> int:
    return tuner.advance(store, RECORD, 3)[0]


def finish(store: Store) -> None:
    """Do what waits and ask for more, until there is no more."""
    while messages := unpublished(store, 100, ID):
        train(store, messages)
        advance(store)


def test_a_search_goes_on_until_every_study_has_all_its_configurations(begun: Store) -> None:
    assert (tuner.total(begun, RECORD), tuner.total(begun, record())) == (20, 0)
    finish(begun)
    assert set(numbers(begun).values()) == {1}
    assert sorted(number for _, number in numbers(begun)) == sorted(list(range(5)) * 4)
    assert begun.progress(ID).counts == {JobState.DONE: 20}
    assert begun.progress(ID).is_over
    assert begun.searches() == []


def test_progress_counts_what_is_to_come(begun: Store) -> None:
    train(begun, unpublished(begun, 1))
    stands = begun.progress(ID, planned=20)
    assert (stands.total, stands.open, stands.closed, stands.to_go, stands.is_over) == (20, 3, 1, 19, False)
    begun.cancel(ID)
    stands = begun.progress(ID, planned=20)
    assert (stands.total, stands.closed, stands.to_go, stands.is_over) == (4, 4, 0, True)


def test_submitting_and_asking_twice_adds_nothing(begun: Store) -> None:
    assert new(tuner.plan(SWEEP, []).jobs, begun) == 0
    assert advance(begun) == 0
    train(begun, unpublished(begun, 2))
    assert [advance(begun), advance(begun)] == [2, 0]
    assert set(numbers(begun).values()) == {1}


def test_the_jobs_come_back_with_who_asked_for_them(begun: Store) -> None:
    planned = tuner.plan(SWEEP, []).jobs
    assert [(j.study, j.number, j.point) for j in begun.asked_jobs(ID)] == [
        (j.spec.asked.study, 0, j.spec.point) for j in planned if j.spec.asked
    ]
    assert {(j.repetition, j.target, j.state) for j in begun.asked_jobs(ID)} == {(0, "any", JobState.QUEUED)}
    assert begun.asked_jobs("other") == []


def test_two_controllers_at_once_ask_for_each_number_once(begun: Store, database_url: str) -> None:
    train(begun, unpublished(begun, 10))
    barrier = threading.Barrier(3)

    def look(_: int) -> int:
        with Store(database_url) as mine:
            barrier.wait()
            return advance(mine)

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(look, range(3))) == [0, 0, 4]
    assert set(numbers(begun).values()) == {1}
    assert len(unpublished(begun, 10)) == 4


def test_a_second_configuration_of_a_number_is_refused_whatever_its_parameters(begun: Store) -> None:
    (first, *_) = tuner.plan(SWEEP, []).jobs
    other = first.new(5, 3)
    spec = other.spec.model_copy(update={"point": {**other.spec.point, "lr": 0.05}})
    assert begun.extend(ID, [type(other)("another-id", 99, 0, other.queue, 5, 3, spec)]) == 0
    assert len(begun.asked_jobs(ID)) == 4


def test_the_configurations_of_a_block_are_published_in_its_order_and_after_those_before(begun: Store) -> None:
    train(begun, unpublished(begun, 2))
    advance(begun)
    jobs = {job.id: job for job in begun.jobs(ID)}
    waiting = [jobs[message.job] for message in unpublished(begun, 10)]
    assert [job.block for job in waiting] == [0, 0, 1, 1]
    assert [job.ordinal for job in waiting] == sorted(job.ordinal for job in waiting)


def test_a_cancelled_search_stays_cancelled(begun: Store) -> None:
    train(begun, unpublished(begun, 1))
    begun.cancel(ID)
    assert begun.searches() == []
    assert advance(begun) == 0
    assert begun.progress(ID).counts == {JobState.DONE: 1, JobState.CANCELLED: 3}
    assert begun.progress(ID).is_over


def test_a_sweep_that_is_settled_gets_no_more_jobs(farm: Store) -> None:
    assert farm.extend(record().id, [new_job(7)]) == 0
    assert len(farm.jobs(record().id)) == 3


def test_searches_show_how_much_is_over(begun: Store, farm: Store) -> None:
    assert begun.searches() == [Search(RECORD, 0)]
    assert begun.searches("other") == []
    train(begun, unpublished(begun, 2, ID), failing=[unpublished(begun, 2, ID)[0].job])
    assert begun.searches(ID) == [Search(RECORD, 2)]
    assert begun.undecided() == [], "not a matter of repetitions"


def test_a_failed_training_is_reported_as_failed_and_the_search_goes_on(begun: Store) -> None:
    failing = unpublished(begun, 1)[0].job
    (failed,) = train(begun, unpublished(begun, 1), [failing])
    assert failed.asked is not None
    assert begun.trained(ID, [failed.asked.study]) == []
    assert advance(begun) == 1
    assert (failed.asked.study, 1) in numbers(begun)


def test_a_failed_training_can_be_tried_again(begun: Store) -> None:
    messages = unpublished(begun, 10)
    train(begun, messages, [messages[0].job])
    assert advance(begun) == 4
    finish(begun)
    assert begun.retry(ID, 1) == 1
    (again,) = unpublished(begun, 10)
    assert (again.job, begun.progress(ID).is_over) == (messages[0].job, False)
    train(begun, [again])
    assert begun.progress(ID).counts == {JobState.DONE: 20}
    assert set(numbers(begun).values()) == {1}


def test_a_training_whose_worker_fell_silent_is_still_pending(begun: Store) -> None:
    claim(begun, unpublished(begun, 1)[0].job, lease_s=NO_LEASE_S)
    begun.expire_leases()
    assert advance(begun) == 0


def test_what_a_training_brought(begun: Store) -> None:
    one, two, three, _ = unpublished(begun, 10)
    specs = {message.job: claim(begun, message.job) for message in (one, two, three)}
    won = [spec.spec for spec in specs.values() if spec is not None]
    assert begun.complete(training_report(won[0]))
    assert begun.complete(pruned(won[1], 1, 2))
    assert begun.complete(training_report(won[2], flags=(Flag.RESUMED,)))
    found = {t.study: t for t in begun.trained(ID, {s.asked.study for s in won if s.asked})}
    whole, cut, resumed = (found[s.asked.study] for s in won if s.asked)
    assert (whole.number, whole.accuracies, whole.stopped, whole.device) == (0, accuracies(won[0]), None, "cpu")
    assert whole.energies_j == {Domain.CPU: 4.0}, "of the training windows"
    assert (cut.accuracies, cut.stopped) == (accuracies(won[1], 2), Stopped.PRUNED)
    assert resumed.energies_j == {}, "what ran before the cut is in no window"
    assert begun.trained(ID, ["no such study"]) == []


@pytest.mark.parametrize(
    ("nets_j", "grosses_j", "energy_j"),
    [((2.0, 2.0), (3.0, 3.0), 4.0), ((2.0, None), (3.0, 3.0), 6.0), ((None, None), (3.0, None), None)],
)
def test_energy_is_net_or_else_gross_and_unknown_unless_all_is_known(
    begun: Store,
    nets_j: tuple[float | None, float | None],
    grosses_j: tuple[float | None, float | None],
    energy_j: float | None,
) -> None:
    won = claim(begun, unpublished(begun, 1)[0].job)
    assert won is not None
    assert won.spec.asked is not None
    told = training_report(won.spec)
    known = zip(nets_j, grosses_j, strict=True)
    training = [m for m in told.measurements if m.window_kind == WindowKind.TRAINING]
    measurements = tuple(
        m.model_copy(update={"net_j": net_j, "gross_j": gross_j})
        for m, (net_j, gross_j) in zip(training, known, strict=True)
    )
    assert begun.complete(told.model_copy(update={"measurements": measurements}))
    (found,) = begun.trained(ID, [won.spec.asked.study])
    assert found.energies_j == {Domain.CPU: energy_j}


def test_searches_without_joules_show_what_to_do(begun: Store) -> None:
    greedy = tuning_sweep(tuning={"objectives": ["energy"]})
    own = record_of(greedy, sweep_id(greedy))
    begun.submit(own, [job.new(5, 3) for job in tuner.plan(greedy, []).jobs])
    (message, *_) = unpublished(begun, 1, own.id)
    won = claim(begun, message.job)
    assert won is not None
    assert begun.complete(training_report(won.spec, measurements=()))
    added, note = tuner.advance(begun, own, 3)
    assert added == 1
    assert note is not None
    assert "`farm doctor`" in note


def test_what_does_not_look_at_results_is_the_same_whichever_trial_ends_first(begun: Store) -> None:
    fixed: TuningSweep = tuning_sweep(tuning={"strategies": ["random", "sobol", "grid"], "trials": 4})
    own = record_of(fixed, sweep_id(fixed))
    begun.submit(own, [job.new(5, 3) for job in tuner.plan(fixed, []).jobs])
    while messages := unpublished(begun, 100, own.id):
        train(begun, messages[-1:])
        tuner.advance(begun, own, 3)
    backwards = begun.jobs(own.id)
    afresh = record_of(fixed, f"{own.id}.2")
    begun.submit(afresh, [job.new(5, 3) for job in tuner.plan(fixed, [], 2).jobs])
    while messages := unpublished(begun, 100, afresh.id):
        train(begun, messages)
        tuner.advance(begun, afresh, 3)
    assert points_of(backwards) == points_of(begun.jobs(afresh.id))
    assert len(backwards) == 24


def points_of(jobs: Iterable[NewJob]) -> list[str]:
    return sorted(repr(sorted(job.spec.point.items())) for job in jobs)
