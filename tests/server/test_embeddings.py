"""Embeddings from every vendor with its own format, requested through OpenAI's SDK."""

import base64
import json
import struct
from typing import Any

import openai
import pytest
from google import genai
from google.genai import types

from nexus.accounting.record import CallRecord
from tests.server.vendors import Lane, Stand
from tests.serving import Nexus, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.fake_upstream.endpoints import vector

LANES: dict[str, tuple[str, str, int, int | None]] = {
    "gemini": ("gemini", "gemini-embedding-001", 256, None),
    "vertex": ("vertex", "text-embedding-005", 256, 22),
    "vertex, one text a request": ("vertex", "gemini-embedding-001", 256, 22),
    "vertex, embedContent": ("vertex", "gemini-embedding-2", 256, 22),
    "titan": ("bedrock", "amazon.titan-embed-text-v2:0", 256, 22),
    "cohere": ("bedrock", "us.cohere.embed-v4:0", 256, 11),
}
"""The vendor, its model, a size that it takes, and what two texts are counted as, where they are."""

Asked = tuple[Nexus, FakeUpstream, str]


@pytest.fixture
def lane(request: pytest.FixtureRequest, stand: Stand) -> Asked:
    vendor, model = request.param
    standing = stand(Lane(model, vendor, model, None, "models.chat = {}\n"))
    return standing.nexus, standing.upstream, "v/m"


@pytest.fixture
def records(lane: Asked, monkeypatch: pytest.MonkeyPatch) -> list[CallRecord]:
    nexus, _, _ = lane
    records: list[CallRecord] = []
    monkeypatch.setattr(nexus.server, "consumers", (*nexus.server.consumers, records.append))
    return records


PLACES = pytest.mark.parametrize("lane", [one[:2] for one in LANES.values()], ids=LANES.keys(), indirect=True)


@pytest.mark.parametrize(
    ("lane", "size", "tokens"), [(one[:2], *one[2:]) for one in LANES.values()], ids=LANES.keys(), indirect=["lane"]
)
def test_the_sdk_gets_the_vectors_in_order(
    lane: Asked, records: list[CallRecord], size: int, tokens: int | None
) -> None:
    nexus, upstream, model = lane
    with openai.OpenAI(base_url=nexus.openai, api_key="unused", max_retries=0) as client:
        # The SDK asks for base64 by default.
        got = client.embeddings.create(model=model, input=["a", "bcd"], dimensions=size)
    assert [one.embedding for one in got.data] == [vector(size, 1), vector(size, 3)]
    assert [one.index for one in got.data] == [0, 1]
    assert got.model == model
    wait_until(lambda: len(records) == 1)
    answer = records[0].answer
    assert answer is not None and answer.usage is not None
    assert answer.usage.total_input == got.usage.prompt_tokens == (tokens or got.usage.prompt_tokens) > 0
    assert answer.tokens_known == ("partly" if tokens is None else "yes")
    assert upstream.violations == []


@PLACES
def test_one_text_returns_numbers(lane: Asked) -> None:
    nexus, upstream, model = lane
    reply = nexus.post("/llm/openai/v1/embeddings", {"model": model, "input": "abc", "user": "me"})
    assert reply.status == 200, reply.body
    assert reply.json["data"] == [{"object": "embedding", "index": 0, "embedding": vector(8, 3)}]
    assert reply.headers["x-nexus-dropped"] == "user"
    assert upstream.violations == []


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "token ids": ({"input": [1, 2]}, "input: token ids belong to another vendor's models"),
    "lists of them": ({"input": [[1, 2]]}, "input: token ids belong to another vendor's models"),
    "nothing": ({"input": []}, "input: expected a string or an array of strings"),
    "an empty string": ({"input": ["a", ""]}, "input.1: expected a non-empty string"),
    "no size": ({"input": "a", "dimensions": 0}, "dimensions: expected a whole number of at least 1"),
    "an unknown form": ({"input": "a", "encoding_format": "hex"}, "encoding_format: expected"),
    "too many": ({"input": ["a"] * 2049}, "input: expected at most 2048 strings"),
}


@pytest.mark.parametrize("lane", [("gemini", "gemini-embedding-001")], indirect=True)
def test_unsupported_input_is_rejected(lane: Asked) -> None:
    nexus, upstream, model = lane
    for name, (body, words) in REFUSED.items():
        reply = nexus.post("/llm/openai/v1/embeddings", {"model": model, **body})
        assert (reply.status, reply.json["error"]["message"].startswith(words)) == (400, True), (name, reply.body)
        assert upstream.requests == [], name


