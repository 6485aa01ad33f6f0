"""Applies header rules to one attempt, and describes by names alone what they will do.

Pure: the same rules and headers always give the same result, and nothing that came in is changed. Every name is
lower-case. Rules run in order, those of the provider before those of the model, each on what the ones before it left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from nexus.headers.names import is_denied, is_secret, nominated
from nexus.headers.tracing import CORRELATION

Headers = Mapping[str, str]


class HeaderRule(Protocol):
    """One step on the way of headers."""

    def apply(self, incoming: Headers, result: dict[str, str]) -> None:
        """Changes ``result``, what travels so far; ``incoming`` is what the client sent."""
        ...

    def removed_credentials(self) -> frozenset[str]:
        """The credentials that it takes away by name, the provider's own too."""
        ...

    def summary(self) -> str:
        """The rule on one line: names only, never a value."""
        ...


def apply(
    rules: Iterable[HeaderRule],
    client: Headers,
    own: Headers,
    *,
    passed: Headers | None = None,
    reserved: frozenset[str] = frozenset(),
    credential_headers: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """The headers of the request to the vendor.

    ``own`` is what the provider writes itself: a rule replaces it, and takes a credential away by its name. ``passed``
    is what the provider lets travel without any rule, which rules can take back. ``reserved`` names what nobody else
    may write: the credentials that it adds as it signs, and what tells its vendor who called. ``credential_headers``
    names the client's headers that carried its credential for the gateway: they do not exist here.
    """
    closed = credential_headers | nominated(client)
    incoming = {name: value for name, value in client.items() if name not in closed}
    result = {name: value for name, value in (passed or {}).items() if name not in closed}
    removed: set[str] = set()
    for rule in rules:
        rule.apply(incoming, result)
        removed |= rule.removed_credentials()
    for name in reserved:
        result.pop(name, None)
    return {**{name: value for name, value in own.items() if name not in removed - reserved}, **result}


def rewrite(
    rules: Iterable[HeaderRule],
    client: Headers,
    prepared: Headers,
    *,
    reserved: frozenset[str] = frozenset(),
    credential_headers: frozenset[str] = frozenset(),
    correlation: dict[str, str] | None = None,
) -> dict[str, str]:
    """``apply`` for headers that a provider has put together: what is as the client sent it was let through.

    ``correlation`` travels without any rule too; for rules it is what the client sent.
    """
    if correlation is not None:
        client = {name: value for name, value in client.items() if name not in CORRELATION} | correlation
    passed = {
        name: value
        for name, value in prepared.items()
        if client.get(name) == value and name not in reserved and not is_denied(name) and not is_secret(name)
    }
    own = {name: value for name, value in prepared.items() if name not in passed}
    passed |= correlation or {}
    return apply(rules, client, own, passed=passed, reserved=reserved, credential_headers=credential_headers)


def plan(rules: Iterable[HeaderRule]) -> list[str]:
    """One line for each rule: names only, never a value."""
    return [rule.summary() for rule in rules]
