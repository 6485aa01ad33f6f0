"""The tests' own check of requests detects errors."""

from typing import Any

import pytest
from pydantic import ValidationError

from .kit import check_request

PLAIN: dict[str, Any] = {
    "model": "m",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
}


@pytest.mark.parametrize(
    "broken",
    [
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": [{"role": "tool", "content": []}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "detail": 1}]}]},
        {"tools": [{"name": "f"}]},
        {"tool_choice": {"type": "required"}},
        {"seed": 1},
    ],
)
def test_the_check_detects_invalid_requests(broken: dict[str, Any]) -> None:
    check_request(PLAIN)
    with pytest.raises((ValidationError, AssertionError)):
        check_request(PLAIN | broken)
