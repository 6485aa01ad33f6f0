"""What all fake vendors have in common: the same Behaviour, read back by each vendor's own types, and faults.

Driven from outside, over sockets; published types and botocore's parser judge the answers. Nothing sleeps.
"""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from anthropic.types import Message
from google.genai import types
from openai.types.chat import ChatCompletion

from nexus.protocols.eventstream import CorruptMessage, Decoder, named
from tests.tools.driving import CHAT_TOOL, CLAUDE_TOOL, connect, data_of, read_all
from tools.fake_upstream import Behaviour, Call, FakeUpstream, Redacted, Text, Thinking

ASK: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]}
SAY: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hello!"}]}]}
TALK: dict[str, Any] = {"max_tokens": 16, "messages": [{"role": "user", "content": "Hello!"}]}
BEARER = {"authorization": "Bearer k"}
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PLACE = "/v1/projects/p/locations/us-east5/publishers"


@dataclass(frozen=True)
class Door:
    """One way to ask a vendor: where, with what, and how a stream is asked for."""

    vendor: str
    path: str
    stream_path: str
    body: dict[str, Any]
    tools: dict[str, Any]
    auth: dict[str, str] = field(default_factory=lambda: BEARER)
    in_body: bool = False

    def of(self, stream: bool) -> tuple[str, dict[str, Any]]:
        body = self.body | ({"stream": True} if stream and self.in_body else {})
        return (self.stream_path if stream else self.path), body


GOOGLE_TOOL = {"tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": {"type": "object"}}]}]}
AWS_TOOL = {"toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]}}
OPENAI_TOOL, ANTHROPIC_TOOL = {"tools": [CHAT_TOOL]}, {"tools": [CLAUDE_TOOL]}
GEMINI_PATH = "/v1beta/models/gemini-2.5-flash:"
DOORS = {
    "openai": Door(
        "openai", "/v1/chat/completions", "/v1/chat/completions", TALK | {"model": "m"}, OPENAI_TOOL, in_body=True
    ),
    "anthropic": Door(
        "anthropic",
        "/v1/messages",
        "/v1/messages",
        TALK | {"model": "m"},
        ANTHROPIC_TOOL,
        {"x-api-key": "k", "anthropic-version": "2023-06-01"},
        in_body=True,
    ),
    "gemini": Door(
        "gemini",
        GEMINI_PATH + "generateContent",
        GEMINI_PATH + "streamGenerateContent?alt=sse",
        ASK,
        GOOGLE_TOOL,
        {"x-goog-api-key": "k"},
    ),
    "vertex": Door(
        "vertex",
        PLACE + "/google/models/gemini-2.5-flash:generateContent",
        PLACE + "/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        ASK,
        GOOGLE_TOOL,
    ),
    "vertex-claude": Door(
        "vertex",
        PLACE + "/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        PLACE + "/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict",
        TALK | {"anthropic_version": "vertex-2023-10-16"},
        ANTHROPIC_TOOL,
        in_body=True,
    ),
    "invoke": Door(
        "bedrock",
        f"/model/{CLAUDE}/invoke",
        f"/model/{CLAUDE}/invoke-with-response-stream",
        TALK | {"anthropic_version": "bedrock-2023-05-31"},
        ANTHROPIC_TOOL,
    ),
    "converse": Door(
        "bedrock",
        "/model/amazon.nova-lite-v1:0/converse",
        "/model/amazon.nova-lite-v1:0/converse-stream",
        SAY,
        AWS_TOOL,
    ),
}


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Door:
    return DOORS[request.param]


@pytest.fixture
def fake(door: Door) -> Iterator[FakeUpstream]:
    with FakeUpstream(door.vendor) as upstream:
        yield upstream


def ask(fake: FakeUpstream, door: Door, *, stream: bool = False, **more: Any) -> requests.Response:
    path, body = door.of(stream)
    return requests.post(fake.origin + path, json=body | more, headers=door.auth, timeout=60)


def raw(door: Door, *, stream: bool) -> bytes:
    path, body = door.of(stream)
    payload = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in door.auth.items()]
    return ("\r\n".join([*lines, f"Content-Length: {len(payload)}"]) + "\r\n\r\n").encode() + payload


