"""The dialects, found by their folders next to this file: who speaks them, and their codecs by name.

A codec and the passthrough of a dialect are loaded when a call first needs them, so that unused ones cost nothing at
start.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from nexus.protocols.contract import ClientCodec, VendorCodec
from nexus.protocols.dialect import Dialect
from nexus.protocols.protocol import Protocol


def _with(file: str) -> tuple[str, ...]:
    """The dialects whose folders have a file of this name."""
    return tuple(sorted(path.parent.name for path in Path(__file__).parent.glob(f"*/{file}.py")))


def _dialect(name: str) -> Dialect:
    dialect: Dialect = import_module(f"nexus.protocols.{name}.dialect").DIALECT
    return dialect


DIALECTS: Mapping[str, Dialect] = {name: _dialect(name) for name in _with("dialect")}
"""The dialects that clients speak, by name."""


def _formats() -> Iterator[Dialect]:
    for name in _with("formats"):
        yield from import_module(f"nexus.protocols.{name}.formats").FORMATS


FORMS: Mapping[str, Dialect] = {**DIALECTS, **{form.form: form for form in _formats()}}
"""The dialects and their formats, by ``form``."""

PROTOCOLS: Mapping[str, Protocol] = {form.protocol.name: form.protocol for form in FORMS.values()}
"""The protocols of clients, by the names of their tables."""

VENDORS = _with("write_request")
"""Dialects of vendors."""


def preload() -> None:
    """Loads the passthrough and the codec of every dialect, for processes that share what one of them has imported."""
    for part in ("passthrough", "codec"):
        for name in _with(part):
            import_module(f"nexus.protocols.{name}.{part}")


@functools.cache
def client(dialect: str) -> ClientCodec:
    codec: ClientCodec = import_module(f"nexus.protocols.{dialect}.codec").CLIENT
    return codec


@functools.cache
def vendor(dialect: str) -> VendorCodec:
    codec: VendorCodec = import_module(f"nexus.protocols.{dialect}.codec").VENDOR
    return codec
