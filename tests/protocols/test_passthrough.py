"""Passthrough, from a dialect to the same dialect: what changes in requests, answers and streams, and what is read.

The expected bytes are the vendor's own with the model's name replaced by hand; the tap is checked separately.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from nexus.conversation.usage import Usage
from nexus.errors import VendorError
from nexus.models.chat_server import PLAIN, ChatServer
from nexus.models.gpt import known, on_chat
from nexus.protocols.answer_relay import Tap
from nexus.protocols.chat.passthrough import ChatPassthrough
from nexus.protocols.chat.passthrough import edit_request as edit_chat
from nexus.protocols.codec import Target
from nexus.protocols.dialect import AnswerRelay
from nexus.protocols.gemini.passthrough import GeminiPassthrough
from nexus.protocols.messages.passthrough import MessagesPassthrough
from nexus.protocols.messages.passthrough import edit_request as edit_messages
from nexus.protocols.messages.usage import read_usage as read_messages_usage
from nexus.protocols.responses.passthrough import ResponsesPassthrough
from nexus.protocols.rewrite import cut, remove
from nexus.wire import decode, encode
from tests.protocols.chat.kit import RECORDED
from tests.protocols.kit import relayed

PUBLIC = "openai/smart"
VENDOR = "gpt-4-0613"


def chat_relay(document: dict[str, Any] | None = None) -> ChatPassthrough:
    return ChatPassthrough(document if document is not None else {"stream": True}, PUBLIC, Tap())


def messages_relay() -> MessagesPassthrough:
    return MessagesPassthrough("anthropic/claude", Tap())


ASKING = {"stream": True, "stream_options": {"include_usage": True}}


# -- chat: requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            b'{"model":"openai/smart","stream":true}',
            b'{"stream_options":{"include_usage":true},"model":"gpt-4-0613","stream":true}',
            id="absent",
        ),
        pytest.param(
            b'{"model":"openai/smart", "stream_options": null, "stream":true}',
            b'{"model":"gpt-4-0613", "stream_options": {"include_usage":true}, "stream":true}',
            id="null",
        ),
        pytest.param(
            b'{"model":"openai/smart","stream":true,"stream_options":{}}',
            b'{"model":"gpt-4-0613","stream":true,"stream_options":{"include_usage":true}}',
            id="empty",
        ),
        pytest.param(
            b'{"model":"openai/smart","stream":true,"stream_options":{"include_obfuscation":false}}',
            b'{"model":"gpt-4-0613","stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}',
            id="other keys stay",
        ),
        pytest.param(
            b'{"model":"openai/smart","stream":true,"stream_options":{"include_usage":false}}',
            b'{"model":"gpt-4-0613","stream":true,"stream_options":{"include_usage":true}}',
            id="false",
        ),
        pytest.param(
            b'{"model":"openai/smart","stream":true,"stream_options":{ "include_usage" : true }}',
            b'{"model":"gpt-4-0613","stream":true,"stream_options":{ "include_usage" : true }}',
            id="true already",
        ),
        pytest.param(
            b'{"stream_options":null,"model":"openai/smart","stream":true,"stream_options":{"x":1}}',
            b'{"stream_options":{"x":1,"include_usage":true},"model":"gpt-4-0613","stream":true,'
            b'"stream_options":{"x":1,"include_usage":true}}',
            id="written twice",
        ),
        pytest.param(
            b'{"model":"openai/smart","stream":true,"stream_options":"yes"}',
            b'{"model":"gpt-4-0613","stream":true,"stream_options":"yes"}',
            id="an invalid value is left to the vendor",
        ),
        pytest.param(
            b'{"model":"openai/smart","stream":false}', b'{"model":"gpt-4-0613","stream":false}', id="no stream"
        ),
        pytest.param(b'{"model":"openai/smart"}', b'{"model":"gpt-4-0613"}', id="no stream field"),
        pytest.param(
            b'{"model":"openai/smart","x":{"stream_options":null},"stream":true,"seed":1.0}',
            b'{"stream_options":{"include_usage":true},"model":"gpt-4-0613","x":{"stream_options":null},'
            b'"stream":true,"seed":1.0}',
            id="a nested field does not count",
        ),
    ],
)
def test_chat_requests_ask_for_usage(raw: bytes, expected: bytes) -> None:
    assert edit_chat(raw, decode(raw), Target(VENDOR)).body == expected
    unasked = edit_chat(raw, decode(raw), Target(VENDOR, chat=ChatServer(no_stream_usage=True))).body
    renamed = raw.replace(b'"openai/smart"', b'"gpt-4-0613"')
    assert unasked == cut(renamed, {"stream_options": remove}), "a server that rejects stream_options gets none"


@pytest.mark.parametrize(
    ("model", "raw", "expected"),
    [
        pytest.param(
            "gpt-5.5",
            b'{"model":"gpt-5.5", "max_tokens": 1e3,"seed":1.0}',
            b'{"max_completion_tokens":1000.0,"model":"gpt-5.5","seed":1.0}',
            id="a model that reasons",
        ),
        pytest.param(
            "gpt-5.5",
            b'{"max_tokens":64,"max_completion_tokens":32,"model":"gpt-5.5"}',
            b'{"max_completion_tokens":32,"model":"gpt-5.5"}',
            id="both names",
        ),
        pytest.param("gpt-5.5", b'{"max_tokens":null,"model":"gpt-5.5"}', None, id="null"),
        pytest.param("gpt-4.1", b'{"max_tokens":64,"model":"gpt-4.1"}', None, id="a model that accepts both"),
        pytest.param("qwen", b'{"max_tokens":64,"model":"qwen"}', None, id="another server's model"),
    ],
)
def test_chat_requests_use_the_name_of_the_output_limit_that_the_model_accepts(
    model: str, raw: bytes, expected: bytes | None
) -> None:
    facts = known(model)
    target = Target(model, chat=PLAIN if facts is None else on_chat(facts), gpt=facts)
    edited = edit_chat(raw, decode(raw), target)
    assert edited.body == (raw if expected is None else expected)
    assert edited.dropped == ()


# -- chat: streams -------------------------------------------------------------------------------------------------

ROLE = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4-0613","service_tier":"default",'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],'
    b'"usage":null}\n\n'
)
WORD = (
    'data: {"id":"c", "model" : "gpt-4-0613","choices":[{"index":0,"delta":{"content":"\\"model\\":\\"gpt-4-0613\\" '
    'Grüße \u2028"}}], "obfuscation":"x1", "n":1e5,"n":1.0}\n\n'
).encode()
STOP = b'data: {"id":"c","model":"gpt-4-0613","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = (
    b'data: {"id":"c","model":"gpt-4-0613","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":9,'
    b'"total_tokens":29,"prompt_tokens_details":{"cached_tokens":16},'
    b'"completion_tokens_details":{"reasoning_tokens":4}}}\n\n'
)
COUNTED = Usage(input=4, cache_read=16, output=5, reasoning=4)
DONE = b"data: [DONE]\n\n"
AZURE = (
    b'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":'
    b'[{"prompt_index":0,"content_filter_results":{}}]}\n\n'
)


def renamed(stream: bytes) -> bytes:
    """By hand: replaces the name after ``model`` and a colon, unescaped."""
    return stream.replace(b'"model":"gpt-4-0613"', b'"model":"openai/smart"').replace(
        b'"model" : "gpt-4-0613"', b'"model" : "openai/smart"'
    )


def test_chat_chunks_change_only_in_their_model() -> None:
    relay = chat_relay(ASKING)
    stream = ROLE + WORD + STOP + USAGE + DONE
    assert relayed(relay, stream) == renamed(stream)
    assert relay.tap == Tap(VENDOR, "stop", COUNTED)
    assert relay.complete


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        pytest.param(ASKING, True, id="asked"),
        pytest.param({"stream": True}, False, id="absent"),
        pytest.param({"stream": True, "stream_options": None}, False, id="null"),
        pytest.param({"stream": True, "stream_options": {"include_usage": False}}, False, id="refused"),
        pytest.param({"stream": True, "stream_options": "yes"}, False, id="an invalid value"),
    ],
)
def test_chat_usage_is_sent_only_on_request_and_always_read(document: dict[str, Any], shown: bool) -> None:
    relay = chat_relay(document)
    assert relayed(relay, STOP + USAGE + DONE) == renamed(STOP + (USAGE if shown else b"") + DONE)
    assert relay.tap.usage == COUNTED


@pytest.mark.parametrize(
    ("chunk", "kept"),
    [
        pytest.param(AZURE, True, id="Azure's first chunk"),
        pytest.param(AZURE.replace(b'"id"', b'"usage":null,"id"'), True, id="Azure's first chunk, usage null"),
        pytest.param(STOP.replace(b'"id"', b'"usage":{"prompt_tokens":1},"id"'), True, id="usage next to a choice"),
        pytest.param(b'data: {"id":"c","usage":{"prompt_tokens":1}}\n\n', True, id="no choices at all"),
        pytest.param(b'data: {"choices":[],"id":"c"}\n\n', True, id="no usage at all"),
        pytest.param(b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n', False, id="the usage chunk"),
    ],
)
def test_chat_hides_only_the_usage_chunk(chunk: bytes, kept: bool) -> None:
    edited = relayed(chat_relay(), chunk)
    assert (edited != b"") is kept
    if kept:
        expected = chunk.replace(b'"model":"gpt-4-0613"', b'"model":"openai/smart"')
        assert edited == expected.replace(b'"model":""', b'"model":"openai/smart"')


def test_chat_usage_of_the_last_chunk_with_usage_applies() -> None:
    relay = chat_relay()
    early = ROLE.replace(b'"usage":null', b'"usage":{"prompt_tokens":20,"completion_tokens":1}')
    late = STOP.replace(b'"id"', b'"usage":{"prompt_tokens":20,"completion_tokens":9},"id"')
    relayed(relay, early + WORD + late + ROLE)
    assert relay.tap.usage == Usage(input=20, output=9)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b'data: {"model":"gpt-4-0613"}\r\n\r\n', id="CRLF"),
        pytest.param(b'data:{"model":"gpt-4-0613"}\n\n', id="no space"),
        pytest.param(b'event: chunk\nid: 1\ndata: {"model":"gpt-4-0613"}\n\n', id="named"),
        pytest.param(b': {note}\ndata: {"model":"gpt-4-0613"}\n\n', id="after a comment with a brace"),
    ],
)
def test_chat_chunks_in_unusual_frames_are_edited(frame: bytes) -> None:
    assert relayed(chat_relay(), frame) == renamed(frame)


@pytest.mark.parametrize("done", [pytest.param(DONE, id="usual"), pytest.param(b"data:[DONE]\r\n\r\n", id="no space")])
def test_chat_is_complete_after_done(done: bytes) -> None:
    relay = chat_relay()
    relayed(relay, ROLE + STOP)
    assert not relay.complete
    assert relayed(relay, done) == done
    assert relay.complete


def test_chat_error_chunk_completes_the_stream() -> None:
    relay = chat_relay()
    error = b'data: {"error":{"message":"boom","type":"server_error","code":500}}\n\n'
    assert relayed(relay, ROLE + error) == renamed(ROLE) + error
    assert relay.complete
    assert relay.tap.stop_reason == "error"


def finish(index: int, reason: str | None = "stop") -> bytes:
    choice = {"index": index, "delta": {}, "finish_reason": reason}
    return b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()


@pytest.mark.parametrize(
    ("n", "stream", "ended"),
    [
        pytest.param(None, finish(0, None), False, id="one, running"),
        pytest.param(None, finish(0), True, id="one, finished"),
        pytest.param(0, finish(0), True, id="an invalid n counts as one"),
        pytest.param(2, finish(0), False, id="first of two"),
        pytest.param(2, finish(0) + finish(0), False, id="first of two, said twice"),
        pytest.param(2, finish(1) + finish(0, None), False, id="second of two"),
        pytest.param(2, finish(1) + finish(0), True, id="both"),
        pytest.param(2, finish(1) + finish(0) + USAGE, True, id="both, then usage"),
    ],
)
def test_chat_has_ended_when_every_choice_finished(n: int | None, stream: bytes, ended: bool) -> None:
    relay = chat_relay({"stream": True, "n": n})
    relayed(relay, stream)
    assert relay.ended is ended
    assert not relay.complete, "the terminator is still missing"


def candidate(index: int, **members: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps({"candidates": [{"index": index, **members}]}).encode()


WORDS = {"content": {"role": "model", "parts": [{"text": "Hello"}]}}
STOPPED = {"finishReason": "STOP"}
BLOCKED = b'data: {"promptFeedback":{"blockReason":"SAFETY"}}\n\n'


@pytest.mark.parametrize(
    ("stream", "ended"),
    [
        pytest.param(candidate(0, **WORDS), False, id="one, running"),
        pytest.param(candidate(0, **WORDS) + candidate(0, **STOPPED), True, id="one, finished"),
        pytest.param(candidate(0, **STOPPED) + candidate(0, **WORDS), True, id="one, then its sources"),
        pytest.param(candidate(0, **WORDS) + candidate(1, **STOPPED), False, id="second of two"),
        pytest.param(candidate(0, **WORDS) + candidate(1, **STOPPED) + candidate(0, **STOPPED), True, id="both"),
        pytest.param(BLOCKED, True, id="a blocked prompt"),
        pytest.param(b'data: {"usageMetadata":{"promptTokenCount":3}}\n\n', False, id="usage only"),
    ],
)
def test_gemini_has_ended_when_every_candidate_finished(stream: bytes, ended: bool) -> None:
    relay = GeminiPassthrough(Tap())
    assert relayed(relay, stream) == stream
    assert relay.ended is ended


# -- frames and whole answers of every dialect ---------------------------------------------------------------------

RELAYS: dict[str, Callable[[], AnswerRelay]] = {
    "chat": lambda: chat_relay({}),
    "messages": messages_relay,
    "responses": lambda: ResponsesPassthrough("openai/smart", Tap()),
}
ODD = {
    "comment": b": OPENROUTER PROCESSING\n\n",
    "not JSON": b"data: {broken\n\n",
    "not an object": b"data: [1]\n\n",
    "no data": b"id: 1\n\n",
    "unknown event": b'event: future\ndata: {"type":"future","message":{"model":"gpt-4-0613"},"n":1.0}\n\n',
}
OTHER: dict[str, dict[str, bytes]] = {
    "chat": {"other types": b'data: {"model":7,"choices":"x","usage":[]}\n\n'},
    "messages": {
        "ping": b'event: ping\ndata: {"type": "ping"}\n\n',
        "a broken start": b"event: message_start\ndata: {broken\n\n",
        "a start without data": b"event: message_start\ndata: \n\n",
        "a start that is null": b"event: message_start\ndata: null\n\n",
        "a start without message": b'data: {"type":"message_start"}\n\n',
        "other types": b'data: {"type":"message_start","message":{"model":null,"usage":7}}\n\n',
        "an empty delta": b'data: {"type":"message_delta","delta":null,"usage":null}\n\n',
    },
    "responses": {
        "keepalive": b'event: keepalive\ndata: {"type":"keepalive","sequence_number":3}\n\n',
        "future": b'data: {"type":"response.future","model":"gpt-4-0613","n":1.0}\n\n',
        "chat's end": DONE,
        "other types": b'data: {"type":"response.in_progress","response":{"model":null,"usage":7}}\n\n',
    },
}


@pytest.mark.parametrize(
    ("dialect", "raw"),
    [
        pytest.param(dialect, raw, id=f"{dialect}: {name}")
        for dialect, own in OTHER.items()
        for name, raw in {**ODD, **own}.items()
    ],
)
def test_other_frames_pass_unchanged(dialect: str, raw: bytes) -> None:
    relay = RELAYS[dialect]()
    assert relayed(relay, raw) == raw
    assert (relay.complete, relay.ended, relay.tap) == (False, raw == DONE, Tap())


@pytest.mark.parametrize(
    ("dialect", "public", "answer", "stop", "usage"),
    [
        pytest.param(
            "chat",
            b"openai/smart",
            b'{\n  "id": "c", "model" : "%b", "x_future": {"model": "gpt-4-0613", "n": 1.0},\n'
            b'  "choices": [{"index": 0, "message": {"content": "\\"model\\": \\u00e9"},\n'
            b'  "finish_reason": "tool_calls"}],\n'
            b'  "usage": {"prompt_tokens": 5, "completion_tokens": 2}\n}\n',
            "tool_calls",
            Usage(input=5, output=2),
            id="chat",
        ),
        pytest.param(
            "messages",
            b"anthropic/claude",
            b'{"model":"%b","id":"msg_1","content":[{"type":"text","text":"\\"model\\":"},'
            b'{"type":"future","model":"gpt-4-0613"}],"stop_reason":"end_turn",'
            b'"usage":{"input_tokens":3,"output_tokens":5,"server_tool_use":null}}',
            "end_turn",
            Usage(input=3, output=5),
            id="messages",
        ),
        pytest.param(
            "responses",
            b"openai/smart",
            b'{"id":"resp_1","status":"completed","output":[{"type":"future","model":"gpt-4-0613"}],'
            b'"model":"%b","usage":{"input_tokens":3,"output_tokens":5}}',
            "completed",
            Usage(input=3, output=5),
            id="responses",
        ),
    ],
)
def test_answers_change_only_in_their_model(
    dialect: str, public: bytes, answer: bytes, stop: str, usage: Usage
) -> None:
    relay = RELAYS[dialect]()
    assert relay.body(answer % VENDOR.encode()) == answer % public
    assert relay.tap == Tap(VENDOR, stop, usage)
    assert relay.complete


NO_ANSWERS = {
    "an array": (b"[]", "upstream"),
    "null": (b"null", "upstream"),
    "nothing": (b"  ", "upstream"),
    "an empty object": (b"{}", "upstream"),
    "a null model": (b'{"model": null}', "upstream"),
    "a load balancer's error": (b'{"message":"Forbidden"}', "upstream"),
    "Anthropic's error": (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "overloaded"),
}


@pytest.mark.parametrize("relay", RELAYS.values(), ids=RELAYS.keys())
@pytest.mark.parametrize(("raw", "kind"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_an_error_or_garbage_in_place_of_an_answer_is_an_error(
    relay: Callable[[], AnswerRelay], raw: bytes, kind: str
) -> None:
    with pytest.raises(VendorError) as caught:
        relay().body(raw)
    assert caught.value.kind == kind or b"overloaded" in raw
    assert caught.value.status >= 500


UNUSUAL = {
    "NaN": b'{"x":NaN,"y":-Infinity,%b}',
    "a byte order mark": b"\xef\xbb\xbf{%b}",
    "invalid UTF-8": b'{"x":"\xff",%b}',
}


@pytest.mark.parametrize("raw", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_unusual_json_passes_and_is_read(raw: bytes) -> None:
    """Some of the clients can read it."""
    answer = b'"model":"%b","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5}'
    relay, public = chat_relay({}), raw % (answer % b"openai/smart")
    assert relay.body(raw % (answer % VENDOR.encode())) == public
    assert relay.tap == Tap(VENDOR, "stop", Usage(input=3, output=5))


@pytest.mark.parametrize("relay", RELAYS.values(), ids=RELAYS.keys())
@pytest.mark.parametrize("raw", [b"<html>", b'{"choices":[{"mess', b"\xff\xfe", b"[" * 400 + b"]" * 400])
def test_what_nobody_can_read_is_rejected(relay: Callable[[], AnswerRelay], raw: bytes) -> None:
    with pytest.raises(ValueError):
        relay().body(raw)


# -- messages: requests --------------------------------------------------------------------------------------------


def test_messages_requests_change_only_in_their_model() -> None:
    raw = (
        b'{ "model":"anthropic/claude", "max_tokens":64,"system":[{"type":"text","text":"x","cache_control":'
        b'{"type":"ephemeral"}}],"thinking":{"type":"adaptive"},"metadata":{"model":"anthropic/claude"},'
        b'"x_future":1.0,"x_future":1e5 }'
    )
    edited = edit_messages(raw, decode(raw), Target("claude-sonnet-4-5")).body
    assert edited == raw.replace(b'"model":"anthropic/claude"', b'"model":"claude-sonnet-4-5"', 1)


# -- messages: streams ---------------------------------------------------------------------------------------------

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-sonnet-4-5","id":"msg_1",'
    b'"type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{"input_tokens":10,'
    b'"cache_creation_input_tokens":30,"cache_read_input_tokens":2000,"cache_creation":'
    b'{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1,"service_tier":"standard"}}}\n\n'
)
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
BLOCK = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
    b'{"type":"text","text":"","model":"claude-sonnet-4-5"}}\n\n'
)
DELTA = (
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    '"text":"\\"message\\":{\\"model\\":\\"claude-sonnet-4-5\\"} é\u2028"}}\n\n'
).encode()
FUTURE = b'event: future\ndata: {"type":"future","message":{"model":"claude-sonnet-4-5"},"n":1.0}\n\n'
LAST = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null,'
    b'"model":"claude-sonnet-4-5"},"usage":{"input_tokens":null,"output_tokens":42}}\n\n'
)
END = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def test_messages_streams_change_only_in_the_first_event() -> None:
    relay = messages_relay()
    before = START + PING + BLOCK + DELTA + FUTURE + LAST
    first = START.replace(b'"claude-sonnet-4-5"', b'"anthropic/claude"')
    assert relayed(relay, before) == first + before.removeprefix(START)
    assert not relay.complete
    assert relayed(relay, END) == END
    assert relay.complete
    usage = Usage(input=10, cache_read=2000, cache_write_5m=10, cache_write_1h=20, output=42)
    assert relay.tap == Tap("claude-sonnet-4-5", "tool_use", usage)


def test_messages_usage_is_merged_field_by_field() -> None:
    """message_delta repeats the fields that it corrects, and may bring the input counts only then."""
    relay = messages_relay()
    relayed(relay, START)
    assert relay.tap.usage == Usage(input=10, cache_read=2000, cache_write_5m=10, cache_write_1h=20, output=1)
    later = b'data: {"type":"message_delta","delta":{},"usage":{"input_tokens":11,"output_tokens":7}}\n\n'
    relayed(relay, later)
    assert relay.tap.usage == Usage(input=11, cache_read=2000, cache_write_5m=10, cache_write_1h=20, output=7)
    relayed(relay, b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n')
    assert relay.tap.usage.output == 7
    assert relay.tap.stop_reason == "end_turn"


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b'data: {"type":"message_start","message":{"model":"claude-sonnet-4-5"}}\n\n', id="no name"),
        pytest.param(
            b'event:message_start\r\ndata:{"type":"message_start","message":{"model":"claude-sonnet-4-5"}}\r\n\r\n',
            id="no space, CRLF",
        ),
        pytest.param(
            rb'data: {"message":{"mod\u0065l":"claude-sonnet-4-5"},"type":"message_start"}' + b"\n\n", id="escaped"
        ),
    ],
)
def test_messages_first_event_in_unusual_frames_is_edited(frame: bytes) -> None:
    assert relayed(messages_relay(), frame) == frame.replace(b'"claude-sonnet-4-5"', b'"anthropic/claude"')


def test_messages_error_event_completes_the_stream() -> None:
    relay = messages_relay()
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    assert relayed(relay, error) == error
    assert relay.complete
    assert relay.tap.stop_reason == "error"


# -- messages: usage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param({"input_tokens": 3, "output_tokens": 5}, Usage(input=3, output=5), id="no cache"),
        pytest.param(
            {"input_tokens": 3, "cache_read_input_tokens": 100, "output_tokens": 5},
            Usage(input=3, cache_read=100, output=5),
            id="reads are counted separately from the input",
        ),
        pytest.param(
            {"input_tokens": 3, "cache_creation_input_tokens": 30, "output_tokens": 5},
            Usage(input=3, cache_write_5m=30, output=5),
            id="writes without details are short",
        ),
        pytest.param(
            {
                "input_tokens": 3,
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
                "output_tokens": 5,
            },
            Usage(input=3, cache_write_5m=10, cache_write_1h=20, output=5),
            id="writes with details",
        ),
        pytest.param(
            {"input_tokens": 3, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 4}},
            Usage(input=3, output=1, reasoning=4),
            id="thinking is included in the output",
        ),
        pytest.param(
            {"input_tokens": None, "cache_creation": None, "output_tokens": "x"}, Usage(), id="unexpected types"
        ),
    ],
)
def test_messages_usage_is_read(usage: dict[str, Any], expected: Usage) -> None:
    read = read_messages_usage(usage)
    assert read == expected
    inside = sum(usage.get(name) or 0 for name in ("input_tokens", "cache_read_input_tokens"))
    assert read.total_input == inside + (usage.get("cache_creation_input_tokens") or 0), "the parts add up to the total"


@pytest.mark.parametrize("case", ["groq-usage", "moonshot-choice-usage"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_chat_usage_is_read_wherever_a_server_puts_it(case: str, stream: bool) -> None:
    """As in translation: without it the answer cost nothing in the ledger."""
    relay = chat_relay({"stream": stream})
    if stream:
        relayed(relay, RECORDED.stream(case))
    else:
        relay.body(encode(RECORDED.answer(case)))
    assert relay.tap.usage is not None and relay.tap.usage.total == 8
