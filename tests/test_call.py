"""Reading what coding agents say about their work and x-nexus-tags, limited to what is safe in a log."""

import pytest

from nexus.call import LONGEST_TAG, Tags
from nexus.errors import InvalidRequest

CLAUDE_CODE = {
    "x-claude-code-session-id": "0b5c7c1e-6f0a-4b0e-9a55-6a1d6a1d0001",
    "x-claude-code-agent-id": "agent-2",
    "x-claude-code-request-class": "subagent",
}


def test_claude_code_sends_session_and_agent() -> None:
    assert Tags.of(CLAUDE_CODE) == Tags("0b5c7c1e-6f0a-4b0e-9a55-6a1d6a1d0001", "agent-2", "subagent")


def test_codex_sends_its_session_and_thread() -> None:
    assert Tags.of({"session-id": "s-1", "thread-id": "t-1"}) == Tags(session="s-1", agent="t-1")


def test_other_clients_send_nothing() -> None:
    assert Tags.of({"user-agent": "curl"}) == Tags()


@pytest.mark.parametrize(
    "value", ["", "a\tb", "caf\xe9", "x" * (LONGEST_TAG + 1)], ids=["empty", "tab", "latin", "long"]
)
def test_unsafe_values_are_left_out(value: str) -> None:
    assert Tags.of({"x-claude-code-session-id": value}).session is None


GIVEN = {
    "one": ("project=web", (("project", "web"),)),
    "by name": ("project=web, feature = a search", (("feature", "a search"), ("project", "web"))),
    "names have no case": ("Project=Web", (("project", "Web"),)),
    "a value with =": ("project=a=b", (("project", "a=b"),)),
    "unlisted": ("team=x, project=web", (("project", "web"),)),
    "the same twice": ("project=web,project=web,", (("project", "web"),)),
    "nothing": (" ", ()),
}


@pytest.mark.parametrize("header,given", GIVEN.values(), ids=GIVEN)
def test_listed_tags_are_kept(header: str, given: tuple[tuple[str, str], ...]) -> None:
    assert Tags.of({"x-nexus-tags": header}, ("project", "feature")).given == given


UNREADABLE = {
    "no pair": "web",
    "no value": "project=",
    "no name": "=web",
    "a bad name": "pro ject=web",
    "a long value": "project=" + "x" * 65,
    "not ASCII": "project=caf\xe9",
    "too many": ",".join(f"n{at}=1" for at in range(9)),
    "two values": "project=web,project=api",
}


@pytest.mark.parametrize("header", UNREADABLE.values(), ids=UNREADABLE)
def test_invalid_tags_are_rejected_where_tags_are_configured(header: str) -> None:
    assert Tags.of({"x-nexus-tags": header}).given == ()
    with pytest.raises(InvalidRequest, match="x-nexus-tags") as refused:
        Tags.of({"x-nexus-tags": header}, ("project",))
    assert refused.value.param == "x-nexus-tags"
