"""Fake vendors on real sockets, for tests and for trying the gateway without a key.

Standard library sockets and threads only, so that every byte and every TCP event is the caller's decision;
the vendor SDKs are used for their published *types*, never for their transport. What is started is stopped on exit.

    with FakeUpstream("openai") as upstream:
        upstream.next(Behaviour(status=429, headers=(("retry-after", "1"),)), Behaviour(text="second try"))
        ...  # point a client at upstream.base_url
        upstream.wait_for_requests(2)

or ``python -m tools.fake_upstream --openai 9101 --bedrock 9102`` from a checkout (with the ``dev`` extra installed).

Read on in this order: ``behaviour`` and ``parts`` (what can be asked for), ``server`` and ``watch`` (the context
manager and what it has seen), ``reply`` (how an answer becomes bytes and TCP events), ``wire`` (one socket),
``vendors`` (the interface, and the table a new vendor is added to); then the vendors: ``openai`` with ``responses``
and ``azure``,
``anthropic`` with ``messages``, ``google`` (gemini and vertex), ``aws`` (bedrock); ``validate`` (requests against the
SDKs' types).

What the fake does not imitate (each vendor's module says the rest):

* a model: the text, the tool calls and the token counts are the Behaviour's, whatever the request says; ``n``,
  ``stop``, ``max_tokens``, ``response_format`` and the like are checked for their type and otherwise ignored;
* openai's and anthropic's semantic checks: roles that must alternate, tool results that must match a call, unknown
  models, token limits, beta headers that a field needs. Only the shape of a request is judged there, and that thinking
  carries no signature of another fake. Gemini, Vertex and Converse check turns, tools and signatures too. Types that
  the SDKs declare open (a JSON schema, ``metadata``) stay open. A field that the installed SDK does not publish is a
  violation even where the real vendor still or already takes it (``extra_fields=("temperature",)`` lets named ones
  through, ``strict=False`` everything);
* endpoints beyond those that answer a conversation, count its tokens, give out Google's access tokens, and openai's
  ``GET /v1/models[/ID]``;
* TLS, HTTP/2, compressed requests, rate limits of its own, a proxy's timeouts. A client that half-closes its side
  of the connection counts as gone.
"""

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.google.tokens import authorized_user, service_account
from tools.fake_upstream.parts import Call, Part, Redacted, Text, Thinking
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.server import FakeUpstream
from tools.fake_upstream.vendors import ACCESS_KEY, SECRET_KEY
from tools.fake_upstream.watch import Disconnect

__all__ = [
    "ACCESS_KEY",
    "SECRET_KEY",
    "Behaviour",
    "Call",
    "Disconnect",
    "FakeUpstream",
    "Part",
    "Redacted",
    "SeenRequest",
    "Text",
    "Thinking",
    "authorized_user",
    "service_account",
]
