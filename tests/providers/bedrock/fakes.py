"""A small Bedrock and metadata servers on real sockets: requests are kept as bytes, answers are scripted.

One thread per connection, which ends with it; a script gets the request and the socket, and may do anything with it.
"""

import base64
import hashlib
import json
import queue
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import ReadOnlyCredentials  # type: ignore[import-untyped]

from nexus.protocols.eventstream import event_message, exception_message
from nexus.provider import ProviderRequest
from nexus.providers.bedrock import BedrockProvider
from nexus.providers.bedrock.settings import BedrockModel, BedrockSettings
from nexus.wire import encode
from tests.peers import HARD_LIMIT, Peer, read_request

ACCESS_KEY, SECRET_KEY, TOKEN = (
    "AKIAHUSHHUSHTESTTEST",
    "hushhush/key+of+40+characters/0123456789",
    "hushhush+session+token/0123==",
)
API_KEY = "bedrock-hushhush-0123456789"
REGION = "us-east-1"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-pro-v1:0"


@dataclass(frozen=True)
class Seen:
    """One request as received."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Script = Callable[[Seen, socket.socket], None]


class Fake(Peer):
    """An HTTP server; use as a context manager. ``scripts`` are used one per request, the last one repeatedly."""

    def __init__(self, scripts: list[Script]) -> None:
        super().__init__(self._answer)
        self.scripts = scripts
        self.seen = queue.Queue[Seen]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(self) -> Seen:
        return self.seen.get(timeout=HARD_LIMIT)

    def _answer(self, sock: socket.socket) -> None:
        while raw := read_request(sock):
            head, _, body = raw.partition(b"\r\n\r\n")
            line, *lines = head.decode().split("\r\n")
            method, target, _ = line.split(" ", 2)
            headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
            seen = Seen(method, target, headers, body)
            self.seen.put(seen)
            script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
            script(seen, sock)


def answer(body: bytes | Any, status: int = 200, content_type: str = "application/json", **headers: str) -> Script:
    """A whole answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    def script(_: Seen, sock: socket.socket) -> None:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {len(raw)}\r\n{more}\r\n"
        sock.sendall(head.encode() + raw)

    return script


def stream(*pieces: bytes, ends: bool = True, stalls: bool = False, **headers: str) -> Script:
    """Pieces of an event stream as HTTP chunks; an incomplete stream is cut or, if it ``stalls``, falls silent."""

    def script(_: Seen, sock: socket.socket) -> None:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        sock.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n"
            b"transfer-encoding: chunked\r\n%b\r\n" % more.encode()
        )
        for piece in pieces:
            sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        if stalls:
            sock.recv(1)
        if not ends or stalls:
            sock.shutdown(socket.SHUT_RDWR)
            return
        sock.sendall(b"0\r\n\r\n")

    return script


def stall(_: Seen, sock: socket.socket) -> None:
    """Sends nothing until the other side disconnects."""
    sock.recv(1)


def chunk(event: Mapping[str, Any] | bytes) -> bytes:
    """One Messages event as Bedrock frames it."""
    raw = event if isinstance(event, bytes) else encode(event)
    return event_message("chunk", encode({"bytes": base64.b64encode(raw).decode(), "p": "abcdefgh"}))


def exception(name: str, message: str, **more: Any) -> bytes:
    return exception_message(name, encode({"message": message, **more}))


MESSAGE_EVENTS: tuple[Mapping[str, Any], ...] = (
    {
        "type": "message_start",
        "message": {
            "id": "msg_bdrk_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 3, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 2}},
)
MESSAGE_STREAM = b"".join(map(chunk, MESSAGE_EVENTS))

CONVERSE_EVENTS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}, "metrics": {"latencyMs": 1}}),
)
CONVERSE_STREAM = b"".join(event_message(name, encode(event)) for name, event in CONVERSE_EVENTS)

MESSAGE: Mapping[str, Any] = {
    "id": "msg_bdrk_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


def settings(**more: Any) -> BedrockSettings:
    return BedrockSettings.model_validate({"type": "bedrock", "region": REGION, **more})


STATIC = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}


def provider(url: str | None = None, **more: Any) -> BedrockProvider:
    given = more or STATIC
    return BedrockProvider("bedrock", settings(**given, **({"base_url": url} if url else {})))


def provider_request(body: Mapping[str, Any] | bytes | None = None, **more: Any) -> ProviderRequest:
    """One attempt; by default Claude, a short question and no stream."""
    asked = {"model": CLAUDE, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    given: dict[str, Any] = {
        "dialect": "messages",
        "action": "generate",
        "model": CLAUDE,
        "settings": BedrockModel(),
        "stream": False,
        "headers": {},
        "query": "",
        "key": None,
    }
    raw = body if isinstance(body, bytes) else json.dumps(asked if body is None else body).encode()
    return ProviderRequest(**(given | more), body=raw)


def check_signature(seen: Seen, url: str, token: str | None = None, region: str = REGION) -> None:
    """Recomputes the signature from the received request, as the service does."""
    scheme, _, rest = seen.headers["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    date = seen.headers["x-amz-date"]
    assert scheme == "AWS4-HMAC-SHA256"
    assert parts["Credential"] == f"{ACCESS_KEY}/{date[:8]}/{region}/bedrock/aws4_request"
    signed = parts["SignedHeaders"].split(";")
    expected = ["content-type", "host", "x-amz-date"] + (["x-amz-security-token"] if token else [])
    assert signed == expected
    assert seen.headers["host"] == urlsplit(url).netloc
    headers = {name: seen.headers[name] for name in signed}
    request = AWSRequest(method=seen.method, url=url + seen.target, data=seen.body, headers=headers)
    request.context["timestamp"] = date
    signer = SigV4Auth(ReadOnlyCredentials(ACCESS_KEY, SECRET_KEY, token), "bedrock", region)
    canonical = signer.canonical_request(request)
    assert canonical.endswith(hashlib.sha256(seen.body).hexdigest())
    assert parts["Signature"] == signer.signature(signer.string_to_sign(request, canonical), request)
    assert seen.headers.get("x-amz-security-token") == token
