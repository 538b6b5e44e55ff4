"""Draw the rooms of the project and the imports between them, and list what breaks a rule: `python -m tests.rooms`.

A room is a folder or a loose module directly under `farm/` or `workers/`. Every import counts, those inside functions
and those for type checkers alone too. The order of the rooms stands here once; imports run from later rooms to earlier
ones only, so there is no circle. Exit status 1: a rule is broken.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
#: The rooms of each package, from the bottom to the top.
ORDERS: Mapping[str, tuple[str, ...]] = {
    "farm": (
        *("marks", "model", "settings", "energy", "load", "sweeps", "store", "analysis", "report", "spec", "kinds"),
        *("studies", "exchange", "scheduling", "cli", "__main__"),
    ),
    "workers": ("meters", "simulator", "trial", "kinds", "supervisor", "agent", "commands"),
}
MOST_ROOMS, MOST_ARROWS, MOST_LOOSE = 16, 40, 3  #: of `farm`
MOST_LINES, MOST_FUNCTION_LINES = 400, 40  #: of a file; of a function, without its signature and docstring
#: What `workers` may import of `farm`: these rooms, and this module.
SHARED_ROOMS = {"marks", "model", "settings", "energy", "load", "store"}
SHARED_MODULES = {"farm", "farm.scheduling.broker"}
#: The rooms that know the kinds of measurement by name.
KIND_ROOMS = ("farm/kinds", "workers/kinds")


@dataclass(frozen=True)
class Import:
    """One module that imports another."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@dataclass(frozen=True)
class Source:
    """A parsed file of the project."""

    path: Path  #: from the project's root
    lines: int
    tree: ast.Module


def room_of(module: str) -> tuple[str, str]:
    """The package and the room of a module; the room of a package itself is empty."""
    package, _, rest = module.partition(".")
    return package, rest.partition(".")[0]


def read_imports() -> list[Import]:
    """Find every import of the project between modules of its own."""
    graph = grimp.build_graph(*ORDERS, cache_dir=None)
    return [
        Import(importer, imported, graph.get_import_details(importer=importer, imported=imported)[0]["line_number"])
        for importer in sorted(graph.modules)
        for imported in sorted(graph.find_modules_directly_imported_by(importer))
    ]


def read_sources() -> list[Source]:
    """Parse every file of the project's packages."""
    paths = sorted(path for package in ORDERS for path in (ROOT / package).rglob("*.py"))
    texts = [(path, path.read_text(encoding="utf-8")) for path in paths]
    return [Source(path.relative_to(ROOT), len(text.splitlines()), ast.parse(text)) for path, text in texts]


def between_rooms(imports: list[Import], package: str) -> dict[tuple[str, str], list[Import]]:
    """The imports that make each arrow from one room of a package to another."""
    arrows = defaultdict(list)
    for one in imports:
        (home, importer), (abroad, imported) = room_of(one.importer), room_of(one.imported)
        if home == abroad == package and importer and imported and importer != imported:
            arrows[importer, imported].append(one)
    return arrows


def draw(sources: list[Source], arrows: Mapping[tuple[str, str], list[Import]], package: str) -> Iterator[str]:
    """A line for each room, from the top down: its size, and the rooms that it imports."""
    files, lines = Counter[str](), Counter[str]()
    for source in sources:
        if source.path.parts[0] == package and len(source.path.parts) + (source.path.stem != "__init__") > 2:
            room = source.path.parts[1].removesuffix(".py")
            files[room] += 1
            lines[room] += source.lines
    order = ORDERS[package]
    rooms = sorted(files, key=lambda room: -order.index(room) if room in order else 1)
    yield f"{package + '/':<13}files  lines  imports"
    for room in rooms:
        down = [to for to in reversed(rooms) if (room, to) in arrows]
        yield f"  {room:<11}{files[room]:>5}{lines[room]:>7}  {' '.join(down)}"
    yield f"  {len(rooms)} rooms, {len(arrows)} arrows\n"


