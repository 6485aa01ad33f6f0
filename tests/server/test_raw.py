"""Raw passthrough of a vendor's other paths: only if enabled, with the provider's key, and only to its own host."""

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.conftest import Serve
from tests.peers import Peer, Vendor, read_request, whole
from tests.serving import ALICE, BOB, KEY, Nexus, wait_until

KEYS = f"""
[server.keys.alice]
key = "{ALICE}"
models = ["v/m"]
[server.keys.bob]
key = "{BOB}"
models = ["v/*"]
"""
JSON = {"Content-Type": "application/json"}


@dataclass
class Place:
    vendor: Vendor
    origin: str

    def config(self, more: str = "", kind: str = "openai", paths: str = '["/v1/fine_tuning", "/v1/files"]') -> str:
        return (
            f'[llm.providers.v]\ntype = "{kind}"\napi_key = "{KEY}"\nbase_url = "{self.origin}/v1"\n'
            f"passthrough = true\npassthrough_paths = {paths}\n{more}\nmodels.m = {{}}\n"
        )


@pytest.fixture
def place() -> Iterator[Place]:
    vendor = Vendor(b'{ "id":"ft-1" }')
    with Peer(vendor) as peer:
        yield Place(vendor, peer.url.removesuffix("/v1"))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_method_path_query_and_body_are_forwarded_unchanged(serve: Serve, place: Place, method: str) -> None:
    nexus = serve(place.config())
    body = b'{ "model" : "gpt" }\n' if method in ("POST", "PUT", "PATCH") else b""
    path = "/v1/fine_tuning/jobs/a%2Fb%20c?limit=2&after=%C3%A9"
    reply = nexus.request(method, f"/llm/raw/v{path}", body, JSON if body else {})
    assert (reply.status, reply.body) == (200, place.vendor.answer)
    seen, headers, sent = place.vendor.seen[0]
    assert (seen, sent) == (f"{method} {path}", body)
    assert headers["authorization"] == f"Bearer {KEY}"
    assert reply.headers["x-nexus-route"] == "v/*"


def test_a_credential_in_the_query_is_not_forwarded_and_reported(serve: Serve, place: Place) -> None:
    reply = serve(place.config()).request(
        "GET", "/llm/raw/v/v1/files?key=hushhush&page_token=a&%E2%82%AC%0A_key=hushhush"
    )
    assert place.vendor.seen[0][0] == "GET /v1/files?page_token=a"
    assert reply.headers["x-nexus-dropped"].startswith("query.key, query.")


