"""Recognizes every kind of secret that tests invent.

Each key, token and password that a test invents contains MARK near its beginning, so that a truncated one is recognized
too. Signed tokens, generated keys and the secrets of the fakes cannot contain it and have their own sign here.
tests/leaks.py searches all output of Nexus for them.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from tools.fake_upstream import ACCESS_KEY, SECRET_KEY

MARK = "hushhush"
"""Letters only: it looks the same in a URL, in JSON, in a repr and in a header."""

SHORTEST = 6
"""Shorter values are words ("none", "any") and not secrets, as in the redaction of logs."""

WORDS = frozenset({"not-used", "unused", "made-up", "ollama", "openai", "ollama-host", "production"})
"""Values that are not secrets, although they are in the place of one."""

_BEFORE, _AFTER = rb"[\w.~+/=%:@-]{0,80}?", rb"[\w.~+/=%-]{0,200}"


@dataclass(frozen=True)
class Sign:
    """``needle`` is searched first because that is fast; ``pattern`` then finds the whole secret."""

    kind: str
    needle: bytes
    pattern: re.Pattern[bytes]


def _literal(kind: str, text: str) -> Iterator[Sign]:
    for spelling in {text, quote(text, safe="")}:
        needle = spelling.encode()
        yield Sign(kind, needle, re.compile(_BEFORE + re.escape(needle) + _AFTER))


def _in_base64(kind: str, text: str) -> Iterator[Sign]:
    """The base64 of a text at each of the three possible offsets, without the characters that depend on neighbours."""
    raw = text.encode()
    for shift in range(3):
        first, end = -(-8 * shift // 6), 8 * (shift + len(raw)) // 6
        needle = base64.b64encode(b"\0" * shift + raw)[first:end]
        yield Sign(kind, needle, re.compile(_BEFORE + re.escape(needle) + _AFTER))


SIGNS: tuple[Sign, ...] = (
    *_literal("an invented secret", MARK),
    *_literal("an invented secret in upper case, like AWS keys", MARK.upper()),
    *_in_base64("an invented secret in base64", MARK),
    Sign("a gateway key", b"nx-", re.compile(rb"\bnx-[A-Za-z0-9]{20,}")),
    Sign("a token", b"eyJ", re.compile(rb"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?")),
    Sign("a private key", b"PRIVATE KEY-----", re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----[\w+/=\s\\]*")),
    # The beginning of every RSA key in PKCS #8, without its PEM lines.
    Sign("a private key", b"BADANBgkqhkiG9w0BAQEFAASC", re.compile(rb"[\w+/]{0,8}BADANBgkqhkiG9w0BAQEFAASC[\w+/=]*")),
    Sign("a Google access token", b"ya29.", re.compile(rb"\bya29\.[\w-]+")),
    *_literal("the secret key of the fake AWS", SECRET_KEY),
    *_literal("the access key of the fake AWS", ACCESS_KEY),
    *_literal("the refresh token of the fake Google", "1//fake-refresh-token"),
    *_literal("the client secret of the fake Google", "fake-client-secret"),
)


def found_in(said: bytes) -> Iterator[tuple[Sign, re.Match[bytes]]]:
    """Every secret in a text."""
    for sign in SIGNS:
        if sign.needle in said:
            yield from ((sign, match) for match in sign.pattern.finditer(said))


def is_known(secret: str) -> bool:
    """Whether this secret is recognized, or it is a plain word."""
    return len(secret) < SHORTEST or secret in WORDS or any(True for _ in found_in(as_bytes(secret)))


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def cut(text: str) -> str:
    """The text without its secrets, for reports about leaks."""
    said = as_bytes(text)
    for sign in SIGNS:
        if sign.needle in said:
            said = sign.pattern.sub(b"[SECRET]", said)
    return said.decode("utf-8", "replace")