@pytest.mark.parametrize("lane", [("bedrock", "cohere.embed-english-v3")], indirect=True)
def test_many_texts_are_split_into_several_requests(lane: Asked) -> None:
    nexus, upstream, model = lane
    texts = ["x" * (1 + index % 7) for index in range(200)]
    reply = nexus.post("/llm/openai/v1/embeddings", {"model": model, "input": texts, "input_type": "search_query"})
    assert [len(one.json["texts"]) for one in upstream.requests] == [96, 96, 8]
    assert {one.json["input_type"] for one in upstream.requests} == {"search_query"}
    assert [one["embedding"] for one in reply.json["data"]] == [vector(8, len(one)) for one in texts]
    assert reply.json["usage"] == {"prompt_tokens": 33, "total_tokens": 33}


LIMITED = '[llm.providers.v.rate_limits.per_user]\ninput_token_limit = 9000\ninterval = "1h"\n'


@pytest.mark.parametrize("status", [400, 500])
def test_usage_before_a_failed_request_is_recorded_and_counts(stand: Stand, status: int) -> None:
    model = "amazon.titan-embed-text-v2:0"
    standing = stand(Lane(model, "bedrock", model, None, "retries.attempts = 1\n", LIMITED))
    nexus, records = standing.nexus, standing.nexus.records()
    standing.upstream.next(Behaviour(), Behaviour(status=status, message="too long"))
    (before,) = nexus.request("GET", "/dashboard/data").json["gauges"]
    reply = nexus.post("/llm/openai/v1/embeddings", {"model": "v/m", "input": ["a", "b", "c"]})
    assert reply.status == status
    wait_until(lambda: len(records) == 1)
    assert records[0].answer is not None and records[0].answer.usage is not None
    assert records[0].answer.usage.total_input == 11
    (after,) = nexus.request("GET", "/dashboard/data").json["gauges"]
    assert after["used"] - before["used"] == 11


@pytest.mark.parametrize("lane", [("bedrock", "amazon.titan-embed-text-v1")], indirect=True)
def test_dimensions_are_rejected_for_a_model_with_a_fixed_size(lane: Asked) -> None:
    nexus, _, model = lane
    reply = nexus.post("/llm/openai/v1/embeddings", {"model": model, "input": "a", "dimensions": 256})
    assert (reply.status, reply.json["error"]["param"]) == (400, "dimensions")


@PLACES
def test_a_chat_model_has_no_embeddings(lane: Asked) -> None:
    nexus, _, _ = lane
    reply = nexus.post("/llm/openai/v1/embeddings", {"model": "v/chat", "input": "a"})
    assert reply.status == 404
    assert reply.json["error"]["message"] == "model 'v/chat' has no embeddings; models that have it: v/m"


@pytest.mark.parametrize("lane", [("gemini", "gemini-embedding-001")], indirect=True)
def test_an_invalid_answer_is_a_bad_gateway(lane: Asked) -> None:
    nexus, upstream, model = lane
    for body in (b'{"embeddings": []}', b'{"embeddings": [{"values": ["a"]}]}', b"<html>"):
        upstream.next(Behaviour(body=body))
        assert nexus.post("/llm/openai/v1/embeddings", {"model": model, "input": "a"}).status == 502


@pytest.mark.parametrize(
    ("lane", "path", "body"),
    [
        (("openai", "text-embedding-3-small"), "/llm/openai/v1/embeddings", {"model": "v/m", "input": "a"}),
        (
            ("gemini", "gemini-embedding-001"),
            "/llm/google/v1beta/models/v/m:embedContent",
            {"content": {"parts": [{"text": "a"}]}},
        ),
    ],
    indirect=["lane"],
)
def test_an_invalid_answer_does_not_pass(lane: Asked, path: str, body: dict[str, Any]) -> None:
    nexus, upstream, _ = lane
    for raw, kind in ((b"<html>", "text/html"), (b"", "application/json"), (b'{"da', "application/json")):
        upstream.default = Behaviour(body=raw, headers=(("Content-Type", kind),))
        assert nexus.post(path, body).status == 502, raw


GOOGLES = {**LANES, "openai": ("openai", "text-embedding-3-small", 256, 11)}


