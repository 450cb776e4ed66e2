"""Figures of a checkout: packages, circles of imports, names that were retired, untyped returns, lines of code.

python -m tests.house [CHECKOUT]
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np

PACKAGE = "akkordeon_dask"
RETIRED = {
    "part": """anew asking bookmark diary glance glances hear heard heed heeds judge judges keeper lives look looks
        making meets mend mender mending mends place places scribe tell telling tells tidy told unsaid untold wish
        wishes""",
    "name": """ActorThread Board Calling Core Driver Drawn Effort Embedded Feed GateCore GateFigures GateLife GateMeter
        GateStatus Gone Guest Held Keeping Known LeaveFirst Leaving Ledger Line Lines Meter Monitor NetworkRecord
        PassPosition Party Progress Quiet Rating Reporting Reports Resident SHOWCASES SentinelCore SentinelLife
        SentinelStatus Showcase Single Steering Tally Termination ThreadFeed ThreadedActor Trouble Wake Work
        acquire_compute at_home check_whole check_word claims_on hand_back hand_over keeping_of knows_opening let_go
        meet_nanny named_now patiently say_deployed say_up under_way with_claims workers_of _apart _aside _assist""",
    "file": """_announce _attached _board _calling _cells _control _curves _deadline _drawing _driver _effort
        _ending _exposition _feed _fetch _figures _gate_core _gate_life _handover _joining _known _leaving _ledger
        _meter _moving _notation _owning _parties _patience _publication _rating _reporting _sentinel_core
        _sentinel_life _stay _steering _steps _sums _tally _trace _values _warn _where""",
}
"""Words that no name has among its parts, whole names, and names of files. `placement` has no part `place`."""

PARTS, NAMES, FILES = (frozenset(words.split()) for words in RETIRED.values())


@cache
def parsed(path: Path) -> ast.Module:
    text = path.read_text(encoding="utf-8")
    try:
        return ast.parse(text)
    except SystemError:  # Python 3.11 counts the depth of trees that two threads make at once together (gh-106905)
        return ast.parse(text)


def modules(root: Path) -> dict[str, Path]:
    """The modules of the package by their dotted names; a package stands for its `__init__`."""
    paths = sorted((root / PACKAGE).rglob("*.py"))
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imports(files: dict[str, Path]) -> dict[str, set[str]]:
    """Whom each module imports, inside functions and for type checkers too; a re-exported name leads to its module."""
    exported = {
        (name, alias.asname or alias.name): node.module
        for name, path in files.items()
        if path.name == "__init__.py"
        for node in parsed(path).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    def target(module: str, name: str) -> str:
        if f"{module}.{name}" in files:
            return f"{module}.{name}"
        return target(exported[module, name], name) if (module, name) in exported else module

    found: dict[str, set[str]] = {}
    for name, path in files.items():
        nodes = list(ast.walk(parsed(path)))
        froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
        named = {target(node.module or "", one.name) for node in froms for one in node.names}
        plain = {one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
        found[name] = (named | plain) & files.keys() - {name}
    return found


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Sets of nodes that all reach each other."""
    reach = {node: set(targets) for node, targets in graph.items()}
    for via in graph:
        for node in graph:
            if via in reach[node]:
                reach[node] |= reach[via]
    return sorted({frozenset(a for a in reach[b] if b in reach[a]) for b in reach} - {frozenset()}, key=sorted)


def levels(graph: dict[str, set[str]]) -> int:
    """The length of the longest chain of imports; a circle counts as one node."""
    of = {node: frozenset({node}) for node in graph} | {node: one for one in circles(graph) for node in one}

    @cache
    def depth(group: frozenset[str]) -> int:
        return 1 + max((depth(of[other]) for node in group for other in graph[node] if of[other] != group), default=0)

    return max(map(depth, of.values()), default=0)


