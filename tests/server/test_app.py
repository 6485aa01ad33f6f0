"""URL patterns: which path matches, and that each pattern is only compiled when needed."""

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
def test_a_pattern_matches_a_path(pattern: str, path: str, groups: list[bytes] | None) -> None:
    assert Spec(pattern, RequestHandler).match(path) == groups


def test_a_pattern_is_only_compiled_for_a_path_with_its_prefix() -> None:
    spec = Spec("/llm/openai/v1(/.+)", RequestHandler)
    assert spec.match("/llm/anthropic/v1/messages") is None
    assert "_compiled" not in vars(spec)
    assert spec.match("/llm/openai/v1/models") == [b"/models"]
    assert "_compiled" in vars(spec)
