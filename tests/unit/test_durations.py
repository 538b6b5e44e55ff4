import pytest

from farm.load.policy import Policy
from farm.model.durations import duration_s, seconds, share, span
from farm.model.errors import InputError


@pytest.mark.parametrize(
    ("text", "value_s"),
    [
        ("20ms", 0.02),
        ("250us", 0.00025),
        ("1.5 s", 1.5),
        (" 0.5s ", 0.5),
        ("10m", 600),
        ("10min", 600),
        ("10 min", 600),
        ("2h", 7200),
        (".5h", 1800),
        ("0s", 0),
    ],
)
def test_a_duration_has_a_unit(text: str, value_s: float) -> None:
    assert seconds(text) == pytest.approx(value_s)


@pytest.mark.parametrize("text", ["50", "-1s", "1e3s", "fast", "", "ms", "1 day", "٣s", "10M"])
def test_other_texts_are_no_durations(text: str) -> None:
    assert seconds(text) is None
    with pytest.raises(InputError, match="x: expected a duration above 0 such as 50ms"):
        duration_s(text, "x")


def test_one_duration_is_spelt_in_one_way() -> None:
    assert str(Policy.parse("timeout:8:0.5m")) == str(Policy.parse("timeout:8:0.5min")) == "timeout:8:30s"


@pytest.mark.parametrize(("text", "value"), [("2%", 0.02), ("0.7 %", 0.007), ("100%", 1.0), ("2", None), ("-1%", None)])
def test_shares(text: str, value: float | None) -> None:
    assert share(text) == value


@pytest.mark.parametrize(("value_s", "text"), [(59.4, "59 s"), (545, "9 min 05 s"), (3660, "1 h 01 min")])
def test_spans_have_two_units(value_s: float, text: str) -> None:
    assert span(value_s) == text
