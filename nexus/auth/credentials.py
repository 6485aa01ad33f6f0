"""Finds the one credential of a request among the headers that can carry it.

Which header decides depends on what was sent, never on what turns out to be valid: whoever sends two
credentials gets no second try.

``x-nexus-key`` wins, then ``Proxy-Authorization``: both exist so that ``Authorization`` is free for a login of the
vendor's own. Then come ``Authorization``, ``x-api-key``, ``api-key`` (Azure's clients) and ``x-goog-api-key``
(Google's). Of these one that begins with ``nx-`` is preferred: a program that is logged in with the vendor and has a
gateway key as its "API key" sends both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from nexus.auth.identity import Unidentified
from nexus.dataclasses import dataclass
from nexus.errors import InvalidRequest
from nexus.headers.own import GATEWAY_KEY
from nexus.settings.keys import PREFIX

HeaderLines = Mapping[str, Sequence[str]]
"""Lower-case names, and every line that was sent under each."""

OWN = (GATEWAY_KEY, "proxy-authorization")
"""Nobody but the gateway reads these: the first one that is there decides, good or bad."""

SHARED = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
"""Vendors read these too: OpenAI, Anthropic, Azure, Google."""

_WITH_SCHEME = ("proxy-authorization", "authorization")

_SIGNED = "aws4-"
SIGNED = (
    "authorization: AWS signatures are not accepted; send the gateway key as a Bearer token, which AWS's SDKs and "
    "Claude Code take from AWS_BEARER_TOKEN_BEDROCK"
)

LONGEST = 16 * 1024


@dataclass(frozen=True, slots=True)
class Credential:
    """``text`` is what was sent, hence never shown; ``credential_headers`` are the headers that hold it, in whatever
    form."""

    text: str = field(repr=False)
    credential_headers: frozenset[str]


def credential_in(headers: HeaderLines) -> Credential | None:
    """What the caller shows; None where there is nothing. Raises ClientError for what cannot be read."""
    own = next((name for name in OWN if headers.get(name)), None)
    text = _read(own, headers[own]) if own is not None else _shared(headers)
    if text is None:
        return None
    if len(text) > LONGEST:
        raise Unidentified("the key or token is too long", sent=True)
    # No text holds what ends a line.
    holding = [name for name, lines in headers.items() if text in "\n".join(lines)]
    return Credential(text, frozenset([*holding, *OWN]))


def _shared(headers: HeaderLines) -> str | None:
    """A header that cannot be read matters only where no other one can."""
    found: list[str] = []
    failure: Unidentified | None = None
    for name in SHARED:
        try:
            found += [_read(name, headers[name])] if headers.get(name) else []
        except Unidentified as error:
            failure = failure or error
    if not found and failure is not None:
        raise failure
    marked = [text for text in found if text.startswith(PREFIX)]
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
