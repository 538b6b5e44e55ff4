"""Whose job is published next: the urgent first, then fair turns, and each sweep in its own order."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from farm.scheduling.fair_share import LARGEST, SMALLEST, Share, Window, choose_jobs
from farm.store import AtWork

Job = tuple[int, int]  #: number of the sweep, and place in its plan


def share(sweep: int, submitter: str, jobs: int, priority: int = 5) -> Share[Job]:
    return Share(submitter, priority, lambda: [(sweep, place) for place in range(jobs)])


def running(submitter: str, jobs: int) -> AtWork:
    return AtWork("any", submitter, 5, True, jobs)


def published(submitter: str, jobs: int, priority: int = 5) -> AtWork:
    return AtWork("any", submitter, priority, False, jobs)


def sweeps(found: Iterable[Job]) -> list[int]:
    return [sweep for sweep, _ in found]


PRIORITIES = st.sampled_from([0, 5])
AT_WORK = st.lists(
    st.builds(AtWork, st.just("any"), st.sampled_from("abcde"), PRIORITIES, st.booleans(), st.integers(1, 9))
)
SHARES = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30), PRIORITIES), max_size=8).map(
    lambda found: [share(sweep, *line) for sweep, line in enumerate(found)]
)
SIZES = st.integers(0, 40)


def test_submitters_take_turns_and_ones_own_sweeps_follow_one_another() -> None:
    shares = [share(0, "anne", 3), share(1, "anne", 9), share(2, "bert", 9)]
    assert choose_jobs(shares, [], 8) == [(0, 0), (2, 0), (0, 1), (2, 1), (0, 2), (2, 2), (1, 0), (2, 3)]


def test_who_has_more_at_work_waits_until_the_others_have_as_much() -> None:
    shares = [share(0, "anne", 9), share(1, "bert", 9)]
    assert sweeps(choose_jobs(shares, [running("anne", 2), published("anne", 1)], 7)) == [1, 1, 1, 0, 1, 0]


def test_what_is_alone_takes_all() -> None:
    assert sweeps(choose_jobs([share(0, "anne", 30)], [running("anne", 50), running("bert", 1)], 20)) == [0] * 20


def test_the_urgent_comes_first_and_finds_room_where_the_others_fill_the_window() -> None:
    shares = [share(0, "anne", 9), share(1, "anne", 2, priority=0)]
    assert choose_jobs(shares, [], 4) == [(1, 0), (1, 1), (0, 0), (0, 1)]
    assert choose_jobs(shares, [published("bert", 20)], 20) == [(1, 0), (1, 1)]
    assert choose_jobs(shares, [published("bert", 20, priority=0)], 20) == []


def test_a_sweep_without_a_turn_is_not_read() -> None:
    read = []

    def jobs(sweep: int) -> Callable[[], list[Job]]:
        return lambda: read.append(sweep) or [(sweep, 0), (sweep, 1)]  # type: ignore[func-returns-value]

    waiting = [Share("anne", 5, jobs(0)), Share("anne", 5, jobs(1)), Share("anne", 7, jobs(2))]
    assert sweeps(choose_jobs(waiting, [], 2)) == [0, 0]
    assert read == [0]


@given(SHARES, AT_WORK, SIZES)
def test_every_sweep_keeps_its_order_and_nothing_is_published_twice(
    shares: list[Share[Job]], at_work: list[AtWork], size: int
) -> None:
    found = choose_jobs(shares, at_work, size)
    for sweep, own in enumerate(shares):
        places = [place for of, place in found if of == sweep]
        assert places == list(range(len(places)))
        assert len(places) <= len(list(own.jobs()))


@given(SHARES, AT_WORK, SIZES)
def test_the_window_holds_and_is_filled(shares: list[Share[Job]], at_work: list[AtWork], size: int) -> None:
    found = choose_jobs(shares, at_work, size)
    for priority in (0, 5):
        waits = sum(line.jobs for line in at_work if not line.is_running and line.priority <= priority)
        as_urgent = [share for share in shares if share.priority <= priority]
        messages = sum(shares[sweep].priority <= priority for sweep, _ in found)
        possible = sum(len(list(share.jobs())) for share in as_urgent)
        urgent = sum(shares[sweep].priority == 0 for sweep, _ in found) if priority else 0
        assert messages == max(min(size - waits, possible), urgent)


@given(SHARES, AT_WORK, SIZES)
def test_shares_are_equal_within_one(shares: list[Share[Job]], at_work: list[AtWork], size: int) -> None:
    """Who got a turn has no more than one job above anybody who could have had it."""
    shares = [replace(share, priority=5) for share in shares]
    found = choose_jobs(shares, at_work, size)
    has: Counter[str] = Counter()
    for line in at_work:
        has[line.submitter] += line.jobs
    before = dict(has)
    has.update(shares[sweep].submitter for sweep, _ in found)
    waits = Counter(dict.fromkeys("abcd", 0))
    for own in shares:
        waits[own.submitter] += len(list(own.jobs()))
    waits.subtract(shares[sweep].submitter for sweep, _ in found)
    for lucky in {name for name, count in has.items() if count > before.get(name, 0)}:
        for unlucky in (name for name, count in waits.items() if count > 0):
            assert has[lucky] <= has[unlucky] + 1


def test_where_all_have_as_much_the_turn_moves_on() -> None:
    shares = [share(0, "anne", 9), share(1, "bert", 9), share(2, "carl", 9)]
    assert [sweeps(choose_jobs(shares, [], 2, turn)) for turn in range(4)] == [[0, 1], [1, 2], [2, 0], [0, 1]]


LINES = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 30)), min_size=1, max_size=6)


@given(LINES, st.integers(1, 5), st.integers(1, 5))
def test_nobody_starves(lines: list[tuple[str, int]], size: int, machines: int) -> None:
    """Machines that take what was published in its order: every submitter has its first job soon."""
    first: dict[str, int] = {}
    queue: list[Job] = []
    begun = [0] * len(lines)

    def waiting(sweep: int) -> Callable[[], list[Job]]:
        return lambda: [(sweep, place) for place in range(begun[sweep], lines[sweep][1])]

    for look in range(sum(jobs for _, jobs in lines) + 1):
        messages = Counter(lines[sweep][0] for sweep, _ in queue)
        shares = [Share(name, 5, waiting(sweep)) for sweep, (name, _) in enumerate(lines)]
        new = choose_jobs(shares, [published(name, jobs) for name, jobs in messages.items()], size, look)
        for sweep, _ in new:
            begun[sweep] += 1
        queue += new
        taken, queue = queue[:machines], queue[machines:]
        for sweep, _ in taken:
            first.setdefault(lines[sweep][0], look)
    assert begun == [jobs for _, jobs in lines]
    assert queue == []
    submitters = {name for name, _ in lines}
    assert set(first) == submitters
    assert max(first.values()) <= size + len(submitters)


# Windows


def after(window: Window, taken: int, rounds: float = 1.0) -> Window:
    """After so many messages were taken, topped up again."""
    new = window.after(window.filled - taken, rounds)
    return Window(new.size, new.size)


def test_slow_trials_find_a_small_window() -> None:
    window = Window(filled=SMALLEST)
    for taken in (0, 1, 0, 5, 0, 9):
        window = after(window, taken)
        assert window.size == SMALLEST


def test_a_window_that_runs_empty_doubles_up_to_a_limit() -> None:
    window, sizes = Window(filled=SMALLEST), []
    for _ in range(12):
        window = after(window, window.filled)
        sizes.append(window.size)
    assert sizes[:3] == [2 * SMALLEST, 4 * SMALLEST, 8 * SMALLEST]
    assert sizes[-1] == LARGEST


def test_a_window_of_which_half_goes_in_a_round_doubles_too() -> None:
    assert after(Window(100, 100), taken=50).size == 200
    assert after(Window(100, 100), taken=49).size == 100
    assert after(Window(100, 100), taken=13, rounds=0.2).size == 200
    assert after(Window(100, 100), taken=13, rounds=0.3).size == 100


def test_a_few_that_begin_at_once_do_not_widen_it() -> None:
    assert after(Window(100, 100), taken=12, rounds=0.1).size == 100


def test_an_empty_queue_that_nobody_waits_for_does_not_widen_it() -> None:
    assert Window(size=40, filled=39).after(0, 1.0).size == 40
    assert Window().after(0, 1.0) == Window()


def test_a_window_that_lies_still_shrinks_to_the_smallest() -> None:
    window, sizes = Window(size=160, filled=160), []
    for _ in range(4):
        window = window.after(window.filled, 1.0)
        sizes.append(window.size)
    assert sizes == [80, 40, SMALLEST, SMALLEST]
