"""``nexus key``: makes a gateway key for a new or an existing name, and prints its settings."""

from __future__ import annotations

import json
import sys
import time

from pydantic import TypeAdapter, ValidationError

from nexus.auth.keys import is_expired, make_key
from nexus.cli.options import Options
from nexus.cli.output import put
from nexus.cli.words import hint
from nexus.late import pattern
from nexus.server.process.source import Source
from nexus.settings import Settings
from nexus.settings.keys import MOST_AT_A_TIME, KeyName, digest_of

_BARE = pattern(r"[A-Za-z0-9_-]+")

TEXT = """\
[{table}]
sha256 = "{digest}"
#group = "..."                  # for limits by group
#models = ["anthropic/*"]       # allowed models; all if omitted
#expires = {example}           # last day
"""

ROTATED = """\
[{table}]
# The new key first. The old one is valid until you remove its hash.
sha256 = [{digests}]
"""


def new(options: Options) -> int:
    """Prints a new key and its table; returns the exit code."""
    name = options.name
    try:
        TypeAdapter(KeyName).validate_python(name)
    except ValidationError as error:
        reason = error.errors(include_input=False, include_url=False)[0].get("ctx", {}).get("error", "is not a name")
        sys.stderr.write(f"nexus: the name of a key: {reason}\n")
        return 1
    key = make_key()
    # The key goes to stderr, so that it is shown when the table on stdout is appended to a file.
    sys.stderr.write(f"the key of {name}, shown this once:\n{key}\n")
    put(TEXT.format(table=_table(name), digest=digest_of(key).hex(), example="2027-12-31"))
    return 0


def rotate(options: Options, settings: Settings, source: Source) -> int:
    """Prints an additional key for a name, and the hashes of the new and old keys; returns the exit code."""
    name, keys, file = options.name, settings.server.keys, source.file or "the built-in demo"
    if name not in keys:
        advice = hint(name, keys) or "; nexus key new NAME makes a first key"
        sys.stderr.write(f"nexus: {file} has no [{_table(name)}]{advice}\n")
        return 1
    old = keys[name]
    kept, dropped = old.digests[: MOST_AT_A_TIME - 1], old.digests[MOST_AT_A_TIME - 1 :]
    key = make_key()
    written = "key" if old.key is not None else "sha256"
    notes = [f"replace {written} in [{_table(name)}] of {file} by this line; the rest of the table stays"]
    if dropped:
        notes.append(f"the oldest key is dropped: a name has at most {MOST_AT_A_TIME} at a time")
    if is_expired(old, time.time()):
        notes.append("expires of this table has passed, for the new key too: set a new date")
    sys.stderr.write(f"the new key of {name}, shown this once:\n{key}\n{'; '.join(notes)}\n")
    digests = ", ".join(f'"{digest.hex()}"' for digest in (digest_of(key), *kept))
    put(ROTATED.format(table=_table(name), digests=digests))
    return 0


def _table(name: str) -> str:
    return f"server.keys.{name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)}"
