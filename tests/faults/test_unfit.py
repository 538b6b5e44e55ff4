"""A machine that cannot keep reports, and a helper that does not answer: no job waits for them or fails."""

from pathlib import Path

import psutil
import pytest

from farm.model import FailureKind
from tests.faults.lab import Fault, Lab, Note, now, trial_of
from tests.integration.farms import SLOW, Trial, running_farm, running_trial

JOBS = 20


def test_one_of_two_machines_cannot_write_its_spool(lab: Lab, note: Note) -> None:
    """The other one runs the jobs; once the folder is back the machine takes jobs again."""
    for name in ("one", "two"):
        lab.join(name)
    spool = lab.home / "one" / "spool"
    spool.rename(spool.with_name("kept"))
    spool.touch()
    jobs = lab.submit("beside", JOBS, measure=trial_of(0.1))
    lab.wait_until_each_once("beside", jobs)
    assert {trial.attempt for trial in lab.trials("beside")} == {1}
    lab.wait_for("it says so", lambda: next(s.live.unfit for s in lab.store.machines() if s.machine.name == "one"))
    spool.unlink()
    begin = now()
    lab.wait_for("one is fit", lambda: "this machine is fit again" in lab.said_by("one"))
    recovered = now()
    after = lab.submit("after", JOBS, measure=trial_of(0.1))
    lab.wait_until_each_once("after", after)
    assert len({row.machine for row in lab.store.trial_rows("after")}) == 2
    counted = "from the folder's return until the machine is fit"
    note(Fault("a machine cannot write its spool", None, (recovered - begin).total_seconds(), counted))


@pytest.mark.parametrize("when", ["before", "during"])
def test_the_helper_that_starts_trials_is_stopped(when: str, tmp_path: Path) -> None:
    """A job before which it stops runs; one during which it stops can be cancelled, and the next one runs."""
    with running_farm(tmp_path, "filesystem://", f"sqlite:///{tmp_path / 'farm.db'}") as farm:
        farm.start("serve", FARM_GRACE_S="60")
        worker = farm.start_worker()
        children = psutil.Process(worker.pid).children()
        helper = next(child for child in children if "workers.supervisor.zygote" in child.cmdline())
        if when == "during":
            (job,) = farm.submit("endless", measure=SLOW.model_copy(update={"window_s": 600}))
            running_trial(worker)
            helper.suspend()
            farm.store.cancel("endless")
            assert farm.wait_until_over("endless") == [Trial(job, 1, FailureKind.CANCELLED)]
        else:
            helper.suspend()
        (job,) = farm.submit("next")
        assert farm.wait_until_over("next") == [Trial(job, 1)], farm.log()
        assert "the helper that starts trials is replaced" in farm.log()
        assert not helper.is_running()
        assert worker.poll() is None
