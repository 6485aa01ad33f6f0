"""Clients of the Gemini API: the laws that hold for every client's dialect, judged by google-genai's published types.

Law: what a client does with an answer is done here as Google's programs do it: the SDK keeps a stream chunk by chunk,
Gemini CLI joins the texts and leaves the thinking out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from google.genai import types
from hypothesis import assume, given
from hypothesis import strategies as st

from nexus.conversation.events import Event
from nexus.conversation.fold import fold, unfold
from nexus.conversation.grammar import Order
from nexus.conversation.parts import (
    Audio,
    Document,
    Image,
    Inline,
    Link,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Refusal,
    Request,
    Response,
    Signature,
    Stop,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from nexus.errors import ClientError
from nexus.protocols.codec import Target
from nexus.protocols.framing import JsonArray
from nexus.protocols.gemini.codec import CLIENT, VENDOR
from nexus.protocols.gemini.passthrough import edit_request
from nexus.protocols.gemini.read_schema import read_schema
from nexus.protocols.gemini.schema import write_schema
from nexus.protocols.gemini.signatures import write_signature
from nexus.protocols.room import Fitted
from nexus.wire import decode, encode
from tests.examples import examples
from tests.laws.kit import TARGETS, VENDORS, check_body, frames, origin, write
from tests.laws.scripts import conversations
from tests.laws.streams import streams
from tests.laws.test_requests import _check as check_content
from tests.protocols.kit import envelope

Wire = dict[str, Any]


def fitted(events: Iterable[Event]) -> list[Event]:
    room = Fitted(CLIENT.room)
    return [fit for event in events for fit in room.feed(event)]


def raw_stream(events: Iterable[Event]) -> bytes:
    writer = CLIENT.stream_writer(envelope())
    return b"".join(map(writer.write, events))


def written(events: Iterable[Event]) -> list[Wire]:
    return [decode(data) for _, data in frames(raw_stream(events))]


def whole(answer: Response) -> Wire:
    return decode(encode(CLIENT.write_response(answer, envelope())))  # type: ignore[no-any-return]


def check_published(wire: Wire) -> None:
    """The SDK's types know every member; a signature and an image are bytes to them."""
    types.GenerateContentResponse.model_validate_json(json.dumps(wire))


def content_of(wire: Wire) -> Wire:
    return wire["candidates"][0]["content"]  # type: ignore[no-any-return]


def through_the_sdk(content: Wire) -> Wire:
    """As the Python SDK holds it and sends it again: bytes in the other alphabet."""
    held = types.Content.model_validate_json(json.dumps(content))
    return json.loads(held.model_dump_json(by_alias=True, exclude_none=True))  # type: ignore[no-any-return]


def brought_back(*contents: Wire) -> tuple[Part, ...]:
    hello = {"role": "user", "parts": [{"text": "hello"}]}
    read = CLIENT.read_request({"contents": [hello, *contents]})
    return read.request.messages[1].parts


def plain(parts: Iterable[Part]) -> list[Any]:
    """As the dialect can hold them: no refusals, no citations in a history, arguments as an object, texts that nothing
    parts as one."""
    found: list[Any] = []
    for part in parts:
        match part:
            case ToolCall():
                found.append((part.id, part.name, json.loads(part.arguments or "{}"), part.signature))
            case Text() | Refusal():
                signature = part.signature if isinstance(part, Text) else None
                last = found[-1] if found else None
                if isinstance(last, Text) and last.signature is None:
                    found[-1] = Text(last.text + part.text, signature=signature)
                elif part.text or signature is not None:
                    found.append(Text(part.text, signature=signature))
            case Image():
                found.append((part.source, part.signature))
            case _:
                found.append(part)
    return found


