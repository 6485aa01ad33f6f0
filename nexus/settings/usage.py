"""``[usage]``: where it is written down who used what, and who may read it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from nexus.settings.types import Label, Table
from nexus.tags import MOST_TAGS, is_tag_name


def read_store(value: str) -> str:
    """Where the ledger is."""
    text = value.strip()
    if text in ("none", "memory") or (text.startswith("sqlite:///") and len(text) > len("sqlite:///")):
        return text
    if text.startswith(("postgresql://", "postgres://")) and text.isprintable() and " " not in text:
        return text
    raise ValueError('must be "sqlite:///PATH", "postgresql://USER:PASSWORD@HOST/DATABASE", "memory" or "none"')


def read_tags(value: tuple[str, ...]) -> tuple[str, ...]:
    """Names of tags."""
    if len(value) > MOST_TAGS:
        raise ValueError(f"has more than {MOST_TAGS} names")
    if len(set(value)) < len(value):
        raise ValueError("has a name twice")
    if not all(map(is_tag_name, value)):
        raise ValueError("has a name that is not made of at most 32 small letters, digits, _, . and -")
    return value


class UsageSettings(Table):
    """``[usage]``."""

    # May hold a password, hence not in any repr.
    store: Annotated[str, AfterValidator(read_store)] | None = Field(default=None, repr=False)
    """Where it is written down who used what: "sqlite:///PATH", relative to this file, "postgresql://...", "memory",
    or "none". A SQLite file in the user's state folder when left out."""

    tags: Annotated[tuple[str, ...], AfterValidator(read_tags)] = ()
    """Names that callers may give in the header x-nexus-tags, such as "project"; others are ignored."""

    readers: tuple[Label, ...] = ()
    """Groups whose members see what everybody used; a caller without one of these sees himself."""
