"""A client made of one socket, for requests that no HTTP library sends."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Mapping
from typing import Any, Self

from tests.serving import Nexus, Reply

PATIENCE = 60.0


class RawClient:
    def __init__(self, nexus: Nexus) -> None:
        self.sock = socket.create_connection(("127.0.0.1", nexus.port), timeout=PATIENCE)

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

    def reply(self, method: str = "POST") -> Reply:
        """The next one; interim answers are skipped as every client skips them."""
        response = http.client.HTTPResponse(self.sock, method=method)
        response.begin()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def rest(self) -> bytes:
        """Everything until the server closes."""
        pieces = []
        while piece := self.sock.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)


def head(
    path: str, *, method: str = "POST", length: int | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """The head of a request for JSON."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [] if length is None else [f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin1")


def request(path: str, body: Any, headers: Mapping[str, str] | None = None) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(path, length=len(raw), headers=headers) + raw
