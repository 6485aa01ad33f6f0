"""``nexus key new NAME``: a fresh gateway key, and the table for the settings file."""

from __future__ import annotations

import json
import re
import sys

from pydantic import TypeAdapter, ValidationError

from nexus.auth.keys import make_key
from nexus.settings.keys import KeyName, digest_of

_BARE = re.compile(r"[A-Za-z0-9_-]+")

TEXT = """\
[{table}]
sha256 = "{digest}"
#group = "..."                  # for limits by group
#models = ["anthropic/*"]       # what may be called; everything when left out
#expires = {example}           # last day
"""


def new(name: str) -> int:
    """Print a key for ``name``; returns the exit code."""
    try:
        TypeAdapter(KeyName).validate_python(name)
    except ValidationError as error:
        reason = error.errors(include_input=False, include_url=False)[0].get("ctx", {}).get("error", "is not a name")
        sys.stderr.write(f"nexus: the name of a key: {reason}\n")
        return 1
    key = make_key()
    table = f"server.keys.{name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)}"
    digest = digest_of(key).hex()
    # Apart, so that the table can be appended to a file and the key is seen.
    sys.stderr.write(f"the key of {name}, shown this once:\n{key}\n")
    sys.stdout.write(TEXT.format(table=table, digest=digest, example="2027-12-31"))
    return 0
