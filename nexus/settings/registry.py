"""Finds provider classes by the name of their kind.

A kind is a folder of ``providers/`` at the top of the repository, imported as ``nexus.providers`` (through a link in a
checkout, as a folder of the package in a wheel), or an entry point of the group ``nexus.providers`` in any installed
package, whose object is the class. A folder wins over an entry point of its name.

The only file that imports providers. Listing kinds imports none of them, so that a vendor's SDK costs nothing
until a provider of that kind is configured.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

PACKAGE = "nexus.providers"

NO_LINK = (
    "nexus/providers is not there: in a checkout it is a symbolic link to providers/, which Windows makes only in "
    "developer mode. Then: git config core.symlinks true, delete nexus/providers, git checkout -- nexus/providers. "
    "A wheel needs no link."
)


class NoProviders(ImportError):
    """The package of the providers is missing."""


@functools.cache
def kinds() -> tuple[str, ...]:
    """Every known kind, sorted. Raises NoProviders."""
    return tuple(sorted({*_own(), *_installed()}))


def is_kind(name: str) -> bool:
    """Whether a kind is known; other packages are looked through only where it has no folder. Raises NoProviders."""
    return name in _own() or name in _installed()


@functools.cache
def _own() -> frozenset[str]:
    """Those that have a folder."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise NoProviders(NO_LINK)
    return frozenset(module.name for module in pkgutil.iter_modules(folders) if module.ispkg)


@functools.cache
def _installed() -> dict[str, EntryPoint]:
    """Those of other packages."""
    return {point.name: point for point in entry_points(group=PACKAGE)}


def load(kind: str) -> Any:
    """The provider class of a kind: a subclass of ``nexus.provider.Provider``, which leans on the settings; hence no
    type."""
    if not is_kind(kind):
        raise LookupError(f"no provider kind {kind!r} among {', '.join(kinds())}")
    if kind not in _own():
        return _installed()[kind].load()
    return importlib.import_module(f"{PACKAGE}.{kind}").PROVIDER


def load_all(tables: Mapping[str, Any]) -> list[Any]:
    """The providers of these tables, by whose names they are called."""
    return [load(table.type)(name, table) for name, table in tables.items()]
