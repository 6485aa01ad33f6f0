"""What a coding agent tells of its work is kept on the call, and never more than can stand in a log."""

from __future__ import annotations

import pytest

from nexus.call import LONGEST_TAG, Tags

CLAUDE_CODE = {
    "x-claude-code-session-id": "0b5c7c1e-6f0a-4b0e-9a55-6a1d6a1d0001",
    "x-claude-code-agent-id": "agent-2",
    "x-claude-code-parent-agent-id": "agent-1",
    "x-claude-code-request-class": "subagent",
}


def test_claude_code_tells_all() -> None:
    assert Tags.of(CLAUDE_CODE) == Tags("0b5c7c1e-6f0a-4b0e-9a55-6a1d6a1d0001", "agent-2", "agent-1", "subagent")


def test_codex_tells_its_session_and_its_thread() -> None:
    assert Tags.of({"session-id": "s-1", "thread-id": "t-1"}) == Tags(session="s-1", agent="t-1")


def test_others_tell_nothing() -> None:
    assert Tags.of({"user-agent": "curl"}) == Tags()


@pytest.mark.parametrize(
    "value", ["", "a\tb", "caf\xe9", "x" * (LONGEST_TAG + 1)], ids=["empty", "tab", "latin", "long"]
)
def test_what_no_log_should_hold_is_left_out(value: str) -> None:
    assert Tags.of({"x-claude-code-session-id": value}).session is None
