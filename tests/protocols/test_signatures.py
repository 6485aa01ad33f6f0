"""Thinking of another vendor, returned by a client in our tags, on its way to a vendor that did not write it.

It is removed and reported, and every other byte stays; a vendor's own thinking is never changed.
"""

import pytest

from nexus.models.gpt import UNKNOWN
from nexus.protocols.codec import Target
from nexus.protocols.loader import DIALECTS
from nexus.wire import decode

CUT: dict[str, tuple[str, bytes, bytes]] = {
    "thinking": (
        "messages",
        b'{"model":"a","messages":[{"role":"user","content":"x"}, {"role":"assistant","content":['
        b'{"type":"thinking","thinking":"t","signature":"nexus.gemini.c2ln"}, '
        b'{"type":"text" ,"text":"\\u00e9 nexus."}]}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}, {"role":"assistant","content":['
        b'{"type":"text" ,"text":"\\u00e9 nexus."}]}]}',
    ),
    "redacted thinking and a carrier": (
        "messages",
        b'{"model":"a","messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"nexus.converse.x"},'
        b'{"type":"thinking","thinking":"","signature":"nexus.next.gemini.x"},{"type":"tool_use","id":"t","input":{"a":1.0}}]}]}',
        b'{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","input":{"a":1.0}}]}]}',
    ),
    "thinking that its vendor did not sign": (
        "messages",
        b'{"model":"a","messages":[{"role":"assistant","content":['
        b'{"type":"thinking","thinking":"t","signature":"nexus.none."},{"type":"text","text":"x"}]}]}',
        b'{"model":"m","messages":[{"role":"assistant","content":[{"type":"text","text":"x"}]}]}',
    ),
    "nothing else in the message": (
        "messages",
        b'{"model":"a","messages":[{"role":"user","content":"x"},{"role":"assistant","content":['
        b'{"type":"thinking","thinking":"t","signature":"nexus.gemini.c2ln"}]},{"role":"user","content":"y"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"},{"role":"user","content":"y"}]}',
    ),
    "nothing else in the message behind a system message, which needs one": (
        "messages",
        b'{"model":"a","messages":[{"role":"user","content":"x"},{"role":"system","content":"s"},{"role":"assistant",'
        b'"content":[{"type":"thinking","thinking":"t","signature":"nexus.gemini.c2ln"}]},{"role":"user","content":"y"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"},{"role":"system","content":"s"},{"role":"assistant",'
        b'"content":[{"type":"text","text":"(I was only thinking.)"}]},{"role":"user","content":"y"}]}',
    ),
    "reasoning items": (
        "responses",
        b'{"input":[{"role":"user","content":"x"},{"type":"reasoning","summary":[],"encrypted_content":"nexus.messages.s"},'
        b'{"type":"reasoning","summary":[],"encrypted_content":"gAAAA"},{"type":"function_call","name":"f"}],"model":"a"}',
        b'{"input":[{"role":"user","content":"x"},'
        b'{"type":"reasoning","summary":[],"encrypted_content":"gAAAA"},{"type":"function_call","name":"f"}],"model":"m"}',
    ),
    "reasoning items that their vendor did not sign": (
        "responses",
        b'{"input":[{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"t"}],'
        b'"encrypted_content":"nexus.none."},{"role":"user","content":"x"}],"model":"a"}',
        b'{"input":[{"role":"user","content":"x"}],"model":"m"}',
    ),
    "chat's details and their duplicate text": (
        "chat",
        b'{"model":"a","messages":[{"role":"assistant","reasoning_content":"t","reasoning_details":['
        b'{"type":"reasoning.text","text":"t","signature":"nexus.messages.s"}],"content":"c"}]}',
        b'{"model":"m","messages":[{"role":"assistant","content":"c"}]}',
    ),
    "Gemini's thoughts": (
        "gemini",
        b'{"contents":[{"role":"user","parts":[{"text":"x"}]}, {"role":"model","parts":['
        b'{"text":"t","thought":true,"thoughtSignature":"bmV4dXMubWVzc2FnZXMucw=="},{"text" :"y"}]}]}',
        b'{"contents":[{"role":"user","parts":[{"text":"x"}]}, {"role":"model","parts":[{"text" :"y"}]}]}',
    ),
    "the signature of a call": (
        "chat",
        b'{"model":"a","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"t","extra_content":'
        b'{"nexus":{"seal":"nexus.converse.s"}}}]}]}',
        b'{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"t"}]}]}',
    ),
}


@pytest.mark.parametrize("case", CUT)
def test_foreign_thinking_is_removed_and_reported(case: str) -> None:
    dialect, raw, expected = CUT[case]
    edited = DIALECTS[dialect].passing.edit_request(raw, decode(raw), Target("m"))
    assert (edited.body, len(edited.dropped)) == (expected, 1)


KEPT: dict[str, tuple[str, bytes]] = {
    "own thinking": (
        "messages",
        b'{"model":"m","messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"EqQ="}]}]}',
    ),
    "unsigned thinking, of a compatible server": (
        "messages",
        b'{"model":"m","messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":""}]}]}',
    ),
    "words that look like a tag": (
        "messages",
        b'{"model":"m","system":"nexus.gemini.x","messages":[{"role":"user","content":"nexus.gemini.x"}]}',
    ),
    "words in blocks": (
        "messages",
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"nexus.gemini.x"}]}]}',
    ),
    "own reasoning": ("responses", b'{"model":"m","input":[{"type":"reasoning","encrypted_content":"gAAAA"}]}'),
    "a string as input": ("responses", b'{"model":"m","input":"nexus.gemini.x"}'),
    "a vendor's details": (
        "chat",
        b'{"model":"m","messages":[{"role":"assistant","reasoning_content":"t","reasoning_details":[{"data":"x"}]}]}',
    ),
    "Google's own form": (
        "chat",
        b'{"model":"m","messages":[{"role":"assistant","tool_calls":[{"extra_content":{"google":{"thought_signature":"x"}}}]}]}',
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_everything_else_stays_unchanged(case: str) -> None:
    dialect, raw = KEPT[case]
    edited = DIALECTS[dialect].passing.edit_request(raw, decode(raw), Target("m"))
    assert (edited.body, edited.dropped) == (raw, ())


OPEN = (
    b'{"model":"m","input":[{"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"t"}],'
    b'"encrypted_content":null},{"role":"user","content":"x"}]}'
)
"""Reasoning as vLLM's and DeepSeek's Responses servers return it."""


def test_plain_reasoning_is_removed_only_for_openai() -> None:
    """OpenAI's 400: "Invalid 'input[0].content': array too long" (claude-code-router #1783, codex-mixin #15)."""
    edit = DIALECTS["responses"].passing.edit_request
    edited = edit(OPEN, decode(OPEN), Target("m", gpt=UNKNOWN))
    assert edited == (b'{"model":"m","input":[{"role":"user","content":"x"}]}', ("input.reasoning",))
    assert edit(OPEN, decode(OPEN), Target("m")) == (OPEN, ())
    sealed = OPEN.replace(b"null", b'"gAAAA"')
    assert edit(sealed, decode(sealed), Target("m", gpt=UNKNOWN)) == (sealed, ())
