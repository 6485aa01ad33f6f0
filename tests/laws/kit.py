"""Shared by the laws: target models, the official clients' ways to read an answer, and the published types.

Nothing here reads or writes a dialect; the SDKs themselves are the clients.
"""

import functools
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from anthropic.types import Message as ClaudeMessage
from anthropic.types import RawMessageStreamEvent
from openai._models import construct_type
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from nexus.auth.identity import Identity
from nexus.call import Call
from nexus.conversation.parts import Request
from nexus.models import bedrock, claude, gemini
from nexus.models.chat_server import ChatServer
from nexus.protocols import loader
from nexus.protocols.codec import AnswerOrigin, ReadRequest, Target, VendorRequest
from nexus.protocols.sse import Frame, FrameDecoder
from nexus.provider.route import Route
from nexus.relay.call_state import Attempt, CallState
from nexus.relay.candidate import Candidate
from nexus.settings.model import ModelSettings
from nexus.settings.registry import load
from nexus.wire import Json, decode, encode
from tests.protocols.chat.kit import check_request as check_chat
from tests.protocols.converse.published import check_request as check_converse
from tests.protocols.gemini.kit import check_body as check_gemini
from tests.protocols.kit import published
from tests.protocols.messages.kit import accumulated
from tests.protocols.messages.kit import check_request as check_messages

from .items import check_items, echo_items, gather_items

CLIENTS = ("chat", "messages", "responses")
"""Clients whose SDKs check answers here; test_client.py of Converse and Gemini has the same laws for theirs."""
ANSWERING = loader.VENDORS
VENDORS = tuple(name for name in ANSWERING if name != "responses")
"""Requests in OpenAI's two dialects have the same content, so one of them is enough."""

COMPATIBLE = ChatServer(string_content=True, system_first=True, mistral_tool_ids=True, no_stream_usage=True)
OWN_API = ChatServer(max_completion_tokens=True, developer_role=True, cache_breakpoint=True)

TARGETS: Mapping[str, tuple[Target, ...]] = {
    "chat": (Target("any"), Target("gpt", chat=OWN_API), Target("small", chat=COMPATIBLE)),
    "messages": tuple(
        Target(name, claude=claude.profile(name))
        for name in ("claude-sonnet-4-5", "claude-opus-4-8", "claude-opus-5-5", "claude-3-5-haiku", "kimi-k2")
    ),
    "gemini": tuple(
        Target(name, gemini=gemini.profile(name))
        for name in ("gemini-2.0-flash", "gemini-2.5-pro", "gemini-3-pro-preview", "gemini-3.8-flash")
    ),
    "converse": tuple(
        Target(name, converse=bedrock.profile(name))
        for name in (
            "us.amazon.nova-pro-v1:0",
            "us.openai.gpt-5.6-sol",
            "openai.gpt-oss-120b-1:0",
            "mistral.mistral-large-2407-v1:0",
            "us.meta.llama4-maverick-17b-instruct-v1:0",
            "arn:aws:bedrock:x/opaque",
        )
    ),
}


def read(client: str, body: Mapping[str, Json]) -> ReadRequest:
    """The client's request as received from the network."""
    return loader.client(client).read_request(decode(encode(body)))


def write(vendor: str, request: Request, target: Target) -> VendorRequest:
    return loader.vendor(vendor).write_request(request, target)


_CHAT_EXTENSIONS = {"reasoning_content", "reasoning_details", "thinking_blocks", "extra_content", "cache_control"}


def check_body(vendor: str, body: Mapping[str, Json]) -> None:
    """Fails unless the vendor's own published types accept the body."""
    body = decode(encode(body))
    match vendor:
        case "chat":
            check_chat(_without(body, _CHAT_EXTENSIONS))
        case "messages":
            check_messages(body)
        case "gemini":
            check_gemini(body)
        case _:
            check_converse(dict(body))


def _without(value: Json, names: set[str]) -> Json:
    match value:
        case Mapping():
            return {name: _without(inner, names) for name, inner in value.items() if name not in names}
        case list():
            return [_without(inner, names) for inner in value]
        case _:
            return value


def numbered() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"made_{next(numbers)}"


def origin(request: Request | None = None) -> AnswerOrigin:
    return AnswerOrigin(request or Request(()), "r1", "the-model", numbered())


def stream_of(case: Path) -> list[Frame]:
    """The vendor's frames; Bedrock's are named JSON payloads once their framing is off."""
    if case.suffix == ".sse":
        return FrameDecoder().feed(case.read_bytes())
    lines = [json.loads(line) for line in case.read_text().split("\n") if line]
    return [Frame(b"", line["event"], json.dumps(line["payload"])) for line in lines]


def frames(written: bytes) -> list[tuple[str | None, str]]:
    """Whole frames only. Comments carry no data; a keepalive comment is a line without its own blank line."""
    decoder = FrameDecoder()
    found = decoder.feed(written)
    assert all(line.startswith(b":") for line in decoder.rest.splitlines()), "a frame is incomplete"
    return [(frame.event, frame.data) for frame in found if frame.data is not None]


# What a client does with an answer: the official SDKs' own accumulation, and the turn that it sends back.

Turn = dict[str, Any]


