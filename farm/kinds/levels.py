"""The networks and data sets that may stand in a sweep, with what is published of them; for people who choose."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from farm.kinds.registry import kinds
from farm.model.catalog import DATASETS, NETWORKS, Accuracy
from farm.model.conditions import matches
from farm.model.errors import InputError
from farm.model.suggestions import suggestion
from farm.report.document import Block, Column, Document, Form, Note, Row, Table, key
from farm.spec.types import Among, PathOr, annotations

#: A note that names more is hard to read.
MOST_NAMED = 8


def named(factor: str) -> Mapping[str, tuple[str, ...]]:
    """Return the names that a factor may have, each with the kinds that take it."""
    found: dict[str, list[str]] = defaultdict(list)
    for kind in kinds():
        field = kind.factors.get(factor)
        types: tuple[type[Any], ...] = (Among, PathOr)
        for names in (one for of in types for one in annotations(field.annotation if field else None, of)):
            for name in names.words if isinstance(names, PathOr) else names.options:
                found[name].append(kind.name)
    return {name: tuple(takers) for name, takers in found.items()}


def models(pattern: str | None = None) -> Document:
    """List the networks whose names contain or match a pattern; raises InputError where there is none."""
    columns = [
        key("model", "network"),
        Column("year", "year", Form.TEXT),
        Column("parameters", "parameters\n(millions)", scale=1e-6),
        Column("gflops", "GFLOPs\nan image"),
        Column("top1_percent", "top-1 %\ndefault"),
        Column("top1_v1_percent", "top-1 %\nfirst"),
    ]
    notes = [
        Note("top-1: accuracy on ImageNet of torchvision's default weights, and of those of the first recipe"),
        Note("a network of your own is named package.module:Class"),
    ]
    return _listed("model", "network", pattern, columns, _network, notes)


def datasets(pattern: str | None = None) -> Document:
    """List the data sets whose names contain or match a pattern; raises InputError where there is none."""
    columns = [
        key("dataset", "data set"),
        Column("train_images", "training\nimages", Form.COUNT),
        Column("validation_images", "validation\nimages", Form.COUNT),
        Column("shape", "shape", Form.TEXT),
        Column("classes", "classes", Form.COUNT),
        Column("origin", "comes from", Form.TEXT),
    ]
    notes = [
        Note("torchvision's are downloaded where they are missing"),
        Note("images of your own are named by the path of a folder that has a folder for each class"),
    ]
    return _listed("dataset", "data set", pattern, columns, _dataset, notes)


def _listed(
    factor: str, what: str, pattern: str | None, columns: list[Column], facts: Any, notes: list[Note]
) -> Document:
    known = named(factor)
    wanted = pattern if pattern is None or "*" in pattern or "?" in pattern else f"*{pattern}*"
    chosen = [name for name in known if wanted is None or matches(name, wanted)]
    if not chosen:
        likely = suggestion(pattern, {name: name for name in known})
        raise InputError(f"no {what} is called {pattern!r}{likely}: `farm {factor}s` lists all")
    rows = [{factor: name, **facts(name)} for name in chosen]
    blocks: list[Block] = [Table(columns, [Row(row) for row in rows], is_flat=True)]
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in chosen:
        groups[known[name]].append(name)
    for takers, own in sorted(groups.items(), key=lambda group: len(group[1])):
        who = f"{', '.join(own) if len(own) <= MOST_NAMED else f'the {len(own)} others'}: " if len(groups) > 1 else ""
        notes.append(Note(f"{who}for kind{'s' if len(takers) > 1 else ''} {', '.join(takers)}"))
    return Document([*blocks, *notes], record=[{**row, "kinds": list(known[row[factor]])} for row in rows])


def _network(name: str) -> dict[str, Any]:
    found = NETWORKS.get(name)
    if found is None:  # its layers, and so its parameters, depend on other factors
        return dict.fromkeys(("year", "parameters", "gflops", "top1_percent", "top1_v1_percent"))
    return {
        "year": found.year,
        "parameters": found.parameters,
        "gflops": found.gflops,
        "top1_percent": found.top1_percent.get(Accuracy.DEFAULT),
        "top1_v1_percent": found.top1_percent.get(Accuracy.V1),
    }


def _dataset(name: str) -> dict[str, Any]:
    found = DATASETS.get(name)
    if found is None:
        return dict.fromkeys(("train_images", "validation_images", "shape", "classes", "origin"))
    return {
        "train_images": found.train,
        "validation_images": found.validation,
        "shape": "x".join(map(str, found.shape)),
        "classes": found.classes,
        "origin": found.origin,
    }
