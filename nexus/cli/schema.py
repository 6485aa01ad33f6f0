"""``nexus schema`` and ``nexus config``: print all settings, as JSON Schema and as an annotated file."""

from __future__ import annotations

import json
from pathlib import Path

from nexus.cli.options import Options
from nexus.cli.output import put
from nexus.settings.schema import json_schema

REFERENCE = Path(__file__).with_name("nexus.toml")
"""config/nexus.toml, linked here: every setting, annotated."""


def schema(options: Options) -> int:
    """Prints the JSON Schema of the settings file."""
    put(json.dumps(json_schema(), indent=2) + "\n")
    return 0


def config(options: Options) -> int:
    """Prints the annotated settings file."""
    put(REFERENCE.read_text(encoding="utf-8"))
    return 0