def aws_events(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    decoder = Decoder()
    found = [named(message) for message in decoder.feed(body)]
    decoder.finish()
    return [(name, json.loads(text)) for name, text in found]


def stream_events(door: Door, body: bytes) -> list[dict[str, Any]]:
    """The vendor's own events, without their framing."""
    if door.vendor != "bedrock":
        return data_of(body.replace(b"\r\n", b"\n"))
    events = aws_events(body)
    if door is DOORS["invoke"]:
        return [json.loads(base64.b64decode(payload["bytes"])) for _, payload in events]
    return [{name: payload} for name, payload in events]


Said = list[tuple[str, str]]


def said_whole(door: Door, body: bytes) -> Said:
    """(kind, text) of every part of an answer."""
    value = json.loads(body)
    if door is DOORS["openai"]:
        chosen = ChatCompletion.model_validate(value).choices[0].message
        said = [
            ("thinking", value["choices"][0]["message"].get("reasoning_content", "")),
            ("text", chosen.content or ""),
        ]
        calls = [call for call in chosen.tool_calls or () if call.type == "function"]
        return [pair for pair in said if pair[1]] + [(c.function.name, c.function.arguments) for c in calls]
    if door.vendor == "gemini" or door is DOORS["vertex"]:
        types.GenerateContentResponse.model_validate(value)
        return [google_part(part) for part in value["candidates"][0]["content"]["parts"]]
    if door is DOORS["converse"]:
        return [aws_part(block) for block in value["output"]["message"]["content"]]
    Message.model_validate(value)
    return [claude_part(block) for block in value["content"]]


def google_part(part: dict[str, Any]) -> tuple[str, str]:
    if "functionCall" in part:
        return part["functionCall"]["name"], json.dumps(part["functionCall"]["args"])
    return ("thinking" if part.get("thought") else "text"), part["text"]


def aws_part(block: dict[str, Any]) -> tuple[str, str]:
    match block:
        case {"text": text}:
            return "text", text
        case {"reasoningContent": {"reasoningText": {"text": text}}}:
            return "thinking", text
        case {"reasoningContent": {"redactedContent": data}}:
            return "redacted", data
    return block["toolUse"]["name"], json.dumps(block["toolUse"]["input"])


def claude_part(block: dict[str, Any]) -> tuple[str, str]:
    match block["type"]:
        case "text" | "thinking" as kind:
            return kind, block[kind]
        case "redacted_thinking":
            return "redacted", block["data"]
    return block["name"], json.dumps(block["input"])


def said_streamed(door: Door, body: bytes) -> Said:
    events = stream_events(door, body)
    if door is DOORS["openai"]:
        return chat_stream(events)
    if door.vendor == "gemini" or door is DOORS["vertex"]:
        parts = [google_part(part) for event in events for part in event["candidates"][0]["content"]["parts"]]
        return merged([pair for pair in parts if pair[1]])
    if door is DOORS["converse"]:
        return indexed([aws_step(event) for event in events])
    return indexed([claude_step(event) for event in events])


def chat_stream(events: list[dict[str, Any]]) -> Said:
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
    said = [(kind, "".join(delta.get(key) or "" for delta in deltas)) for kind, key in CHAT_KEYS]
    calls: dict[int, tuple[str, str]] = {}
    for call in (call for delta in deltas for call in delta.get("tool_calls") or ()):
        name, arguments = calls.get(call["index"], (call["function"].get("name"), ""))
        calls[call["index"]] = (name, arguments + call["function"]["arguments"])
    return [pair for pair in said if pair[1]] + list(calls.values())


CHAT_KEYS = (("thinking", "reasoning_content"), ("text", "content"))


def merged(pairs: Said) -> Said:
    said: Said = []
    for kind, text in pairs:
        if said and said[-1][0] == kind and kind in ("text", "thinking"):
            said[-1] = (kind, said[-1][1] + text)
        else:
            said.append((kind, text))
    return said


def indexed(steps: list[tuple[int, str, str] | None]) -> Said:
    blocks: dict[int, tuple[str, str]] = {}
    for step in steps:
        if step is not None:
            index, kind, text = step
            known = blocks.get(index, (kind, ""))
            blocks[index] = (known[0], known[1] + text)
    return [blocks[index] for index in sorted(blocks)]


def aws_step(event: dict[str, Any]) -> tuple[int, str, str] | None:
    match event:
        case {"contentBlockStart": {"start": {"toolUse": {"name": name}}, "contentBlockIndex": index}}:
            return index, name, ""
        case {"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": index}}:
            return index, "text", text
        case {"contentBlockDelta": {"delta": {"reasoningContent": {"text": text}}, "contentBlockIndex": index}}:
            return index, "thinking", text
        case {"contentBlockDelta": {"delta": {"reasoningContent": {"redactedContent": data}}}}:
            return event["contentBlockDelta"]["contentBlockIndex"], "redacted", data
        case {"contentBlockDelta": {"delta": {"toolUse": {"input": piece}}, "contentBlockIndex": index}}:
            return index, "", piece
    return None


