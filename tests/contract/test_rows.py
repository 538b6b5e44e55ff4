"""A session reads the tables as objects, on either database."""

from sqlmodel import Session, col, create_engine, select

from farm.store import Store
from farm.store.tables import Job, Sweep
from tests.contract.store_records import record


def test_a_session_gives_rows_as_objects(farm: Store) -> None:
    engine = create_engine(farm.url)
    with Session(engine) as session:
        found = session.exec(select(Job, Sweep).join(Sweep).order_by(col(Job.ordinal))).all()
        assert [job.ordinal for job, _ in found] == [0, 1, 2]
        job, sweep = found[0]
        assert (sweep.id, sweep.submitted_at, job.claimed_at) == (record().id, record().submitted_at, None)
        assert job.point == farm.jobs(record().id)[0].spec.point
    engine.dispose()
