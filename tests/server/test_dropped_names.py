"""What a client calls its fields cannot break the reply's head."""

from tests.conftest import Serve
from tests.serving import anthropic_config
from tools.fake_upstream import FakeUpstream


def test_a_dropped_field_with_a_line_break_in_its_name_is_named_in_one_line(
    serve: Serve, anthropic_upstream: FakeUpstream
) -> None:
    body = {"model": "anthropic/claude", "messages": [{"role": "user", "content": "Hi"}], "a\r\nb: €": 1, "seed": 3}
    reply = serve(anthropic_config(anthropic_upstream.base_url)).chat(body)
    assert (reply.status, reply.headers["x-nexus-dropped"]) == (200, r"a\r\nb: \u20ac, seed")
