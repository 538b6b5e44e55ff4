"""Sweep files: reading with the position of every error, their JSON Schema, and the ids of sweeps.

Functions take the models of all kinds by the names of the kinds; `farm.kinds` passes the installed ones.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias, Union, get_args

from pydantic import BaseModel, Field, RootModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from farm.model import SweepRecord, files
from farm.model.errors import SweepError
from farm.model.suggestions import suggestion
from farm.spec.models import KNOWN_KINDS, Sweep, profile_settings, stopping_rule
from farm.spec.positions import Document, Loc, Place, read
from farm.spec.types import PROBLEM, shown

#: 200 times the largest ready-made sweep; more takes seconds to read.
MAX_BYTES = 1 << 19
#: Finding what each unknown key was meant to be takes its time; a file with more of them is no sweep.
MAX_SUGGESTIONS = 20
#: The schema of the sweeps of each kind.
Models: TypeAlias = Mapping[str, type[Sweep]]


def load_sweep(path: Path, models: Models) -> Sweep:
    """Read a sweep file.

    Raises:
        SweepError: The file cannot be read, or is wrong; the error has a line for each problem.
    """
    try:
        data = files.read_bytes(path, MAX_BYTES)
    except OSError as error:
        raise SweepError([f"{path}: cannot be read: {error.strerror}"]) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = Place(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise SweepError([_line(str(path), place, "", "expected text in UTF-8")]) from None
    return parse_sweep(text, str(path), path.parent, models)


def parse_sweep(text: str, name: str, folder: Path, models: Models) -> Sweep:
    """Read a sweep from text.

    Args:
        text: The YAML.
        name: The name of the file in error messages.
        folder: The folder of relative paths in the sweep.
        models: The model of each kind.

    Raises:
        SweepError: The sweep is wrong; the error has a line for each problem, in the order of the text.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise SweepError([f"{name}: larger than {MAX_BYTES // 1024} KiB: not a sweep"])
    document = read(text)
    problems = [(problem.place, "", problem.text) for problem in document.problems]
    if document.value is None and problems:
        raise SweepError([_line(name, *problem) for problem in problems])
    if document.value is None:
        raise SweepError([_line(name, Place(1, 1), "", "expected name, kind and workload, got an empty file")])
    kind = document.value.get("kind") if isinstance(document.value, dict) else None
    model = models.get(kind, Sweep) if isinstance(kind, str) else Sweep
    context: dict[str, Any] = {"folder": str(folder.absolute())}
    if model is Sweep:
        context[KNOWN_KINDS] = list(models)
    try:
        sweep = model.model_validate(document.value, context=context)
    except ValidationError as error:
        known = {place for place, _, _ in problems}
        details = error.errors(include_url=False)
        if model is Sweep:
            details = [one for one in details if not _depends_on_kind(one, models)]
        problems += [found for found in _located(details, document, model) if found[0] not in known]
    if problems:
        raise SweepError([_line(name, *problem) for problem in sorted(dict.fromkeys(problems))])
    return sweep


def error_at(text: str, name: str, problems: Iterable[tuple[Loc, str]]) -> SweepError:
    """Return the error of problems that were found after a sweep was read from this text; they stand in its order."""
    document = read(text)
    located = ((_written(loc, document), problem) for loc, problem in problems)
    lines = sorted((document.places[loc], _field(loc), problem) for loc, problem in located)
    return SweepError([_line(name, *line) for line in lines])


def restored(record: SweepRecord, model: type[Sweep]) -> Sweep:
    """Return the submitted sweep from its record in the store."""
    return model.model_validate_json(record.meaning, context={"folder": "/"})


def _line(name: str, place: Place, field: str, text: str) -> str:
    return f"{name}:{place.line}:{place.column}: {field}{': ' if field else ''}{text}"


def _depends_on_kind(details: ErrorDetails, models: Models) -> bool:
    """Return True if only the kind, which is unknown, decides whether this is a problem."""
    section = details["loc"][0] if details["loc"] else ""
    is_a_kinds_own = any(section in model.model_fields for model in models.values())
    return section in {"workload", "exclude"} or (section not in Sweep.model_fields and is_a_kinds_own)


