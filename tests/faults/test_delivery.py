"""Workers that differ from what the farm expects: published one job at once, of another version, after a reboot."""

from collections import Counter

from sqlalchemy import select, update

import farm.store.tables as t
from farm.model import FailureKind, JobMessage, JobState, queue_for
from farm.scheduling.broker import Publisher
from farm.settings import Settings
from tests.faults.lab import LEASE_S, Fault, Lab, Note, now, trial_of
from tests.faults.sham_worker import AFTER_BOOT, KNOWS
from tests.integration.farms import Trial


def test_two_workers_given_the_same_job(lab: Lab, note: Note) -> None:
    """Each job is published on the queue of either machine and on that for any: one claim wins."""
    workers = [lab.join(name) for name in ("one", "two")]
    publisher = Publisher(Settings(home=lab.home, broker_url=lab.broker_url, database_url=lab.store_url))
    jobs = lab.submit("twice", 20, measure=trial_of(0.1))
    publisher.publish(
        [JobMessage(job=j, attempt=0, queue=queue_for(f"machine:{n}")) for j in jobs for n in ("one", "two")]
    )
    lab.wait_until_each_once("twice", jobs)
    assert lab.trials("twice") == [Trial(job, 1) for job in jobs]
    machines = Counter(row.machine for row in lab.store.trial_rows("twice"))
    assert set(machines) == {"one", "two"}
    assert [worker.poll() for worker in workers] == [None, None]
    note(Fault("two workers given the same jobs", None, None, f"{len(jobs)} jobs, {len(jobs)} attempts"))


def test_a_worker_of_an_older_version(lab: Lab, note: Note) -> None:
    """A job that it cannot understand waits for one that can; what it knows it goes on to measure."""
    lab.join("old")
    lab.controller.kill()  # so that nobody messages before the jobs are what they shall be
    lab.controller.wait()
    new = lab.submit("new", 2, measure=trial_of(0.1))
    with lab.store.write() as connection:
        for row in connection.execute(select(t.job.c.id, t.job.c.spec)).all():
            connection.execute(update(t.job).where(t.job.c.id == row.id).values(spec=row.spec | {"novelty": 1}))
    known = lab.submit("known", 2, measure=trial_of(0.1))
    lab.serve()
    lab.wait_until_each_once("known", known)
    assert lab.progress("new").counts == {JobState.QUEUED: 2}
    assert lab.trials("new") == []
    begin = now()
    lab.join("newer", **{KNOWS: "novelty"})
    again = lab.next_claim(begin)
    lab.wait_until_each_once("new", new)
    assert {row.machine for row in lab.store.trial_rows("new")} == {"newer"}
    counted = "from the start of a worker that knows the jobs to its first attempt"
    note(Fault("a worker of an older version", None, (again - begin).total_seconds(), counted))


def test_a_machine_that_reboots(lab: Lab, note: Note) -> None:
    """Worker and trial are gone at once; the next worker has the same name and the same process number."""
    before = lab.join("one", **{AFTER_BOOT: "monday"})
    (job,) = lab.submit("reboot", measure=trial_of(LEASE_S))
    lab.wait_for_state("reboot", JobState.RUNNING)
    before.kill()
    before.wait()
    begin = now()
    lab.join("one", **{AFTER_BOOT: "tuesday"})
    again = lab.claim_of(job, 2)
    lab.wait_until_each_once("reboot", [job])
    assert lab.trials("reboot") == [Trial(job, 1, FailureKind.LOST), Trial(job, 2)]
    assert [status.owner for status in lab.store.machines()] == ["lab/4242/tuesday"]
    how = "from the power cut to the next attempt, the machine back at once"
    note(Fault("a machine reboots", None, (again - begin).total_seconds(), how))
