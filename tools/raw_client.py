"""An HTTP client on a raw socket, for requests that no HTTP library sends. Loopback only."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Self

PATIENCE = 60.0
"""Timeout in seconds."""


class RawClient:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, raw: bytes) -> Self:
        self.sock.sendall(raw)
        return self

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def answer(self, method: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, and body of the next answer; skips interim answers."""
        response = HTTPResponse(self.sock, method=method)
        response.begin()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()

    def rest(self) -> bytes:
        """Everything the server sends until it closes."""
        pieces = []
        while piece := self.sock.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)


def head(
    path: str, *, method: str = "POST", length: int | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """The head of a JSON request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [] if length is None else [f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin1")


def request(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    return head(path, length=len(body), headers=headers) + body
