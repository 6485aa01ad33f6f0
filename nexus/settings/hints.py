"""Hints about syntax of other tools in a settings file: variable references, stars, dotted names.

A value is looked at and never repeated; it can be a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from nexus.late import pattern
from nexus.settings.leaves import leaves
from nexus.settings.problems import dotted
from nexus.settings.root import Settings
from nexus.settings.types import KeyPath

_REFERENCES = pattern(
    r"\$[A-Za-z_]\w*|\$\{[^{}]*\}|\$\([^()]*\)|%[A-Za-z_]\w*%|\{\s*env[.:][^{}]*\}|os\.environ/.+|env[:/].+|<[^<>]+>"
)
"""Shells', Compose's, Caddy's, LiteLLM's and others' ways to name a variable; and a gap that was left to be filled."""

NOT_FILLED_IN = 'is sent as it stands, for it is no template of Nexus; write "{{ env.NAME }}" for a variable'
STAR = "stands for no other name: only models that are named here are served, each by its own line"


def hints(settings: Settings) -> Iterator[str]:
    """One sentence each, with the path."""
    for path, leaf in leaves(settings.llm.providers, ("llm", "providers")):
        if isinstance(leaf, SecretStr) and _REFERENCES.fullmatch(leaf.get_secret_value().strip()):
            yield f"{dotted(path)} {NOT_FILLED_IN}"
    for name, provider in settings.llm.providers.items():
        for alias in provider.models:
            if "*" in alias:
                yield f"{dotted(('llm', 'providers', name, 'models', alias))} {STAR}"


_NAMED = (("llm", "providers", "*", "models"), ("llm", "models"), ("server", "keys"))
"""Tables whose keys are names that a person chose, in which a dot may well stand."""


def dotted_name(data: Any, path: KeyPath) -> str | None:
    """The name that was meant, where the unknown key at ``path`` is the second half of one; as TOML wants it."""
    above, parts = path[:-2], path[-2:]
    shape = ("llm", "providers", "*", "models") if above[:2] == ("llm", "providers") and len(above) == 4 else above
    if len(parts) < 2 or shape not in _NAMED:
        return None
    value = data
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    names = [str(part) for part in parts]
    # Of a name with two dots the rest is one table further in.
    while isinstance(value, Mapping) and len(value) == 1 and isinstance(inner := next(iter(value.values())), Mapping):
        names.append(str(next(iter(value))))
        value = inner
    if not isinstance(value, Mapping):
        return None
    return f'{above[-1]}."{".".join(names)}"'
