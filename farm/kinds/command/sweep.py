"""Sweeps of kind command: a command line, and factors that the user names."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from farm.kinds import factors
from farm.kinds.factors import Many
from farm.model import SEARCH_FACTORS, Baseline
from farm.model.commands import ENV, placeholders
from farm.model.suggestions import suggestion
from farm.spec import EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Sweep
from farm.spec.factors import Levels, OpenFactors
from farm.spec.models import Measure
from farm.spec.positions import Loc
from farm.spec.types import Expected, IdlePower, PositiveInt, Switch, integer, matching, path_or, problem, refuse, same

#: Names of what is known of a trial besides its factors.
RESERVED = frozenset(
    {
        *("device", "machine", "hardware_class", "environment", "sweep", "repetition", "job", "trial", "domain"),
        *("quality", "simulated", "imported", "unit", "rating", "window", *SEARCH_FACTORS),
    }
)
_FACTOR = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def _is_template(template: str) -> str:
    try:
        placeholders(template)
    except ValueError as error:
        raise problem(str(error)) from None
    return template


def _folder(path: Path) -> str | None:
    return None if path.is_dir() else "no such folder on this machine"


Command = Annotated[
    str,
    matching(r"^[^\x00-\x1f\x7f]{1,4000}$"),
    Expected("a command line such as python train.py --lr {lr}"),
    AfterValidator(_is_template),
]
Folder = Annotated[
    str,
    matching(r"^.{1,4000}$"),
    path_or(find_problem=_folder),
    Expected("the path of a folder such as ./project"),
]
Unit = Annotated[str, matching(r"^[A-Za-z][A-Za-z0-9_-]{0,39}$"), Expected("one word such as image")]


class CommandOf(OpenFactors):
    """A program with its command line; each further key with a list is a factor, for a placeholder in braces."""

    command: Many[Command] = Field(description="command line; {factor} is replaced by a level of that factor")
    shell: Many[Switch] = Field((False,), description="give the line to /bin/sh; otherwise no shell reads it")
    cwd: Many[Folder] = Field((".",), description="folder in which the program runs", validate_default=True)
    env: dict[str, Levels] = Field(
        default_factory=dict, description="environment variables of the program; a list is a factor named env_VARIABLE"
    )
    device: Many[factors.Device] = factors.DEVICE
    unit: Many[Unit] = Field(("run",), description="what the program does again and again; default: one run")
    units: Many[PositiveInt | None] = Field(
        (None,), description="units of one run; null: the program counts them in its marks"
    )
    warmup_runs: Many[Annotated[int, integer(0, 1000), Expected("an integer, 0 or more")]] = Field(
        (0,), description="runs before the one that is measured"
    )

    @property
    def levels(self) -> Mapping[str, tuple[Any, ...]]:
        """Levels of each factor; one of env is named env_VARIABLE."""
        own = {name: levels for name, levels in self if name != "env"}
        return own | {ENV + name: levels for name, levels in self.env.items()}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        free = self.__pydantic_extra__ or {}
        used = [name for template in self.command for name in placeholders(template)]
        known = same(*self.levels)
        problems: list[tuple[Loc, str]] = []
        for index, template in enumerate(self.command):
            for name in placeholders(template):
                if name not in known:
                    hint = suggestion(name, known) or f": add `{name}:` with its levels beside the command"
                    problems.append((("command", index), f"{{{name}}} stands for no factor{hint}"))
        for name in free:
            if not _FACTOR.fullmatch(name):
                problems.append(((name,), "expected a name of letters, digits and _"))
            elif name in RESERVED:
                problems.append(((name,), "trials have something else of that name: choose another"))
            elif name not in used:
                declared = same(*type(self).model_fields, *used)
                hint = suggestion(name, declared) or f": add {{{name}}} to it, or remove the key"
                problems.append(((name,), f"no placeholder of the command stands for it{hint}"))
        problems += [
            (("env", name), "expected a name of letters, digits and _")
            for name in self.env
            if not _VARIABLE.fullmatch(name)
        ]
        refuse(problems)
        return self


class CommandMeasure(Measure):
    """Settings of a trial's measurement; nothing is loaded before the program runs, so the idle is the bare one."""

    baseline: IdlePower = Field(Baseline.BARE, description="idle power that net energy subtracts: bare or context")


class CommandSweep(Sweep):
    """Sweep that runs a program."""

    kind: Literal["command"] = KIND
    workload: CommandOf = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(CommandOf)] = EXCLUDE
    measure: CommandMeasure = Field(default_factory=CommandMeasure, description="how a trial measures")
