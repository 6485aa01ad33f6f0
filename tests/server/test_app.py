"""Which pattern a path fits, without the patterns of others being compiled."""

from __future__ import annotations

import pytest
from tornado.web import RequestHandler

from nexus.server.app import Spec


@pytest.mark.parametrize(
    ("pattern", "path", "groups"),
    [
        ("/a/b", "/a/b", []),
        ("/a/b", "/a/bc", None),
        ("/a/b", "/a", None),
        ("/a/b?", "/a/", []),
        ("/ab{2}", "/abb", []),
        ("/a(?:/v1)(/.+)", "/a/v1/b%20c", [b"/b c"]),
        ("/a/(.+)/(.+)", "/a/b/c", [b"b", b"c"]),
        (r"/a\.b", "/a.b", []),
        (r"/a\.b", "/a-b", None),
        (".*", "/", []),
    ],
)
def test_what_a_pattern_says_of_a_path(pattern: str, path: str, groups: list[bytes] | None) -> None:
    assert Spec(pattern, RequestHandler).match(path) == groups


def test_a_pattern_is_compiled_for_a_path_that_begins_as_it_does() -> None:
    spec = Spec("/llm/openai/v1(/.+)", RequestHandler)
    assert spec.match("/llm/anthropic/v1/messages") is None
    assert "_compiled" not in vars(spec)
    assert spec.match("/llm/openai/v1/models") == [b"/models"]
    assert "_compiled" in vars(spec)
