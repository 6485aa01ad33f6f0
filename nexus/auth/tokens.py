"""Verifies tokens (JWT) with the identity provider's keys.

Never blocks and never fetches; not thread-safe. The result is the verified claims, an error, or a Pending while keys
are being fetched. Verified tokens are cached by SHA-256 until they expire or the key set changes.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from nexus import wire
from nexus.auth.identity import Claims, Pending, Unidentified
from nexus.auth.jwks import KNOWN, KeySet, VerifyingKey
from nexus.dataclasses import dataclass
from nexus.errors import Overloaded
from nexus.renewal import Renewed
from nexus.settings.oauth import OAuthSettings
from nexus.wire import Json

LEEWAY = 60
"""Allowed clock skew in seconds between gateway and identity provider."""

REMEMBERED = 2048


@dataclass(frozen=True, slots=True)
class _Known:
    claims: Claims
    ends: float
    keys: KeySet


class Tokens:
    """Verifies tokens, and caches verified ones."""

    def __init__(self, oauth: OAuthSettings, keys: Renewed[KeySet], *, clock: Callable[[], float] = time.time) -> None:
        self._oauth = oauth
        self._keys = keys
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def verify(self, token: str, *, last: bool = False) -> Claims | Pending:
        """The claims of a token; with ``last``, given after a Pending, never another Pending. Raises Unidentified, or
        Overloaded if the keys that it needs could not be fetched."""
        keys = self._keys.value
        name = hashlib.sha256(token.encode()).digest()
        known = self._known.get(name)
        if known is not None and known.keys is keys and self._clock() < known.ends:
            self._known.move_to_end(name)
            return known.claims
        self._known.pop(name, None)
        kid, algorithm = _head_of(token)
        candidates = keys.candidates(kid, algorithm) if keys is not None else []
        if keys is None or not candidates:
            return self._unknown_key(keys, token, last=last)
        claims = self._check(token, candidates)
        self._known[name] = _Known(claims, float(min(int(claims["exp"]), 1 << 53)), keys)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return claims

    def _unknown_key(self, keys: KeySet | None, token: str, *, last: bool) -> Claims | Pending:
        fetched = None if last else self._keys.request_fetch()
        if fetched is not None:
            return Pending(fetched)
        if not last and self._keys.value is not keys:
            # A fetch ended since ``keys`` were read.
            return self.verify(token, last=True)
        if keys is None or self._keys.has_failed:
            raise Overloaded(
                "cannot verify tokens: the identity provider's keys are unavailable; retry in a moment", retry_after=5
            )
        raise _refusal("the token is signed with a key that the identity provider does not list")

    def _check(self, token: str, candidates: list[VerifyingKey]) -> Claims:
        """The claims, verified with the first key that matches the signature. Raises Unidentified."""
        import jwt

        for key in candidates:
            try:
                return self._decode(token, key)
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise _refusal("the token has expired") from None
            except jwt.ImmatureSignatureError:
                raise _refusal("the token is not valid yet") from None
            except jwt.InvalidIssuerError:
                raise _refusal("the token has the wrong issuer") from None
            except jwt.InvalidAudienceError:
                raise _refusal("the token has the wrong audience") from None
            except jwt.MissingRequiredClaimError:
                raise _refusal("the token lacks a required claim") from None
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
                raise _refusal("the token is not valid") from None
        raise _refusal("the token's signature is not valid")

    def _decode(self, token: str, key: VerifyingKey) -> Claims:
        import jwt

        audience, issuer = self._oauth.expected_audience, self._oauth.claimed_issuer
        required = ["exp", *(["aud"] if audience else []), *(["iss"] if issuer else [])]
        options: Any = {
            "require": required,
            "verify_aud": audience is not None,
            "verify_iss": issuer is not None,
            "verify_sub": False,
            "verify_jti": False,
        }
        claims: dict[str, Json] = jwt.decode(
            token,
            key.material,
            algorithms=list(key.algorithms),
            options=options,
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY,
        )
        return claims


def _head_of(token: str) -> tuple[str | None, str]:
    """Key id and algorithm in a token's header, used only to find candidate keys. Raises Unidentified."""
    head, *rest = token.split(".")
    raw = wire.unpadded(head)
    if len(rest) != 2 or raw is None:
        raise _refusal("invalid credential: neither a gateway key nor a token")
    try:
        header = wire.mapping(wire.decode(raw))
    except ValueError:
        raise _refusal("the token's header cannot be read") from None
    kid, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in KNOWN:
        raise _refusal("the token's algorithm is not accepted")
    # Extensions that must be understood ("crit") are not supported.
    if "crit" in header or "b64" in header or not isinstance(kid, str | None):
        raise _refusal("the token's header requires an unsupported extension")
    return kid, algorithm


def _refusal(message: str) -> Unidentified:
    return Unidentified(message, sent=True, token=True)
