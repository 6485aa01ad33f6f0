"""Where a dialect's codec is found by name: what reads and writes for clients, what writes to and reads from vendors.

Law: a codec is loaded when a call first needs it, so that a vendor nobody configured costs nothing at start.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nexus.conversation import Request, Response
from nexus.errors import Rejected
from nexus.events import Event
from nexus.protocols.codec import ReadRequest, ReadResponse, Target, Written
from nexus.wire import Json


class StreamWriter(Protocol):
    """Neutral events to a client's bytes."""

    def write(self, event: Event) -> bytes: ...

    def abort(self) -> bytes: ...


class StreamReader(Protocol):
    """A vendor's events to neutral ones. ``complete`` tells a whole stream from a cut one."""

    complete: bool

    def feed(self, event: str | None, data: str) -> list[Event]: ...

    def finish(self) -> list[Event]: ...


class MakeWriter(Protocol):
    def __call__(self, *, model: str, response_id: str, created: int, include_usage: bool) -> StreamWriter: ...


class WriteResponse(Protocol):
    def __call__(self, response: Response, *, created: int) -> dict[str, Json]: ...


@dataclass(frozen=True, slots=True)
class ClientCodec:
    """The side that faces clients."""

    read_request: Callable[[Mapping[str, Json]], ReadRequest]
    write_response: WriteResponse
    stream_writer: MakeWriter


@dataclass(frozen=True, slots=True)
class VendorCodec:
    """The side that faces vendors."""

    write_request: Callable[[Request, Target], Written]
    read_response: Callable[[Mapping[str, Json]], ReadResponse]
    stream_reader: Callable[[], StreamReader]
    read_error: Callable[[int, Mapping[str, str], bytes], Rejected]


@functools.cache
def client(dialect: str) -> ClientCodec:
    return ClientCodec(
        read_request=_module(dialect, "request").read_request,
        write_response=_module(dialect, "response").write_response,
        stream_writer=_module(dialect, "stream").StreamWriter,
    )


@functools.cache
def vendor(dialect: str) -> VendorCodec:
    return VendorCodec(
        write_request=_module(dialect, "request").write_request,
        read_response=_module(dialect, "response").read_response,
        stream_reader=_module(dialect, "stream").StreamReader,
        read_error=_module(dialect, "failures").read_error,
    )


def _module(dialect: str, part: str) -> Any:
    return importlib.import_module(f"nexus.protocols.{dialect}.{part}")
