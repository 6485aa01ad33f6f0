"""A small gateway that forwards everything unchanged, except for one flaw at a time.

Without a flaw it keeps every rule that a plain passthrough can keep. Each flaw is one small function.
"""

import json
import re
import threading
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Document = dict[str, Any]
Headers = dict[str, str]

GOES_UP = ("anthropic-", "x-claude-code-", "x-api-key", "authorization", "content-type")
COMES_BACK = ("content-type", "retry-after", "x-should-retry", "anthropic-")
MODELS = {"data": [{"type": "model", "id": "vendor/claude-next"}, {"type": "model", "id": "vendor/other"}]}


class BadGateway:
    """Use as a context manager. The flaws of one kind are found by their name in the tables below."""

    def __init__(self, flaw: str, upstream_port: int) -> None:
        self.flaw = flaw
        self.upstream_port = upstream_port
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"gateway": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    gateway: BadGateway
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""

    def do_HEAD(self) -> None:
        self.answer(200, b"")

    def do_GET(self) -> None:
        if not self.path.startswith("/v1/models"):
            self.answer(404, b"")
            return
        nameless = self.gateway.flaw == "lists models without ids"
        self.answer(200, json.dumps({"data": [{"name": "claude"}]} if nameless else MODELS).encode())

    def do_POST(self) -> None:
        flaw, raw = self.gateway.flaw, self.rfile.read(int(self.headers["content-length"]))
        names = {name.lower(): value for name, value in self.headers.items()}
        if flaw == "matches the whole URL" and "?" in self.path:
            self.answer(404, b"{}")
        elif flaw == "takes x-api-key only" and "x-api-key" not in names:
            self.answer(401, b"{}")
        elif flaw == "counts in words" and "count_tokens" in self.path:
            self.answer(200, b'{"input_tokens": "eleven"}')
        elif self.path.startswith("/model/"):
            self.bedrock()
        else:
            self.forward(raw, {name: value for name, value in names.items() if name.startswith(GOES_UP)})

    def bedrock(self) -> None:
        if self.gateway.flaw == "converts Bedrock's stream":
            self.answer(200, b"event: message_stop\ndata: {}\n\n", {"content-type": "text/event-stream"})
        else:
            self.answer(404, b"{}")

    def forward(self, raw: bytes, headers: Headers) -> None:
        flaw = self.gateway.flaw
        if edit := BODY_FLAWS.get(flaw):
            document = json.loads(raw)
            edit(document)
            raw = json.dumps(document).encode()
        if change := HEADER_FLAWS.get(flaw):
            change(headers)
        connection = HTTPConnection("127.0.0.1", self.gateway.upstream_port, timeout=30)
        try:
            connection.request("POST", self.path, raw, headers)
            self.relay(connection.getresponse())
        except (ConnectionError, HTTPException):  # the client has disconnected
            self.close_connection = True
        finally:
            connection.close()

    def relay(self, response: HTTPResponse) -> None:
        flaw = self.gateway.flaw
        back = {name.lower(): value for name, value in response.getheaders() if name.lower().startswith(COMES_BACK)}
        if change := REPLY_FLAWS.get(flaw):
            change(back)
        if response.status >= 400:
            body = response.read()
            edit = ERROR_FLAWS.get(flaw)
            status, body = edit(response.status, body) if edit else (response.status, body)
            self.answer(status, body, back)
        elif back["content-type"].startswith("text/event-stream"):
            self.stream(response, back)
        else:
            self.answer(response.status, response.read(), back)

    def stream(self, response: HTTPResponse, headers: Headers) -> None:
        drop = STREAM_FLAWS.get(self.gateway.flaw)
        self.head(200, {**headers, "transfer-encoding": "chunked"})
        if self.gateway.flaw == "buffers streams":
            self.chunk(response.read())
        while piece := response.read1(65536):
            self.chunk(drop.sub(b"", piece) if drop else piece)
        self.wfile.write(b"0\r\n\r\n")

    def chunk(self, piece: bytes) -> None:
        if piece:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def answer(self, status: int, body: bytes, headers: Headers | None = None) -> None:
        self.head(status, {"content-type": "application/json", **(headers or {}), "content-length": str(len(body))})
        self.wfile.write(body)

    def head(self, status: int, headers: Headers) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def blocks(document: Document) -> list[Document]:
    contents = [message["content"] for message in document["messages"]]
    return [block for content in contents if isinstance(content, list) for block in content]


