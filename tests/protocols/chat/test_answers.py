"""Vendors' answers, whole and streamed: what real servers send becomes the same neutral answer either way."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.events import PartDelta, PartEnd, PartStart, ResponseEnd, UsageUpdate
from nexus.conversation.fold import fold
from nexus.conversation.parts import (
    Citation,
    Image,
    Inline,
    Link,
    Part,
    Reasoning,
    Refusal,
    Response,
    Signature,
    Stop,
    StopReason,
    StreamPart,
    Text,
    ToolCall,
)
from nexus.conversation.usage import Usage
from nexus.errors import VendorError
from nexus.protocols.chat.read_stream import StreamReader
from nexus.protocols.contract import through
from nexus.protocols.tidy import Tidy
from nexus.wire import decode, encode, mapping
from tests.protocols.kit import answer_from, losses, origin

from .kit import RECORDED, events_of

OWN = Signature("chat", "")
PART = Signature("chat", "thinking")
S = Usage(input=5, output=3)
U = Usage(input=8, cache_read=8, cache_write_5m=4, output=4, reasoning=5)
END = Stop("end", raw="stop")
TOOL_USE = Stop("tool_use", raw="tool_calls")
ULM = '{"city":"Ulm"}'
CALLED = Stop("tool_use", raw="stop")
SIGNED = Signature("chat", '{"google":{"thought_signature":"TS"}}')


def signed(**entry: object) -> Signature:
    return Signature("chat", encode(dict(sorted(entry.items()))).decode())


def said(
    *parts: StreamPart, stop: Stop = END, usage: Usage = S, id: str = "chatcmpl-1", model: str = "gpt-x"
) -> Response:
    return Response(id, model, parts, stop, usage)


def local(*parts: StreamPart, stop: Stop = TOOL_USE, usage: Usage = S) -> Response:
    return Response("chatcmpl-L", "qwen", parts, stop, usage)


TOOLS = (ToolCall("call_a", "weather", ULM), ToolCall("call_b", "clock", "{}"))

EXPECTED: dict[str, Response] = {
    "openai-text": said(Text("Grüße, Welt\u2028!"), usage=U),
    "openai-tools": said(*TOOLS, stop=TOOL_USE, usage=U),
    "interleaved-tools": said(Text("Let me see."), *TOOLS, stop=TOOL_USE),
    "openai-refusal": said(Refusal("I'm sorry, no.")),
    "azure-filters": said(Text("Par"), stop=Stop("content_filter", raw="content_filter")),
    "llamacpp-tools": local(ToolCall("x1", "weather", ULM), ToolCall("x2", "clock", "{}")),
    "ollama-index-zero": local(ToolCall("call_1", "weather", ULM), ToolCall("call_2", "weather", ULM), stop=CALLED),
    "no-index": local(ToolCall("call_1", "weather", ULM), ToolCall("call_2", "clock", ""), usage=Usage()),
    "deepseek-reasoning": said(
        Reasoning("2+2 is 4", OWN), Text("4"), usage=Usage(input=12, cache_read=8, output=4, reasoning=5)
    ),
    "vllm-reasoning": said(Reasoning("hm", OWN), Text("ok done"), stop=Stop("stop_sequence", "END", "stop")),
    "openrouter-details": said(
        Reasoning("First this", signed(type="reasoning.text", format="anthropic-claude-v1", index=0, signature="SIG")),
        Reasoning(
            "", signed(type="reasoning.encrypted", format="anthropic-claude-v1", index=1, data="ENC"), redacted=True
        ),
        Reasoning("Briefly", signed(type="reasoning.summary", format="openai-responses-v1", index=2)),
        Reasoning(
            "",
            signed(type="reasoning.encrypted", format="openai-responses-v1", id="rs_1", index=2, data="MORE"),
            redacted=True,
        ),
        Text("Hello"),
        id="gen-1",
        model="anthropic/claude",
    ),
    "google-signatures": said(
        ToolCall("function-call-1", "weather", ULM, SIGNED),
        stop=TOOL_USE,
        usage=Usage(input=5, output=3, reasoning=7),
        id="g1",
        model="gemini",
    ),
    "google-text-signature": said(Text("Hi there", signature=SIGNED), usage=Usage(), id="g1", model="gemini"),
    "groq-usage": said(Text("hi")),
    "moonshot-choice-usage": said(
        Text("hi"), stop=Stop("max_tokens", raw="length"), usage=Usage(input=3, cache_read=2, output=3)
    ),
    "mistral-thinking": said(
        Reasoning("so then", PART), Text("the end"), stop=Stop("context_window", raw="model_length")
    ),
    "transformers-no-done": said(Text("hi")),
    "crlf-and-events": said(Text("hi")),
    "text-after-tools": said(Text("a"), ToolCall("call_a", "clock", ""), Text("b"), stop=TOOL_USE),
    "whole-message": said(Text("all at once"), id="w", model="m"),
    "empty-answer": said(),
    "no-finish-reason": said(Text("x"), stop=Stop("end"), usage=Usage()),
    "odd-finish-reason": said(Text("x"), stop=Stop("unknown", raw="insufficient_system_resource")),
    "untranslatable": said(Text("xy")),
    "perplexity-sources": said(
        Text(
            "It is 5 m.[1][2]", citations=(Citation(0, 16, "https://e.org/a", "A"), Citation(0, 16, "https://e.org/b"))
        )
    ),
    "litellm-thinking": said(
        Reasoning("2+2 is 4.", Signature("chat", '{"signature":"U0lHTkFUVVJFMQ==","type":"thinking"}')),
        Reasoning("", Signature("chat", '{"data":"b3BhcXVl","type":"redacted_thinking"}'), redacted=True),
        Reasoning(" Sure.", Signature("chat", '{"signature":"U0lHTkFUVVJFMg==","type":"thinking"}')),
        Text("4"),
    ),
    "copilot-reasoning": said(
        Reasoning("2+2 is 4.", signed(reasoning_opaque="b3BhcXVl")), ToolCall("c1", "f", "{}"), stop=TOOL_USE
    ),
    "openrouter-images": said(
        Text("Here: "), Image(Inline("image/png", "iVBORw0KGgo=")), Image(Link("https://e.org/made.webp"))
    ),
    "url-citations": said(
        Text(
            "Größe 5 🎈 ist B.",
            citations=(Citation(0, 7, "https://e.org/a", "A"), Citation(8, 15, "https://e.org/b", "B", "as it says")),
        )
    ),
}
UNPINNED = {"no-ids", "old-function-call"}
"""Nexus generates their ids; the stream and the whole answer are still compared."""

DROPPED = {
    "url-citations": {"annotations.file"},
    "untranslatable": {
        "logprobs",
        "annotations.url_citation",
        "images",
        "audio",
        "content.hologram",
        "tool_calls.custom",
        "choices",
    },
}


def test_every_recorded_answer_has_its_expectation() -> None:
    assert {*RECORDED.streams, *RECORDED.answers} == set(EXPECTED) | UNPINNED


@pytest.mark.parametrize("case", RECORDED.streams)
def test_a_stream_gives_its_expected_response(case: str) -> None:
    events = events_of(RECORDED.stream(case))
    if case in EXPECTED:
        answer, expected = fold(events), EXPECTED[case]
        assert answer.stop == (CALLED if case == "google-signatures" else expected.stop)
        assert (answer.parts, answer.usage, answer.id) == (expected.parts, expected.usage, expected.id)
    assert set(losses(events)) == DROPPED.get(case, set())


@pytest.mark.parametrize("case", RECORDED.answers)
def test_a_whole_answer_gives_its_expected_response(case: str) -> None:
    events = StreamReader(origin()).read_whole(RECORDED.answer(case))
    assert set(losses(events)) == DROPPED.get(case, set())
    if case in EXPECTED:
        assert fold(events) == EXPECTED[case]


def test_calls_without_ids_get_their_own_in_every_answer() -> None:
    """The ids of answers repeat too (octos #12: the second turn's results went to the first turn's calls)."""
    ids = itertools.count()
    answers = [
        fold(through([Tidy(lambda: f"made_{next(ids)}")], events_of(RECORDED.stream("no-ids")))).parts for _ in range(2)
    ]
    calls = [part for parts in answers for part in parts if isinstance(part, ToolCall)]
    assert len({call.id for call in calls}) == 4
    assert [call.arguments for call in calls] == [ULM, '{"city":"Bonn"}'] * 2


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end", "end"),
        ("end_turn", "end"),
        ("STOP", "end"),
        ("MAX_TOKENS", "max_tokens"),
        ("sensitive", "content_filter"),
        ("model_context_window_exceeded", "context_window"),
        ("network_error", "unknown"),
    ],
)
def test_other_words_for_a_stop_reason(word: str, reason: StopReason) -> None:
    choice = {"index": 0, "message": {"content": "x"}, "finish_reason": word}
    assert answer_from({"id": "r", "choices": [choice]}, StreamReader(origin())).stop == Stop(reason, raw=word)


