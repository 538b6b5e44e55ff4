"""Golden files: the whole text of a view stands in one file, and no other test repeats its wording."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"
#: Set by `pytest --update-golden`; an environment variable reaches every process of a parallel run.
UPDATE = "WATTFARM_UPDATE_GOLDEN"


def assert_golden(name: str, text: str) -> None:
    """Compare a text with its golden file, or write that file under `pytest --update-golden`.

    Args:
        name: The name of the file in tests/golden/, with its suffix.
        text: What the program printed.
    """
    path = FOLDER / name
    if os.environ.get(UPDATE):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path} is missing: run `pytest --update-golden`"
    assert text == path.read_text(), f"{name} has changed: if that is intended, run `pytest --update-golden`"
