"""The Gemini API for clients: Google's own SDK in front of every vendor lane, streams, tools, thinking and errors."""

import json
import logging
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from tests.conftest import Serve
from tests.server.vendors import CALLS, DIALECTS, HELLO, LANES, RESPONSES, Lane, Stand, Standing
from tests.server.vendors import claude as claude
from tests.serving import Nexus, anthropic_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.fake_upstream.google import gemini, vertex
from tools.fake_upstream.parts import SIGNATURES

GOOGLE = "/llm/google/v1beta/models"
BODY: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
SCHEMA = types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)})
WEATHER = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters=SCHEMA)])
NO_AFC = types.AutomaticFunctionCallingConfig(disable=True)


@dataclass
class Vendor(Standing):
    client: genai.Client


PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""No certificate authorities, which a client would load needlessly."""


def sdk(nexus: Nexus, key: str = "any") -> genai.Client:
    options = types.HttpOptions(
        base_url=f"{nexus.base}/llm/google",
        api_version="v1beta",
        client_args={"verify": PLAIN},
        async_client_args={"verify": PLAIN, "ssl": PLAIN},
    )
    return genai.Client(api_key=key, http_options=options)


@pytest.fixture(params=DIALECTS, ids=lambda lane: lane.name)
def vendor(request: pytest.FixtureRequest, stand: Stand) -> Iterator[Vendor]:
    standing = stand(request.param)
    with sdk(standing.nexus) as client:
        yield Vendor(standing.lane, standing.upstream, standing.nexus, client)
    assert standing.upstream.violations == []


@dataclass
class Answer:
    """A whole answer, or the sum of a stream's chunks; ``contents`` are as the SDK's chats keep them."""

    contents: list[types.Content]
    last: types.GenerateContentResponse

    def turn(self, vendor: Vendor) -> list[types.Content]:
        """As it is sent back: the fake of Google requires alternating turns, though Google does not."""
        whole = types.Content(role="model", parts=self.parts)
        return [whole] if "gemini" in vendor.lane.name else self.contents

    @property
    def parts(self) -> list[types.Part]:
        return [part for content in self.contents for part in content.parts or []]

    @property
    def text(self) -> str:
        return "".join(part.text or "" for part in self.parts if not part.thought)

    @property
    def thoughts(self) -> str:
        return "".join(part.text or "" for part in self.parts if part.thought)

    @property
    def calls(self) -> list[types.FunctionCall]:
        return [part.function_call for part in self.parts if part.function_call is not None]


def ask(vendor: Vendor, streaming: bool, contents: Any = "Hi", **config: Any) -> Answer:
    asked: Any = types.GenerateContentConfig(automatic_function_calling=NO_AFC, **config)
    if streaming:
        chunks = list(vendor.client.models.generate_content_stream(model="v/m", contents=contents, config=asked))
    else:
        chunks = [vendor.client.models.generate_content(model="v/m", contents=contents, config=asked)]
    said = [chunk.candidates[0].content for chunk in chunks if chunk.candidates]
    return Answer([content for content in said if content is not None], chunks[-1])


def user(*parts: types.Part) -> types.Content:
    return types.Content(role="user", parts=list(parts))


HI = user(types.Part(text="Hi"))
streaming = pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])


@streaming
class TestEveryVendor:
    def test_a_text_answer_has_its_usage(self, vendor: Vendor, streaming: bool) -> None:
        answer = ask(vendor, streaming, system_instruction="Be kind.", max_output_tokens=64)
        assert answer.text == HELLO
        candidate, usage = (answer.last.candidates or [])[0], answer.last.usage_metadata
        assert candidate.finish_reason == types.FinishReason.STOP and usage is not None
        counts = (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count)
        assert counts == (11, 6, 17)
        assert b"Be kind." in vendor.upstream.requests[-1].body

    def test_calls_and_results_go_both_ways(self, vendor: Vendor, streaming: bool) -> None:
        vendor.upstream.next(Behaviour(tool_calls=CALLS))
        first = ask(vendor, streaming, tools=[WEATHER])
        assert [call.args for call in first.calls] == [{"city": "Paris"}, {"city": "Rome"}]
        results = [
            types.Part(function_response=types.FunctionResponse(id=call.id, name="weather", response=response))
            for call, response in zip(first.calls, ({"sky": "blue"}, {"error": "no such place"}), strict=True)
        ]
        answer = ask(vendor, streaming, [HI, *first.turn(vendor), user(*reversed(results))], tools=[WEATHER])
        assert answer.text == HELLO
        sent = vendor.upstream.requests[-1].body.decode()
        assert "blue" in sent and "no such place" in sent

    def test_a_vendors_429_has_googles_status(self, vendor: Vendor, streaming: bool) -> None:
        vendor.upstream.default = Behaviour(status=429, message="so the vendor said")
        with pytest.raises(errors.ClientError, match="so the vendor said") as caught:
            ask(vendor, streaming)
        assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")


@streaming
def test_thinking_is_returned_and_accepted_back(vendor: Vendor, streaming: bool) -> None:
    if vendor.lane.vendor == "openai" or vendor.lane.name == "bedrock converse":
        pytest.skip("this dialect has no thinking")
    vendor.upstream.next(Behaviour(thinking="Let me see.", tool_calls=CALLS[:1]))
    asked: dict[str, Any] = {
        "tools": [WEATHER],
        "max_output_tokens": 4096,
        "thinking_config": types.ThinkingConfig(include_thoughts=True, thinking_budget=2048),
    }
    said = ask(vendor, streaming, **asked)
    assert said.thoughts == "Let me see."
    (call,) = said.calls
    result = types.FunctionResponse(id=call.id, name="weather", response={"sky": "blue"})
    history = [HI, *said.turn(vendor), user(types.Part(function_response=result))]
    for kept in (history, without_thoughts(history), without_thought_signatures(history)):
        ask(vendor, streaming, kept, **asked)
        if vendor.lane.passes == "messages":
            sent = vendor.upstream.requests[-1].json["messages"][1]["content"]
            assert sent[0] == {"type": "thinking", "thinking": "Let me see.", "signature": SIGNATURES["anthropic"]}
            assert [block["type"] for block in sent] == ["thinking", "tool_use"]


ASKED = {
    "nothing about thinking": None,
    "a budget": types.ThinkingConfig(thinking_budget=2048),
    "none": types.ThinkingConfig(include_thoughts=False),
    "off": types.ThinkingConfig(include_thoughts=True, thinking_budget=0),
}


@streaming
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
def test_thoughts_are_returned_only_on_request(
    asked: types.ThinkingConfig | None, streaming: bool, serve: Serve, tmp_path: Path
) -> None:
    """As at Google: LangChain's clients, and n8n and Flowise with them, fail at the next call otherwise. A call's
    signature carries the thinking back all the same.
    """
    lane = Lane("qwen", "openai", "qwen3-coder", "chat")
    with FakeUpstream("openai") as upstream:
        nexus = serve(lane.config(upstream, tmp_path))
        with sdk(nexus) as client:
            vendor = Vendor(lane, upstream, nexus, client)
            upstream.next(Behaviour(thinking="Let me see.", tool_calls=CALLS[:1]))
            said = ask(vendor, streaming, tools=[WEATHER], thinking_config=asked)
            assert said.thoughts == "" and not any(part.thought for part in said.parts)
            result = types.FunctionResponse(name="weather", response={"sky": "blue"})
            ask(
                vendor, streaming, [HI, *said.turn(vendor), user(types.Part(function_response=result))], tools=[WEATHER]
            )
            assert upstream.requests[-1].json["messages"][1]["reasoning_content"] == "Let me see."
        assert upstream.violations == []


def without_thoughts(history: list[types.Content]) -> list[types.Content]:
    """As Gemini CLI keeps it."""
    kept = [
        types.Content(role=one.role, parts=[part for part in one.parts or [] if not part.thought]) for one in history
    ]
    return [content for content in kept if content.parts]


def without_thought_signatures(history: list[types.Content]) -> list[types.Content]:
    """As opencode keeps it."""
    kept = [content.model_copy(deep=True) for content in history]
    for part in (part for content in kept for part in content.parts or [] if part.thought):
        part.thought_signature = None
    return kept


def test_reasoning_of_the_responses_api_is_sent_back(serve: Serve, tmp_path: Path) -> None:
    with FakeUpstream("openai") as upstream:
        nexus = serve(RESPONSES.config(upstream, tmp_path))
        with sdk(nexus) as client:
            vendor = Vendor(RESPONSES, upstream, nexus, client)
            upstream.next(Behaviour(thinking="Let me see.", tool_calls=CALLS[:1]))
            said = ask(vendor, True, tools=[WEATHER], thinking_config=types.ThinkingConfig(include_thoughts=True))
            result = types.FunctionResponse(name="weather", response={"sky": "blue"})
            history = [HI, *said.turn(vendor), user(types.Part(function_response=result))]
            for kept in (history, without_thoughts(history), without_thought_signatures(history)):
                ask(vendor, False, kept, tools=[WEATHER])
                items = upstream.requests[-1].json["input"]
                assert [item["encrypted_content"] for item in items if item.get("type") == "reasoning"] == [
                    SIGNATURES["responses"]
                ]
        assert upstream.violations == []


def test_tokens_are_counted(vendor: Vendor) -> None:
    assert (vendor.client.models.count_tokens(model="v/m", contents="Hi").total_tokens or 0) > 0
    whole = {"generateContentRequest": {"model": "models/v/m", "systemInstruction": {"parts": [{"text": "s"}]}, **BODY}}
    reply = vendor.nexus.post(f"{GOOGLE}/v/m:countTokens", whole)
    assert reply.status == 200 and reply.json["totalTokens"] > 0


def test_a_broken_stream_ends_with_an_error(vendor: Vendor) -> None:
    vendor.upstream.default = Behaviour(cut_after=4)
    with pytest.raises((errors.APIError, httpx2.HTTPError)):
        ask(vendor, True)
    raw = array(vendor.nexus)
    try:
        assert "error" in json.loads(raw), "a stream that broke before its first content is a plain error"
    except ValueError:
        assert b'"error"' in raw and b"finishReason" not in raw


def array(nexus: Nexus, body: Any = BODY, model: str = "v/m") -> bytes:
    """A stream without ``alt=sse``, as far as it arrives."""
    received = b""
    try:
        with httpx2.stream("POST", f"{nexus.base}{GOOGLE}/{model}:streamGenerateContent", json=body) as reply:
            for piece in reply.iter_bytes():
                received += piece
    except httpx2.HTTPError:
        pass
    return received


def test_without_sse_a_stream_is_one_array(vendor: Vendor) -> None:
    with httpx2.stream("POST", f"{vendor.nexus.base}{GOOGLE}/v/m:streamGenerateContent", json=BODY) as reply:
        assert reply.headers["content-type"].startswith("application/json")
        chunks = json.loads(reply.read())
    assert len(chunks) > 2
    parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    assert "".join(part["text"] for part in parts) == HELLO
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


PASSING = [lane for lane in LANES if "gemini" in lane.name]
ODD = (
    b'{ "contents": [ {"role":"user", "parts":[{"text":"H\\u0069"}]} ], "cachedContent": "cachedContents/x",'
    b' "safetySettings": [{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}] }'
)


@pytest.mark.parametrize("lane", PASSING, ids=lambda lane: lane.name)
@pytest.mark.parametrize("behaviour", [Behaviour(thinking="Hm."), Behaviour(tool_calls=CALLS)], ids=["text", "tools"])
def test_bytes_pass_to_and_from_google_unchanged(
    lane: Lane, behaviour: Behaviour, serve: Serve, tmp_path: Path
) -> None:
    with FakeUpstream(lane.vendor) as upstream:
        upstream.default = behaviour
        nexus = serve(lane.config(upstream, tmp_path))
        for number, verb in enumerate(("generateContent", "streamGenerateContent?alt=sse"), 1):
            reply = nexus.post(f"{GOOGLE}/v%2Fm:{verb}", ODD)
            seen = upstream.requests[-1]
            answer = (gemini if lane.vendor == "gemini" else vertex).answer(seen, behaviour, number)
            assert reply.body == (b"".join(answer.frames) if answer.frames else answer.body)
            assert seen.body == ODD
        assert upstream.violations == []


def test_another_vendors_signatures_do_not_reach_google(serve: Serve, tmp_path: Path) -> None:
    """A conversation that Claude began continues with Gemini 3, which requires a signature on the first call of every
    turn.
    """
    lane = Lane("gemini 3", "gemini", "gemini-3-pro-preview", None)
    with FakeUpstream("anthropic") as claude, FakeUpstream("gemini") as upstream:
        config = lane.config(upstream, tmp_path)
        nexus = serve(config + anthropic_config(claude.base_url))
        claude.default = Behaviour(thinking="Let me see.", tool_calls=CALLS[:1])
        asked = {**BODY, "tools": [{"functionDeclarations": [{"name": "weather"}]}]}
        asked["generationConfig"] = {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 2048}}
        said = nexus.post(f"{GOOGLE}/claude:generateContent", asked).json["candidates"][0]["content"]
        assert [next(iter(part)) for part in said["parts"]] == ["text", "functionCall"]
        call = said["parts"][1]["functionCall"]
        result = {"functionResponse": {"id": call["id"], "name": "weather", "response": {"sky": "blue"}}}
        history = [*BODY["contents"], said, {"role": "user", "parts": [result]}]
        reply = nexus.post(f"{GOOGLE}/v/m:generateContent", {**BODY, "contents": history, "tools": asked["tools"]})
        assert reply.status == 200
        assert reply.headers["x-nexus-dropped"] == "contents.parts.thoughtSignature"
        (sent,) = upstream.requests[-1].json["contents"][1]["parts"]
        assert sent == {"functionCall": call, "thoughtSignature": "skip_thought_signature_validator"}
        assert upstream.violations == claude.violations == []


@pytest.mark.parametrize("sse", [True, False], ids=["events", "array"])
def test_keepalives_while_the_vendor_is_silent_do_not_break_clients(
    sse: bool, claude: FakeUpstream, serve: Serve
) -> None:
    nexus = serve(anthropic_config(claude.base_url, '[server]\nping_interval = "20ms"\nearly_ping = "20ms"\n'))
    claude.default = Behaviour(delay=0.15)
    if sse:
        # The deprecated JavaScript SDK and Genkit read events with a pattern that begins with "data: ".
        reply = nexus.post(f"{GOOGLE}/claude:streamGenerateContent?alt=sse", BODY)
        assert all(event.startswith(b"data: ") for event in reply.body.removesuffix(b"\n\n").split(b"\n\n"))
        with sdk(nexus) as client:
            chunks = client.models.generate_content_stream(model="claude", contents="Hi")
            assert "".join(chunk.text or "" for chunk in chunks) == HELLO
    else:
        raw = array(nexus, model="claude")
        assert raw.startswith(b"\n") and len(json.loads(raw)) > 2


NAMES = ["key", "access_token", "%6Bey", "$key"]


@pytest.mark.parametrize("path", [":generateContent", ":streamGenerateContent", ":countTokens", "", "/x/y/z"])
def test_a_key_in_the_query_is_rejected_and_not_logged(
    path: str, claude: FakeUpstream, serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    nexus = serve(anthropic_config(claude.base_url))
    secret = "AIza-this-is-a-secret"
    method = "POST" if path.startswith(":") else "GET"
    body = json.dumps(BODY).encode() if method == "POST" else b""
    headers = {"content-type": "application/json"}
    for name in NAMES:
        reply = nexus.request(method, f"{GOOGLE}/claude{path}?{name}={secret}&alt=sse", body, headers)
        assert reply.status == 400, name
        error = reply.json["error"]
        told = (error["code"], error["status"], error["details"][0]["reason"])
        assert told == (400, "INVALID_ARGUMENT", "INVALID_REQUEST"), name
        assert "x-goog-api-key" in error["message"] and secret not in reply.body.decode(), name
    wait_until(lambda: sum(record.name == "nexus.access" for record in caplog.records) == len(NAMES))
    assert not [record for record in caplog.records if secret in str(vars(record)) + record.getMessage()]
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
    assert claude.requests == []


PLACES = {
    "v1": "/llm/google/v1/models/claude:generateContent",
    "with its provider": f"{GOOGLE}/v/claude:generateContent",
    "with its provider, as the AI SDK and LangChain.js": "/llm/google/v1beta/v/claude:generateContent",
    "percent-encoded": f"{GOOGLE}/v%2Fclaude%3AgenerateContent",
}


@pytest.mark.parametrize("path", PLACES.values(), ids=PLACES)
def test_model_names_in_the_path_are_found(path: str, claude: FakeUpstream, serve: Serve) -> None:
    nexus = serve(anthropic_config(claude.base_url).replace("llm.providers.anthropic", "llm.providers.v"))
    assert nexus.post(path, BODY).json["modelVersion"] in ("claude", "v/claude")


def test_all_protocols_can_be_served_at_the_root(claude: FakeUpstream, serve: Serve) -> None:
    paths = "".join(f'[llm.protocols.{name}]\npath = "/"\n' for name in ("openai", "anthropic", "google"))
    nexus = serve(anthropic_config(claude.base_url, paths))
    assert nexus.post("/v1/models/claude:generateContent", BODY).status == 200
    listed = nexus.request("GET", "/v1/models", headers={"x-goog-api-client": "google-genai-sdk/3"})
    assert [model["name"] for model in listed.json["models"]] == ["models/anthropic/claude"]
    assert nexus.request("GET", "/v1/models").json["object"] == "list"


def test_models_are_listed_in_pages(serve: Serve) -> None:
    nexus = serve('[llm.providers.e]\ntype = "echo"\n' + "".join(f'models."m{n}" = {{}}\n' for n in range(5)))
    with sdk(nexus) as client:
        names = [model.name for model in client.models.list(config={"page_size": 2})]
        assert names == [f"models/e/m{n}" for n in range(5)]
        assert client.models.get(model="e/m3").name == "models/e/m3"
        with pytest.raises(errors.ClientError) as caught:
            client.models.get(model="e/none")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    unknown = nexus.post(f"{GOOGLE}/e/m3:predict", {})
    assert (unknown.status, unknown.json["error"]["message"]) == (404, f"{GOOGLE}/e/m3:predict does not exist")
    assert nexus.post(f"{GOOGLE}/e/m3", {}).status == 405
    first = nexus.request("GET", f"{GOOGLE}?pageSize=2").json
    assert first["nextPageToken"] == "2" and first["models"][0]["supportedGenerationMethods"][0] == "generateContent"
    assert nexus.request("GET", f"{GOOGLE}?pageToken=x").status == 400
