"""A machine that loses sight of Redis and of the database in the middle of a trial, for longer than its lease."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from farm.model import FailureKind, JobState, MachineState
from tests.faults.lab import AT_FULL_LENGTH, LONG_TRIAL_S, PARTITION_S, Fault, Lab, Note, now, trial_of
from tests.faults.network import Net, Proxy, own_network, proxy
from tests.services import PostgresServer, RedisServer


@contextmanager
def ways(lab: Lab, redis: RedisServer, postgres: PostgresServer, host: str = "127.0.0.1") -> Iterator[list[Proxy]]:
    """The ways of the first machine to Redis and to the database; it joins, and is given a long trial."""
    with proxy(redis.port, host) as to_redis, proxy(postgres.socket, host) as to_postgres:
        yield [to_redis, to_postgres]


def settings_of(lab: Lab, network: list[Proxy], host: str = "127.0.0.1") -> dict[str, str]:
    to_redis, to_postgres = network
    return {
        "FARM_BROKER_URL": f"redis://{host}:{to_redis.port}/0",
        "FARM_DATABASE_URL": lab.database_through(to_postgres.port, host),
    }


@pytest.mark.parametrize("how", ["silent", "cut"] if AT_FULL_LENGTH else ["silent"])
def test_another_machine_measures_the_job_of_one_out_of_sight(
    how: str, lab: Lab, redis: RedisServer, postgres: PostgresServer, note: Note
) -> None:
    """It learns that its lease is lost as soon as it is back, and breaks off."""
    with ways(lab, redis, postgres) as network:
        lab.join("two")
        lab.store.assign("two", MachineState.PAUSED)  # at hand, or the trial would be over before it has started
        lab.join("one", **settings_of(lab, network))
        (job,) = lab.submit("apart", measure=trial_of(LONG_TRIAL_S))
        lab.wait_for_state("apart", JobState.RUNNING)
        lab.store.assign("two", MachineState.ACTIVE)
        for way in network:
            way.silence() if how == "silent" else way.cut()
        begin = now()
        time.sleep(PARTITION_S)
        for way in network:
            way.heal()
        again = lab.claim_of(job, 2)
        lab.wait_until_each_once("apart", [job])
        trials = lab.trials("apart")
        assert [trial.attempt for trial in trials if trial.failure is None] == [2]
        assert [trial.failure for trial in trials if trial.failure] == [FailureKind.LOST]
        after = lab.submit("after", 4, measure=trial_of(0.5))
        lab.wait_until_each_once("after", after)
    what = f"a machine's network {'drops everything' if how == 'silent' else 'breaks every connection'}"
    counted = "from its beginning to the next attempt, elsewhere"
    note(Fault(what, PARTITION_S, (again - begin).total_seconds(), counted))


def test_a_machine_out_of_sight_keeps_its_trial_where_there_is_no_other(
    lab: Lab, redis: RedisServer, postgres: PostgresServer, note: Note
) -> None:
    with ways(lab, redis, postgres) as network:
        lab.join("one", **settings_of(lab, network))
        (job,) = lab.submit("alone", measure=trial_of(LONG_TRIAL_S))
        lab.wait_for_state("alone", JobState.RUNNING)
        for way in network:
            way.cut()
        time.sleep(PARTITION_S)
        assert lab.progress("alone").counts == {JobState.QUEUED: 1}
        for way in network:
            way.heal()
        begin = now()
        lab.wait_for_state("alone", JobState.RUNNING)
        recovered = now()
        lab.wait_until_each_once("alone", [job])
        assert [trial.attempt for trial in lab.trials("alone")] == [1]
    counted = "from its end until the lease holds again: the trial was not in vain"
    note(Fault("the same, no other machine", PARTITION_S, (recovered - begin).total_seconds(), counted))


def test_a_cable_pulled(lab: Lab, redis: RedisServer, postgres: PostgresServer, note: Note) -> None:
    """A network namespace whose virtual cable is down: packets vanish, no connection is closed."""
    with own_network(redis.port) as net, ways(lab, redis, postgres, net.address) as network:
        lab.join("one", prefix=net.prefix, **settings_of(lab, network, net.address))
        (job,) = lab.submit("pulled", measure=trial_of(PARTITION_S / 2))
        lab.wait_for_state("pulled", JobState.RUNNING)
        pull(net, lab)
        begin = now()
        lab.wait_until_each_once("pulled", [job])
        recovered = now()
        assert [trial.attempt for trial in lab.trials("pulled")] == [1]
        after = lab.submit("after", 2, measure=trial_of(0.5))
        lab.wait_until_each_once("after", after)
    counted = "from its end until the report of a trial that ended meanwhile is stored"
    note(Fault("a machine's cable is pulled", PARTITION_S, (recovered - begin).total_seconds(), counted))


def pull(net: Net, lab: Lab) -> None:
    """For longer than a lease."""
    net.down()
    time.sleep(PARTITION_S)
    assert lab.progress("pulled").counts == {JobState.QUEUED: 1}
    net.up()
