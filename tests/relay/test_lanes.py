"""Requests as every vendor gets them."""

from __future__ import annotations

import pytest

from nexus.conversation.parts import Message, Request, Text, Tool, ToolChoice
from nexus.errors import InvalidRequest
from nexus.protocols.codec import Target
from nexus.relay.lanes import fitted


@pytest.mark.parametrize(
    ("tools", "choice"),
    [((), ToolChoice("required")), ((), ToolChoice("tool", "f")), ((Tool("f"),), ToolChoice("tool", "g"))],
)
def test_a_choice_of_a_tool_that_is_not_there_is_rejected(tools: tuple[Tool, ...], choice: ToolChoice) -> None:
    """For example when a forced tool of Anthropic's own was left out."""
    request = Request((Message("user", (Text("hi"),)),), tools=tools, tool_choice=choice)
    with pytest.raises(InvalidRequest) as caught:
        fitted(request, Target("m"), "m")
    assert caught.value.param == "tool_choice"
