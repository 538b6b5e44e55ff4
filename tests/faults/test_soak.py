"""A short soak; `make soak` is the long one."""

from pathlib import Path

from tests.faults.soak import soaked


def test_nothing_is_lost_and_nothing_stored_twice_under_fire(tmp_path: Path) -> None:
    said: list[str] = []
    with soaked(tmp_path, seed=7) as soak:
        outcome = soak.run(jobs=200, workers=3, every_s=2.0, length_s=0.2, say=said.append, at_most=6)
    story = "\n".join([*said, str(outcome)])
    assert (outcome.lost, outcome.twice) == (0, 0), story
    assert outcome.done + outcome.failed == outcome.jobs, story
    assert outcome.faults >= 4, story