class TestAnswers:
    @examples(150)
    @given(events=streams())
    def test_chunks_are_of_the_published_types(self, events: list[Event]) -> None:
        chunks = written(fitted(events))
        for chunk in chunks:
            check_published(chunk)
        reasons = [chunk["candidates"][0].get("finishReason") for chunk in chunks]
        assert None not in reasons[-1:] and set(reasons[:-1]) <= {None}
        assert ["usageMetadata" in chunk for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        check_published(whole(fold(fitted(events))))

    @examples(150)
    @given(events=streams())
    def test_the_dialects_own_reader_finds_the_same_answer(self, events: list[Event]) -> None:
        events = fitted(events)
        answer, reader, order = fold(events), VENDOR.stream_reader(origin()), Order()
        # An answer of Google's that failed without a word is none.
        assume(plain(answer.parts) or answer.stop.reason != "unknown")
        found = [event for chunk in written(events) for event in reader.feed(None, json.dumps(chunk))]
        found += reader.finish()
        for event in found:
            order.check(event)
        assert reader.complete
        streamed, unary = fold(found), VENDOR.read_response(whole(answer), origin()).response
        assert streamed.usage.total == unary.usage.total == answer.usage.total
        assert streamed.usage.reasoning == answer.usage.reasoning
        assert streamed.stop.reason == unary.stop.reason == told_stop(answer)
        assert cited(streamed.parts) == cited(unary.parts)

    @examples(150)
    @given(events=streams())
    def test_a_stream_and_the_whole_answer_come_back_with_every_signature(self, events: list[Event]) -> None:
        events = fitted(events)
        answer = fold(events)
        wanted = plain(answer.parts)
        assert plain(brought_back(*map(content_of, written(events)))) == wanted
        assert plain(brought_back(content_of(whole(answer)))) == wanted
        assert plain(brought_back(through_the_sdk(content_of(whole(answer))))) == wanted
        assert plain(fold(list(unfold(answer))).parts) == wanted

    @examples(80)
    @given(events=streams(), part=st.floats(0, 1))
    def test_wherever_it_is_cut_nothing_ends_and_no_call_is_told(self, events: list[Event], part: float) -> None:
        events = fitted(events)
        told = events[: round(part * (len(events) - 1))]
        chunks = written(told)
        assert all("finishReason" not in chunk["candidates"][0] for chunk in chunks)
        calls = [one for chunk in chunks for one in content_of(chunk)["parts"] if "functionCall" in one]
        ended = [event for event in told if type(event).__name__ == "PartEnd"]
        assert len(calls) <= len(ended)

    @examples(60)
    @given(events=streams(), sizes=st.lists(st.integers(1, 9), min_size=1))
    def test_an_array_has_the_same_chunks(self, events: list[Event], sizes: list[int]) -> None:
        raw = raw_stream(fitted(events))
        framing, pieces = JsonArray().begin(), raw.split(b"\n\n")[:-1]
        told = framing.put(b": ping\n")
        while pieces:
            size = sizes[len(pieces) % len(sizes)]
            told += framing.put(b"".join(piece + b"\n\n" for piece in pieces[:size])) + framing.put(b": ping\n")
            pieces = pieces[size:]
        assert json.loads(told + framing.end()) == written(fitted(events))


def cited(parts: Iterable[Part]) -> list[Any]:
    texts = [part for part in parts if isinstance(part, Text)]
    return [(one.url, one.title, text.text[one.start : one.end]) for text in texts for one in text.citations]


def told_stop(answer: Response) -> str:
    """The reasons that the dialect has no word for become the nearest that it has."""
    refused = any(isinstance(part, Refusal) for part in answer.parts)
    reason = "refusal" if refused and answer.stop.reason == "end" else answer.stop.reason
    if reason in ("end", "stop_sequence", "tool_use"):
        return "tool_use" if any(isinstance(part, ToolCall) for part in answer.parts) else "end"
    nearest = {"refusal": "content_filter", "pause": "max_tokens", "context_window": "max_tokens"}
    return nearest.get(reason, reason)


def wire_of(request: Request) -> Wire:
    """The request as a user of the SDK writes it, with the assistant's turns as they were answered."""
    names = {part.id: part.name for m in request.messages for part in m.parts if isinstance(part, ToolCall)}
    body: Wire = {"contents": [_content(message, names) for message in request.messages]}
    if request.system:
        body["systemInstruction"] = {"parts": [{"text": part.text} for part in request.system]}
    if request.tools:
        tools = [
            {"name": tool.name, "parametersJsonSchema": tool.parameters or {"type": "object"}}
            | ({"description": tool.description} if tool.description else {})
            for tool in request.tools
        ]
        body["tools"] = [{"functionDeclarations": tools}]
    return body


def _content(message: Message, names: dict[str, str]) -> Wire:
    if message.role == "assistant":
        return content_of(whole(Response("id", "m", message.parts, Stop("end"))))
    return {"role": "user", "parts": [_part(part, names) for part in message.parts]}


def _part(part: Part, names: dict[str, str]) -> Wire:
    match part:
        case Text():
            return {"text": part.text}
        case Image(source=Inline(media_type=media_type, data=data)):
            return {"inlineData": {"mimeType": media_type, "data": data}}
        case Document(source=Inline(data=data), title=title):
            return {"inlineData": {"mimeType": "application/pdf", "data": data, "displayName": title}}
        case Document(source=Text(text=words), title=title):
            data = base64.urlsafe_b64encode(words.encode()).decode()
            return {"inlineData": {"mimeType": "text/plain", "data": data, "displayName": title}}
        case ToolResult():
            words = "".join(inner.text for inner in part.parts if isinstance(inner, Text))
            media = [_part(inner, names) for inner in part.parts if not isinstance(inner, Text)]
            response = {"error" if part.is_error else "output": words}
            wire: Wire = {"id": part.call_id, "name": names[part.call_id], "response": response}
            return {"functionResponse": wire | ({"parts": media} if media else {})}
        case _:
            raise TypeError(part)


def sayable(said: Request) -> Request:
    """Without what the dialect has no place for: system messages among the others, cache hints, a document's context,
    links; texts that stand beside each other in a result or of the assistant are one."""
    messages = tuple(replace(m, parts=tuple(map(_sayable, m.parts))) for m in said.messages if m.role != "system")
    tools = tuple(replace(tool, cache=None) for tool in said.tools)
    system = tuple(replace(text, cache=None) for text in said.system)
    return replace(said, messages=messages, tools=tools, system=system, tool_choice=None)


def _sayable(part: Part) -> Part:
    match part:
        case Document(source=source):
            return replace(
                part, source=Text("linked") if isinstance(source, Link) else source, context=None, cache=None
            )
        case Image(source=Link()):
            return Text("linked")
        case ToolResult():
            return replace(part, parts=tuple(map(_sayable, part.parts)), cache=None)  # type: ignore[arg-type]
        case Text() | Image() | ToolCall():
            return replace(part, cache=None)
        case _:
            return part


@pytest.mark.parametrize("vendor", VENDORS)
@examples(60)
@given(said=conversations())
def test_conversations_arrive_whole_at_every_vendor(vendor: str, said: Request) -> None:
    said = sayable(said)
    asked = CLIENT.read_request(decode(encode(wire_of(said))))
    for target in TARGETS[vendor]:
        sent = write(vendor, asked.request, target)
        check_body(vendor, sent.body)
        check_content("messages", vendor, target, said, sent.body, (*asked.dropped, *sent.dropped))


JUNK: list[Any] = [None, True, 0, -1, "", "x", [], {}, [[]], [{}], [None], {"a": 1}, {"text": {}}, "é" * 9]
SCHEMA: Wire = {
    "type": "OBJECT",
    "properties": {"b_b": {"type": "STRING", "nullable": True}, "a": {"type": "INTEGER", "enum": ["1"]}},
    "property_ordering": ["a", "b_b"],
}
CALL: Wire = {
    "functionCall": {"id": "1", "name": "f", "args": {"a_b": 1}},
    "thoughtSignature": "skip_thought_signature_validator",
}
RICH: Wire = {
    "contents": [
        {"parts": {"text": "a"}},
        {"role": "model", "parts": [{"text": "t", "thought": True, "thoughtSignature": "QUJD"}, CALL]},
        {
            "role": "function",
            "parts": [
                {"function_response": {"id": "1", "name": "f", "response": {"error": "no"}}},
                {"inline_data": {"mime_type": "audio/mp3", "data": "AAAA"}},
                {"fileData": {"fileUri": "https://example.com/a.pdf", "mimeType": "application/pdf"}},
            ],
        },
    ],
    "system_instruction": {"parts": [{"text": "s"}]},
    "generation_config": {
        "maxOutputTokens": "5",
        "temperature": 0.5,
        "top_p": 0.5,
        "topK": 3.0,
        "seed": 7,
        "stopSequences": ["X"],
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 2,
        "responseMimeType": "application/json",
        "responseSchema": SCHEMA,
        "responseModalities": ["TEXT", "IMAGE"],
        "thinkingConfig": {"include_thoughts": True, "thinkingLevel": "HIGH"},
    },
    "tools": {"function_declarations": [{"name": "f", "parameters": SCHEMA}, {"name": "g"}]},
    "toolConfig": {"functionCallingConfig": {"mode": "any", "allowedFunctionNames": ["f"]}},
    "labels": {"a_b": "c"},
    "serviceTier": "standard",
}
READ = {
    "type": "object",
    "properties": {"a": {"type": "integer", "enum": [1]}, "b_b": {"type": ["string", "null"]}},
}


class TestRequests:
    def test_everything_is_read_however_it_is_spelled(self) -> None:
        read = CLIENT.read_request({**RICH, "model": "m", "stream": True})
        request = read.request
        assert read.dropped == ()
        first, second, third = request.messages
        assert (first.role, first.parts) == ("user", (Text("a"),))
        assert second.parts == (Reasoning("t", Signature("gemini", "QUJD")), ToolCall("1", "f", '{"a_b":1}'))
        link = Document(Link("https://example.com/a.pdf"))
        assert third.parts == (ToolResult("1", (Text("no"),), is_error=True), Audio(Inline("audio/mp3", "AAAA")), link)
        assert (request.max_tokens, request.temperature, request.top_p, request.top_k) == (5, 0.5, 0.5, 3)
        assert (request.seed, request.stop, request.logprobs, request.top_logprobs) == (7, ("X",), True, 2)
        assert (request.presence_penalty, request.frequency_penalty, request.image_output) == (0.1, 0.2, True)
        assert (request.thinking, request.output_format) == (Thinking(True, effort="high"), OutputFormat(READ))
        assert [(tool.name, tool.parameters) for tool in request.tools] == [("f", READ), ("g", None)]
        assert list(request.tools[0].parameters["properties"]) == ["a", "b_b"], "models answer in this order"  # type: ignore[index,call-overload]
        assert (request.tool_choice, request.system) == (ToolChoice("tool", "f"), (Text("s"),))
        assert (request.metadata, request.service_tier, request.stream) == ({"a_b": "c"}, "default", True)

    @laws(300)
    @given(data=st.data())
    def test_what_is_no_request_is_refused_with_its_place(self, data: st.DataObject) -> None:
        body = json.loads(json.dumps(RICH))
        at: Any = body
        while True:
            key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
            if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
                break
            at = at[key]
        at[key] = data.draw(st.sampled_from(JUNK))
        try:
            CLIENT.read_request(body)
        except ClientError as refusal:
            assert refusal.param


def call(name: str, id: str | None = None) -> Wire:
    return {"functionCall": {"name": name, **({} if id is None else {"id": id})}}


def result(name: str, id: str | None = None) -> Wire:
    return {"functionResponse": {"name": name, "response": {}, **({} if id is None else {"id": id})}}


PAIRS: dict[str, tuple[list[Wire], list[Wire], list[int]]] = {
    "by id, in another order": ([call("f", "a"), call("f", "b")], [result("f", "b"), result("f", "a")], [1, 0]),
    "by name in their order": ([call("f"), call("g"), call("f")], [result("f"), result("f"), result("g")], [0, 2, 1]),
    "ids in the responses alone": ([call("f"), call("g")], [result("g", "x"), result("f", "y")], [1, 0]),
    "ids in the calls alone": ([call("f", "a"), call("f", "b")], [result("f"), result("f")], [0, 1]),
}


@pytest.mark.parametrize(("calls", "results", "order"), PAIRS.values(), ids=PAIRS)
def test_responses_find_their_calls(calls: list[Wire], results: list[Wire], order: list[int]) -> None:
    """Twice in one conversation: what was answered is not answered again."""
    turns = [{"role": "model", "parts": calls}, {"role": "user", "parts": results}]
    messages = CLIENT.read_request({"contents": [{"parts": [{"text": "hi"}]}, *turns, *turns]}).request.messages
    for asked, answered in (messages[1:3], messages[3:5]):
        ids = [part.id for part in asked.parts if isinstance(part, ToolCall)]
        assert [part.call_id for part in answered.parts if isinstance(part, ToolResult)] == [ids[at] for at in order]
        assert len(set(ids)) == len(ids)


OUTPUTS: dict[str, tuple[Any, str, bool]] = {
    "output": ({"output": "words"}, "words", False),
    "an object as output": ({"output": {"a": 1}}, '{"a":1}', False),
    "error": ({"error": "no"}, "no", True),
    "anything else is the output": ({"result": "x"}, '{"result":"x"}', False),
    "both": ({"output": "a", "error": "b"}, '{"output":"a","error":"b"}', False),
    "nothing": ({}, "", False),
}


@pytest.mark.parametrize(("response", "words", "failed"), OUTPUTS.values(), ids=OUTPUTS)
def test_a_functions_output(response: Any, words: str, failed: bool) -> None:
    wire = {"functionResponse": {"name": "f", "response": response}}
    turns = [{"role": "model", "parts": [call("f")]}, {"role": "user", "parts": [wire]}]
    (found,) = CLIENT.read_request({"contents": turns}).request.messages[1].parts
    assert isinstance(found, ToolResult)
    assert ("".join(part.text for part in found.parts if isinstance(part, Text)), found.is_error) == (words, failed)


THOUGHTS: dict[str, tuple[Wire, Thinking | None]] = {
    "off": ({"thinkingBudget": 0, "includeThoughts": True}, Thinking(False)),
    "as much as it likes": ({"thinkingBudget": -1}, Thinking(True, visible=False)),
    "a budget": ({"thinkingBudget": 2048, "includeThoughts": True}, Thinking(True, budget=2048)),
    "a level": ({"thinkingLevel": "low"}, Thinking(True, effort="low", visible=False)),
    "its words alone": ({"includeThoughts": True}, Thinking(True)),
    "nothing": ({"includeThoughts": False}, None),
}


@pytest.mark.parametrize(("config", "thinking"), THOUGHTS.values(), ids=THOUGHTS)
def test_how_hard_to_think(config: Wire, thinking: Thinking | None) -> None:
    body = {"contents": [], "generationConfig": {"thinkingConfig": config}}
    assert CLIENT.read_request(body).request.thinking == thinking


CHOICES: dict[str, tuple[Wire, str | None, list[str], tuple[str, ...]]] = {
    "auto": ({"mode": "AUTO"}, "auto", ["f", "g", "h"], ()),
    "none": ({"mode": "NONE"}, "none", ["f", "g", "h"], ()),
    "any": ({"mode": "ANY"}, "required", ["f", "g", "h"], ()),
    "any of two": ({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}, "required", ["f", "g"], ()),
    "validated": ({"mode": "VALIDATED"}, "auto", ["f", "g", "h"], ("toolConfig.functionCallingConfig.mode",)),
    "unspecified": ({}, None, ["f", "g", "h"], ()),
}


@pytest.mark.parametrize(("config", "mode", "names", "dropped"), CHOICES.values(), ids=CHOICES)
def test_a_choice_among_tools(config: Wire, mode: str | None, names: list[str], dropped: tuple[str, ...]) -> None:
    tools = [{"functionDeclarations": [{"name": name} for name in "fgh"]}]
    read = CLIENT.read_request({"contents": [], "tools": tools, "toolConfig": {"functionCallingConfig": config}})
    choice = read.request.tool_choice
    assert (choice and choice.mode, [tool.name for tool in read.request.tools]) == (mode, names)
    assert read.dropped == dropped


def test_a_search_is_the_vendors_own_where_one_is_configured() -> None:
    (tool,) = CLIENT.read_request(
        {"contents": [], "tools": [{"googleSearch": {"excludeDomains": ["x"]}}]}
    ).request.tools
    assert isinstance(tool, WebSearch) and tool.lost == ("tools.googleSearch.excludeDomains",)


SCHEMAS: dict[str, Any] = {
    "plain": {"type": "object", "properties": {"a": {"type": "string", "description": "d"}}, "required": ["a"]},
    "nullable": {"type": ["integer", "null"]},
    "list": {"type": "array", "items": {"type": "number"}, "minItems": 1},
    "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
    "numbers": {"type": "integer", "enum": [1, 2]},
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_that_went_to_googles_words_comes_back(schema: Any) -> None:
    assert read_schema(write_schema(schema, "x", []), "x") == schema


OWN: Wire = {"text": "t", "thought": True, "thoughtSignature": "QUJD"}
TAGGED = write_signature(Signature("messages", "abc"))
FOREIGN: dict[str, tuple[Wire, Wire | None, Wire | None]] = {
    "thinking": ({"text": "t", "thought": True, "thoughtSignature": TAGGED}, None, None),
    "redacted": (
        {"text": "", "thoughtSignature": write_signature(Signature("messages", "x"), redacted=True)},
        None,
        None,
    ),
    "a text's": ({"text": "b", "thought_signature": TAGGED}, {"text": "b"}, {"text": "b"}),
    "a call's": (
        {**call("f"), "thoughtSignature": TAGGED},
        call("f"),
        {**call("f"), "thoughtSignature": "skip_thought_signature_validator"},
    ),
    "its own": (OWN, OWN, OWN),
}


@pytest.mark.parametrize("generation", [2, 3])
@pytest.mark.parametrize(("part", "older", "newer"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_another_vendors_is_taken_out_where_bytes_pass(
    part: Wire, older: Wire | None, newer: Wire | None, generation: int
) -> None:
    target = next(one for one in TARGETS["gemini"] if one.model.startswith(f"gemini-{generation}"))
    kept = newer if target.gemini.thought_signatures else older
    said = {"role": "model", "parts": [OWN, part, {"text": "a"}]}
    edited = edit_request(encode({"contents": [said], "x": 1}), "m", target)
    parts = [OWN, *([] if kept is None else [kept]), {"text": "a"}]
    assert decode(edited.body) == {"contents": [{**said, "parts": parts}], "x": 1}
    assert edited.dropped == (() if part == OWN else ("contents.parts.thoughtSignature",))


def test_what_is_googles_own_passes_untouched_and_the_model_has_googles_name() -> None:
    raw = b'{ "contents":[{"role":"model","parts":[ {"text":"t","thoughtSignature":"QUJD"} ]}], "model" : "models/v/m"}'
    assert edit_request(raw, "m", Target("m")).body == raw.replace(b"v/m", b"m")
    assert edit_request(raw, "tunedModels/m", None).body == raw.replace(b"models/v/m", b"tunedModels/m")