def rooms(package: str, graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The imports among the files and the subpackages of a package, each subpackage as one node."""

    def room(module: str) -> str:
        return module.removeprefix(f"{package}.").partition(".")[0] if module.startswith(f"{package}.") else ""

    found: dict[str, set[str]] = {room(module): set() for module in graph if room(module)}
    for module, targets in graph.items():
        if room(module):
            found[room(module)] |= {room(other) for other in targets} - {room(module), ""}
    return found


def definitions(path: Path) -> Iterator[tuple[int, str]]:
    """The names that a file defines: its own, of classes, functions, parameters, attributes and variables."""
    yield 0, path.stem
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr if isinstance(node, ast.Attribute) else node.id


def retired(root: Path) -> list[str]:
    """Where a retired name is defined, or one with a retired word."""
    return [
        f"{path.relative_to(root)}:{line}: {name}"
        for path in modules(root).values()
        for line, name in definitions(path)
        if name in (NAMES if line else NAMES | FILES)
        or PARTS & {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    ]


def says_any(annotation: ast.expr | None) -> bool:
    """Whether whoever calls has an `Any` in hand: as it is, in a union, awaited or called; what a dict holds is not."""
    match annotation:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name == "Any"
        case ast.BinOp(left=left, right=right):
            return says_any(left) or says_any(right)
        case ast.Subscript(value=ast.Name(id="Awaitable" | "Callable" | "Coroutine" | "Future"), slice=inner):
            return says_any(inner.elts[-1] if isinstance(inner, ast.Tuple) else inner)
    return annotation is None


def untyped(root: Path) -> list[str]:
    """Public functions, and public methods of public classes, that return `Any` or have no return type."""
    found = []
    for path in modules(root).values():
        public = [node for node in parsed(path).body if not getattr(node, "name", "_").startswith("_")]
        inner = chain.from_iterable(node.body for node in public if isinstance(node, ast.ClassDef))
        for node in chain(public, inner):
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
            if function and says_any(node.returns):
                found.append(f"{path.relative_to(root)}:{node.lineno}: {node.name}")
    return found


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def code_lines(path: Path) -> set[int]:
    """The lines with code: not blank, no comment, no docstring, nor any other string that stands alone."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    text = path.read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {line for t in tokens if t.type not in skipped for line in range(t.start[0], t.end[0] + 1)}
    texts = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Expr) and is_text(node.value)]
    return lines - {line for node in texts for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def lengths(root: Path) -> list[int]:
    """The lines of code of each function of the package."""
    found = []
    for path in modules(root).values():
        lines = code_lines(path)
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.append(sum(line in lines for line in range(node.lineno, (node.end_lineno or 0) + 1)))
    return found


def main(root: Path) -> None:
    files = modules(root)
    graph = imports(files)
    print(f"{'package':34} {'files':>5} {'rooms':>5} {'levels':>6} {'circles':>7}")
    for package in (name for name, path in files.items() if path.name == "__init__.py"):
        inside = {name: graph[name] for name in files if f"{name}.".startswith(f"{package}.")}
        inside = {name: targets & inside.keys() for name, targets in inside.items()}
        figures = len(inside), len(rooms(package, graph)), levels(rooms(package, graph)), len(circles(inside))
        print("{:34} {:5} {:5} {:6} {:7}".format(package, *figures))
    for circle in circles(graph):
        print("circle:", *sorted(name.removeprefix(f"{PACKAGE}.") for name in circle))
    for label, found in (("retired names", retired(root)), ("`Any` among public returns", untyped(root))):
        print(f"{label}: {len(found)}", *found, sep="\n  ")
    for folder in (PACKAGE, "tests"):
        print(f"lines of code in {folder}: {sum(len(code_lines(path)) for path in (root / folder).rglob('*.py'))}")
    print(
        "lines of a function, percentiles 50 90 99 100:", *np.percentile(lengths(root), [50, 90, 99, 100]).astype(int)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve())
