"""The rules of the code base, checked on the source: allowed imports, file sizes, and what README promises.

Every rule here is enforced.
"""

import ast
import functools
import re
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("nexus", "providers", "tools", "tests") for path in (ROOT / folder).rglob("*.py"))
HOUSE = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in ("nexus", "providers")]
MOST_LINES = {"nexus": 300, "providers": 300, "tools": 400, "tests": 800}
"""By folder; tables of named cases belong together."""


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return f"nexus.{name}" if under(name, "providers") else name


# The formatter puts each statement on its own lines; text in a string that looks like one counts too.
_IMPORT = re.compile(r"^[ \t]*((?:from [\w.]+ )?import (?:\([^)]*\)|[^\n]*))", re.MULTILINE)


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, including imports for the type checker only."""
    return tuple(_imports(ast.parse("\n".join(_IMPORT.findall(path.read_text())))))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if is_module(name) else node.module for name in names)


@functools.cache
def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def under(name: str, *roots: str) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)


# From the bottom up: a room may import itself, its own line and what stands before it.
LAYERS: list[tuple[str, ...]] = [
    ("nexus.dataclasses", "nexus.late"),
    ("nexus.headers",),
    ("nexus.errors", "nexus.wire", "nexus.cancel", "nexus.daemon", "nexus.renewal"),
    ("nexus.shared", "nexus.processes"),
    ("nexus.conversation",),
    ("nexus.models", "nexus.upstream"),
    ("nexus.protocols",),
    ("nexus.settings",),
    ("nexus.auth", "nexus.limits"),
    ("nexus.provider",),
    ("nexus.call",),
    ("nexus.accounting",),
    ("nexus.response_store", "nexus.telemetry"),
    ("nexus.relay",),
    ("nexus.gateway",),
    ("nexus.server",),
    ("nexus.cli", "nexus.__main__"),
]


KNOWN_TO = {
    "tornado": ("nexus.server", "nexus.cli", "nexus.__main__"),
    "asyncio": ("nexus.server", "nexus.cli.smoke"),
    # The registry, by name alone.
    "nexus.providers": ("nexus.providers",),
}

KNOWN_TO_PROVIDERS = (
    *("nexus.provider", "nexus.protocols", "nexus.settings"),
    *("nexus.upstream.request", "nexus.upstream.network_errors"),
    *("nexus.errors", "nexus.wire", "nexus.cancel", "nexus.renewal", "nexus.conversation"),
    *("nexus.models", "nexus.headers", "nexus.shared"),
    *("nexus.dataclasses", "nexus.late"),
)


@functools.cache
def layer(module: str) -> int | None:
    return next((number for number, roots in enumerate(LAYERS) if under(module, *roots)), None)


def house_imports() -> Iterator[tuple[str, str]]:
    """Each module with each other module that it imports."""
    for path in HOUSE:
        yield from ((module_of(path), name) for name in imports(path))


class TestImports:
    """Each law names the imports that break it."""

    def test_imports_point_down(self) -> None:
        homeless = {module_of(path) for path in HOUSE if layer(module_of(path)) is None}
        assert {module for module in homeless if not under(module, "nexus.providers")} == {"nexus"}
        wrong = []
        for module, name in house_imports():
            mine, theirs = layer(module), layer(name)
            if mine is not None and under(name, "nexus") and name != "nexus" and (theirs is None or theirs > mine):
                wrong.append((module, name))
        assert wrong == []

    @pytest.mark.parametrize("library, rooms", KNOWN_TO.items(), ids=KNOWN_TO)
    def test_some_modules_are_imported_from_few_places_only(self, library: str, rooms: tuple[str, ...]) -> None:
        assert [(m, name) for m, name in house_imports() if under(name, library) and not under(m, *rooms)] == []

    def test_a_provider_imports_no_other_provider_and_little_of_nexus(self) -> None:
        for module, name in house_imports():
            if under(module, "nexus.providers") and module != "nexus.providers" and under(name, "nexus"):
                own = ".".join(module.split(".")[:3])
                assert name == "nexus" or under(name, own, *KNOWN_TO_PROVIDERS), f"{module} imports {name}"

    def test_a_dialect_does_no_io_and_imports_no_other_dialect(self) -> None:
        dialects = {file.parent.name for file in (ROOT / "nexus/protocols").glob("*/codec.py")}
        for module, name in house_imports():
            if not under(module, "nexus.protocols"):
                continue
            own, parts = module.split(".")[2:3], name.split(".")
            assert not under(name, "socket", "threading", "requests", "urllib3", "logging", "time", "random", "os")
            assert not under(name, "nexus.upstream") or name == "nexus.upstream.request", f"{module} imports {name}"
            if under(name, "nexus.protocols") and len(parts) > 2 and parts[2] in dialects:
                assert parts[2:3] == own, f"{module} imports {name}"


def test_there_are_no_import_cycles() -> None:
    """Every module can be loaded after those that it imports."""
    graph = {module_of(path): set(imports(path)) - {module_of(path)} for path in SOURCES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_the_bridge_imports_only_the_standard_library() -> None:
    names = [name.split(".")[0] for name in imports(ROOT / "nexus/server/bridge.py")]
    assert set(names) <= sys.stdlib_module_names


def test_only_our_own_dataclasses_are_used() -> None:
    """Those of the standard library take ten times as long to create."""
    foreign = re.compile(r"^(from|import) dataclasses\b", re.M)
    assert [path for path in HOUSE if foreign.search(path.read_text())] == []


def test_files_are_small_and_have_a_docstring() -> None:
    lines = {path.relative_to(ROOT): path.read_text().count("\n") for path in SOURCES}
    assert [(path, many) for path, many in lines.items() if many > MOST_LINES[path.parts[0]]] == []
    assert [path for path in SOURCES if not re.match(r'"""\S', path.read_text())] == []


