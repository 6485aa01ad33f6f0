"""Applies header rules to one attempt.

Pure functions that do not change their arguments; all names are lower-case. Rules run in order, those of the provider
before those of the model, each on the result of the previous ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from nexus.headers.names import is_denied, is_secret, nominated
from nexus.headers.tracing import CORRELATION

Headers = Mapping[str, str]


class HeaderChange(Protocol):
    def apply(self, incoming: Headers, result: dict[str, str]) -> None:
        """Changes ``result``, the headers to send so far; ``incoming`` are the client's."""
        ...

    def removed_credentials(self) -> frozenset[str]:
        """The credential headers that the rule removes by name, the provider's own included."""
        ...

    def summary(self) -> str:
        """The rule on one line, with names only and never a value."""
        ...


def apply(
    rules: Iterable[HeaderChange],
    client: Headers,
    own: Headers,
    *,
    passed: Headers | None = None,
    reserved: frozenset[str] = frozenset(),
    credential_headers: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """The headers of the request to the vendor.

    ``own`` are the headers that the provider writes itself: rules can replace them, and remove credentials among them
    by name. ``passed`` are client headers that the provider forwards without a rule; rules can remove them.
    ``reserved`` names headers that only the provider may write: credentials that it adds when signing, and attribution
    of the caller. ``credential_headers`` names the client headers that carried its gateway credential; they are
    ignored.
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
    rules: Iterable[HeaderChange],
    client: Headers,
    prepared: Headers,
    *,
    reserved: frozenset[str] = frozenset(),
    credential_headers: frozenset[str] = frozenset(),
    correlation: dict[str, str] | None = None,
) -> dict[str, str]:
    """``apply`` for the headers that a provider prepared: those that equal the client's count as ``passed``.

    ``correlation`` headers are also sent without a rule; rules see them in place of the client's.
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
