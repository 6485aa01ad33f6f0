"""``nexus schema`` and ``nexus config``: what a nexus.toml may hold, for editors and for people."""

from __future__ import annotations

import json
from pathlib import Path

from nexus.cli.options import Options
from nexus.cli.output import put
from nexus.settings.schema import json_schema

REFERENCE = Path(__file__).with_name("nexus.toml")
"""config/nexus.toml: every setting, annotated."""


def schema(options: Options) -> int:
    """Print the JSON Schema of a settings file."""
    put(json.dumps(json_schema(), indent=2) + "\n")
    return 0


def config(options: Options) -> int:
    """Print the annotated settings file."""
    put(REFERENCE.read_text(encoding="utf-8"))
    return 0