def flatten(document: Document) -> None:
    document["system"] = "\n".join(block["text"] for block in document.get("system", ()))


def only_known_fields(document: Document) -> None:
    known = ["model", "max_tokens", "messages", "system", "tools", "stream", "thinking", "metadata"]
    known += ["context_management", "output_config"]
    for name in [name for name in document if name not in known]:
        del document[name]


def plain_text(document: Document) -> None:
    for message in document["messages"]:
        if all(isinstance(block, dict) and block["type"] == "text" for block in message["content"]):
            message["content"] = "".join(block["text"] for block in message["content"])


def sort_results(document: Document) -> None:
    for message in document["messages"]:
        if isinstance(message["content"], list) and message["role"] == "user":
            message["content"].sort(key=lambda block: str(block.get("tool_use_id", "~")), reverse=True)


def shorten_thinking(document: Document) -> None:
    for block in blocks(document):
        if block["type"] == "thinking":
            block["thinking"] = block["thinking"].strip().replace("\n", " ")


BODY_FLAWS: dict[str, Callable[[Document], object]] = {
    "writes the body anew": lambda document: None,
    "flattens system": flatten,
    "knows its fields": only_known_fields,
    "makes text of blocks": plain_text,
    "sorts tool results": sort_results,
    "tidies thinking": shorten_thinking,
}


def known_betas(headers: Headers) -> None:
    headers["anthropic-beta"] = re.sub(r"made-up[^,]*,?", "", headers["anthropic-beta"])


def only(*names: str) -> Callable[[Headers], None]:
    """Forwards only these headers and the ones that every request needs."""
    kept = (*names, "x-api-key", "authorization", "content-type", "anthropic-version", "anthropic-beta")

    def change(headers: Headers) -> None:
        for name in [name for name in headers if name not in kept]:
            del headers[name]

    return change


HEADER_FLAWS: dict[str, Callable[[Headers], object]] = {
    "knows its betas": known_betas,
    "drops anthropic-beta": lambda headers: headers.pop("anthropic-beta", None),
    "knows its headers": only("x-claude-code-session-id"),
    "consumes x-claude-code": only(),
}

REPLY_FLAWS: dict[str, Callable[[Headers], object]] = {
    "waits in fractions": lambda headers: (
        headers.update({"retry-after": f"{float(headers['retry-after'])}"})
        if headers.get("retry-after", "").isdecimal()
        else None
    ),
    "forgets x-should-retry": lambda headers: headers.pop("x-should-retry", None),
}


def wrap(status: int, body: bytes) -> tuple[int, bytes]:
    words = f"upstream error: {json.loads(body)['error']['message']}"
    return status, json.dumps({"error": {"code": status, "message": words}}).encode()


def token(status: int, body: bytes) -> tuple[int, bytes]:
    inner = {"type": "invalid_request_error", "message": "capability_rejected: thinking"}
    return status, json.dumps({"type": "error", "error": inner}).encode()


ERROR_FLAWS: dict[str, Callable[[int, bytes], tuple[int, bytes]]] = {"wraps errors": wrap, "speaks in tokens": token}

STREAM_FLAWS = {
    "drops pings": re.compile(rb"event: ping\ndata: [^\n]*\n\n"),
    "swallows errors in streams": re.compile(rb"event: error\ndata: [^\n]*\n\n"),
}
