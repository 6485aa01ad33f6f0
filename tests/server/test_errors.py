"""Nexus's own errors are complete and in the client's dialect; vendors' errors pass unchanged."""

import gzip
import http.client
import json

import pytest

from tests.conftest import Serve
from tests.serving import CHAT, Nexus, Reply, openai_config
from tools.fake_upstream import Behaviour, FakeUpstream

CHAT_PATH = "/llm/openai/v1/chat/completions"
MESSAGES_PATH = "/llm/anthropic/v1/messages"
JSON = {"Content-Type": "application/json"}


def assert_shape(reply: Reply, path: str) -> None:
    """The whole error object in the dialect that ``path`` belongs to."""
    if "anthropic" in path:
        assert set(reply.json) == {"type", "error", "request_id"}
        assert reply.json["type"] == "error"
        assert set(reply.json["error"]) == {"type", "message"}
        assert reply.json["request_id"] == reply.headers["request-id"]
    else:
        assert set(reply.json["error"]) == {"message", "type", "param", "code"}
        assert reply.headers["x-request-id"].startswith("req_")
    assert reply.headers["content-type"] == "application/json"


BAD_REQUESTS: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "not JSON": (b"{", JSON, 400, "JSON"),
    "empty body": (b"", JSON, 400, "JSON"),
    "not an object": (b"[]", JSON, 400, "object"),
    "no model": (b'{"messages": []}', JSON, 400, "model"),
    "model is a number": (b'{"model": 1, "messages": []}', JSON, 400, "model"),
    "no messages": (b'{"model": "openai/gpt-4"}', JSON, 400, "messages"),
    "messages is a string": (b'{"model": "openai/gpt-4", "messages": "hi"}', JSON, 400, "messages"),
    "stream is a number": (b'{"model": "x", "messages": [], "stream": 1}', JSON, 400, "stream"),
    "unknown model": (b'{"model": "openai/gpt-5", "messages": [], "max_tokens": 5}', JSON, 404, "'openai/gpt-4'?"),
    "wrong content type": (b"{}", {"Content-Type": "text/plain"}, 415, "application/json"),
    "no content type": (b"{}", {}, 415, "application/json"),
    "unknown encoding": (b"{}", {**JSON, "Content-Encoding": "lzma"}, 415, "lzma"),
    "broken gzip": (b"no gzip", {**JSON, "Content-Encoding": "gzip"}, 400, "gzip"),
    "cut gzip": (gzip.compress(b"{}" * 99)[:-9], {**JSON, "Content-Encoding": "gzip"}, 400, "gzip"),
}


@pytest.mark.parametrize("path", [CHAT_PATH, MESSAGES_PATH])
def test_bad_requests_are_rejected_in_the_clients_dialect(nexus: Nexus, path: str) -> None:
    for name, (body, headers, status, word) in BAD_REQUESTS.items():
        reply = nexus.request("POST", path, body, headers)
        assert (reply.status, word in reply.json["error"]["message"]) == (status, True), name
        assert_shape(reply, path)


def test_any_spelling_of_the_content_type_is_accepted(nexus: Nexus) -> None:
    for value in ("application/json; charset=utf-8", "application/json;charset=UTF-8", "APPLICATION/JSON"):
        assert nexus.chat(CHAT, {"Content-Type": value}).status == 200, value


def test_a_wrong_method_gets_the_allowed_ones(nexus: Nexus) -> None:
    for method, path, allow in (
        ("GET", CHAT_PATH, "POST"),
        ("PUT", MESSAGES_PATH, "POST"),
        ("DELETE", "/llm/openai/v1/models", "GET, HEAD"),
        ("POST", "/llm/anthropic/v1/models", "GET, HEAD"),
    ):
        reply = nexus.request(method, path)
        assert (reply.status, reply.headers["allow"]) == (405, allow), (method, path)
        assert f"{method} is not allowed here; use {allow.replace(', ', ' or ')}" in reply.json["error"]["message"]
        assert_shape(reply, path)


def test_a_websocket_is_rejected_so_that_clients_fall_back(nexus: Nexus) -> None:
    """Codex takes 426 as "not supported", and any other refusal as a temporary problem."""
    behind_nginx = {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    for asked in ({"Connection": "Upgrade", "Upgrade": "websocket", **behind_nginx}, behind_nginx):
        reply = nexus.request("GET", "/llm/openai/v1/responses", headers=asked)
        assert (reply.status, reply.headers["x-nexus-error"]) == (426, "no_websocket")
        assert_shape(reply, "/llm/openai/v1/responses")


def test_a_client_that_takes_the_gateway_for_a_proxy_is_rejected(nexus: Nexus) -> None:
    reply = nexus.request("CONNECT", "api.openai.com:443", headers={"Host": "api.openai.com:443"})
    assert (reply.status, reply.headers["allow"]) == (405, "")
    message = reply.json["error"]["message"]
    assert (
        "not a forward proxy: set a base URL in the client, not HTTPS_PROXY; the base URLs are openai: /llm" in message
    )


def test_unknown_paths_get_a_404_in_the_clients_dialect(nexus: Nexus) -> None:
    for path in ("/llm/openai/v1/nothing", "/llm/anthropic/nothing", "/nothing", "/llm/openaix"):
        reply = nexus.request("GET", path)
        assert reply.status == 404, path
        assert_shape(reply, path)


class TestLargeBodies:
    @pytest.fixture
    def small(self, serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
        return serve('[server]\nmax_body_size = "64KiB"\n' + openai_config(openai_upstream.base_url))

    def test_too_large_in_chunks(self, small: Nexus) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", small.port, timeout=60)
        pieces = (b"x" * 10_000 for _ in range(10))
        connection.request("POST", CHAT_PATH, pieces, JSON, encode_chunked=True)
        assert connection.getresponse().status == 413
        connection.close()

    def test_too_large_after_decompression(self, small: Nexus) -> None:
        bomb = gzip.compress(b" " * 10_000_000)
        assert len(bomb) < 65536
        assert small.request("POST", CHAT_PATH, bomb, {**JSON, "Content-Encoding": "gzip"}).status == 413

    def test_the_answer_comes_before_the_upload_ends(self, small: Nexus) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", small.port, timeout=60)
        connection.putrequest("POST", CHAT_PATH)
        connection.putheader("Content-Length", str(10**12))
        connection.endheaders(b"x" * 1000)
        response = connection.getresponse()
        assert response.status == 413
        error = json.loads(response.read())["error"]
        assert error["code"] == "request_too_large" and "65536" in error["message"]
        connection.close()


class TestVendorErrors:
    def test_status_and_body_pass_unmodified(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        body = b'{"error" : {"message":"in the vendor\'s words","type":"t","param":null,"code":7.0}}'
        nexus = serve(openai_config(openai_upstream.base_url, "[llm.providers.openai.retries]\nattempts = 1\n"))
        for status in (400, 401, 403, 404, 413, 422, 429, 500, 503, 529):
            openai_upstream.next(Behaviour(status=status, body=body, headers=(("retry-after", "7"),)))
            reply = nexus.chat(CHAT)
            assert (reply.status, reply.body, reply.headers["retry-after"]) == (status, body, "7")
            assert "x-nexus-error" not in reply.headers, status

    def test_redirects_are_not_followed(self, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
        openai_upstream.next(Behaviour(status=307, headers=(("Location", "http://127.0.0.1:1/"),), body=b""))
        assert nexus.chat(CHAT).status == 502
