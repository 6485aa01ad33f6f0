"""Fake vendors on real sockets, for tests and for trying the gateway without a key.

Law: standard library sockets and threads only, so that every byte and every TCP event is the caller's decision;
the vendor SDKs are used for their published *types*, never for their transport. What is started is stopped on exit.

    with FakeUpstream("openai") as upstream:
        upstream.next(Behaviour(status=429, headers=(("retry-after", "1"),)), Behaviour(text="second try"))
        ...  # point a client at upstream.base_url
        upstream.wait_for_requests(2)

or ``python -m tools.fake_upstream --openai 9101 --anthropic 9102`` from a checkout (with the ``dev`` extra installed).

Read on in this order: ``behaviour`` (what can be asked for), ``server`` (the context manager), ``reply`` (how an
answer becomes bytes and TCP events), ``wire`` (one socket), ``openai`` and ``anthropic`` (bodies and request checks),
``validate`` (requests against the SDKs' types), ``vendors`` (the table a new vendor is added to).

What the fake does not imitate:

* a model: the text, the tool call and the token counts are the Behaviour's, whatever the request says; ``n``,
  ``stop``, ``max_tokens``, ``response_format`` and the like are checked for their type and otherwise ignored;
* the vendors' semantic checks: roles that must alternate, tool results that must match a call, unknown models,
  token limits, beta headers that a field needs. Only the shape of a request is judged. Types that the SDKs declare
  open (a JSON schema, ``metadata``) stay open. A field that the installed SDK does not publish is a violation even
  where the real vendor still or already takes it (``extra_fields=("temperature",)`` lets named ones through,
  ``strict=False`` everything);
* endpoints beyond ``POST /v1/chat/completions``, ``GET /v1/models[/ID]``, ``POST /v1/messages`` and
  ``POST /v1/messages/count_tokens``;
* TLS, HTTP/2, compressed requests, rate limits of its own, a proxy's timeouts. A client that half-closes its side
  of the connection counts as gone.
"""

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.server import Disconnect, FakeUpstream

__all__ = ["Behaviour", "Disconnect", "FakeUpstream", "SeenRequest"]