@pytest.mark.parametrize(
    ("lane", "size"), [(one[:2], one[2]) for one in GOOGLES.values()], ids=GOOGLES.keys(), indirect=["lane"]
)
def test_googles_sdk_gets_embeddings_of_every_vendor(lane: Asked, size: int) -> None:
    nexus, upstream, model = lane
    options = types.HttpOptions(base_url=f"{nexus.base}/llm/google", api_version="v1beta")
    config = types.EmbedContentConfig(output_dimensionality=size, task_type="RETRIEVAL_QUERY")
    with genai.Client(api_key="any", http_options=options) as client:
        got = client.models.embed_content(model=model, contents=["a", "bcd"], config=config)
    last = upstream.requests[-1].route
    # The fake of OpenAI counts texts, the others count letters.
    sizes = (0, 1) if last.endswith("/embeddings") else (1, 3)
    assert [one.values for one in got.embeddings or []] == [vector(size, length) for length in sizes]
    one = {"content": {"parts": [{"text": "abc"}]}, "task_type": "RETRIEVAL_QUERY", "outputDimensionality": size}
    reply = nexus.post(f"/llm/google/v1beta/models/{model}:embedContent", {**one, "title": "t"})
    assert reply.json["embedding"]["values"] == vector(size, sizes[0] if sizes[0] == 0 else 3)
    lost = set() if last.endswith("batchEmbedContents") else {"title"}
    lost |= {"taskType"} if "titan" in last or last.endswith("/embeddings") else set()
    assert set(filter(None, reply.headers.get("x-nexus-dropped", "").split(", "))) == lost
    assert upstream.violations == []


@pytest.mark.parametrize("lane", [("gemini", "gemini-embedding-001")], indirect=True)
def test_an_embedding_request_to_google_passes_unchanged(lane: Asked) -> None:
    nexus, upstream, _ = lane
    one = b'{ "content": {"parts":[{"text":"\\u0061"}]}, "taskType": "CLUSTERING", "title": "t" }'
    nexus.post("/llm/google/v1beta/models/v/m:embedContent", one)
    assert upstream.requests[-1].body == one
    many = b'{ "requests": [ {"model": "models/v/m", "content": {"parts":[{"text":"a"}]}} ] }'
    nexus.post("/llm/google/v1beta/models/v/m:batchEmbedContents", many)
    assert upstream.requests[-1].body == many.replace(b"v/m", b"gemini-embedding-001")


MIXED: dict[str, dict[str, Any]] = {
    "an image": {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}},
    "nothing": {"content": {"parts": []}},
    "no requests": {"requests": []},
    "several tasks": {
        "requests": [
            {"content": {"parts": [{"text": "a"}]}, "taskType": "CLUSTERING"},
            {"content": {"parts": [{"text": "a"}]}},
        ]
    },
}


@pytest.mark.parametrize("lane", [("bedrock", "cohere.embed-english-v3")], indirect=True)
def test_unsupported_google_requests_are_rejected(lane: Asked) -> None:
    nexus, upstream, _ = lane
    for name, body in MIXED.items():
        verb = "batchEmbedContents" if "requests" in body else "embedContent"
        reply = nexus.post(f"/llm/google/v1beta/models/v/m:{verb}", body)
        assert (reply.status, reply.json["error"]["status"]) == (400, "INVALID_ARGUMENT"), (name, reply.body)
        assert upstream.requests == [], name


@pytest.mark.parametrize("count", [2, 3000], ids=["whole", "in pieces"])
def test_numbers_of_a_server_that_ignores_base64_are_packed(stand: Stand, count: int) -> None:
    """The SDKs for JavaScript and .NET read nothing else."""
    standing = stand(Lane("local", "openai", "nomic-embed", None, "models.chat = {}\n"))
    numbers = [0.25, -1.5] * 50
    data = [{"object": "embedding", "index": index, "embedding": numbers} for index in range(count)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    vendors = {"object": "list", "data": data, "model": "nomic-embed", "usage": usage}
    records = standing.nexus.records()
    for form in ("base64", "float"):
        standing.upstream.next(Behaviour(body=json.dumps(vendors).encode()))
        body = {"model": "v/m", "input": ["a"] * 2, "encoding_format": form}
        reply = standing.nexus.post("/llm/openai/v1/embeddings", body)
        packed = base64.b64encode(struct.pack("<100f", *numbers)).decode()
        wanted = packed if form == "base64" else numbers
        assert reply.json == {**vendors, "data": [{**one, "embedding": wanted} for one in data]}
    wait_until(lambda: len(records) == 2)
    assert [one.answer.usage.total_input for one in records if one.answer and one.answer.usage] == [7, 7]
