"""Any other path of a vendor: only where the settings say so, with the provider's key, and to its own host."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from nexus.accounting.record import CallRecord
from tests.conftest import Serve
from tests.peers import Peer, Vendor
from tests.serving import KEY, Nexus, wait_until

ALICE = "nx-hushhush-alice-0123456789abcdef"
BOB = "nx-hushhush-bob-0123456789abcdefgh"
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
def test_method_path_query_and_body_are_the_clients(serve: Serve, place: Place, method: str) -> None:
    nexus = serve(place.config())
    body = b'{ "model" : "gpt" }\n' if method in ("POST", "PUT", "PATCH") else b""
    path = "/v1/fine_tuning/jobs/a%2Fb%20c?limit=2&after=%C3%A9"
    reply = nexus.request(method, f"/llm/raw/v{path}", body, JSON if body else {})
    assert (reply.status, reply.body) == (200, place.vendor.answer)
    seen, headers, sent = place.vendor.seen[0]
    assert (seen, sent) == (f"{method} {path}", body)
    assert headers["authorization"] == f"Bearer {KEY}"
    assert reply.headers["x-nexus-route"] == "v/*"


def test_nothing_of_an_answer_is_read(serve: Serve, place: Place) -> None:
    place.vendor.kind, place.vendor.answer = "Content-Type: text/event-stream", b"data: {1}\n\nevent: x\n"
    reply = serve(place.config()).request("GET", "/llm/raw/v/v1/files/f/content")
    assert (reply.body, reply.headers["content-type"]) == (place.vendor.answer, "text/event-stream")


def test_a_large_body_is_on_the_disk(serve: Serve, place: Place) -> None:
    nexus, body = serve(place.config()), os.urandom(3 << 20)
    reply = nexus.request("POST", "/llm/raw/v/v1/files", body, {"Content-Type": "application/octet-stream"})
    assert (reply.status, place.vendor.seen[0][2] == body) == (200, True)
    wait_until(lambda: nexus.server.disk.used == 0)


def test_the_vendors_error_is_the_clients(serve: Serve, place: Place) -> None:
    place.vendor.status, place.vendor.answer = "409 Conflict", f'{{"error": "not {KEY}"}}'.encode()
    reply = serve(place.config()).request("GET", "/llm/raw/v/v1/files/f")
    assert (reply.status, reply.body) == (409, b'{"error": "not [redacted]"}')


def test_another_dialects_key_and_headers(serve: Serve, place: Place) -> None:
    nexus = serve(place.config(kind="anthropic", paths='["/v1/skills"]'))
    reply = nexus.request("GET", "/llm/raw/v/v1/skills", headers={"anthropic-version": "2023-06-01"})
    assert reply.status == 200
    headers = place.vendor.seen[0][1]
    assert (headers["x-api-key"], headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert nexus.request("GET", "/llm/raw/v/v1/other").json["type"] == "error", "as its clients read it"


ELSEWHERE = [
    "/v1/models",
    "/v1/filesystem",
    "/v1/%66iles",
    "/",
    "",
]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_only_the_listed_paths_pass(serve: Serve, place: Place, path: str) -> None:
    assert serve(place.config()).request("GET", f"/llm/raw/v{path}").status in (400, 404)
    assert place.vendor.seen == []


AMBIGUOUS = ["/v1/files/../models", "/v1/files/%2e%2e/models", "/v1/files/a%2F..%2F..%2Fmodels", "/v1/files//x"]


@pytest.mark.parametrize(
    "path", [*AMBIGUOUS, "/v1/files/%252e%252e/models", "/v1/files/..;/models", "/v1/files/a\\..\\b"]
)
def test_a_path_that_two_could_read_differently(serve: Serve, place: Place, path: str) -> None:
    assert serve(place.config()).request("GET", f"/llm/raw/v{path}").status == 400
    assert place.vendor.seen == []


def test_off_by_default(serve: Serve, place: Place) -> None:
    config = place.config().replace("passthrough = true\n", "").partition("passthrough_paths")
    nexus = serve(config[0] + "models.m = {}\n")
    assert nexus.request("GET", "/llm/raw/v/v1/files").status == 404


def test_only_who_may_use_all_of_the_provider(serve: Serve, place: Place) -> None:
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
    "what the operator lets pass": (
        '[llm.providers.v.rate_limits.per_user]\ninput_token_limit = 9\ninterval = "1s"\n',
        'unknown = "allow"',
        200,
    ),
    "requests alone": ('[llm.providers.v.rate_limits.per_user]\nrequest_limit = 9\ninterval = "1s"\n', "", 200),
}


@pytest.mark.parametrize(("limit", "more", "status"), LIMITED.values(), ids=LIMITED.keys())
def test_who_is_limited_in_tokens(serve: Serve, place: Place, limit: str, more: str, status: int) -> None:
    config = place.config(more)
    nexus = serve((config.replace("models.m = {}\n", "") if ".models." in limit else config) + limit)
    assert nexus.request("GET", "/llm/raw/v/v1/files").status == status


def test_a_call_has_a_record(serve: Serve, place: Place) -> None:
    nexus: Nexus = serve(place.config())
    records: list[CallRecord] = []
    nexus.server.consumers = (*nexus.server.consumers, records.append)
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
def test_settings_that_mean_nothing(serve: Serve, lines: str, words: str) -> None:
    with pytest.raises(Exception, match=words):
        serve(f'[llm.providers.v]\ntype = "openai"\napi_key = "{KEY}"\n{lines}models.m = {{}}\n')


def test_a_provider_that_signs_has_none(serve: Serve) -> None:
    table = '[llm.providers.v]\ntype = "bedrock"\nregion = "us-east-1"\n'
    with pytest.raises(Exception, match="has no effect with type bedrock"):
        serve(table + 'passthrough = true\npassthrough_paths = ["/model"]\nmodels.m = {}\n')
