"""Authentication of callers: turns request headers into an identity, or rejects the request.

Law: runs on the loop thread and never blocks. Every result is an Identity, a Pending or an exception. If keys or tokens
are configured, every Identity is backed by a verified one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Self

from nexus.auth.claims import checked, choose_group, claim_at, header_value, values_of
from nexus.auth.credentials import OWN, Credential, HeaderLines, credential_in
from nexus.auth.identity import Claims, Identity, Pending, Source, Unidentified, joined
from nexus.auth.keys import KeyRing, is_expired
from nexus.dataclasses import dataclass
from nexus.errors import InvalidRequest
from nexus.headers.own import GATEWAY_KEY
from nexus.settings.files import trust_of
from nexus.settings.identity import ClientIdentification, IdSource, read_id
from nexus.settings.keys import GatewayKey
from nexus.settings.oauth import OAuthSettings
from nexus.shared import Holder, Shared

if TYPE_CHECKING:
    from nexus.auth.tokens import Tokens

CARRIED = f"send it in Authorization (Bearer), x-api-key, api-key, x-goog-api-key or {GATEWAY_KEY}"


@dataclass(frozen=True, slots=True)
class _Proof:
    """What was verified about a caller: the name and settings of its ``key``, or the ``claims`` of its token."""

    source: Source
    key: tuple[str, GatewayKey] | None
    claims: Claims | None
    credential_headers: frozenset[str]


class Authenticator:
    """Verifies credentials, and finds the client and group ids of callers."""

    def __init__(
        self,
        identification: ClientIdentification,
        keys: Mapping[str, GatewayKey],
        tokens: Tokens | None,
        holder: Holder | None = None,
        *,
        claims: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``holder`` is closed with it; ``claims`` are paths of token claims to copy into identities."""
        self._identification = identification
        self._claims = claims
        self._keys = KeyRing(keys)
        self._tokens = tokens
        self._clock = clock
        self._holder = Holder() if holder is None else holder

    @classmethod
    def open(
        cls,
        identification: ClientIdentification,
        keys: Mapping[str, GatewayKey],
        oauth: OAuthSettings | None,
        shared: Shared | None = None,
        claims: Sequence[str] = (),
    ) -> Self:
        """An authenticator as configured. It fetches token signing keys at once, or shares those of another one with
        the same source.

        Raises CannotServe. The caller closes it.
        """
        if oauth is None:
            return cls(identification, keys, None, claims=claims)
        # Imported here, because most gateways have no tokens.
        from nexus.auth.fetching import open_keys
        from nexus.auth.jwks import require_pyjwt
        from nexus.auth.tokens import Tokens

        require_pyjwt()
        holder = Holder(shared)
        source = (oauth.issuer, oauth.hosts, oauth.url, oauth.poll_interval, trust_of(oauth.ca_file))
        token_keys = holder.hold("token signing keys", source, partial(open_keys, oauth))
        return cls(identification, keys, Tokens(oauth, token_keys), holder, claims=claims)

    def close(self) -> None:
        """Stops fetching keys, unless others share them; does not wait."""
        self._holder.close()

    @property
    def requires_credential(self) -> bool:
        """Whether every call needs a credential."""
        return bool(self._keys) or self._tokens is not None

    def authenticate(self, headers: HeaderLines, *, last: bool = False) -> Identity | Pending:
        """The caller's identity. After a Pending is done, call again with ``last``. Raises ClientError."""
        proof = self._prove(headers, last=last)
        if isinstance(proof, Pending):
            return proof
        client_id, group = self._identify(proof, headers)
        return Identity(
            client_id=client_id,
            group=group,
            models=proof.key[1].models if proof.key is not None else None,
            source=proof.source,
            key=proof.key[0] if proof.key is not None else None,
            owner=_owner(proof, client_id),
            credential_headers=proof.credential_headers,
            claims=tuple(self._copied_claims(proof.claims)) if proof.claims is not None else (),
        )

    def _copied_claims(self, claims: Claims) -> Iterator[tuple[str, str]]:
        """The configured claims with their values; the first value of an array."""
        for path in self._claims:
            if values := values_of(claim_at(claims, path)):
                yield path, values[0]

    def _prove(self, headers: HeaderLines, *, last: bool) -> _Proof | Pending:
        if not self.requires_credential:
            return _Proof("open", None, None, frozenset(OWN))
        credential = credential_in(headers)
        if credential is None:
            raise Unidentified(f"no {self._accepted()} was sent; {CARRIED}", sent=False)
        found = self._keys.find(credential.text)
        if found is not None:
            if is_expired(found[1], self._clock()):
                raise Unidentified("the gateway key has expired; ask for a new one", sent=True)
            return _Proof("key", found, None, credential.credential_headers)
        return self._prove_token(credential, last=last)

    def _prove_token(self, credential: Credential, *, last: bool) -> _Proof | Pending:
        if self._tokens is None:
            raise Unidentified(f"invalid gateway key in {credential.header}", sent=True)
        claims = self._tokens.verify(credential.text, last=last)
        return claims if isinstance(claims, Pending) else _Proof("token", None, claims, credential.credential_headers)

    def _accepted(self) -> str:
        words = [*(["gateway key"] if self._keys else []), *(["token"] if self._tokens is not None else [])]
        return " or ".join(words)

    def _identify(self, proof: _Proof, headers: HeaderLines) -> tuple[str | None, str | None]:
        settings = self._identification
        if not settings.enabled:
            return _name_of(proof), proof.key[1].group if proof.key else None
        source = settings.client_id or IdSource(jwt_claim="sub", gateway_key=True)
        ids = _values(source, proof, headers, proof.key[0] if proof.key else None)
        if not ids:
            raise self._no_id(source)
        group = proof.key[1].group if proof.key else None
        groups = _values(settings.group_id, proof, headers, group) if settings.group_id is not None else []
        return checked("client id", ids[0]), choose_group(groups, settings.validation.group_values)

    def _no_id(self, source: IdSource) -> InvalidRequest | Unidentified:
        if source.http_header is not None:
            return InvalidRequest(f"the header {source.http_header} is missing; it identifies the client")
        if source.jwt_claim is not None:
            return InvalidRequest("the token lacks the claim that identifies the client")
        return Unidentified("a gateway key is required", sent=False)


def _owner(proof: _Proof, client_id: str | None) -> str | None:
    """The owner of stored answers: the verified key or token subject, with the client id if there is one; "" for an
    open gateway without client ids, None if unknown."""
    client = [] if client_id is None else [client_id]
    match proof.source:
        case "open":
            return joined("open", *client) if client else ""
        case "key" if proof.key is not None:
            return joined("key", proof.key[0], *client)
        case _:
            issuer, subject = (claim_at(proof.claims or {}, name) for name in ("iss", "sub"))
            known = isinstance(subject, str) and subject
            return joined("token", str(issuer), str(subject), *client) if known else None


def _name_of(proof: _Proof) -> str | None:
    """The client id without [server.client_identification]: the key's name, or the token's subject."""
    if proof.key is not None:
        return proof.key[0]
    subject = proof.claims.get("sub") if proof.claims is not None else None
    try:
        return read_id(subject) if isinstance(subject, str) else None
    except ValueError:
        return None


def _values(source: IdSource, proof: _Proof, headers: HeaderLines, of_key: str | None) -> list[str]:
    if source.http_header is not None:
        return header_value(source.http_header, headers.get(source.http_header, ()))
    if proof.key is not None:
        return [of_key] if source.gateway_key and of_key is not None else []
    if proof.claims is not None and source.jwt_claim is not None:
        return values_of(claim_at(proof.claims, source.jwt_claim))
    return []