@pytest.mark.parametrize(
    ("name", "read"), [("f<|channel|>commentary", "f"), ("<|constrain|>json", "<|constrain|>json")]
)
def test_a_name_ends_before_the_models_control_tokens(name: str, read: str) -> None:
    assert arguments_of({"index": 0, "id": "c", "function": {"name": name, "arguments": "{}"}}) == [("c", read, "{}")]


def test_structured_output_may_be_an_object() -> None:
    choice = {"message": {"content": {"title": "Apples"}}, "finish_reason": "stop"}
    assert answer_from({"choices": [choice]}, StreamReader(origin())).parts == (Text('{"title":"Apples"}'),)


@pytest.mark.parametrize("word", ["tool_use", "TOOL_CALLS", "STOP"])
def test_calls_are_not_cut_by_other_words(word: str) -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    choice = {"index": 0, "message": {"tool_calls": calls}, "finish_reason": word}
    assert answer_from({"id": "r", "choices": [choice]}, StreamReader(origin())).stop == Stop("tool_use", raw=word)


def test_each_entry_of_reasoning_keeps_its_signature_before_a_call() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    details = [{"type": "reasoning.text", "text": "Let me.", "signature": "s"}] * 2
    message = {"content": None, "reasoning_details": details, "tool_calls": [call]}
    parts = answer_from(
        {"choices": [{"message": message, "finish_reason": "tool_calls"}]}, StreamReader(origin())
    ).parts
    assert [type(part) for part in parts] == [Reasoning, Reasoning, ToolCall]


