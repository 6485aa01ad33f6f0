"""Finds provider classes by kind.

A kind is a folder of ``providers/`` at the top of the repository, imported as ``nexus.providers`` (through a symbolic
link in a checkout, as a folder of the package in a wheel), or an entry point of the group ``nexus.providers`` in any
installed package, which loads the class. A folder overrides an entry point of the same name.

Only this file imports providers. Listing kinds imports none of them, so that a vendor's SDK costs nothing until a
provider of that kind is configured.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

PACKAGE = "nexus.providers"

NO_LINK = (
    "nexus/providers is not there: in a checkout it is a symbolic link to providers/, which Windows makes only in "
    "developer mode. Then: git config core.symlinks true, delete nexus/providers, git checkout -- nexus/providers. "
    "A wheel needs no link."
)


class NoProviders(ImportError):
    """The package ``nexus.providers`` is missing."""


@functools.cache
def kinds() -> tuple[str, ...]:
    """Every known kind, sorted. Raises NoProviders."""
    return tuple(sorted({*_own(), *_installed()}))


def is_kind(name: str) -> bool:
    """Whether a kind exists; searches other packages only if it has no folder. Raises NoProviders."""
    return name in _own() or name in _installed()


@functools.cache
def _own() -> frozenset[str]:
    """Kinds that have a folder. Raises NoProviders."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise NoProviders(NO_LINK)
    return frozenset(module.name for module in pkgutil.iter_modules(folders) if module.ispkg)


@functools.cache
def _installed() -> dict[str, EntryPoint]:
    """Kinds of other packages, by entry point."""
    return {point.name: point for point in entry_points(group=PACKAGE)}


def load(kind: str) -> Any:
    """The provider class of a kind, a subclass of ``nexus.provider.Provider``. Typed Any, because that module imports
    the settings. Raises LookupError or NoProviders."""
    if not is_kind(kind):
        raise LookupError(f"no provider kind {kind!r} among {', '.join(kinds())}")
    if kind not in _own():
        return _installed()[kind].load()
    return importlib.import_module(f"{PACKAGE}.{kind}").PROVIDER


class SettingsTypes(Mapping[str, Any]):
    """The settings class of each kind, imported with its provider when first needed."""

    def __getitem__(self, kind: str) -> Any:
        return load(kind).settings_type

    def __contains__(self, kind: object) -> bool:
        return isinstance(kind, str) and is_kind(kind)

    def __iter__(self) -> Iterator[str]:
        return iter(kinds())

    def __len__(self) -> int:
        return len(kinds())


def load_all(tables: Mapping[str, Any]) -> list[Any]:
    """A provider for each table, named by its key."""
    return [load(table.type)(name, table) for name, table in tables.items()]
