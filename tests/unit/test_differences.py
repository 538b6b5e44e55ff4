"""What two sweeps differ in, and how all sweeps are listed."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue

from farm.kinds import parse_sweep
from farm.kinds.differences import Side, differences
from farm.model import CarbonSource, JobState, Progress, SweepOverview, SweepRecord
from farm.model.reading import Unreadable
from farm.report.document import Paragraph, Table
from farm.report.terminal import text
from farm.scheduling.status import sweeps
from farm.spec import stopping_rule
from tests.contract.store_records import MACHINE, SWEEP, UTC_NOON, record
from tests.summaries import widest

SMALL = "name: demo\nkind: inference\nworkload: {model: [alexnet, vgg11]}\n"
OTHER = "0123456789ab"
TORCH: dict[str, JsonValue] = {"python": "3.11.7", "libraries": {"torch": "2.11", "numpy": "2.4"}}


def submitted(yaml: str, sweep_id: str = SWEEP, name: str = "demo", carbon: str | None = None) -> SweepRecord:
    sweep = parse_sweep(yaml, "sweep.yaml", Path("/lab"))
    return record(sweep_id, name).model_copy(
        update={
            "meaning": sweep.model_dump_json(exclude_unset=True),
            "rule": stopping_rule(sweep),
            "carbon": CarbonSource(country=carbon),
        }
    )


def test_settings_that_a_file_leaves_out_are_compared_by_their_defaults() -> None:
    one = Side(submitted(f"{SMALL}seed: 1\nrepetitions: {{min: 3, max: 30}}\n"), (TORCH,), (MACHINE,))
    other = Side(submitted(SMALL.replace("alexnet, vgg11", "vgg11, alexnet"), OTHER), (TORCH,), (MACHINE,))
    found = differences(one, other)
    assert found.json()["settings"] == [
        {"name": "workload.model", "values": [[["alexnet", "vgg11"]], [["vgg11", "alexnet"]]]}
    ]
    assert [block.text for block in found.blocks if isinstance(block, Paragraph)] == [
        "software: no difference",
        "machines: no difference",
    ]


@pytest.mark.parametrize("kind", ["inference", "import"])
@pytest.mark.parametrize("meaning", ["[]", "null", "[1]", "nonsense"])
def test_a_sweep_whose_settings_cannot_be_read_is_named(kind: str, meaning: str) -> None:
    broken = submitted(SMALL).model_copy(update={"kind": kind, "meaning": meaning})
    with pytest.raises(Unreadable, match=rf"sweep demo \({SWEEP}\) cannot be read: "):
        differences(Side(broken, (), ()), Side(submitted(SMALL, OTHER), (), ()))


def test_settings_software_and_machines_stand_side_by_side() -> None:
    newer: dict[str, JsonValue] = {"python": "3.11.7", "libraries": {"torch": "2.12", "numpy": "2.4"}}
    lab2 = MACHINE.model_copy(update={"id": "m2", "name": "lab2", "hardware": {"cores": 4, "gpu": None}})
    one = Side(submitted(f"{SMALL}exclude: {{model: vgg11}}\n", carbon="NLD"), (TORCH, newer), (MACHINE,))
    other = Side(submitted(f"{SMALL}measure: {{profile: quick}}\n", OTHER, "again", "DEU"), (newer,), (MACHINE, lab2))
    settings, software, machines = (block for block in differences(one, other).blocks if isinstance(block, Table))
    assert [column.heading for column in settings.columns] == ["settings", "demo", "again"]
    assert {"name": "exclude[0].model", "of_0": "vgg11", "of_1": None} in settings.records()
    assert {"name": "carbon.country", "of_0": "NLD", "of_1": "DEU"} in settings.records()
    assert {"name": "measure.profile", "of_0": "full", "of_1": "quick"} in settings.records()
    assert "seed" not in [row["name"] for row in settings.records()]
    assert software.records() == [{"name": "libraries.torch", "of_0": "2.11 / 2.12", "of_1": "2.12"}]
    assert machines.records() == [
        {"name": "name", "of_0": "lab1", "of_1": "lab1 / lab2"},
        {"name": "cores", "of_0": "2", "of_1": "2 / 4"},
    ]


def test_what_a_sweep_without_trials_would_run_on_is_unknown_not_different() -> None:
    found = differences(Side(submitted(SMALL), (TORCH,), (MACHINE,)), Side(submitted(SMALL, OTHER), (), ()))
    assert "software" not in found.json()
    assert text(found).splitlines() == [
        "settings: no difference",
        f"demo ({OTHER}) has no trial yet: software and machines are unknown",
    ]


def test_an_imported_sweep_is_compared_by_what_its_mapping_says() -> None:
    theirs = record(OTHER, "theirs").model_copy(
        update={"imported": True, "kind": "imported", "meaning": '{"unit": "image"}'}
    )
    found = differences(Side(submitted(SMALL), (TORCH,), (MACHINE,)), Side(theirs, (), ())).json()["settings"]
    assert {"name": "unit", "values": [[], ["image"]]} not in found
    assert {"name": "unit", "values": [None, ["image"]]} in found


def test_revisions_of_a_sweep_stand_together_and_many_machines_are_counted() -> None:
    def listed(name: str, sweep_id: str, hours: int, *machines: str, **counts: int) -> SweepOverview:
        progress = Progress({JobState(state): count for state, count in counts.items()})
        return SweepOverview(record(sweep_id, name, UTC_NOON + timedelta(hours=hours)), progress, machines)

    found = sweeps.overview(
        [
            listed("batching", "c", 3, queued=4),
            listed("layers", "b", 2, "m1", "m2", "m3", "m4", "m5", done=5, failed=1),
            listed("batching", "a", 1, "m1", done=2, cancelled=2),
        ]
    )
    table = found.blocks[0]
    assert isinstance(table, Table)
    assert [tuple(row[name] for name in ("id", "done", "state", "machines")) for row in table.records()] == [
        ("c", "0/4", "waiting", ""),
        ("a", "2/4", "cancelled", "m1"),
        ("b", "5/6", "1 failed", "m1, m2, m3 and 2 more"),
    ]
    assert [(row["sweep"], row["jobs"], row["is_over"]) for row in found.json()] == [
        ("c", 4, False),
        ("a", 4, True),
        ("b", 6, True),
    ]
    assert widest(text(found)) <= 80
    assert "no sweep was submitted yet" in text(sweeps.overview([]))
