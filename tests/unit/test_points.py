"""What `farm status SWEEP` shows of each point."""

from dataclasses import replace

from farm.analysis.stopping import PointStatus
from farm.model import Repetition, StoppingRule
from farm.report.document import Document, Note, Row, Table
from farm.report.terminal import text
from farm.scheduling.status.points import blocks
from tests.golden import assert_golden
from tests.summaries import ends

RULE = StoppingRule(min=2, max=6, target=0.05)


def status(is_open: bool = False, **point: str | int | float) -> PointStatus:
    last = Repetition("job", "any", {"model": "simple_cnn", "batch_size": 128, "epochs": 5, **point}, 0, 0)
    return PointStatus(last, planned=3, valid=3, interval=ends(1.0, 0.02), is_open=is_open)


def test_points_are_named_by_what_varies() -> None:
    shown = blocks([status(lr=0.1), status(lr=0.2, is_open=True)], RULE)
    assert_golden("status-points.txt", text(Document(shown)))
    (table,) = (block for block in shown if isinstance(block, Table))
    assert [column.name for column in table.columns][:4] == ["model", "batch_size", "lr", "target"]
    assert [_state(row) for row in table.rows] == ["sure", "open: over 5.0%"]


def test_a_point_may_have_enough_trials_or_too_many_though_its_own_interval_is_wide() -> None:
    enough = replace(status(lr=0.1), interval=ends(1.0, 0.06))
    given_up = replace(enough, planned=6)
    table, _, note = blocks([enough, given_up], RULE)
    assert isinstance(table, Table)
    assert [_state(row) for row in table.rows] == ["enough", "given up after 6"]
    assert isinstance(note, Note)


def test_a_single_point_is_named_by_model_and_batch() -> None:
    (table,) = (block for block in blocks([status()], RULE) if isinstance(block, Table))
    assert [column.name for column in table.columns if column.is_key] == ["model", "batch_size", "target"]


def _state(row: Row) -> object:
    return row.values["state"]
