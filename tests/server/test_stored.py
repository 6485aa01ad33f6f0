"""Answers and conversations stored at the vendor: requests pass by id to the provider that has them.

Method, path, query and body reach the vendor unchanged, and its answer reaches the client unchanged.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import openai
import pytest

from tests.conftest import Serve
from tests.peers import Peer, Vendor
from tests.server.test_usage import rows
from tests.serving import KEY
from tools.fake_upstream import Behaviour, FakeUpstream

STORED = (
    b'{ "id":"resp_1","object":"response","model":"gpt-4.1-2025-04-14" , "status":"completed","created_at":1,'
    b'"output":[],"new_field":null,"usage":{"input_tokens":9,"output_tokens":3,"total_tokens":12}}'
)
DELETED = b'{"id":"resp_1","object":"response","deleted":true}'
EVENTS = (
    b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta","sequence_number":7,"delta":"x"}\n\n'
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":8,"response":' + STORED + b"}\n\n"
)


@dataclass
class Place:
    keeper: Vendor
    url: str


@pytest.fixture
def place() -> Iterator[Place]:
    keeper = Vendor(STORED)
    with Peer(keeper) as peer:
        yield Place(keeper, peer.url)


def provider(name: str, url: str, more: str = "responses = true") -> str:
    return f"""
[llm.providers.{name}]
type = "openai"
api_key = "{KEY}"
base_url = "{url}"
{more}
models.m = {{}}
"""


def test_everything_passes_unchanged(serve: Serve, place: Place) -> None:
    nexus = serve(provider("v", place.url))
    asked = [
        ("GET", "/responses/resp_1", b""),
        ("GET", "/responses/resp_1?include%5B%5D=reasoning.encrypted_content", b""),
        ("GET", "/responses/resp_1/input_items?limit=2&after=msg_1", b""),
        ("POST", "/responses/resp_1/cancel", b""),
        ("DELETE", "/responses/resp_1", b""),
        ("POST", "/conversations", b'{ "items" : [] }'),
        ("GET", "/conversations/conv_1/items/msg_2", b""),
        ("DELETE", "/conversations/conv_1", b""),
    ]
    for method, path, body in asked:
        reply = nexus.request(
            method, f"/llm/openai/v1{path}", body, {"Content-Type": "application/json"} if body else {}
        )
        assert (reply.status, reply.body) == (200, STORED), path
        assert reply.headers["x-nexus-route"] == "v/*"
    assert [(seen, body) for seen, _, body in place.keeper.seen] == [
        (f"{method} /v1{path}", body) for method, path, body in asked
    ]
    assert all(headers["authorization"] == f"Bearer {KEY}" for _, headers, _ in place.keeper.seen)
    assert "content-type" not in place.keeper.seen[0][1]


def test_the_sdk_reads_and_deletes(serve: Serve, place: Place) -> None:
    nexus = serve(provider("v", place.url))
    with openai.OpenAI(base_url=nexus.openai, api_key="unused", max_retries=0) as client:
        assert client.responses.retrieve("resp_1").model == "gpt-4.1-2025-04-14", "the vendor's own answer, unchanged"
        place.keeper.answer = DELETED
        client.responses.delete("resp_1")


def test_a_stream_is_resumed(serve: Serve, place: Place) -> None:
    nexus = serve(provider("v", place.url))
    place.keeper.answer, place.keeper.kind = EVENTS, "Content-Type: text/event-stream"
    reply = nexus.request("GET", "/llm/openai/v1/responses/resp_1?stream=true&starting_after=6")
    assert (reply.status, reply.body) == (200, EVENTS)
    assert reply.headers["content-type"] == "text/event-stream"


def test_with_several_providers_the_request_must_name_one(serve: Serve, place: Place) -> None:
    nexus = serve(provider("v", place.url) + provider("w", place.url))
    unnamed = nexus.request("GET", "/llm/openai/v1/responses/resp_1")
    assert unnamed.status == 400
    assert unnamed.json["error"]["message"] == "the header x-nexus-provider is missing; set it to one of: v, w"
    named = nexus.request("GET", "/llm/openai/v1/responses/resp_1", headers={"x-nexus-provider": "w"})
    assert (named.status, named.headers["x-nexus-route"]) == (200, "w/*")
    wrong = nexus.request("GET", "/llm/openai/v1/responses/resp_1", headers={"x-nexus-provider": "x"})
    assert wrong.status == 404
    assert "stores answers: v, w" in wrong.json["error"]["message"]
    assert "x-nexus-provider" not in place.keeper.seen[0][1]


def test_without_a_provider_that_stores_answers_ids_are_not_found(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(provider("v", openai_upstream.base_url, ""))
    for method in ("GET", "DELETE"):
        reply = nexus.request(method, "/llm/openai/v1/responses/resp_1")
        assert (reply.status, reply.headers["x-nexus-error"]) == (404, "not_found")
    assert openai_upstream.requests == []


def test_a_key_sees_only_the_providers_whose_models_it_may_use(serve: Serve, place: Place) -> None:
    keys = """
