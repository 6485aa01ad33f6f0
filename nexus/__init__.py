"""Nexus: one server in front of many model vendors.

Eleven terms, which every module uses in the same way:

client      who calls us: an SDK, Claude Code, Codex, curl
upstream    whom we call: a vendor's server
provider    a configured place to send calls, one folder under ``providers/``
dialect     a wire format: chat, messages, ...; a *format* is one in another envelope, such as Vertex AI's
protocol    what one kind of client calls, below one path: a dialect or several
call        one client request, from accept to last byte; an *attempt* is one try at one provider
route       provider + upstream model; a *target* of a virtual model is one, a *candidate* a target with a key
lane        how bytes are relayed: *passthrough* (same dialect) or *translate* (another one)
head        status and headers of a reply; the point of no return is the first *content* after it
tap         reads usage and stop reason from a copy of the bytes that pass
part        a content block of the neutral conversation form

A *signature* is a value that only the vendor who made it can read: a thinking signature, a thought signature, encrypted
reasoning. A *quota* is an amount in any interval; a call makes *demands* on quotas.

A call passes through server > gateway > relay > provider > upstream. The server and the gateway's admission run on the
IOLoop thread, everything else on a worker thread; ``server/bridge`` connects the two.
"""

__version__ = "0.1.0"

DISTRIBUTION = "nexus-llm-router"
"""The package's name on PyPI, where "nexus" is taken."""
