"""compose.yaml as a container engine reads it, for tests that have none."""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


def compose() -> dict[str, Any]:
    """The whole file; a variable that has a default has it, and `$$` is `$`."""
    return dict(_filled(YAML(typ="safe").load(ROOT / "compose.yaml")))


def service(name: str, stands_for: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a service, with what stands here for its hosts and folders."""
    found = compose()["services"][name]

    def here(text: object) -> str:
        made = str(text)
        for there, local in stands_for.items():
            made = made.replace(there, local)
        return made

    command = [here(word) for word in found["command"]]
    return command, {key: here(value) for key, value in found.get("environment", {}).items()}


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one) for one in value]
    if isinstance(value, str):
        return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value).replace("$$", "$")
    return value
