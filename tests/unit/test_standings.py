"""What `farm status SWEEP` says of each point."""

from rich.text import Text

from farm.analysis.stopping import PointStatus
from farm.model import StoppingRule
from farm.scheduling.status.points import below
from tests.factories import job_spec
from tests.summaries import ends, rendered, widest

RULE = StoppingRule(min=2, max=6, target=0.05)


def status(is_open: bool = False, **point: str | int | float) -> PointStatus:
    spec = job_spec(point={"model": "simple_cnn", "batch_size": 128, "epochs": 5, **point})
    return PointStatus(spec, planned=3, valid=3, interval=ends(1.0, 0.02), is_open=is_open)


def lines(*points: PointStatus) -> list[list[str]]:
    text = rendered(below(Text("status"), points, RULE))
    assert widest(text) <= 80
    return [line.split() for line in text.splitlines()]


def test_points_are_told_apart_by_what_varies() -> None:
    shown = lines(status(lr=0.1), status(lr=0.2, is_open=True))
    assert ["model", "batch", "lr", "target", "valid", "planned", "net", "±"] in shown
    assert ["simple_cnn", "128", "0.1", "any", "3", "3", "2.0%", "sure"] in shown
    assert ["simple_cnn", "128", "0.2", "any", "3", "3", "2.0%", "open:", "over", "5.0%"] in shown


def test_a_single_point_is_named_by_model_and_batch() -> None:
    assert ["model", "batch", "target", "valid", "planned", "net", "±"] in lines(status())
