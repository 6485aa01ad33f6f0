"""The laws of the house, read off the source: who may import whom, how large a file may be, what README promises.

A rule that stands here is not a wish.
"""

from __future__ import annotations

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
MOST_LINES = 400
MOST_LINES_OF_CASES = 800
"""For tests: tables of named cases belong together."""


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return f"nexus.{name}" if under(name, "providers") else name


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, for the type checker too."""
    return tuple(_imports(ast.parse(path.read_text())))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if is_module(name) else node.module for name in names)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def under(name: str, *roots: str) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)


# From the bottom up: a room may import itself, its own line and what stands before it.
LAYERS: list[tuple[str, ...]] = [
    ("nexus.headers",),
    (
        "nexus.errors",
        "nexus.failure",
        "nexus.wire",
        "nexus.piecewise",
        "nexus.cancel",
        "nexus.bridge",
        "nexus.breaker",
        "nexus.renewal",
    ),
    ("nexus.files", "nexus.operation", "nexus.shared", "nexus.upload", "nexus.processes", "nexus.tags"),
    ("nexus.conversation",),
    ("nexus.models", "nexus.upstream"),
    ("nexus.json_schema",),
    ("nexus.protocols",),
    ("nexus.registry", "nexus.settings"),
    ("nexus.auth", "nexus.limits", "nexus.credentials"),
    ("nexus.provider",),
    ("nexus.call",),
    ("nexus.accounting",),
    ("nexus.response_store", "nexus.telemetry"),
    ("nexus.relay",),
    ("nexus.gateway",),
    ("nexus.commands",),
    ("nexus.server",),
    ("nexus.cli", "nexus.__main__"),
]


def layer(module: str) -> int | None:
    return next((number for number, roots in enumerate(LAYERS) if under(module, *roots)), None)


@pytest.mark.parametrize("path", HOUSE, ids=module_of)
class TestImports:
    def test_point_down(self, path: Path) -> None:
        module = module_of(path)
        if module == "nexus" or under(module, "nexus.providers"):
            return
        mine = layer(module)
        assert mine is not None, f"{module} is in no layer"
        for name in imports(path):
            if under(name, "nexus") and name != "nexus":
                theirs = layer(name)
                assert theirs is not None, f"{module} imports {name}, which is in no layer"
                assert theirs <= mine, f"{module} imports {name}"

    def test_tornado_stays_in_the_server(self, path: Path) -> None:
        if not under(module_of(path), "nexus.server", "nexus.cli", "nexus.__main__"):
            assert not any(under(name, "tornado") for name in imports(path))

    def test_asyncio_stays_with_the_server_and_the_bridge(self, path: Path) -> None:
        if not under(module_of(path), "nexus.server", "nexus.bridge", "nexus.cli.smoke"):
            assert not any(under(name, "asyncio") for name in imports(path))

    def test_only_the_registry_knows_providers_and_only_by_name(self, path: Path) -> None:
        if not under(module_of(path), "nexus.providers"):
            assert not any(under(name, "nexus.providers") for name in imports(path))

    def test_a_provider_knows_no_other_and_little_of_the_house(self, path: Path) -> None:
        module = module_of(path)
        if not under(module, "nexus.providers") or module == "nexus.providers":
            return
        own = ".".join(module.split(".")[:3])
        interface = ("nexus.provider", "nexus.protocols", "nexus.settings")
        upstream = ("nexus.upstream.request", "nexus.upstream.network_errors", "nexus.upstream.sniff")
        values = (
            "nexus.errors",
            "nexus.failure",
            "nexus.wire",
            "nexus.cancel",
            "nexus.renewal",
            "nexus.conversation",
            "nexus.models",
        )
        facts = ("nexus.json_schema", "nexus.headers", "nexus.operation", "nexus.shared")
        for name in imports(path):
            if under(name, "nexus") and name != "nexus":
                assert under(name, own, *interface, *upstream, *values, *facts), f"{module} imports {name}"

    def test_a_dialect_does_no_io_and_knows_no_other(self, path: Path) -> None:
        module = module_of(path)
        if not under(module, "nexus.protocols"):
            return
        dialects = {folder.name for folder in (ROOT / "nexus/protocols").iterdir() if folder.is_dir()}
        own = module.split(".")[2] if module.count(".") > 1 else ""
        for name in imports(path):
            assert not under(name, "socket", "threading", "requests", "urllib3", "logging", "time", "random", "os")
            assert not under(name, "nexus.upstream") or name == "nexus.upstream.request", f"{module} imports {name}"
            parts = name.split(".")
            if under(name, "nexus.protocols") and len(parts) > 2 and parts[2] in dialects:
                assert parts[2] == own, f"{module} imports {name}"


def test_imports_make_no_circle() -> None:
    """Every module can be read after those that it imports."""
    graph = {module_of(path): set(imports(path)) - {module_of(path)} for path in SOURCES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_the_bridge_is_made_of_the_standard_library() -> None:
    names = [name.split(".")[0] for name in imports(ROOT / "nexus/bridge.py")]
    assert set(names) <= sys.stdlib_module_names


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_files_are_small_and_say_what_they_are_for(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= (MOST_LINES if path.relative_to(ROOT).parts[0] != "tests" else MOST_LINES_OF_CASES)
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring, "the module docstring is missing"


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_providers_have_one_import_name(path: Path) -> None:
    assert not any(under(name, "providers") for name in imports(path))


@pytest.mark.parametrize("path", HOUSE, ids=module_of)
def test_nothing_is_printed_and_no_exception_is_swallowed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print"
        if isinstance(node, ast.ExceptHandler):
            assert not all(isinstance(inner, ast.Pass) for inner in node.body), f"line {node.lineno}"


class TestReadme:
    README = (ROOT / "README.rst").read_text() if (ROOT / "README.rst").exists() else ""
    HOUSE = (ROOT / "docs/architecture.rst").read_text() if (ROOT / "docs/architecture.rst").exists() else ""

    def test_its_test_command_is_what_ci_runs(self) -> None:
        command = "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/python -m pytest"
        assert [line.strip() for line in self.README.splitlines()].count(command) == 1
        assert (ROOT / ".ci/run").read_text().splitlines().count(command) == 1

    def test_its_run_command_is_there(self) -> None:
        assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/python -m nexus" in self.README

    def test_it_names_every_folder_of_the_house(self) -> None:
        for folder in (ROOT / "nexus").iterdir():
            if folder.is_dir() and (folder / "__init__.py").exists():
                assert re.search(rf"\b{folder.name}/", self.HOUSE), f"{folder.name}/ is not in docs/architecture.rst"
