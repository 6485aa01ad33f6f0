"""Finds the credential of a request among the headers that can carry one.

The header is chosen by what was sent, never by what turns out to be valid: if a client sends two credentials, only
one is tried.

``x-nexus-key`` comes first, then ``Proxy-Authorization``: both leave ``Authorization`` free for a vendor login. Then
come ``Authorization``, ``x-api-key``, ``api-key`` (Azure's clients) and ``x-goog-api-key`` (Google's). Of these, a
value that begins with ``nx-`` is preferred, because a program that is logged in with the vendor and has a gateway key
as its API key sends both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.auth.identity import Unidentified
from nexus.dataclasses import dataclass, field
from nexus.errors import InvalidRequest
from nexus.headers.own import GATEWAY_KEY
from nexus.settings.keys import PREFIX

HeaderLines = Mapping[str, Sequence[str]]
"""Lower-case header names, each with all its lines."""

OWN = (GATEWAY_KEY, "proxy-authorization")
"""Only the gateway reads these: the first one present decides, valid or not."""

SHARED = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
"""Vendors also read these: OpenAI, Anthropic, Azure, Google."""

_WITH_SCHEME = ("proxy-authorization", "authorization")

_SIGNED = "aws4-"
SIGNED = (
    "authorization: AWS signatures are not accepted; send the gateway key as a Bearer token, which AWS's SDKs and "
    "Claude Code take from AWS_BEARER_TOKEN_BEDROCK"
)

LONGEST = 16 * 1024


@dataclass(frozen=True, slots=True)
class Credential:
    """``text`` is the credential, which must not be shown; it was read from ``header``, and ``credential_headers`` are
    the headers that contain it in any form."""

    text: str = field(repr=False)
    header: str
    credential_headers: frozenset[str]


def credential_in(headers: HeaderLines) -> Credential | None:
    """The caller's credential, or None. Raises ClientError if the header is malformed."""
    own = next((name for name in OWN if headers.get(name)), None)
    found = (own, _read(own, headers[own])) if own is not None else _shared(headers)
    if found is None:
        return None
    name, text = found
    if len(text) > LONGEST:
        raise Unidentified("the key or token is too long", sent=True)
    holding = [name for name, lines in headers.items() for line in lines if text in line]
    return Credential(text, name, frozenset([*holding, *OWN]))


def _shared(headers: HeaderLines) -> tuple[str, str] | None:
    """The header and the credential in it, or None. A malformed header raises Unidentified only if no other header has
    a credential."""
    found: list[tuple[str, str]] = []
    failure: Unidentified | None = None
    for name in SHARED:
        try:
            found += [(name, _read(name, headers[name]))] if headers.get(name) else []
        except Unidentified as error:
            failure = failure or error
    if not found and failure is not None:
        raise failure
    marked = [one for one in found if one[1].startswith(PREFIX)]
    return next(iter([*marked, *found]), None)


def _read(name: str, lines: Sequence[str]) -> str:
    if len(lines) > 1:
        raise InvalidRequest(f"the header {name} was sent more than once")
    value = lines[0].strip()
    if name in _WITH_SCHEME:
        scheme, _, value = value.partition(" ")
        value = value.strip()
        if scheme.lower().startswith(_SIGNED):
            raise Unidentified(SIGNED, sent=True)
        if scheme.lower() != "bearer":
            raise Unidentified(f"{name}: expected the scheme Bearer", sent=True)
    if not value:
        raise Unidentified(f"the header {name} is empty", sent=True)
    return value
