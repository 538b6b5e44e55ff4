"""A row that cannot be read stops nothing but itself: of newer programs, rogue clients, and damaged files."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from farm.model import FailureKind, JobState, Live, LiveTrial, Machine, Repetition, StoppingRule
from farm.model.bounds import DEEPEST, MOST_FACTS, MOST_NOTES
from farm.model.errors import InputError, WorkerOutdated
from farm.model.reading import Unreadable, readable, unreadable
from farm.model.text import LONGEST
from farm.scheduling import isolation
from farm.scheduling.status import unread
from farm.store import Store
from tests.contract.store_records import (
    ANNE,
    BERT,
    MACHINE,
    SWEEP,
    UTC_NOON,
    claim,
    job_id,
    new_job,
    record,
    report,
    unpublished,
)
from tests.controllers import FakePublisher, controller

GOOD, BAD = "900d00000000", "bad000000000"
#: What breaks a sweep, on either database.
OF_SWEEPS = {
    "a rule of a newer program": """UPDATE sweep SET rule = '{"min": 2, "max": 5, "target": 1, "from_future": 1}'""",
    "a rule without sense": """UPDATE sweep SET rule = '{"min": 0}'""",
    "carbon that is a list": "UPDATE sweep SET carbon = '[]'",
    "a kind of a newer program": "UPDATE sweep SET kind = 'from_future'",
}
OF_JOBS = {
    "a spec of a newer program": """UPDATE job SET spec = '{"version": 1, "from_future": 1}'""",
    "a spec that is a list": "UPDATE job SET spec = '[1]'",
    "a point that is a list": "UPDATE job SET point = '[]'",
}
OF_MACHINES = {
    "hardware that is a list": "hardware = '[]'",
    "abilities that are null": "abilities = 'null'",
    "a probe of a newer program": """probe = '{"from_future": 1}'""",
    "a state of a newer program": "wanted_state = 'from_future'",
}


def execute(store: Store, statement: str, **values: object) -> None:
    with store.write() as connection:
        assert connection.execute(text(statement), values).rowcount


@pytest.fixture
def two(store: Store) -> Store:
    """A store with two sweeps whose results ask for more repetitions."""
    store.register_machine(MACHINE, ANNE, "0.1.0")
    for sweep in (GOOD, BAD):
        rule = {"rule": StoppingRule(min=2, max=5, target=1e-6), "settled": False}
        store.submit(record(sweep, sweep[:3]).model_copy(update=rule), [new_job(0, sweep)])
        assert claim(store, f"{sweep}-0")
        assert store.complete(report(f"{sweep}-0", 1))
    return store


@pytest.mark.parametrize("fault", [*OF_SWEEPS.values(), *OF_JOBS.values()], ids=[*OF_SWEEPS, *OF_JOBS])
def test_a_round_goes_on_without_the_sweep_that_it_cannot_read(
    two: Store, fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "RETRY_S", 0.0)
    column = "id" if "UPDATE sweep" in fault else "sweep_id"
    execute(two, f"{fault} WHERE {column} = :bad", bad=BAD)
    rounds = controller(two, FakePublisher())
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            rounds.make_round()
    assert two.progress(GOOD).counts == {JobState.DONE: 1, JobState.QUEUED: 1}
    assert [BAD in line for line in caplog.messages] == [True], "noted once"


def test_a_mended_sweep_goes_on_by_itself(two: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "RETRY_S", 0.0)
    execute(two, f"{OF_SWEEPS['a rule of a newer program']} WHERE id = :bad", bad=BAD)
    rounds = controller(two, FakePublisher())
    rounds.make_round()
    assert two.progress(BAD).counts == {JobState.DONE: 1}
    execute(two, """UPDATE sweep SET rule = '{"min": 2, "max": 5, "target": 1e-6}' WHERE id = :bad""", bad=BAD)
    rounds.make_round()
    assert two.progress(BAD).counts == {JobState.DONE: 1, JobState.QUEUED: 1}


def test_a_sweep_that_failed_waits_before_it_is_tried_again(two: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(two, f"{OF_JOBS['a spec that is a list']} WHERE sweep_id = :bad", bad=BAD)
    rounds, read = controller(two, FakePublisher()), list[str]()
    own = two.repetitions

    def repetitions(sweep: str) -> list[Repetition]:
        read.append(sweep)
        return own(sweep)

    monkeypatch.setattr(two, "repetitions", repetitions)
    for _ in range(3):
        rounds.make_round()
    assert read.count(BAD) == 1


def test_a_farm_of_one_sweep_ends_with_its_error(two: Store) -> None:
    execute(two, f"{OF_JOBS['a spec that is a list']} WHERE sweep_id = :bad", bad=BAD)
    with pytest.raises(Unreadable, match=f"sweep {BAD} cannot be read: job {BAD}-0: "):
        controller(two, FakePublisher(), BAD).make_round()
    controller(two, FakePublisher(), GOOD).make_round()


@pytest.mark.parametrize("fault", [*OF_SWEEPS.values()][:3], ids=[*OF_SWEEPS][:3])
def test_people_see_what_cannot_be_read_and_can_remove_it(two: Store, fault: str) -> None:
    execute(two, f"{fault} WHERE id = :bad", bad=BAD)
    assert [sweep.id for sweep in two.sweeps()] == [GOOD]
    (line,) = unread.sweeps(two)
    assert line.startswith(f"farm: sweep bad ({BAD}) cannot be read: ")
    assert line.endswith(f"update wattfarm here, or `farm cancel {BAD}` and `farm rm {BAD}`")
    assert [one.record.id for one in readable(two.overviews())] == [GOOD]
    assert [error.id for error in unreadable(two.overviews())] == [BAD]
    with pytest.raises(Unreadable):
        two.find_sweep("bad")
    assert two.find_sweep("900").id == GOOD
    (named,) = two.sweeps_named("bad")
    two.cancel(named.id)
    assert two.delete_sweeps([named.id]).jobs == 1


def test_status_names_a_sweep_whose_jobs_cannot_be_read(two: Store) -> None:
    execute(two, f"{OF_JOBS['a spec of a newer program']} WHERE sweep_id = :bad", bad=BAD)
    (line,) = unread.sweeps(two)
    assert f"sweep {BAD} cannot be read: job {BAD}-0: " in line


@pytest.mark.parametrize("fault", OF_MACHINES.values(), ids=OF_MACHINES)
def test_a_machine_that_cannot_be_read_is_left_out_and_shown(two: Store, fault: str) -> None:
    two.register_machine(MACHINE.model_copy(update={"id": "m2", "name": "lab2"}), BERT, "0.1.0")
    execute(two, f"UPDATE machine SET {fault} WHERE id = 'm2'")
    assert [status.machine.name for status in two.machines()] == ["lab1"]
    (error,) = two.unreadable_machines()
    assert str(error).startswith("machine lab2 (m2) cannot be read: ")
    assert readable(two.present(60))[0].name == "lab1"
    assert set(two.conditions()) == {"m1", "m2"}
    assert [machine.name for machine in two.progress(GOOD).available] == ["lab1"]
    two.register_machine(MACHINE.model_copy(update={"id": "m2", "name": "lab2"}), BERT, "0.1.0")
    assert two.unreadable_machines() == [] or "from_future" in fault, "only people set the wanted state"


def test_a_capability_asks_only_machines_that_can_be_read(store: Store) -> None:
    gpu = {"gpu": {"memory_bytes": 8 << 30}}
    for name in ("m1", "m2", "m3"):
        store.register_machine(MACHINE.model_copy(update={"id": name, "name": name, "hardware": gpu}), ANNE, "0.1.0")
    execute(store, """UPDATE machine SET hardware = '{"gpu": {"memory_bytes": 1e999}}' WHERE id = 'm1'""")
    execute(store, "UPDATE machine SET hardware = '[]' WHERE id = 'm2'")
    store.submit(record(), [new_job(0, queue="gpu.memory_gib >= 8")])
    publisher = FakePublisher()
    controller(store, publisher).make_round()
    assert [message.queue for message in publisher.published] == ["farm.machine.m3"]


def test_live_values_that_are_broken_cost_only_themselves(two: Store) -> None:
    execute(two, "UPDATE machine SET live = '[]'")
    assert [status.live for status in two.machines()] == [Live()]


def test_flags_of_a_newer_program_are_counted(two: Store) -> None:
    execute(two, """UPDATE trial SET flags = '["from_future"]'""")
    assert two.conditions()[MACHINE.id].flags == {"from_future": 2}
    assert {count.flags for count in two.trial_counts((1.0,))} == {("from_future",)}


def test_a_job_whose_spec_no_program_can_read_fails_and_keeps_no_worker(farm: Store) -> None:
    execute(farm, "UPDATE job SET spec = '[1]' WHERE id = :job", job=job_id(0))
    assert claim(farm, job_id(0)) is None
    assert farm.progress(SWEEP).counts == {JobState.QUEUED: 2, JobState.FAILED: 1}
    assert [failed.failure.kind for failed in farm.failures(SWEEP)] == [FailureKind.INVALID]
    assert claim(farm, job_id(1)) is not None


def test_a_job_of_a_newer_program_is_released(farm: Store) -> None:
    execute(farm, f"{OF_JOBS['a spec of a newer program']} WHERE id = :job", job=job_id(0))
    with pytest.raises(WorkerOutdated):
        claim(farm, job_id(0))
    assert farm.progress(SWEEP).counts == {JobState.QUEUED: 3}
    assert [message.job for message in unpublished(farm, 1)] == [job_id(0)]


# SQLite takes anything in any column


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as opened:
        opened.register_machine(MACHINE, ANNE, "0.1.0")
        for sweep in (GOOD, BAD):
            opened.submit(record(sweep, sweep[:3], UTC_NOON), [new_job(0, sweep)])
        yield opened


@pytest.mark.parametrize("column", ["rule", "carbon", "submitted_at"])
@pytest.mark.parametrize("value", ["{", "[" * 100_000, "9" * 5000])
def test_a_column_of_a_sweep_that_cannot_be_decoded(file: Store, column: str, value: str) -> None:
    execute(file, f"UPDATE sweep SET {column} = :value WHERE id = :bad", value=value, bad=BAD)
    assert [sweep.id for sweep in file.sweeps()] == [GOOD]
    assert [error.id for error in file.unreadable_sweeps()] == [BAD]
    assert controller(file, FakePublisher()).publish() == 2, "the jobs themselves can be read"


@pytest.mark.parametrize("column", ["hardware", "abilities", "software", "probe", "last_seen_at", "spooled"])
def test_a_column_of_a_machine_that_cannot_be_decoded(file: Store, column: str) -> None:
    execute(file, f"UPDATE machine SET {column} = '{{'")
    assert file.machines() == []
    assert [error.name for error in file.unreadable_machines()] == ["lab1"]


def test_json_that_sqlite_itself_cannot_read_is_an_error_of_input(file: Store) -> None:
    execute(file, "UPDATE job SET spec = '{' WHERE sweep_id = :bad", bad=BAD)
    with pytest.raises(InputError, match="a row holds malformed JSON: delete its sweep, or restore a copy"):
        file.asked_jobs(BAD)


# Bounds at the door


def test_the_facts_of_a_machine_are_bounded_when_it_registers(store: Store) -> None:
    nested: dict[str, object] = {}
    for _ in range(DEEPEST + 50):
        nested = {"deeper": nested}
    facts = {
        "ram_bytes": float("inf"),
        "large": 10**5000,
        "text": "x" * 10_000_000,
        "esc": "\x1b[2J",
        "nested": nested,
        **{f"fact{n}": n for n in range(5000)},
    }
    rogue = MACHINE.model_copy(update={"hardware": facts, "abilities": {"models": ["m"] * 5000}})
    store.register_machine(rogue, ANNE, "9" * 10_000)
    (found,) = store.machines()
    hardware = found.machine.hardware
    assert (hardware["ram_bytes"], hardware["large"]) == (None, None)
    assert len(str(hardware["text"])) == LONGEST
    assert hardware["esc"] == r"\x1b[2J"
    assert str(hardware["nested"]).count("deeper") < DEEPEST
    assert len(hardware) < MOST_FACTS
    assert len(found.machine.abilities["models"]) < MOST_FACTS  # type: ignore[arg-type]
    assert len(found.version) <= 60
    assert Machine.model_validate(found.machine.model_dump()) == found.machine, "bounds change a value once"


def test_a_name_that_is_too_long_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match=r"this machine cannot register, name: .*: set FARM_MACHINE_NAME"):
        store.register_machine(MACHINE.model_copy(update={"name": "x" * 10_000_000}), ANNE, "0.1.0")
    assert store.machines() == []


def test_a_heartbeat_is_bounded_and_finite(farm: Store) -> None:
    trial = LiveTrial.model_validate(
        {
            "phase": "measure",
            "since": UTC_NOON,
            "domain": "cpu",
            "power_w": float("inf"),
            "units_per_s": float("nan"),
            "doubt": "\x1b" + "x" * 10_000_000,
        }
    )
    live = Live(trial=trial, notes=("n" * 10_000_000,) * 1000)
    farm.machine_beat(MACHINE.id, None, 10**12, 10**12, live)
    (found,) = farm.machines()
    assert (found.spooled, found.rejected) == (2**31 - 1, 2**31 - 1)
    assert (len(found.live.notes), len(found.live.notes[0])) == (MOST_NOTES, LONGEST)
    assert found.live.trial is not None
    assert (found.live.trial.power_w, found.live.trial.units_per_s) == (None, None)
    assert str(found.live.trial.doubt).startswith(r"\x1bx")


def test_what_a_rogue_client_stored_is_bounded_when_it_is_read(farm: Store) -> None:
    execute(farm, """UPDATE machine SET hardware = :facts""", facts='{"cpu": {"model": "' + "x" * 1_000_000 + '"}}')
    (found,) = farm.machines()
    assert len(found.machine.hardware["cpu"]["model"]) == LONGEST  # type: ignore[index, call-overload, arg-type]
