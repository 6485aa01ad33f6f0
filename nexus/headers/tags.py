"""Reads ``x-nexus-tags: project=web, feature=search``, with which callers label their calls.

Number and length are bounded. Only names that the settings list are kept. A malformed header is rejected, because
nobody would notice that it is not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nexus.headers import own
from nexus.late import pattern

MOST_TAGS = 8
LONGEST_VALUE = 64

_NAME = pattern(r"[a-z0-9][a-z0-9_.-]{0,31}")
_EXPECTED = (
    f"{own.TAGS}: expected at most {MOST_TAGS} pairs such as project=web, feature=search; "
    f"a name has at most 32 letters, digits, _, . or -, a value at most {LONGEST_VALUE} characters of ASCII"
)

Pairs = tuple[tuple[str, str], ...]


TAG = "tag:"
"""Prefix by which settings and reports refer to a tag: "tag:project"."""


def is_tag_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def is_tag(text: str) -> bool:
    """Whether ``text`` refers to a tag, as ``tag:NAME``."""
    return text.startswith(TAG) and is_tag_name(text.removeprefix(TAG))


def read_tags(headers: Mapping[str, str], allowed: Collection[str]) -> Pairs:
    """The tags sorted by name, without those that are not ``allowed``; if none is allowed, the header is ignored.
    ``headers`` have lower-case names. Raises ValueError if the header is malformed.
    """
    value = headers.get(own.TAGS, "")
    if not allowed or not value.strip():
        return ()
    found: dict[str, str] = {}
    pairs = [pair for pair in value.split(",") if pair.strip()]
    for pair in pairs:
        name, is_pair, content = (text.strip() for text in pair.partition("="))
        name = name.lower()
        fits = content.isascii() and content.isprintable() and 0 < len(content) <= LONGEST_VALUE
        if len(pairs) > MOST_TAGS or not is_pair or not is_tag_name(name) or not fits:
            raise ValueError(_EXPECTED)
        if found.setdefault(name, content) != content:
            raise ValueError(f"{own.TAGS}: {name} has two values")
    return tuple(sorted((name, content) for name, content in found.items() if name in allowed))