[server.keys.alice]
key = "nx-hushhush-alice-0123456789abcdef"
models = ["other/*"]
[server.keys.bob]
key = "nx-hushhush-bob-0123456789abcdefgh"
models = ["v/*"]
"""
    nexus = serve('server.response_store.stored_unknown = "serve"\n' + keys + provider("v", place.url))
    path = "/llm/openai/v1/responses/resp_1"
    assert nexus.request("GET", path).status == 401
    assert nexus.request("GET", path, headers={"x-api-key": "nx-hushhush-alice-0123456789abcdef"}).status == 404
    assert nexus.request("GET", path, headers={"x-api-key": "nx-hushhush-bob-0123456789abcdefgh"}).status == 200
    assert len(place.keeper.seen) == 1
    assert place.keeper.seen[0][1]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "path", ["/responses/a%2Fb", "/responses/../models", "/responses/resp_1/other", "/conversations/a/items/b/c"]
)
def test_other_paths_of_the_vendor_are_not_found(serve: Serve, place: Place, path: str) -> None:
    nexus = serve(provider("v", place.url))
    assert nexus.request("GET", f"/llm/openai/v1{path}").status == 404
    assert place.keeper.seen == []


class TestCompaction:
    """``/responses/compact`` names a model, so it goes to that model's provider."""

    BODY = b'{"model": "v/m", "input": [{"role": "user", "content": "Hi"}], "instructions": null}'

    def test_it_passes_to_a_vendor_that_supports_it(self, serve: Serve, place: Place) -> None:
        nexus = serve(provider("v", place.url))
        place.keeper.answer = b'{"id":"resp_2","object":"response.compaction","output":[],"usage":{"input_tokens":5}}'
        reply = nexus.post("/llm/openai/v1/responses/compact", self.BODY)
        assert (reply.status, reply.body) == (200, place.keeper.answer)
        assert place.keeper.seen[0][0] == "POST /v1/responses/compact"
        assert place.keeper.seen[0][2] == self.BODY.replace(b"v/m", b"m")

    def test_for_other_vendors_the_model_writes_a_summary(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        nexus = serve(provider("v", openai_upstream.base_url, ""))
        cut = Behaviour(text="cut", stop_reason="length")
        openai_upstream.next(Behaviour(text="Somebody said hi."), cut, cut)
        reply = nexus.post("/llm/openai/v1/responses/compact", self.BODY)
        assert (reply.status, reply.json["object"]) == (200, "response.compaction")
        said, summary = reply.json["output"]
        assert said["content"] == "Hi" and summary["encrypted_content"] == "nexus.summary.Somebody said hi."
        assert openai_upstream.requests[0].json["messages"][0] == {"role": "user", "content": "Hi"}
        failed = nexus.post("/llm/openai/v1/responses/compact", self.BODY)
        assert failed.status == 502 and "no complete summary" in failed.json["error"]["message"]


QUEUED = STORED.replace(b'"completed"', b'"queued"').replace(
    b'{"input_tokens":9,"output_tokens":3,"total_tokens":12}', b"null"
)
LIMITED = """
[server.client_identification]
enabled = true
client_id = { http_header = "x-user-id" }
[llm.providers.v.rate_limits.per_user]
input_token_limit = 100_000
output_token_limit = 100_000
request_limit = 100
interval = "1h"
[llm.providers.v.models.m.price]
input = 1000
output = 1000
[budgets.people]
per = "user"
limit_usd = 100
period = "month"
"""
BILLED = STORED.replace(b'"output_tokens":3,', b'"output_tokens":3000,')


@pytest.mark.parametrize(
    ("answer", "most", "spent"),
    [(BILLED, 10, 3_009_000_000), (STORED, 1000, 1_026_000_000)],
    ids=["more than expected", "less than expected"],
)
def test_the_usage_of_an_answer_made_in_the_background_counts_once(
    answer: bytes, most: int, spent: int, serve: Serve, place: Place
) -> None:
    nexus = serve(provider("v", place.url).replace("models.m = {}\n", "[llm.providers.v.models.m]\n") + LIMITED)
    who, path = {"x-user-id": "ann"}, "/llm/openai/v1/responses"
    place.keeper.answer = QUEUED
    ask = {"model": "v/m", "input": "Hi", "background": True, "max_output_tokens": most}
    assert nexus.post(path, ask, who).json["status"] == "queued"
    assert nexus.request("GET", f"{path}/resp_1", headers=who).json["status"] == "queued"
    place.keeper.answer = answer
    for _ in range(2):
        assert nexus.request("GET", f"{path}/resp_1", headers=who).body == answer
    used = (9, 3000) if answer == BILLED else (9, 3)
    told = rows(nexus, "operation, attempt, route, tokens_known, input_tokens, output_tokens, cost_nano", calls=4)
    assert sorted(told) == [
        ("generate", 1, "v/m", "no", 0, 0, None),
        *[("stored", 1, "v/*", "yes", 0, 0, 0)] * 3,
        ("stored", 2, "v/m", "yes", *used, sum(used) * 1_000_000),
    ]
    books = nexus.server.books
    with books.reading() as database, database.transaction(write=False) as transaction:
        ((charged,),) = transaction.query("SELECT spent_nano FROM budgets")
    assert charged == spent
    last = nexus.post(path, ask, who).headers
    assert last["x-ratelimit-remaining-tokens"] == str(100_000 - max(most, used[1]) - most)
