"""Fake vendors on real sockets, for tests and for trying the gateway without a key.

Uses only sockets and threads of the standard library, so that the caller controls every byte and every TCP event; uses
the vendors' SDKs for their published *types*, never for transport. Everything started is stopped on exit.

    with FakeUpstream("openai") as upstream:
        upstream.next(Behaviour(status=429, headers=(("retry-after", "1"),)), Behaviour(text="second try"))
        ...  # point a client at upstream.base_url
        upstream.wait_for_requests(2)

or ``python -m tools.fake_upstream --openai 9101 --bedrock 9102`` from a checkout (with the ``dev`` extra installed).

Reading order: ``behaviour`` and ``parts`` (what a test can ask for), ``server`` and ``watch`` (the context manager
and its records), ``reply`` (turns an answer into bytes and TCP events), ``wire`` (one socket), ``vendors`` (the
interface, and the table of vendors); then the vendors: ``openai`` with ``responses`` and ``azure``,
``anthropic`` with ``messages``, ``google`` (gemini and vertex), ``aws`` (bedrock); ``validate`` (requests against the
SDKs' types).

Not imitated (each vendor's module lists more):

* a model: the text, the tool calls and the token counts come from the Behaviour, whatever the request says; ``n``,
  ``stop``, ``max_tokens``, ``response_format`` and so on are checked for their type and otherwise ignored;
* some of openai's and anthropic's semantic checks: alternating roles, unknown models, token limits, beta headers that a
  field needs. Checked are the shape of a request, pairs of tool calls and results, tools, model-specific fields, and
  that thinking carries no signature of another fake. Gemini, Vertex and Converse also check turns and signatures. Types
  that the SDKs declare open (a JSON schema, ``metadata``) stay open. A field that the installed SDK does not publish is
  a violation even if the real vendor accepts it (``strict=False`` accepts everything);
* endpoints other than those in the vendors' modules;
* TLS, HTTP/2, compressed requests, rate limits, a proxy's timeouts. A client that half-closes its side of the
  connection counts as disconnected.
"""

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.google.tokens import authorized_user, service_account
from tools.fake_upstream.parts import Call, Part, Text, Thinking
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
    "SeenRequest",
    "Text",
    "Thinking",
    "authorized_user",
    "service_account",
]