def claude_step(event: dict[str, Any]) -> tuple[int, str, str] | None:
    match event:
        case {"type": "content_block_start", "index": index, "content_block": block}:
            kind, text = claude_part(block)
            return index, kind, "" if block["type"] == "tool_use" else text
        case {"type": "content_block_delta", "index": index, "delta": delta}:
            return index, "", delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
    return None


PARALLEL = (("weather", '{"city": "Paris"}'), ("clock", '{"zone": "CET", "utc": true}'), ("noop", "{}"))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Behaviour(), [("text", Behaviour().text)]),
        (Behaviour(text="Grüße \n 東京 "), [("text", "Grüße \n 東京 ")]),
        (Behaviour(thinking="Hm, well.", text="Yes."), [("thinking", "Hm, well."), ("text", "Yes.")]),
        (Behaviour(tool_call=True), [("weather", '{"city": "Paris"}')]),
        (Behaviour(tool_calls=PARALLEL), list(PARALLEL)),
        (Behaviour(tool_calls=PARALLEL, interleaved=True, piece_size=7), list(PARALLEL)),
        (
            Behaviour(parts=(Thinking("So."), Text("One moment."), Call("clock"))),
            [("thinking", "So."), ("text", "One moment."), ("clock", "{}")],
        ),
    ],
)
def test_says_what_it_is_told(
    fake: FakeUpstream, door: Door, behaviour: Behaviour, expected: Said, stream: bool
) -> None:
    fake.next(behaviour)
    reply = ask(fake, door, stream=stream, **door.tools)
    assert reply.status_code == 200, reply.text
    assert (said_streamed if stream else said_whole)(door, reply.content) == expected
    assert fake.violations == []
    assert fake.requests[0].streams is stream


@pytest.mark.parametrize("name", ["anthropic", "vertex-claude", "invoke", "converse"])
@pytest.mark.parametrize("stream", [False, True])
def test_redacted_thinking(name: str, stream: bool) -> None:
    door = DOORS[name]
    with FakeUpstream(door.vendor) as fake:
        fake.next(Behaviour(parts=(Redacted("b3BhcXVl"), Text("Yes."))))
        reply = ask(fake, door, stream=stream)
        assert (said_streamed if stream else said_whole)(door, reply.content) == [
            ("redacted", "b3BhcXVl"),
            ("text", "Yes."),
        ]


