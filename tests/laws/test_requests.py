"""Any conversation, from any client to every vendor: its content is in the body, or its loss is reported."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given

from nexus.conversation.parts import (
    Document,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Reasoning,
    Refusal,
    Request,
    Signature,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from nexus.errors import ClientError
from nexus.protocols.codec import Target
from tests.examples import examples

from .kit import CLIENTS, TARGETS, VENDORS, check_body, is_subsequence, read, write
from .observations import Observations, arguments, haystack, observe, renamed, strings
from .scripts import conversations, is_custom, token
from .strategies import sayable, wire_of

PAIRS = [(client, vendor) for client in CLIENTS for vendor in VENDORS]


@pytest.mark.parametrize(("client", "vendor"), PAIRS)
@examples(60)
@given(said=conversations())
def test_tame_conversations_arrive_complete(client: str, vendor: str, said: Request) -> None:
    said = sayable(client, said)
    asked = read(client, wire_of(client, said))
    before = repr(asked.request)
    for target in TARGETS[vendor]:
        written = write(vendor, asked.request, target)
        check_body(vendor, written.body)
        _check(client, vendor, target, said, written.body, (*asked.dropped, *written.dropped))
    assert repr(asked.request) == before, "writing must not change the request"


@pytest.mark.parametrize(("client", "vendor"), PAIRS)
@examples(40)
@given(said=conversations(wild=True))
def test_wild_conversations_arrive_complete_or_are_rejected_by_name(client: str, vendor: str, said: Request) -> None:
    said = sayable(client, said)
    try:
        asked = read(client, wire_of(client, said))
    except ClientError as refusal:
        assert refusal.param is not None
        return
    for target in TARGETS[vendor]:
        try:
            written = write(vendor, asked.request, target)
        except ClientError as refusal:
            assert refusal.param is not None and refusal.param.startswith(("messages", "tools", "tool_choice"))
            continue
        check_body(vendor, written.body)
        _check(client, vendor, target, said, written.body, (*asked.dropped, *written.dropped))


def _check(
    client: str, vendor: str, target: Target, said: Request, body: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    picture = observe(vendor, body)
    everything = haystack(body)
    _check_words(vendor, said, picture, everything)
    _check_tools(vendor, target, said, picture, dropped)
    _check_calls(client, vendor, said, picture)
    _check_results(client, said, picture)
    _check_media(vendor, said, picture, dropped)
    _check_reasoning(vendor, said, everything, dropped)
    _check_cache(said, picture, body, dropped)


def _parts(said: Request) -> Iterator[tuple[Message, Part]]:
    return ((message, part) for message in said.messages for part in message.parts)


def _check_words(vendor: str, said: Request, picture: Observations, everything: str) -> None:
    """Words in order; a document's own words, title and context anywhere (Bedrock's names allow few characters)."""
    spoken = [part.text for part in said.system]
    spoken += [part.text for _, part in _parts(said) if isinstance(part, Text | Refusal)]
    found = iter(picture.words)
    rest = ""
    for words in filter(str.strip, spoken):
        while words.rstrip() not in rest:
            rest = next(found, "\0")
            assert rest != "\0", f"not found, or not in order: {words!r}"
        assert words in rest or rest.endswith(words.rstrip())
        rest = rest.partition(words.rstrip())[2]
    for _, part in _parts(said):
        if isinstance(part, Document):
            if isinstance(part.source, Text):
                assert part.source.text in everything
            assert (part.context or "") in everything
            assert (part.title or "") in everything or vendor == "converse"


def _check_tools(vendor: str, target: Target, said: Request, picture: Observations, dropped: tuple[str, ...]) -> None:
    left_out = vendor == "converse" and said.tool_choice == ToolChoice("none")
    for tool in said.tools:
        if left_out and renamed(vendor, tool.name) not in picture.tools:
            # Converse cannot express a choice of none.
            assert not picture.calls
            continue
        described, schema = picture.tools[renamed(vendor, tool.name)]
        assert described == tool.description
        if target.gemini.openapi_schemas or target.converse.bare_schemas:
            lost = {name.rpartition(".")[2] for name in dropped if name.startswith("tools")}
            assert set(_properties(tool.parameters)) - set(strings(schema)) <= lost
        elif tool.parameters is not None:
            assert schema in (tool.parameters, {"type": "object"} | tool.parameters)


def _properties(schema: Any) -> Iterable[str]:
    return list((schema or {}).get("properties", {}))


def _check_calls(client: str, vendor: str, said: Request, picture: Observations) -> None:
    calls = [part for _, part in _parts(said) if isinstance(part, ToolCall)]
    assert picture.calls == [(renamed(vendor, call.name), _arguments(client, vendor, call)) for call in calls]


def _arguments(client: str, vendor: str, call: ToolCall) -> Any:
    """Messages clients, like most vendors, only get objects; Responses clients get one string for a custom tool."""
    parsed = arguments(call.arguments)
    if client == "responses" and is_custom(call.name) and "input" not in parsed:
        return {"input": call.arguments}
    objects = client == "messages" or vendor != "responses"
    return {"invalid_json": parsed} if isinstance(parsed, str) and objects else parsed


def _check_results(client: str, said: Request, picture: Observations) -> None:
    """Each result is at its call, with all its words in order."""
    found = {result.call: result for result in picture.results}
    results = _by_call(said)
    if len(results) < len(picture.calls):
        # A call without its result is the client's mistake; the vendor decides about it.
        assert len(found) == len(results)
        return
    assert found.keys() == results.keys()
    for at, result in results.items():
        words = found[at].words
        for part in result.parts:
            if isinstance(part, Text):
                assert part.text in words or is_subsequence(strings(json.loads(part.text)), words.split("\0"))
        if client == "messages":
            assert found[at].is_error == result.is_error


def _by_call(said: Request) -> dict[int, ToolResult]:
    """Results by the number of their call; ids are unique within one turn of the assistant."""
    numbers: dict[str, int] = {}
    results: dict[int, ToolResult] = {}
    count = 0
    for _, part in _parts(said):
        if isinstance(part, ToolCall):
            numbers[part.id] = count
            count += 1
        elif isinstance(part, ToolResult):
            results[numbers[part.call_id]] = part
    return results


def _check_media(vendor: str, said: Request, picture: Observations, dropped: tuple[str, ...]) -> None:
    """Images of a type that the vendor does not accept are reported if it is too late to reject them."""
    named = any("image/" in name for name in dropped)
    users = [
        _source(part)
        for _, part in _parts(said)
        if isinstance(part, Image | Document) and not (named and _is_tiff(part))
    ]
    assert is_subsequence(filter(None, users), picture.media)
    for _, part in _parts(said):
        if isinstance(part, ToolResult):
            inside = [_source(inner) for inner in part.parts if isinstance(inner, Image | Document)]
            # Gemini takes some media inside a result and others only after it.
            assert set(inside) <= {*picture.media, ""}
            assert vendor == "gemini" or is_subsequence(filter(None, inside), picture.media)


def _is_tiff(part: Image | Document) -> bool:
    return isinstance(part.source, Inline) and part.source.media_type == "image/tiff"


def _source(part: Image | Document) -> str:
    match part.source:
        case Inline(data=data):
            return data
        case Link(url=url):
            return url
        case Text():
            return ""


def _signatures(said: Request) -> Iterator[tuple[Part, Signature]]:
    for _, part in _parts(said):
        if isinstance(part, Text | Reasoning | ToolCall) and part.signature is not None:
            yield part, part.signature


def _check_reasoning(vendor: str, said: Request, everything: str, dropped: tuple[str, ...]) -> None:
    named = any("reasoning" in name for name in dropped)
    for part, signature in _signatures(said):
        if signature.dialect != vendor:
            assert token(signature) not in everything, "a foreign signature was sent"
        elif isinstance(part, Reasoning):
            assert token(signature) in everything or named
        else:
            assert token(signature) in everything
    for _, part in _parts(said):
        if isinstance(part, Reasoning):
            assert (
                part.text in everything and part.signature is not None and part.signature.dialect == vendor
            ) or named


def _check_cache(said: Request, picture: Observations, body: dict[str, Any], dropped: tuple[str, ...]) -> None:
    hinted = sum(part.cache is not None for part in said.system)
    hinted += sum(tool.cache is not None for tool in said.tools if picture.tools)
    inside = [
        part for _, held in _parts(said) for part in (held, *(held.parts if isinstance(held, ToolResult) else ()))
    ]
    hinted += sum(getattr(part, "cache", None) is not None for part in inside)
    text = json.dumps(body)
    marks = sum(text.count(f'"{name}"') for name in ("cache_control", "cachePoint", "prompt_cache_breakpoint"))
    assert marks == hinted or any("cache" in name for name in dropped)
