"""``[usage]``: the usage ledger."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from nexus.headers.tags import MOST_TAGS, is_tag_name
from nexus.settings.types import Label, Table

NONE = "none"
MEMORY = "memory"
SQLITE = "sqlite:///"


def own_folder(environ: Mapping[str, str], variable: str, default: str) -> Path | None:
    """The folder of Nexus in an XDG base directory: that of ``variable``, else ``default`` below HOME; None without
    HOME."""
    if (named := environ.get(variable, "")).startswith("/"):
        return Path(named) / "nexus"
    home = environ.get("HOME", "")
    return Path(home) / default / "nexus" if home.startswith("/") else None


def state_folder(environ: Mapping[str, str]) -> Path | None:
    """The XDG state folder of Nexus, or None."""
    return own_folder(environ, "XDG_STATE_HOME", ".local/state")


def store_of(written: str | None, config: Path, folder: Path | None) -> str:
    """The store URL to use: ``written`` with a relative SQLite path resolved against the configuration file, or else a
    default file in ``folder`` for this configuration.
    """
    if written is None:
        digest = hashlib.sha256(os.fsencode(config.resolve())).hexdigest()[:12]
        return MEMORY if folder is None else f"{SQLITE}{folder / f'usage-{digest}.sqlite3'}"
    if written.startswith(SQLITE):
        return f"{SQLITE}{config.resolve().parent / written.removeprefix(SQLITE)}"
    return written


def read_store(value: str) -> str:
    """The location of the ledger. Raises ValueError."""
    text = value.strip()
    if text in (NONE, MEMORY) or (text.startswith(SQLITE) and len(text) > len(SQLITE) and text.isprintable()):
        return text
    if text.startswith(("postgresql://", "postgres://")) and text.isprintable() and " " not in text:
        return text
    raise ValueError('must be "sqlite:///PATH", "postgresql://USER:PASSWORD@HOST/DATABASE", "memory" or "none"')


def read_tags(value: tuple[str, ...]) -> tuple[str, ...]:
    """Valid tag names. Raises ValueError."""
    if len(value) > MOST_TAGS:
        raise ValueError(f"has more than {MOST_TAGS} names")
    if len(set(value)) < len(value):
        raise ValueError("has a name twice")
    if not all(map(is_tag_name, value)):
        raise ValueError("has an invalid name; write at most 32 lower-case letters, digits, _, . and -")
    return value


class UsageSettings(Table):
    """``[usage]``: records every attempt of every call, never prompts or answers."""

    # Not in the repr, because it may hold a password.
    store: Annotated[str, AfterValidator(read_store)] | None = Field(default=None, repr=False)
    """Where usage is stored: "sqlite:///PATH", relative to this file, "postgresql://...", "memory" or "none". Default:
    a SQLite file in the user's state folder."""

    tags: Annotated[tuple[str, ...], AfterValidator(read_tags)] = ()
    """Tag names that callers may send in the header x-nexus-tags, such as "project"; others are ignored."""

    readers: tuple[Label, ...] = ()
    """Groups whose members can read everyone's usage; other callers see their own."""
