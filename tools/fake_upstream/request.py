"""Reads one HTTP request from a wire, exactly as sent.

Normalises nothing: header names keep their case and order, the path keeps its query.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tools.fake_upstream.wire import Wire


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """``json`` is None if the body is not JSON; ``connection`` numbers the sockets of one upstream from 1."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    json: Any
    received_at: float
    connection: int
    version: str = "HTTP/1.1"

    def header(self, name: str) -> str | None:
        """The first value of the header ``name``, case-insensitive, or None."""
        return _header(self.headers, name)

    @property
    def route(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]

    @property
    def query(self) -> str:
        return self.path.partition("?")[2]

    @property
    def keep_alive(self) -> bool:
        asked = (self.header("connection") or "").lower()
        return asked == "keep-alive" if self.version == "HTTP/1.0" else asked != "close"

    @property
    def streams(self) -> bool:
        """Whether the request asks for a stream, in the body or, for Google and AWS, in the path."""
        in_path = ":stream" in self.route or self.route.endswith(("-stream", "-with-response-stream"))
        return in_path or (isinstance(self.json, dict) and self.json.get("stream") is True)

    @property
    def model(self) -> str | None:
        """The model named in the body or in the path, or None."""
        if isinstance(self.json, dict) and isinstance(name := self.json.get("model"), str):
            return name
        match = re.search(r"/models/([^/:]+)|/model/([^/]+)", self.route)
        return unquote(match[1] or match[2]) if match else None


class BadRequest(Exception):
    """The bytes are not an HTTP request."""


def read_request(wire: Wire) -> SeenRequest:
    """The next request. Raises PeerGone if the peer disconnects before its end, or BadRequest."""
    method, path, version, headers = _read_head(wire)
    if (_header(headers, "expect") or "").lower() == "100-continue":
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    if (_header(headers, "transfer-encoding") or "").lower() == "chunked":
        body = _read_chunks(wire)
    else:
        length = _header(headers, "content-length") or "0"
        if not length.isdecimal():
            raise BadRequest(f"content-length is {length!r}")
        body = _take(wire, int(length))
    return SeenRequest(method, path, headers, body, _parse(body), time.monotonic(), wire.number, version)


def _read_head(wire: Wire) -> tuple[str, str, str, list[tuple[str, str]]]:
    first, *lines = _take_until(wire, b"\r\n\r\n").decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1"):
        raise BadRequest(f"request line is {first!r}")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest(f"header line is {line!r}")
        headers.append((name, value.strip(" \t")))
    return words[0], words[1], words[2], headers


def _read_chunks(wire: Wire) -> bytes:
    body = bytearray()
    while True:
        line = _take_until(wire, b"\r\n").partition(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError as error:
            raise BadRequest(f"chunk size is {line!r}") from error
        if size == 0:
            break
        body += _take(wire, size)
        if _take(wire, 2) != b"\r\n":
            raise BadRequest("a chunk is longer than it says")
    while _take_until(wire, b"\r\n"):
        pass
    return bytes(body)


def _take(wire: Wire, count: int) -> bytes:
    while len(wire.buffer) < count:
        wire.fill()
    data = bytes(wire.buffer[:count])
    del wire.buffer[:count]
    return data


def _take_until(wire: Wire, mark: bytes) -> bytes:
    while (end := wire.buffer.find(mark)) < 0:
        wire.fill()
    data = _take(wire, end + len(mark))
    return data[:end]


def _header(headers: list[tuple[str, str]], name: str) -> str | None:
    return next((value for key, value in headers if key.lower() == name.lower()), None)


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:  # the vendor decides about missing or invalid bodies
        return None
