"""Unexpected input from clients or vendors raises only declared errors, never a 500 with a traceback.

Requests, answers, streams, errors, bodies in encodings, spliced JSON, configuration files and header patterns, all
with members replaced by unexpected values. The cases are the same in every run.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from nexus.conversation.estimate import estimate
from nexus.conversation.parts import Request
from nexus.errors import ClientError, NexusError, ProtocolError, StreamInterrupted, VendorError
from nexus.headers.pattern import Pattern
from nexus.limits.learned import Learned
from nexus.models import gpt
from nexus.models.chat_server import ChatServer
from nexus.protocols import loader
from nexus.protocols.answer_relay import Tap
from nexus.protocols.codec import Target
from nexus.protocols.loader import DIALECTS
from nexus.protocols.operation import GENERATE
from nexus.protocols.pairing import paired
from nexus.protocols.sse import Frame, FrameDecoder
from nexus.protocols.tidy import with_distinct_calls
from nexus.protocols.tool_calls import check_choice
from nexus.server.http.body import Body
from nexus.server.http.heads import body_length
from nexus.server.in_flight import BytesInFlight, Load
from nexus.settings import SettingsError, load
from nexus.wire import decode, encode
from tests.examples import examples

from .kit import ANSWERING, CLIENTS, TARGETS, stream_of
from .published import judge_error, judge_stream, judge_whole
from .rich import RICH, mutated, requests
from .test_fixtures import STREAMS, lane
from .test_published import FAILURES, broken

GPT = gpt.known("gpt-5.5")
EVERY_TARGET = {
    **TARGETS,
    "responses": (Target("gpt-5.5", gpt=GPT),),
    "chat": (
        *TARGETS["chat"],
        Target("kimi-k3", chat=ChatServer(typed_schemas=True)),
        Target("gpt-5.5", chat=gpt.on_chat(GPT or gpt.UNKNOWN), gpt=GPT),
    ),
}


def on_the_wire(body: Any) -> tuple[bytes, dict[str, Any]] | None:
    """A body and its parsed value; None if it is rejected before parsing."""
    raw = json.dumps(body).encode()
    try:
        document = decode(raw)
    except ValueError:
        return None
    return (raw, document) if isinstance(document, dict) else None


@pytest.mark.parametrize("client", RICH)
@examples(300)
@given(data=st.data())
def test_damaged_requests_raise_only_declared_errors(client: str, data: st.DataObject) -> None:
    sent = on_the_wire(data.draw(requests(client)))
    if sent is None:
        return
    raw, document = sent
    target = EVERY_TARGET["chat"][-1]
    edited = DIALECTS[client].passing.edit_request(raw, document, target)
    assert isinstance(decode(edited.body), dict)
    try:
        DIALECTS[client].check(document, GENERATE)
        request, _ = paired(with_distinct_calls(loader.client(client).read_request(document).request))
        check_choice(request)
    except ClientError as error:
        assert error.param and error.message.startswith(f"{error.param}: ")
        return
    assert estimate(request)
    for vendor, targets in EVERY_TARGET.items():
        try:
            written = loader.vendor(vendor).write_request(request, data.draw(st.sampled_from(targets)))
            assert encode(written.body)
            list(loader.client(client).lost(written.dropped, document, request))
        except ClientError as error:
            assert loader.client(client).field_of(error.param or "messages", document, request)


@st.composite
def damaged_streams(draw: st.DrawFn, name: str) -> list[Frame]:
    """Frames that are missing, repeated, out of order, or hold data that the vendor never sends."""
    frames = [frame for frame in stream_of(STREAMS[name]) if frame.data is not None]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(frames) - 1))
        match draw(st.sampled_from(["drop", "repeat", "swap", "junk", "name", "change", "change", "change"])):
            case "drop" if len(frames) > 1:
                del frames[at]
            case "repeat":
                frames.insert(at, frames[at])
            case "swap":
                other = draw(st.integers(0, len(frames) - 1))
                frames[at], frames[other] = frames[other], frames[at]
            case "junk":
                frames[at] = replace(frames[at], data=draw(st.sampled_from(JUNK_DATA)))
            case "name":
                frames[at] = replace(frames[at], event=draw(st.sampled_from(["error", "x", "ping", None])))
            case _ if frames[at].data not in ("", "[DONE]"):
                try:
                    said = decode(frames[at].data or "")
                except ValueError:
                    continue
                frames[at] = replace(frames[at], data=json.dumps(draw(mutated(said))))
            case _:
                pass
    return [replace(frame, raw=_written(frame)) for frame in frames]


JUNK_DATA = (
    *("", " ", "[DONE]", "null", "[]", "{}", "1", '"x"', '{"type":[]}', '{"type":{}}', '{"choices":[{}]}', "{"),
    *('{"choices":{}}', '{"error":[]}', '{"error":1}', '{"error":{"code":{}}}', '{"type":"error","error":[]}'),
    *('{"response":[]}', '{"message":[]}', '{"candidates":[[]]}', '{"usage":{"prompt_tokens":1e300}}'),
)


def _written(frame: Frame) -> bytes:
    name = b"" if frame.event is None else b"event: %b\n" % frame.event.encode()
    return b"%bdata: %b\n\n" % (name, (frame.data or "").replace("\n", " ").encode())


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("vendor", ANSWERING)
@examples(100)
@given(data=st.data())
def test_damaged_streams_raise_only_declared_errors(client: str, vendor: str, data: st.DataObject) -> None:
    """Legal orders or a declared error, and only published values."""
    name = data.draw(st.sampled_from([name for name in STREAMS if name.startswith(f"{vendor}/")]))
    frames = data.draw(damaged_streams(name))
    relay, written, failure = lane(client, name, stream=True), b"", StreamInterrupted("cut", provider="p")
    told: NexusError | None = failure
    try:
        for frame in frames:
            written += relay.frame(frame)
        if relay.complete or relay.ended:
            written += relay.finish()
            told = None
    except VendorError as refusal:
        told = refusal
    except ValueError:
        told = ProtocolError("p: garbage", provider="p")
    if told is not None:
        written += DIALECTS[client].error_frame(told, broken(client, begun=bool(written)))
    judge_stream(client, written)
    _settles(relay.tap)
    if vendor == client:
        passing = DIALECTS[client].passing.passthrough({"stream": True}, "alias", Tap())
        for frame in frames:
            passing.frame(frame)
        _settles(passing.tap)


def _settles(tap: Tap) -> None:
    if tap.usage is not None:
        learned = Learned()
        learned.saw_input("p", "m", estimate(Request(())), tap.usage.total_input)
        learned.saw_output("p", "m", tap.usage.total_output)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("vendor", ANSWERING)
@examples(60)
@given(data=st.data())
def test_damaged_answers_raise_only_declared_errors(client: str, vendor: str, data: st.DataObject) -> None:
    names = [name for name, path in STREAMS.items() if path.with_suffix(".json").exists()]
    name = data.draw(st.sampled_from([name for name in names if name.startswith(f"{vendor}/")]))
    raw = json.dumps(data.draw(mutated(json.loads(STREAMS[name].with_suffix(".json").read_bytes())))).encode()
    for stream in (False, True):
        relay = lane(client, name, stream=stream)
        try:
            answer = relay.body(raw)
        except VendorError as refusal:
            judge_error(client, decode(DIALECTS[client].write_error(refusal, "req_1")))
        except ValueError:
            pass
        else:
            judge_stream(client, answer) if stream else judge_whole(client, decode(answer))
        _settles(relay.tap)
    if vendor == client:
        passing = DIALECTS[client].passing.passthrough({}, "alias", Tap())
        try:
            passing.body(raw)
        except VendorError as refusal:
            assert refusal.message
        _settles(passing.tap)


RETRY_AFTER = st.sampled_from(["1", "x", "-1", "1e300", "nan", "inf", "9" * 500, "Fri, 31 Dec 1999 23:59:59 GMT"])


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("vendor", FAILURES)
@examples(60)
@given(data=st.data(), status=st.integers(400, 599), wait=RETRY_AFTER)
def test_damaged_errors_are_read_and_written(
    client: str, vendor: str, data: st.DataObject, status: int, wait: str
) -> None:
    body: Any = data.draw(mutated(FAILURES[vendor]("w", "words")) | st.sampled_from([b"", b"<html>", [], None, "x"]))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"retry-after": wait, "x-amzn-errortype": ":"}
    failure = VendorError(loader.vendor(vendor).read_error(status, headers, raw))
    judge_error(client, decode(DIALECTS[client].write_error(failure, "req_1")))
    judge_stream(client, DIALECTS[client].error_frame(failure, broken(client, begun=True)))


SQUEEZED = {"gzip": gzip.compress(b'{"a": 1}' * 9), "x-gzip": gzip.compress(b""), "deflate": zlib.compress(b"{}" * 9)}


@examples(200)
@given(
    encoding=st.sampled_from([*SQUEEZED, "identity", "br", "zstd", "", "gzip, gzip", "\xb2"]),
    length=st.sampled_from([None, "\xb2", "9" * 5000, "-1", "1", "x", "٣"]),
    cut=st.integers(0, 80),
    more=st.binary(max_size=20),
)
def test_damaged_bodies_raise_only_declared_errors(encoding: str, length: str | None, cut: int, more: bytes) -> None:
    headers = HTTPHeaders() if length is None else HTTPHeaders({"Content-Length": length})
    try:
        body = Body(1000, encoding, body_length(headers), Load(BytesInFlight(1000)))
        for piece in (SQUEEZED.get(encoding, b"{}")[:cut], more):
            body.feed(piece)
        assert isinstance(body.open(), bytes)
    except ClientError as refusal:
        assert refusal.status in (400, 413, 415)


@examples(200)
@given(pieces=st.lists(st.binary(max_size=12) | st.sampled_from([b"data: [DONE]", b"\n\n", b"\r", b"event:"])))
def test_frames_of_any_bytes(pieces: list[bytes]) -> None:
    decoder = FrameDecoder()
    found = [frame.raw for piece in pieces for frame in decoder.feed(piece)]
    assert b"".join(found) + decoder.rest == b"".join(pieces)
    decoder.last()


TOML = """
[server]
listen_address = "127.0.0.1:0"
[llm.providers.openai]
type = "openai"
api_key = "k"
base_url = "http://localhost:1/v1"
models.a.rename = "b"
headers = [{ rule = "forward", name = "x-a" }, { rule = "insert", name = "x-b", value = "c" }]
rate_limits.per_user.input_token_limit = 100
rate_limits.per_user.interval = "60s"
"""
VALUES = (
    "[]",
    "{}",
    "-1",
    "1e999",
    "nan",
    '"\\u0000"',
    "[[]]",
    "true",
    '"{{ env.NOPE }}"',
    '"{{"',
    "1979-05-27",
    '"("',
)


@examples(120)
@given(data=st.data())
def test_damaged_configuration_files_raise_only_settings_errors(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = TOML.strip().splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    name, equals, _ = lines[at].partition("=")
    lines[at] = f"{name}= {data.draw(st.sampled_from(VALUES))}" if equals else data.draw(st.sampled_from(["[", "[a"]))
    file: Path = tmp_path_factory.getbasetemp() / "declared.toml"
    file.write_text("\n".join(lines))
    try:
        assert load(file, {})
    except SettingsError as refusal:
        assert str(refusal)


@examples(300)
@given(words=st.text("a-.*+?()[]{}|\\^$0123456789,x: \xb2", max_size=12), name=st.text("ab-", max_size=6))
def test_any_header_pattern_compiles_or_raises_a_value_error(words: str, name: str) -> None:
    try:
        compiled = Pattern(words)
    except ValueError as refusal:
        assert str(refusal)
    else:
        compiled.matches(name)


def numbers() -> Iterator[tuple[str, Any]]:
    for client in CLIENTS:
        for name, value in RICH[client].items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield client, name


@pytest.mark.parametrize(("client", "name"), list(numbers()))
@pytest.mark.parametrize("value", [10**400, -(10**400), 1e300], ids=["huge", "negative", "1e300"])
def test_extreme_numbers_are_written_or_rejected_by_name(client: str, name: str, value: float) -> None:
    said = [{"role": "user", "content": "x"}]
    plain: dict[str, Any] = {"input": said} if client == "responses" else {"messages": said, "max_tokens": 9}
    _, document = on_the_wire({"model": "m", **plain, name: value}) or (b"", {})
    try:
        request = loader.client(client).read_request(document).request
        for vendor, targets in EVERY_TARGET.items():
            for target in targets:
                assert encode(loader.vendor(vendor).write_request(request, target).body)
    except ClientError as refusal:
        assert name in refusal.message
