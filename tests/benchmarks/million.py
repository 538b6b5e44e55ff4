"""A store of a million jobs, most of them over: what the controller's round and a look at the farm cost on it."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from farm.model import StoppingRule
from farm.store import Store
from tests.contract.store_records import ANNE, MACHINE, UTC_NOON, new_job, record

#: Sweeps that are over, and the jobs of each.
OVER, JOBS = 90, 10_000
#: Jobs of the first of these, whose repetitions follow its results, and its points.
DECIDING, POINTS = 100_000, 1_000
#: Jobs that wait, in one more sweep, and how many of them were published.
WAITING, PUBLISHED = 10_000, 20
MACHINES = 20

_COPIED = (
    "sweep_id, block, repetition, target, queue, priority, attempt, max_attempts, cancel_requested, point, spec, "
    "machine_id, claimed_at"
)
_FILL = f"""
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :jobs - 1)
    INSERT INTO job (id, key, ordinal, state, {_COPIED})
    SELECT sweep_id || '-' || i, 'k' || i, i, :state, {_COPIED} FROM job, n WHERE job.id = :first
"""
_VARY = """
    UPDATE job SET point = json_set(point, '$.batch_size', ordinal % :points),
        spec = json_set(spec, '$.job', id, '$.point.batch_size', ordinal % :points, '$.repetition', ordinal / :points),
        repetition = ordinal / :points, block = ordinal / :points
    WHERE sweep_id = :first
"""
_TRIALS = """
    INSERT INTO trial (id, job_id, attempt, machine_id, started_at_utc, finished_at_utc, duration_s, facts,
        carbon_is_own, flags, notes, log_tail, simulated)
    SELECT id || '.1', id, 1, machine_id, :at, :at, 9.0, '{"device": "cpu"}', false, '[]', '[]', '', false
    FROM job WHERE state = 'done'
"""
_SAMPLES = """
    INSERT INTO sample (trial_id, domain, part, own_device, device, unit, units, duration_s, gross_j, net_j, net_u_j,
        quality, flags, valid)
    SELECT id, 'cpu', -1, true, 'cpu', 'image', 1000, 2.0, 20.0, 5.0 + (rowid % 7), 0.1, 'counter', '', true FROM trial
"""


def build(path: Path) -> None:
    """Fill a new SQLite database: sweeps that are over, one that waits, one whose results ask for more."""
    with Store.open(f"sqlite:///{path}", create=True) as store:
        for n in range(MACHINES):
            store.register_machine(MACHINE.model_copy(update={"id": f"m{n}", "name": f"lab{n}"}), ANNE, "0.1.0")
        for n in range(OVER + 1):
            sweep = f"sweep{n:07d}"
            adapts = {"rule": StoppingRule(min=2, max=1_000, target=1e-9), "settled": False} if n == 0 else {}
            submitted = record(sweep, f"sweep{n % 50}", UTC_NOON + timedelta(minutes=n)).model_copy(update=adapts)
            store.submit(submitted, [new_job(0, sweep)])
        with store.write() as connection:
            connection.execute(text("UPDATE job SET machine_id = 'm0', claimed_at = :at"), {"at": str(UTC_NOON)[:26]})
            for n in range(OVER + 1):
                state, jobs = ("done", JOBS if n else DECIDING) if n < OVER else ("queued", WAITING)
                connection.execute(text(_FILL), {"jobs": jobs, "state": state, "first": f"sweep{n:07d}-0"})
            connection.execute(text(_VARY), {"first": f"sweep{0:07d}", "points": POINTS})
            done = "UPDATE job SET state = 'done', attempt = 1 WHERE sweep_id != :last AND state = 'queued'"
            connection.execute(text(done), {"last": f"sweep{OVER:07d}"})
            connection.execute(text(_TRIALS), {"at": str(UTC_NOON)[:26]})
            connection.execute(text(_SAMPLES))
            sent = "UPDATE job SET published_at = :at WHERE state = 'queued' AND ordinal < :sent"
            connection.execute(text(sent), {"at": str(UTC_NOON)[:26], "sent": PUBLISHED})
            connection.execute(text("ANALYZE"))


if __name__ == "__main__":
    import sys

    build(Path(sys.argv[1]))