def echo(client: str, answer: Mapping[str, Json]) -> list[Turn]:
    """The assistant's turn as the SDK's user appends it to the history: one message, or all items."""
    match client:
        case "chat":
            return [_as_sdk(ChatCompletion, answer).choices[0].message.model_dump()]
        case "messages":
            return [{"role": "assistant", "content": ClaudeMessage.construct(**answer).to_dict()["content"]}]
        case _:
            return echo_items(answer)


def echo_stream(client: str, written: bytes) -> list[Turn]:
    """The same for a stream."""
    match client:
        case "chat":
            return [_gathered_chat(written)]
        case "messages":
            message = accumulated((name, decode(data)) for name, data in frames(written))
            return [{"role": "assistant", "content": message.to_dict()["content"]}]
        case _:
            return gather_items(frames(written))


def _as_sdk(shape: Any, value: Any) -> Any:
    """The value as the SDK builds its objects: unknown words stay."""
    return construct_type(type_=shape, value=value)


def _gathered_chat(written: bytes) -> Turn:
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for _, data in frames(written):
        if data != "[DONE]":
            # The SDK's errors about answers that ended early concern content, which is complete when they are raised.
            chunk = _as_sdk(ChatCompletionChunk, decode(data))
            for choice in chunk.choices:
                if choice.finish_reason not in (None, "stop", "tool_calls"):
                    choice.finish_reason = "stop"
            list(state.handle_chunk(chunk))
    message = state.current_completion_snapshot.choices[0].message.model_dump()
    for call in message.get("tool_calls") or []:
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    message.pop("parsed", None)
    return message


def opening(client: str) -> Turn:
    """A first question before the turn that is sent back."""
    return {"role": "user", "content": "hello"}


HISTORY = {"chat": "messages", "messages": "messages", "responses": "input"}
"""The member of a request that holds the conversation."""


def parts_of_echo(client: str, turns: list[Turn]) -> tuple[Any, ...]:
    """What the gateway reads in the returned turn; a Responses answer without items leaves nothing."""
    body = {"model": "m", "max_tokens": 9, HISTORY[client]: [opening(client), *turns, opening(client)]}
    question, *answer, after = read(client, body).request.messages
    assert [message.role for message in (question, *answer, after)] == ["user", *["assistant"] * bool(turns), "user"]
    return answer[0].parts if answer else ()


def call(client: str, *, stream: bool) -> Call:
    return Call(
        id="req_1",
        dialect=client,
        caller="test",
        identity=Identity(
            client_id=None, group=None, models=None, source="open", key=None, owner="", credential_headers=frozenset()
        ),
        headers={},
        query="",
        body=b"",
        document={},
        model="house/alias",
        stream=stream,
    )


def new_attempt(client: str, *, stream: bool) -> Attempt:
    """An attempt at such a call, at a provider that is never called."""
    provider_type = load("echo")
    provider = provider_type("house", provider_type.settings_type(type="echo"))
    return CallState(call(client, stream=stream)).begin(Candidate(Route(provider, "alias", ModelSettings())))


def is_subsequence(wanted: Iterable[Any], found: Iterable[Any]) -> bool:
    rest = iter(found)
    return all(any(entry == one for one in rest) for entry in wanted)


def check_stream(client: str, written: bytes, *, ended: bool = True) -> None:
    """The client's full grammar. In a stream that has not ended, every part is closed and nothing is terminal."""
    match client:
        case "chat":
            _check_chunks(frames(written), ended)
        case "messages":
            _check_events(frames(written), ended)
        case _:
            check_items(frames(written), ended=ended)


def _check_chunks(found: list[tuple[str | None, str]], ended: bool) -> None:
    data = [entry for _, entry in found]
    assert (data[-1:] == ["[DONE]"]) == ended and data.count("[DONE]") == ended
    chunks = [_as_sdk(ChatCompletionChunk, decode(entry)) for entry in data if entry != "[DONE]"]
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert not choices or choices[0].delta.role == "assistant"
    assert sum(choice.delta.role is not None for choice in choices) == bool(choices)
    assert [choice.finish_reason is not None for choice in choices] == [False] * (len(choices) - ended) + [True] * ended
    known: list[int] = []
    for call in [call for choice in choices for call in choice.delta.tool_calls or []]:
        new = call.index == len(known)
        assert new or call.index in known
        assert (call.id is not None) == new and (call.function is not None and call.function.name is not None) == new
        known += [call.index] if new else []


def _check_events(found: list[tuple[str | None, str]], ended: bool) -> None:
    found = [entry for entry in found if entry != ("ping", '{"type":"ping"}')]
    names = "".join(_SHORT[decode(data)["type"]] for _, data in found)
    assert [event for event, _ in found] == [decode(data)["type"] for _, data in found]
    assert re.fullmatch(r"m(sd*e)*" + (r"MX" if ended else r"(sd*)?"), names) or (not names and not ended)
    indexes = [decode(data)["index"] for _, data in found if "index" in decode(data)]
    starts = [decode(data)["index"] for event, data in found if event == "content_block_start"]
    assert indexes == sorted(indexes) and starts == list(range(len(starts)))
    for _, data in found:
        _check_event(data)


@functools.lru_cache(4096)
def _check_event(data: str) -> None:
    """Cached, because a stream that is cut at every place has the same events again and again."""
    published(RawMessageStreamEvent).validate_python(decode(data))


_SHORT = {
    "message_start": "m",
    "content_block_start": "s",
    "content_block_delta": "d",
    "content_block_stop": "e",
    "message_delta": "M",
    "message_stop": "X",
}