def test_interleaved_calls_alternate() -> None:
    behaviour = Behaviour(tool_calls=(("a", '{"x": 1}'), ("b", '{"y": 2}')), interleaved=True)
    with FakeUpstream("openai") as chat, FakeUpstream("bedrock") as bedrock:
        chat.next(behaviour)
        bedrock.next(behaviour)
        events = stream_events(DOORS["openai"], ask(chat, DOORS["openai"], stream=True).content)
        order = [call["index"] for event in events for call in event["choices"][0]["delta"].get("tool_calls", ())]
        assert order == [0, 1, 0, 1, 0, 1]
        steps = stream_events(DOORS["converse"], ask(bedrock, DOORS["converse"], stream=True).content)
        deltas = [event["contentBlockDelta"]["contentBlockIndex"] for event in steps if "contentBlockDelta" in event]
        assert deltas == [0, 1, 0, 1]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 429, 500, 503, 529])
def test_vendor_errors(fake: FakeUpstream, door: Door, status: int) -> None:
    fake.next(Behaviour(status=status, message="no", headers=(("Retry-After", "3"),)))
    reply = ask(fake, door, stream=True)
    assert (reply.status_code, reply.headers["retry-after"]) == (status, "3")
    body = reply.json()
    assert (body if door.vendor == "bedrock" else body["error"])["message"] == "no"
    assert door.vendor != "anthropic" or body["request_id"] == reply.headers["request-id"]
    assert reply.headers["content-type"] == "application/json"
    assert fake.violations == []


def test_end_cut_error_and_reset(fake: FakeUpstream, door: Door) -> None:
    fake.next(Behaviour(error_after=2, message="broke"), Behaviour(end_after=2), Behaviour(cut_after=2))
    assert b"broke" in ask(fake, door, stream=True).content
    assert len(stream_events(door, ask(fake, door, stream=True).content)) == 2
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        ask(fake, door, stream=True)
    fake.next(Behaviour(reset_after=0), Behaviour(garbage="json"), Behaviour(cut_after=5))
    with pytest.raises(requests.ConnectionError):
        ask(fake, door)
    with pytest.raises(requests.JSONDecodeError):
        ask(fake, door, stream=True).json()
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        ask(fake, door)


@pytest.mark.parametrize("stream", [False, True])
def test_pieces_and_gzip_change_nothing(fake: FakeUpstream, door: Door, stream: bool) -> None:
    fake.next(Behaviour(piece_size=3), Behaviour(gzip=True), Behaviour(piece_size=5, gzip=True, chunked=False))
    for _ in range(3):
        reply = ask(fake, door, stream=stream)
        assert (said_streamed if stream else said_whole)(door, reply.content) == [("text", Behaviour().text)]


@pytest.mark.parametrize(
    "behaviour", [Behaviour(hang=True), Behaviour(hold=threading.Event()), Behaviour(event_delay=600.0)]
)
def test_a_disconnecting_client_is_noticed(fake: FakeUpstream, door: Door, behaviour: Behaviour) -> None:
    fake.next(behaviour)
    with connect(fake) as sock:
        sock.sendall(raw(door, stream=True))
        fake.wait_for_requests(1)
        left = time.monotonic()
    assert fake.wait_for_disconnects(1)[0].at >= left


def test_endless_repeats_the_first_delta(fake: FakeUpstream, door: Door) -> None:
    fake.next(Behaviour(endless=True, text="again and again"))
    with connect(fake) as sock:
        sock.sendall(raw(door, stream=True))
        fake.wait_for_stall(quiet=0.02)
        seen = sock.recv(65536) + sock.recv(65536)
    # InvokeModel's chunks hold the text in base64.
    assert seen.count(b"chunk" if door is DOORS["invoke"] else b"again") > 10
    fake.wait_for_disconnects(1)


def test_a_changed_checksum_is_found() -> None:
    with FakeUpstream("bedrock") as fake:
        for name in ("invoke", "converse"):
            fake.next(Behaviour(garbage="crc", piece_size=11), Behaviour(garbage="sse"))
            decoder = Decoder()
            before = decoder.feed(ask(fake, DOORS[name], stream=True).content)
            assert before
            with pytest.raises(CorruptMessage, match="Checksum"):
                decoder.finish()
            with pytest.raises(CorruptMessage):
                Decoder().feed(ask(fake, DOORS[name], stream=True).content)


