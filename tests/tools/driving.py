"""A client for the fake upstreams: valid requests, raw sockets and parsed replies.

Nothing here depends on the fakes' internals, and nothing sleeps.
"""

import json
import re
import socket
from typing import Any

import requests

from tools.fake_upstream import FakeUpstream

AUTH = {"openai": {"authorization": "Bearer k"}, "anthropic": {"x-api-key": "k", "anthropic-version": "2023-06-01"}}
PATH = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
HELLO: dict[str, Any] = {"model": "m-1", "max_tokens": 16, "messages": [{"role": "user", "content": "Hello!"}]}
STREAM = HELLO | {"stream": True}
CHAT_TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}, "x-any": 1}},
}
CLAUDE_TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {}, "x-any": 1}}


def post(fake: FakeUpstream, body: Any = HELLO, path: str = "", **headers: str) -> requests.Response:
    url = fake.origin + (path or PATH[fake.vendor])
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(url, json=body, headers=AUTH[fake.vendor] | named, timeout=60)


def raw_request(fake: FakeUpstream, body: Any = STREAM, extra: str = "") -> bytes:
    payload = json.dumps(body).encode()
    lines = [f"POST {PATH[fake.vendor]} HTTP/1.1", "Host: x", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in AUTH[fake.vendor].items()]
    lines += [f"Content-Length: {len(payload)}"]
    return ("\r\n".join(lines) + "\r\n" + extra + "\r\n").encode() + payload


def connect(fake: FakeUpstream) -> socket.socket:
    return socket.create_connection(("127.0.0.1", fake.port), timeout=60)


def read_all(sock: socket.socket) -> bytes:
    data = bytearray()
    while piece := sock.recv(65536):
        data += piece
    return bytes(data)


def exchange(fake: FakeUpstream, body: Any = STREAM) -> bytes:
    """Sends one request and returns everything until the end of the connection."""
    with connect(fake) as sock:
        sock.sendall(raw_request(fake, body))
        return read_all(sock)


def chunks(reply: bytes) -> list[bytes]:
    """The HTTP chunks of ``reply``; an ending ``b""`` is the last chunk."""
    rest, found = reply.partition(b"\r\n\r\n")[2], []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return found


def frames(body: bytes) -> list[bytes]:
    return [frame + b"\n\n" for frame in body.split(b"\n\n")[:-1]]


def data_of(body: bytes) -> list[Any]:
    lines = re.findall(rb"^data: (.*)$", body, re.MULTILINE)
    return [json.loads(line) for line in lines if line != b"[DONE]"]