def test_another_dialects_key_and_headers(serve: Serve, place: Place) -> None:
    nexus = serve(place.config(kind="anthropic", paths='["/v1/skills"]'))
    reply = nexus.request("GET", "/llm/raw/v/v1/skills", headers={"anthropic-version": "2023-06-01"})
    assert reply.status == 200
    headers = place.vendor.seen[0][1]
    assert (headers["x-api-key"], headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert nexus.request("GET", "/llm/raw/v/v1/other").json["type"] == "error", "as its clients read it"


ELSEWHERE = ["/v1/models", "/v1/filesystem", "/v1/%66iles", "/", ""]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_only_the_listed_paths_pass(serve: Serve, place: Place, path: str) -> None:
    assert serve(place.config()).request("GET", f"/llm/raw/v{path}").status in (400, 404)
    assert place.vendor.seen == []


AMBIGUOUS = ["/v1/files/../models", "/v1/files/%2e%2e/models", "/v1/files/a%2F..%2F..%2Fmodels", "/v1/files//x"]


@pytest.mark.parametrize(
    "path", [*AMBIGUOUS, "/v1/files/%252e%252e/models", "/v1/files/..;/models", "/v1/files/a\\..\\b"]
)
def test_an_ambiguous_path_is_rejected(serve: Serve, place: Place, path: str) -> None:
    assert serve(place.config()).request("GET", f"/llm/raw/v{path}").status == 400
    assert place.vendor.seen == []


ANSWERS: Mapping[str, tuple[str, str, bytes, int]] = {
    "no content": ("DELETE", "204 No Content", b"", 204),
    "not modified": ("GET", "304 Not Modified", b"", 304),
    "a part": ("GET", "206 Partial Content", b"part", 206),
    "made": ("POST", "201 Created", b"{}", 201),
}


@pytest.mark.parametrize(("method", "said", "answer", "status"), ANSWERS.values(), ids=ANSWERS.keys())
def test_other_statuses_than_200_are_returned(
    serve: Serve, place: Place, method: str, said: str, answer: bytes, status: int
) -> None:
    place.vendor.status, place.vendor.answer = said, answer
    place.vendor.kind = 'Content-Type: text/plain\r\nETag: "v1"\r\nContent-Range: bytes 0-3/9'
    asked = {"Range": "bytes=0-3", "If-None-Match": '"v1"'}
    nexus = serve(place.config())
    reply = nexus.request(method, "/llm/raw/v/v1/files/f/content", headers=asked)
    assert (reply.status, reply.body) == (status, answer)
    assert (reply.headers["etag"], reply.headers["content-range"]) == ('"v1"', "bytes 0-3/9")
    sent = place.vendor.seen[0][1]
    assert (sent["range"], sent["if-none-match"]) == ("bytes=0-3", '"v1"')
    assert nexus.request("GET", "/llm/raw/v/v1/files/f/content").status == status, "the connection is reused"


def test_a_head_has_no_body(serve: Serve) -> None:
    def vendor(sock: socket.socket) -> None:
        while request := read_request(sock):
            seen.append(request.split(b"\r\n")[0])
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nETag: x\r\n\r\n")

    seen: list[bytes] = []
    with Peer(vendor) as peer:
        place = Place(Vendor(b""), peer.url.removesuffix("/v1"))
        nexus = serve(place.config())
        replies = [nexus.request("HEAD", "/llm/raw/v/v1/files/f") for _ in range(2)]
    assert [(reply.status, reply.body, reply.headers["content-length"]) for reply in replies] == [(200, b"", "99")] * 2
    assert seen == [b"HEAD /v1/files/f HTTP/1.1"] * 2


def test_a_redirect_is_not_followed(serve: Serve, place: Place) -> None:
    place.vendor.status, place.vendor.kind = "302 Found", "Location: http://127.0.0.1:1/secret"
    reply = serve(place.config()).request("GET", "/llm/raw/v/v1/files/f")
    assert (reply.status, reply.headers.get("location")) == (502, None)


AGAIN: Mapping[str, tuple[str, str, int]] = {
    "a read": ("GET", "500 Internal Server Error", 2),
    "a deletion": ("DELETE", "500 Internal Server Error", 2),
    "a creation": ("POST", "500 Internal Server Error", 1),
    "a change": ("PATCH", "502 Bad Gateway", 1),
    "rejected by a rate limit": ("POST", "429 Too Many Requests", 2),
    "rejected for lack of capacity": ("POST", "503 Service Unavailable", 2),
}


@pytest.mark.parametrize(("method", "said", "sent"), AGAIN.values(), ids=AGAIN.keys())
def test_only_safe_requests_are_retried(serve: Serve, method: str, said: str, sent: int) -> None:
    body = os.urandom(2 << 20) if method in ("POST", "PATCH") else b""
    bodies: list[bytes] = []

    def vendor(sock: socket.socket) -> None:
        while request := read_request(sock):
            bodies.append(request.partition(b"\r\n\r\n")[2])
            sock.sendall(whole(b"{}", "Retry-After: 0", status=said if len(bodies) == 1 else "200 OK"))

    with Peer(vendor) as peer:
        place = Place(Vendor(b""), peer.url.removesuffix("/v1"))
        reply = serve(place.config()).request(method, "/llm/raw/v/v1/files", body)
    assert (reply.status == 200, len(bodies)) == (sent == 2, sent)
    assert all(one == body for one in bodies)


def test_a_creation_is_not_sent_on_a_connection_that_the_vendor_may_be_closing(serve: Serve) -> None:
    """A vendor that reads it there and closes may have created what a second one would create again."""
    seen: list[bytes] = []

    def vendor(sock: socket.socket) -> None:
        for answer in (whole(b"{}"), b""):
            seen.append(read_request(sock)[:4])
            sock.sendall(answer)

    with Peer(vendor) as peer:
        nexus = serve(Place(Vendor(b""), peer.url.removesuffix("/v1")).config())
        replies = [
            nexus.request(method, "/llm/raw/v/v1/files", b"{}" if method == "POST" else b"")
            for method in ("GET", "POST")
        ]
    assert [reply.status for reply in replies] == [200, 200]
    assert seen.count(b"POST") == 1


def test_header_rules_apply(serve: Serve, place: Place) -> None:
    rules = (
        'headers = [{ rule = "insert", name = "x-team", value = "core" }, '
        '{ rule = "forward", name = "openai-organization" }]'
    )
    sent = {"OpenAI-Organization": "org-1", "X-Other": "stays", "Cookie": "hushhush=1"}
    assert serve(place.config(rules)).request("GET", "/llm/raw/v/v1/files", headers=sent).status == 200
    headers = place.vendor.seen[0][1]
    assert (headers["x-team"], headers["openai-organization"]) == ("core", "org-1")
    assert "x-other" not in headers and "cookie" not in headers


def test_a_provider_name_is_percent_encoded_in_the_path(serve: Serve, place: Place) -> None:
    config = place.config().replace("[llm.providers.v]", '[llm.providers."my vendor"]')
    reply = serve(config).request("GET", "/llm/raw/my%20vendor/v1/files/%7Ea")
    assert (reply.status, place.vendor.seen[0][0]) == (200, "GET /v1/files/%7Ea")


BUDGET = '[budgets.team]\nlimit_usd = 5\nperiod = "month"\nper = "key"\n'


@pytest.mark.parametrize(("more", "status"), [("", 403), ('unknown = "allow"', 200), ("forward_token = true", 200)])
def test_a_caller_with_a_budget_is_rejected_unless_allowed(serve: Serve, place: Place, more: str, status: int) -> None:
    """A budget does not pay for calls with the caller's own vendor key."""
    own = {"X-Provider-API-Key": "sk-hushhush-own-vendor-key"} if "token" in more else {}
    own["Authorization"] = f"Bearer {BOB}"
    reply = serve(KEYS + place.config(more) + BUDGET).request("GET", "/llm/raw/v/v1/files", headers=own)
    assert reply.status == status


def test_off_by_default(serve: Serve, place: Place) -> None:
    config = place.config().replace("passthrough = true\n", "").partition("passthrough_paths")
    nexus = serve(config[0] + "models.m = {}\n")
    assert nexus.request("GET", "/llm/raw/v/v1/files").status == 404


def test_only_keys_for_the_whole_provider_are_accepted(serve: Serve, place: Place) -> None:
    nexus = serve(KEYS + place.config())

    def ask(key: str) -> int:
        return nexus.request("GET", "/llm/raw/v/v1/files", headers={"Authorization": f"Bearer {key}"}).status

    assert (ask(ALICE), ask(BOB)) == (404, 200)
    assert nexus.request("GET", "/llm/raw/v/v1/files").status == 401
    assert "nx-" not in str(place.vendor.seen)


LIMITED: Mapping[str, tuple[str, str, int]] = {
    "a provider's tokens": (
        '[llm.providers.v.rate_limits.per_user]\ninput_token_limit = 9\ninterval = "1s"\n',
        "",
        403,
    ),
    "a model's tokens": (
        '[llm.providers.v.models.m.rate_limits.per_user]\noutput_token_limit = 9\ninterval = "1s"\n',
        "",
        403,
    ),
    "allowed by the operator": (
        '[llm.providers.v.rate_limits.per_user]\ninput_token_limit = 9\ninterval = "1s"\n',
        'unknown = "allow"',
        200,
    ),
    "only requests": ('[llm.providers.v.rate_limits.per_user]\nrequest_limit = 9\ninterval = "1s"\n', "", 200),
}


@pytest.mark.parametrize(("limit", "more", "status"), LIMITED.values(), ids=LIMITED.keys())
def test_a_caller_with_token_limits_is_rejected_unless_allowed(
    serve: Serve, place: Place, limit: str, more: str, status: int
) -> None:
    config = place.config(more)
    nexus = serve((config.replace("models.m = {}\n", "") if ".models." in limit else config) + limit)
    assert nexus.request("GET", "/llm/raw/v/v1/files").status == status


def test_a_call_has_a_record(serve: Serve, place: Place) -> None:
    nexus: Nexus = serve(place.config())
    records = nexus.records()
    assert nexus.request("GET", "/llm/raw/v/v1/files").status == 200
    wait_until(lambda: len(records) == 1)
    answer = records[0].answer
    assert (records[0].model, records[0].operation and records[0].operation.action) == ("v/*", "raw")
    assert answer is not None and (answer.route, answer.tokens_known) == ("v/*", "no")


WRONG: Mapping[str, tuple[str, str]] = {
    "no paths": ("passthrough = true\n", "has no effect without passthrough_paths"),
    "a dotted path": ('passthrough = true\npassthrough_paths = ["/v1/../x"]\n', "must be a path such as"),
    "another host": ('passthrough = true\npassthrough_paths = ["//evil.example"]\n', "must be a path such as"),
}


@pytest.mark.parametrize(("lines", "words"), WRONG.values(), ids=WRONG.keys())
def test_invalid_settings_are_rejected(serve: Serve, lines: str, words: str) -> None:
    with pytest.raises(Exception, match=words):
        serve(f'[llm.providers.v]\ntype = "openai"\napi_key = "{KEY}"\n{lines}models.m = {{}}\n')


def test_it_is_not_available_for_bedrock(serve: Serve) -> None:
    table = '[llm.providers.v]\ntype = "bedrock"\nregion = "us-east-1"\n'
    with pytest.raises(Exception, match="has no effect with type bedrock"):
        serve(table + 'passthrough = true\npassthrough_paths = ["/model"]\nmodels.m = {}\n')