def test_paths_methods_and_bodies(fake: FakeUpstream, door: Door) -> None:
    url = fake.origin + door.path
    assert requests.post(fake.origin + "/v1/nothing", json={}, headers=door.auth, timeout=60).status_code == 404
    assert requests.put(url, json=door.body, headers=door.auth, timeout=60).status_code == 405
    assert requests.post(url, json=door.body, timeout=60).status_code in (401, 403)
    assert requests.post(url, data="{}", headers=door.auth, timeout=60).status_code == 400
    assert requests.post(url, json=[1], headers=door.auth, timeout=60).status_code == 400
    assert ask(fake, door, frobnicate=1).status_code == 400
    assert len(fake.violations) == 6, fake.violations
    assert "frobnicate" in fake.violations[-1]


def test_leniency(door: Door) -> None:
    with FakeUpstream(door.vendor, strict=False) as fake:
        assert ask(fake, door, frobnicate=1).status_code == 200
    with FakeUpstream(door.vendor, extra_fields=("frobnicate",)) as fake:
        assert ask(fake, door, frobnicate=1).status_code == 200
        assert ask(fake, door, frobnicate=1, other=1).status_code == 400


def test_the_expected_key(door: Door) -> None:
    with FakeUpstream(door.vendor, api_key="right") as fake:
        assert ask(fake, door).status_code in (400, 401, 403)
        right = {
            name: value.removesuffix("k") + "right" if value.endswith("k") else value
            for name, value in door.auth.items()
        }
        assert requests.post(fake.origin + door.path, json=door.body, headers=right, timeout=60).status_code == 200
        assert len(fake.violations) == 1


def test_wire_is_closed_after_connection_close(fake: FakeUpstream, door: Door) -> None:
    with connect(fake) as sock:
        sock.sendall(raw(door, stream=True).replace(b"Host: x", b"Host: x\r\nConnection: close"))
        assert read_all(sock).endswith(b"0\r\n\r\n")


ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_command_line(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    vendors = ("openai", "anthropic", "gemini", "vertex", "bedrock")
    arguments = [word for vendor in vendors for word in (f"--{vendor}", "0")]
    arguments += ["--text", "Hi", "--service-account", str(key)]
    command = [sys.executable, "-m", "tools.fake_upstream", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            lines = "".join(process.stdout.readline() for _ in vendors)
            urls = dict(re.findall(r"fake (\w+) listens on (\S+)", lines))
            for door in DOORS.values():
                origin = re.sub(r"(:\d+)/.*", r"\1", urls[door.vendor])
                reply = requests.post(origin + door.path, json=door.body, headers=door.auth, timeout=60)
                assert said_whole(door, reply.content) == [("text", "Hi")]
                assert re.match(rf"{door.vendor} POST \S+ model=[\w.:@-]+ unary", process.stdout.readline())
            assert json.loads(key.read_text())["token_uri"].endswith("/token")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_sdks_are_imported_only_at_start() -> None:
    code = (
        "import sys; from tools.fake_upstream import FakeUpstream\n"
        "for name in ('openai', 'anthropic', 'gemini', 'vertex', 'bedrock'): FakeUpstream(name)\n"
        "sdks = {'openai', 'anthropic', 'google.genai', 'google.auth', 'botocore', 'boto3', 'cryptography'}\n"
        "assert not sdks & sys.modules.keys(), sdks & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize("name", ["anthropic", "vertex-claude", "invoke"])
def test_claude_names_the_stop_sequence(name: str) -> None:
    door = DOORS[name]
    with FakeUpstream(door.vendor) as fake:
        fake.default = Behaviour(stop_sequence="END")
        whole = ask(fake, door).json()
        assert (whole["stop_reason"], whole["stop_sequence"]) == ("stop_sequence", "END")
        delta = stream_events(door, ask(fake, door, stream=True).content)[-2]["delta"]
        assert delta == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