def test_calls_in_choices_of_their_own_belong_to_the_text() -> None:
    calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in "ab"]
    messages = [{"content": "Let me."}, *({"tool_calls": [call]} for call in calls)]
    choices = [{"message": message, "finish_reason": "tool_calls"} for message in messages]
    answer = answer_from({"choices": choices}, StreamReader(origin()))
    assert answer.parts == (Text("Let me."), ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
    assert answer.stop.reason == "tool_use"


def test_reasoning_whose_details_are_empty_is_its_plain_text() -> None:
    message = {"content": "Hi.", "reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "index": 0}]}
    parts = answer_from({"choices": [{"message": message, "finish_reason": "stop"}]}, StreamReader(origin())).parts
    assert [part.text for part in parts if isinstance(part, Reasoning | Text)] == ["Hm.", "Hi."]


def test_a_citation_before_all_text_waits_for_it() -> None:
    cited = {"url": "https://e.org", "title": "", "start_index": 0, "end_index": 0}
    reader = StreamReader(origin())
    events = reader.feed(None, encode({"choices": [{"delta": {"annotations": [{"url_citation": cited}]}}]}).decode())
    events += reader.feed(None, '{"choices":[{"delta":{"content":"So."},"finish_reason":"stop"}]}')
    parts = fold(events + reader.finish()).parts
    assert parts == (Text("So.", citations=(Citation(0, 0, "https://e.org"),)),)


@pytest.mark.parametrize("where", [{"citations": ["https://e.org"]}, {"annotations": [{"url_citation": {"url": "x"}}]}])
def test_citations_of_an_answer_without_text_are_reported_as_dropped(where: dict[str, Any]) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"content": None, "tool_calls": [call], **where}
    events = StreamReader(origin()).read_whole(
        {**where, "choices": [{"message": message, "finish_reason": "tool_calls"}]}
    )
    assert losses(events) == [*where]


def test_an_error_beside_no_choices_ends_a_stream() -> None:
    """MiniMax's, inside a 200 (ragflow #17292)."""
    reader = StreamReader(origin())
    reader.feed(None, '{"choices":[{"delta":{"content":"x"}}],"base_resp":{"status_code":0,"status_msg":""}}')
    with pytest.raises(VendorError, match="rate limit"):
        reader.feed(None, '{"choices":null,"base_resp":{"status_code":1002,"status_msg":"rate limit"}}')


def test_the_reader_is_complete_at_the_finish_reason() -> None:
    reader = StreamReader(origin())
    reader.feed(None, '{"id":"i","model":"m","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}')
    assert reader.complete
    assert reader.feed(None, "[DONE]")[-1] == ResponseEnd(END)
    assert reader.feed(None, "[DONE]") == [] and reader.finish() == []


def test_an_error_after_the_finish_reason_only_adds_usage() -> None:
    """OpenRouter's, at max_tokens."""
    reader = StreamReader(origin())
    reader.feed(None, '{"choices":[{"delta":{"content":"x"},"finish_reason":"length"}]}')
    usage = {"prompt_tokens": 43, "completion_tokens": 10}
    late = {"error": {"code": 400, "message": "Token limit reached"}, "choices": [{"delta": {}}], "usage": usage}
    assert reader.feed(None, encode(late).decode()) == [UsageUpdate(Usage(43, output=10))]
    assert reader.feed(None, "[DONE]")[-1] == ResponseEnd(Stop("max_tokens", raw="length"))


def test_a_call_ends_before_the_next_one_starts() -> None:
    events = events_of(RECORDED.stream("openai-tools"))
    places = {event: at for at, event in enumerate(events) if isinstance(event, PartEnd)}
    second = next(at for at, event in enumerate(events) if isinstance(event, PartStart) and event.index == 1)
    assert places[PartEnd(0)] < second


def test_a_call_whose_deltas_split_a_character_ends_before_the_next_one_too() -> None:
    reader = StreamReader(origin())
    call = '{"choices":[{"delta":{"tool_calls":[{"index":%d,"function":{"name":"f","arguments":%s}}]}}]}'
    pieces = ((0, '{"a":"\ud83d'), (0, '\ude00"}'), (1, "{}"))
    *_, events = [reader.feed(None, call % (index, json.dumps(piece))) for index, piece in pieces]
    assert PartEnd(0) in events


def test_usage_updates_are_reported_as_they_arrive() -> None:
    updates = [event.usage for event in events_of(RECORDED.stream("vllm-reasoning")) if isinstance(event, UsageUpdate)]
    assert updates == [Usage(5, output=1), Usage(5, output=2), S, S]


ERRORS = {
    "plain": ('{"error":{"message":"busy","type":"server_error","code":"server_overloaded"}}', "overloaded", 503),
    "with a choice": (
        '{"id":"x","choices":[{"delta":{},"finish_reason":"error"}],"error":{"code":502,"message":"bad"}}',
        "upstream",
        502,
    ),
    "a string": ('{"error":"out of memory"}', "upstream", 502),
    "a failure before any content": (
        '{"choices":[{"delta":{},"message":{},"finish_reason":"error"}]}',
        "upstream",
        502,
    ),
    "nothing but a call of no tool": (
        '{"choices":[{"delta":{"tool_calls":[{"function":{"name":""}}]},"message":{"tool_calls":[{"function":{"name":""}}]},'
        '"finish_reason":"tool_calls"}]}',
        "upstream",
        502,
    ),
    "rate": ('{"error":{"message":"slow","code":"429"}}', "rate_limit", 429),
    "Groq": (
        '{"error":{"message":"no","type":"invalid_request_error","code":"tool_use_failed","status_code":400}}',
        "upstream",
        502,
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_inside_an_answer_is_raised(case: str) -> None:
    data, kind, status = ERRORS[case]
    with pytest.raises(VendorError) as caught:
        StreamReader(origin()).feed(None, data)
    assert (caught.value.kind, caught.value.status) == (kind, status)
    with pytest.raises(VendorError) as caught:
        StreamReader(origin()).read_whole(decode(data))
    assert (caught.value.kind, caught.value.status) == (kind, status)


def test_an_error_event_is_raised() -> None:
    with pytest.raises(VendorError) as caught:
        StreamReader(origin()).feed("error", '{"message":"gone","code":"rate_limit_exceeded"}')
    assert (caught.value.kind, caught.value.message) == ("rate_limit", "gone")


@pytest.mark.parametrize("data", ["{", "[]", "5", "null", "NaN"])
def test_garbage_is_rejected(data: str) -> None:
    with pytest.raises(ValueError):
        StreamReader(origin()).feed(None, data)


@pytest.mark.parametrize("members", [{}, {"choices": []}, {"choices": [], "usage": {"prompt_tokens": 3}}])
def test_a_body_without_a_choice_is_an_error(members: dict[str, Any]) -> None:
    with pytest.raises(VendorError):
        StreamReader(origin()).read_whole({"object": "chat.completion", **members})


@pytest.mark.parametrize("chunks", [[], [{"choices": [], "usage": {"prompt_tokens": 3}}]])
def test_a_stream_without_a_choice_is_an_error(chunks: list[dict[str, Any]]) -> None:
    reader = StreamReader(origin())
    with pytest.raises(VendorError):
        for data in (*map(json.dumps, chunks), "[DONE]"):
            reader.feed(None, data)


def test_arguments_after_a_complete_call_are_rejected() -> None:
    reader = StreamReader(origin())
    call = '{"choices":[{"delta":{"tool_calls":[{"index":%d,"id":"c%d","function":{"name":"f","arguments":"%s"}}]}}]}'
    reader.feed(None, call % (0, 0, "{}"))
    reader.feed(None, call % (1, 1, "{}"))
    assert reader.feed(None, call % (0, 0, " ")) == []
    assert reader.feed(None, call % (0, 0, "{}")) == []
    with pytest.raises(ValueError):
        reader.feed(None, call % (0, 0, "{1}"))


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (["{}", '{"a":1}'], '{"a":1}'),
        (["{}", '{"a"', ":1}"], '{"a":1}'),
        (["{}", "{}"], "{}"),
        (["{}", "\n"], "{}\n"),
        (["{}"], "{}"),
        (["null"], "{}"),
        (["[]"], "{}"),
        (['{"a":', "null", "}"], '{"a":null}'),
        (['{"a":1}', '{"a":1}'], '{"a":1}'),
    ],
)
def test_an_empty_object_may_stand_for_arguments_to_come(pieces: list[str], whole: str) -> None:
    lines = [
        b"data: " + encode({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": function}]}}]}) + b"\n\n"
        for function in ({"name": "f"}, *({"arguments": piece} for piece in pieces))
    ]
    lines.append(b'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n\n')
    (call,) = fold(events_of(b"".join(lines))).parts
    assert isinstance(call, ToolCall)
    assert call.arguments == whole


def arguments_of(*calls: dict[str, object]) -> list[tuple[str, str, str]]:
    """Id, name and arguments of the calls of a stream with these deltas."""
    lines = [b"data: " + encode({"choices": [{"delta": {"tool_calls": [call]}}]}) + b"\n\n" for call in calls]
    lines.append(b'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n\n')
    parts = [part for part in fold(events_of(b"".join(lines))).parts if isinstance(part, ToolCall)]
    return [(part.id, part.name, part.arguments) for part in parts]


WHOLE = [
    '{"path": "a.txt", "n": 12}',
    '{"a": {"b": [1, {"c": "}"}]}, "d": "x\\"y"}',
    '{"text": "{\\"text\\": 1}", "more": [true, null]}',
    '{ "a" : [ { "a" : 1 }, { "a" : 2 } ] }',
]


@given(st.sampled_from(WHOLE), st.lists(st.integers(1, 12), min_size=1, max_size=12))
def test_arguments_that_repeat_all_earlier_ones_count_once(whole: str, steps: list[int]) -> None:
    """Source: NousResearch/hermes-agent#35592. After a colon, a bracket or a comma a repetition could also be an inner
    object; an answer that only ever stops there is taken as it comes."""
    ends = [end for end in itertools.accumulate(steps) if end < len(whole)]
    ends = [end for end in ends if whole[:end].rstrip()[-1:] not in ":[," and whole[:end].strip() not in ('{"',)]
    snapshots = [{"index": 0, "function": {"arguments": whole[:end]}} for end in [*ends, len(whole), len(whole)]]
    named = {"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}
    assert arguments_of(named, *snapshots) == [("c", "f", whole)]
    repeated = [{**named, "function": {"name": "f", **mapping(one["function"])}} for one in snapshots]
    assert arguments_of(*repeated) == [("c", "f", whole)]


@given(st.sampled_from([*WHOLE, '{"and": {"and": {"and": 1}}}']), st.lists(st.integers(0, 30), max_size=30))
def test_pieces_of_arguments_are_never_taken_for_repetitions(whole: str, cuts: list[int]) -> None:
    ends = [0, *sorted({min(cut, len(whole)) for cut in cuts}), len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(ends)]
    named = {"index": 0, "id": "c", "function": {"name": "f"}}
    assert arguments_of(named, *({"index": 0, "function": {"arguments": piece}} for piece in pieces)) == [
        ("c", "f", whole)
    ]


UNSTABLE: dict[str, list[dict[str, object]]] = {
    "another id after the first chunk": [{"id": "y"}, {"id": "y"}],
    "another id in every chunk": [{"id": "y"}, {"id": "z"}],
    "another id, and the name again": [{"id": "y", "name": "f"}, {"id": "z", "name": "f"}],
}


@pytest.mark.parametrize("more", UNSTABLE.values(), ids=UNSTABLE)
def test_a_call_whose_id_changes_is_one_call(more: list[dict[str, object]]) -> None:
    """Source: poolsideai/pool#9."""
    pieces = ['"a"', ":1}"]
    deltas = [
        {"index": 0, "id": one["id"], "function": {"name": one.get("name"), "arguments": piece}}
        for one, piece in zip(more, pieces, strict=True)
    ]
    first = {"index": 0, "id": "x", "function": {"name": "f", "arguments": "{"}}
    assert arguments_of(first, *deltas) == [("x", "f", '{"a":1}')]
    other = {"index": 0, "id": "w", "function": {"name": "f", "arguments": '{"a":2}'}}
    assert arguments_of(first, *deltas, other) == [("x", "f", '{"a":1}'), ("w", "f", '{"a":2}')]


@st.composite
def interleavings(draw: st.DrawFn) -> tuple[list[tuple[int, str]], list[str]]:
    """Which call gets which piece of its arguments, in an order that keeps each call's pieces in sequence."""
    whole = draw(st.lists(st.sampled_from(["{}", ULM, '{"a": {"b": [1, "}"]}}', ""]), min_size=1, max_size=4))
    cuts = [draw(st.lists(st.integers(0, len(arguments)), max_size=3).map(sorted)) for arguments in whole]
    pieces = [
        [arguments[a:b] for a, b in zip([0, *cut], [*cut, len(arguments)], strict=True)]
        for arguments, cut in zip(whole, cuts, strict=True)
    ]
    order = draw(st.permutations([at for at, own in enumerate(pieces) for _ in own]))
    return [(at, pieces[at].pop(0)) for at in order], whole


@given(interleavings(), st.sampled_from(["openai", "repeat", "zero"]))
def test_interleaved_parallel_calls_are_put_back_together(
    plan: tuple[list[tuple[int, str]], list[str]], style: str
) -> None:
    steps, whole = plan
    seen: list[int] = []
    lines: list[bytes] = []
    for at, piece in steps:
        delta: dict[str, object] = {"index": 0 if style == "zero" else at, "function": {"arguments": piece}}
        if at not in seen or style != "openai":
            delta |= {"id": f"call_{at}", "type": "function", "function": {"name": f"f{at}", "arguments": piece}}
        if at not in seen:
            seen.append(at)
        lines.append(b"data: " + encode({"choices": [{"delta": {"tool_calls": [delta]}}]}) + b"\n\n")
    lines.append(b'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n\n')
    answer = fold(events_of(b"".join(lines)))
    assert answer.parts == tuple(ToolCall(f"call_{at}", f"f{at}", whole[at]) for at in seen)
    assert answer.stop == TOOL_USE


def test_deltas_are_never_empty() -> None:
    for case in RECORDED.streams:
        assert all(event.text for event in events_of(RECORDED.stream(case)) if isinstance(event, PartDelta))


def message_of(**members: object) -> tuple[Part, ...]:
    body = {"choices": [{"message": {"role": "assistant", **members}, "finish_reason": "stop"}]}
    return answer_from(body, StreamReader(origin())).parts


def test_thinking_between_texts_keeps_its_position() -> None:
    def thought(words: str) -> dict[str, object]:
        return {"type": "thinking", "thinking": [{"type": "text", "text": words}]}

    content = [thought("a"), {"type": "text", "text": "b"}, thought("c"), {"type": "text", "text": "d"}]
    assert message_of(content=content) == (Reasoning("a", PART), Text("b"), Reasoning("c", PART), Text("d"))


def test_reasoning_and_signatures_in_the_form_of_databricks_are_read() -> None:
    summary = [{"type": "summary_text", "text": "hm", "signature": "s"}]
    content = [{"type": "reasoning", "summary": summary}, {"type": "text", "text": "b"}]
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, "thoughtSignature": "s"}
    assert message_of(content=content, tool_calls=[call]) == (
        Reasoning("hm", None),
        Text("b"),
        ToolCall("c", "f", "{}", signed(thoughtSignature="s")),
    )
