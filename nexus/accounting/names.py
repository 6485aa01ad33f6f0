"""Names of clients and vendors as the ledger's tables hold them."""

from __future__ import annotations

from nexus.wire import digest

LONGEST_NAME = 200
"""Maximum length of a name."""


def fit_name(value: str | None, most: int = LONGEST_NAME) -> str:
    """Truncates a name and replaces characters that a database does not accept, such as lone surrogates."""
    if not value:
        return ""
    cut = value[:most]
    return cut if cut.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in cut)


def fit_id(value: str | None) -> str:
    """A caller's id. One that does not fit ends in a digest, which distinguishes it from others that begin alike."""
    fits = fit_name(value)
    return fits if not value or fits == value else f"{fits[: LONGEST_NAME - 17]}#{digest(value, 16)}"