def test_providers_have_one_import_name() -> None:
    assert [module_of(path) for path in SOURCES if any(under(name, "providers") for name in imports(path))] == []


def test_no_exception_is_swallowed() -> None:
    """Nor is anything printed: ruff's T20 sees to that."""
    swallowed = re.compile(r"^ *except\b[^:]*:[^\n]*\n(?: *#[^\n]*\n)* *pass\b", re.M)
    assert [path for path in HOUSE if swallowed.search(path.read_text())] == []


def test_no_possessive_group_can_fail_halfway() -> None:
    """Before Python 3.11.5 it keeps half of its last repetition (CPython issue 106052), and Debian 12 has 3.11.2. Only
    escapes in strings and anything in valid JSON cannot; other groups are atomic."""
    possessive, escapes = re.compile(r"\(\?:.*\)[*+?]\+"), r'(?:\\.[^"\\]*+)*+'
    found = {path.name for path in SOURCES if possessive.search(path.read_text().replace(escapes, ""))}
    assert found == {"raw_json.py"}


class TestReadme:
    README = (ROOT / "README.rst").read_text() if (ROOT / "README.rst").exists() else ""
    HOUSE = (ROOT / "docs/architecture.rst").read_text() if (ROOT / "docs/architecture.rst").exists() else ""

    def test_its_test_command_matches_ci(self) -> None:
        command = "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/python -m pytest"
        assert [line.strip() for line in self.README.splitlines()].count(command) == 1
        assert (ROOT / ".ci/run").read_text().splitlines().count(command) == 1

    def test_its_run_command_is_present(self) -> None:
        assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/python -m nexus" in self.README

    def test_every_source_folder_is_documented(self) -> None:
        for folder in (ROOT / "nexus").iterdir():
            if folder.is_dir() and (folder / "__init__.py").exists():
                assert re.search(rf"\b{folder.name}/", self.HOUSE), f"{folder.name}/ is not in docs/architecture.rst"