def broken_shape(rooms: set[str], arrows: Mapping[tuple[str, str], list[Import]], package: str) -> Iterator[str]:
    """Rooms without a place in the order, arrows that run up, and too many of either."""
    order = ORDERS[package]
    for room in sorted(rooms.difference(order)):
        yield f"{package}/{room} has no place in the order of rooms"
    for (importer, imported), imports in sorted(arrows.items()):
        if importer in order and imported in order and order.index(importer) < order.index(imported):
            yield f"{importer} is below {imported}, but " + "; ".join(map(str, imports))
    loose = sorted(room for room in rooms if (ROOT / package / f"{room}.py").exists())
    if package == "farm":
        counts = (
            (len(rooms), MOST_ROOMS, "rooms"),
            (len(arrows), MOST_ARROWS, "arrows"),
            (len(loose), MOST_LOOSE, f"loose modules ({', '.join(loose)})"),
        )
        yield from (
            f"farm has {count} {what}, at most {most} are allowed" for count, most, what in counts if count > most
        )


def broken_border(imports: list[Import]) -> Iterator[str]:
    """Imports across the border between `farm` and `workers`."""
    for one in imports:
        (home, _), (abroad, room) = room_of(one.importer), room_of(one.imported)
        is_shared = room in SHARED_ROOMS or one.imported in SHARED_MODULES
        if home != abroad and not (home == "workers" and is_shared):
            yield f"{one}, which {home} must not"


def broken_sizes(source: Source) -> Iterator[str]:
    """Files and functions that are too long."""
    if source.lines > MOST_LINES:
        yield f"{source.path} has {source.lines} lines, at most {MOST_LINES} are allowed"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = _lines(body[0], body[-1]) if body else 0
            if lines > MOST_FUNCTION_LINES:
                yield f"{source.path}:{node.lineno} {node.name} has {lines} lines, at most {MOST_FUNCTION_LINES}"


def _lines(first: ast.stmt, last: ast.stmt) -> int:
    return (last.end_lineno or last.lineno) - first.lineno + 1


def broken_kinds(source: Source, kinds: set[str]) -> Iterator[str]:
    """Comparisons with the name of a kind, and lists of such names, where no kind is to be known by name."""
    if source.path.as_posix().startswith(KIND_ROOMS):
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.Compare():
                named, least = [node.left, *node.comparators], 1
            case ast.MatchValue():
                named, least = [node.value], 1
            case ast.Tuple() | ast.List() | ast.Set():
                named, least = node.elts, 2
            case ast.Dict():
                named, least = [key for key in node.keys if key], 2
            case _:
                continue
        found = [part.value for part in named if isinstance(part, ast.Constant) and part.value in kinds]
        if len(found) >= least:
            yield f"{source.path}:{node.lineno} knows a kind by its name: {', '.join(map(str, found))}"


def main() -> int:
    """Print the rooms and what breaks a rule; returns the exit status."""
    imports, sources = read_imports(), read_sources()
    broken: list[str] = []
    for package in ORDERS:
        arrows = between_rooms(imports, package)
        rooms = {path.name.removesuffix(".py") for path in (ROOT / package).iterdir() if _is_room(path)}
        print("\n".join(draw(sources, arrows, package)))
        broken += broken_shape(rooms, arrows, package)
    broken += broken_border(imports)
    kinds = {path.name for room in KIND_ROOMS for path in (ROOT / room).iterdir() if (path / "__init__.py").exists()}
    for source in sources:
        broken += [*broken_sizes(source), *broken_kinds(source, kinds)]
    print("\n".join([f"{len(broken)} rules are broken", *broken]) if broken else "no rule is broken")
    return 1 if broken else 0


def _is_room(path: Path) -> bool:
    return (path.suffix == ".py" and path.stem != "__init__") or any(path.glob("*.py"))


if __name__ == "__main__":
    sys.exit(main())
