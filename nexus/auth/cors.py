"""CORS headers of replies, and the check of the Host header against DNS rebinding.

Pure functions. An origin that is not allowed gets no CORS headers, and replies that depend on the origin have ``Vary``,
so that caches do not serve them to another origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.settings.guards import CorsSettings
from nexus.settings.listen import ip_of, is_loopback_host


def is_allowed(cors: CorsSettings | None, origin: str) -> bool:
    """Whether pages of ``origin`` may call."""
    if cors is None or cors.allow_origins is None:
        return False
    return cors.allow_origins == "*" or any(allowed.allows(origin) for allowed in cors.allow_origins)


def advice(cors: CorsSettings | None) -> str | None:
    """A note for the start if no web page may call, because browsers do not show the reason; else None."""
    if cors is not None and cors.allow_origins is not None:
        return None
    return "browser pages of other origins cannot call; server.cors.allow_origins allows them"


def reply_headers(cors: CorsSettings | None, origin: str | None) -> dict[str, str]:
    """The CORS headers of every reply; ``origin`` is the request's Origin header, or None."""
    if cors is None:
        return {}
    reply = {} if cors.allow_origins == "*" else {"Vary": "Origin"}
    if origin is None or not is_allowed(cors, origin):
        return reply
    reply["Access-Control-Allow-Origin"] = "*" if cors.allow_origins == "*" else origin
    if cors.allow_credentials:
        reply["Access-Control-Allow-Credentials"] = "true"
    if cors.expose_headers:
        reply["Access-Control-Expose-Headers"] = _list(cors.expose_headers)
    return reply


def preflight_headers(cors: CorsSettings | None, headers: Mapping[str, str]) -> dict[str, str] | None:
    """The headers of the response to a CORS preflight, or None if the request is not one.

    ``headers`` are those of an OPTIONS request, with lower-case names.
    """
    origin = headers.get("origin")
    if cors is None or origin is None or "access-control-request-method" not in headers:
        return None
    reply = reply_headers(cors, origin)
    reply["Vary"] = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    if not is_allowed(cors, origin):
        return reply
    reply.pop("Access-Control-Expose-Headers", None)
    if cors.allow_methods is not None:
        methods = cors.allow_methods
        reply["Access-Control-Allow-Methods"] = _list(
            methods if "OPTIONS" in methods or methods == "*" else (*methods, "OPTIONS")
        )
    if cors.allow_headers:
        reply["Access-Control-Allow-Headers"] = _list(cors.allow_headers)
    if cors.max_age is not None:
        reply["Access-Control-Max-Age"] = str(int(cors.max_age))
    if cors.allow_private_network and headers.get("access-control-request-private-network") == "true":
        reply["Access-Control-Allow-Private-Network"] = "true"
    return reply


def _list(values: str | tuple[str, ...]) -> str:
    return values if isinstance(values, str) else ", ".join(values)


OF_CONTAINERS = frozenset({"host.docker.internal", "host.containers.internal"})
"""Names by which containers reach their host."""


def is_own(host: str, names: Sequence[str]) -> bool:
    """Whether a Host header names this machine or one of ``names``, the setting ``server.hosts``. Checked while callers
    need no credential: a web page can point its own domain at this machine (DNS rebinding) and then read the replies;
    only the Host header reveals that.
    """
    name = _without_port(host.strip()).lower().removesuffix(".")
    if not name or ip_of(name) is not None or is_loopback_host(name) or name in OF_CONTAINERS:
        return True
    return any(name == known or (known.startswith("*.") and name.endswith(known[1:])) for known in names)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].partition("%")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host