def _located(
    problems: Iterable[ErrorDetails], document: Document, sweep: type[Sweep]
) -> Iterator[tuple[Place, str, str]]:
    """Yield the place, the name of the field and the text of each problem that the schema found."""
    unknown = 0
    for details in problems:
        is_missing = details["type"] == "missing"
        loc = _written(details["loc"][:-1] if is_missing else details["loc"], document)
        if details["type"] == "extra_forbidden":
            text = "unknown key" if unknown >= MAX_SUGGESTIONS else _unknown_key(loc, sweep)
            unknown += 1
            yield document.keys[loc], _field(loc), text
        elif is_missing:
            place = document.keys.get(loc) or document.places[loc]
            yield place, _field((*loc, details["loc"][-1])), "required, but missing"
        else:
            yield document.places[loc], _field(loc), _wrong_value(details)


def _written(loc: Loc, document: Document) -> Loc:
    """Return the location in the text, without parts that a scalar or a short form leaves out."""
    written: Loc = ()
    for part in loc:
        if (*written, part) in document.places:
            written = (*written, part)
    return written


def _field(loc: Loc) -> str:
    """Return the name of a field, such as `workload.batch_size[2]`; an empty text for the whole file."""
    name = ""
    for part in loc:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            plain = part if re.fullmatch(r"[\w-]{1,60}", part) else shown(part)
            name += f".{plain}" if name else plain
    return name


def _unknown_key(loc: Loc, sweep: type[Sweep]) -> str:
    key, siblings = str(loc[-1]), _keys_beside(loc, sweep)
    likely = suggestion(key, {name: name for name in siblings})
    elsewhere = [name for name in sweep.model_fields if key in _keys_beside((name, key), sweep)]
    if likely:
        return f"unknown key{likely}"
    if elsewhere:
        return f"unknown key here: it belongs under {elsewhere[0]!r}"
    return f"unknown key: expected one of {', '.join(siblings)}"


def _keys_beside(loc: Loc, sweep: type[Sweep]) -> tuple[str, ...]:
    """Return the keys that may stand beside a key."""
    models: list[type[BaseModel]] = [sweep]
    for part in loc[:-1]:
        name = "workload" if part == "exclude" else part
        fields = [model.model_fields[name] for model in models if name in model.model_fields]
        if fields:  # else it is an index, or a name of the user's choice
            models = [held for field in fields for held in _models_in(field.annotation)]
    return tuple(dict.fromkeys(name for model in models for name in model.model_fields))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a field may hold; a root model is replaced by its content."""
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        yield from _models_in(annotation.model_fields["root"].annotation)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _wrong_value(details: ErrorDetails) -> str:
    if details["type"] == PROBLEM:
        return str(details["ctx"][PROBLEM])
    if details["type"] in {"model_type", "dict_type"}:
        return f"expected a mapping, got {shown(details['input'])}"
    return f"{details['msg']}, got {shown(details['input'])}"


def canonical(sweep: Sweep) -> str:
    """Return what a sweep measures as JSON, independent of layout, comments and order of keys and lists.

    The origin of the electricity is left out: grams follow from the joules, and need no new measurement.
    """
    meaning = sweep.model_dump(mode="json", exclude={"carbon"})
    meaning["measure"] = profile_settings(sweep.measure).model_dump(mode="json")
    for name in sweep.ordered:
        meaning[name] = json.dumps(meaning[name])
    meaning["repetitions"] = stopping_rule(sweep).model_dump(mode="json")
    return canonical_json(meaning)


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and sorted lists, since every list of a sweep is a set."""
    return json.dumps(_sorted(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def sweep_id(sweep: Sweep, generation: int = 1) -> str:
    """Return 12 hex digits of the meaning of a sweep; later generations end in `.2`, `.3`, ..."""
    digest = hashlib.sha256(canonical(sweep).encode()).hexdigest()[:12]
    return digest if generation == 1 else f"{digest}.{generation}"


def json_schema(models: Models) -> dict[str, Any]:
    """Return the JSON Schema of a sweep of any of these kinds, for editors."""
    any_kind: Any = Annotated[Union[*models.values()], Field(discriminator="kind")]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **TypeAdapter(any_kind).json_schema()}
