"""Hints about mistakes in a settings file: another tool's variable syntax, stars, unquoted names with dots.

Values are inspected and never repeated, because they can be secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from nexus.headers.redaction import SCHEMES
from nexus.late import pattern
from nexus.settings.leaves import leaves
from nexus.settings.listen import ip_of
from nexus.settings.problems import dotted, known_keys
from nexus.settings.provider import ProviderSettings
from nexus.settings.root import Settings
from nexus.settings.types import KeyPath
from nexus.settings.urls import host_of

_REFERENCES = pattern(
    r"\$[A-Za-z_]\w*|\$\{[^{}]*\}|\$\([^()]*\)|%[A-Za-z_]\w*%|\{\s*env[.:][^{}]*\}|os\.environ/.+|env[.:/].+|<[^<>]+>"
    r"|[A-Z][A-Z0-9_]*_(?:KEY|TOKEN)"
)
"""Variable references of shells, Compose, Caddy, LiteLLM and others, a bare variable name, and an unfilled
placeholder."""

_QUOTED = pattern(r"([\"'`])(.*)\1")
_SCHEMED = pattern(rf"(?:{'|'.join(SCHEMES)})\s+\S+", re.IGNORECASE)
_ASSIGNED = pattern(r"(?:export\s+)?[A-Z][A-Z0-9_]*=\S+|(?:authorization|x-api-key|api-key):.*", re.IGNORECASE)
_URL = pattern(r"https?://.*", re.IGNORECASE)

_VENDORS = {"sk-ant-": "anthropic", "AIza": "google"}
"""How vendors' keys begin (secretlint's and GitHub's rules for secrets), with the provider type."""

NOT_FILLED_IN = 'is not a template of Nexus and is sent literally; write "{{ env.NAME }}" for a variable'
QUOTED = "contains quotes, which are sent too"
SCHEMED = "begins with a scheme, which auth_scheme adds again: write the key alone"
ASSIGNED = "begins with the name of a variable or a header: write the key alone"
URL = "is a URL, not a key; the address of a server goes in base_url"
ELSEWHERE = 'begins like a key for type "{}"'
IN_PLAIN = "sends keys and prompts to a public host unencrypted: write https"
STAR = "is not a wildcard: only models that are named here are served, each by its own line"
REPEATED = "repeats the provider's name: clients call it"


def hints(settings: Settings) -> Iterator[str]:
    """One sentence per mistake, beginning with the path."""
    for path, leaf in leaves(settings.llm.providers, ("llm", "providers")):
        if isinstance(leaf, SecretStr) and (mistake := _mistake_in(leaf.get_secret_value().strip())) is not None:
            yield f"{dotted(path)} {mistake}"
    for name, provider in settings.llm.providers.items():
        for key in provider.configured_keys:
            if (mistake := _mistake_in_key(key.get_secret_value(), provider)) is not None:
                yield f"{dotted(('llm', 'providers', name, 'api_key' if provider.api_key else 'api_keys'))} {mistake}"
        if (provider.spends or provider.takes_callers_key) and _is_public_in_plain(provider.base_url or ""):
            yield f"{dotted(('llm', 'providers', name, 'base_url'))} {IN_PLAIN}"
        for alias in provider.models:
            if "*" in alias:
                yield f"{dotted(('llm', 'providers', name, 'models', alias))} {STAR}"
            elif alias.startswith(f"{name}/"):
                yield f"{dotted(('llm', 'providers', name, 'models', alias))} {REPEATED} {name}/{alias}"


def _mistake_in(secret: str) -> str | None:
    """What is probably wrong with a secret, whatever setting holds it; None if nothing is."""
    if _REFERENCES.fullmatch(secret):
        return NOT_FILLED_IN
    return QUOTED if _QUOTED.fullmatch(secret) else None


def _mistake_in_key(key: str, provider: ProviderSettings) -> str | None:
    """What is probably wrong with a key; None if nothing is. A header rule may hold such values."""
    if _URL.fullmatch(key):
        return URL
    if _SCHEMED.fullmatch(key):
        return SCHEMED if getattr(provider, "auth_scheme", None) != "none" else None
    if _ASSIGNED.fullmatch(key):
        return ASSIGNED
    vendor = next((vendor for start, vendor in _VENDORS.items() if key.startswith(start)), provider.type)
    # A server at another address may pass calls on to any vendor.
    return ELSEWHERE.format(vendor) if vendor != provider.type and provider.base_url is None else None


_PRIVATE = frozenset(
    ("corp", "home", "internal", "intranet", "lan", "local", "localdomain", "localhost", "private", "svc")
)
"""Last labels of names in private networks."""


def _is_public_in_plain(url: str) -> bool:
    """Whether a URL is without TLS and its host, by its name, is on the internet."""
    if not url.startswith("http:"):
        return False
    host = (host_of(url) or "").removesuffix(".")
    address = ip_of(host)
    return address.is_global if address is not None else "." in host and host.rpartition(".")[2] not in _PRIVATE


_NAMED = (("llm", "providers", "*", "models"), ("llm", "models"), ("server", "keys"))
"""Tables whose keys are names that users choose, which may hold dots."""


def dotted_name(data: Any, path: KeyPath) -> str | None:
    """The quoted name that was probably meant, if the unknown key at ``path`` is the second half of a dotted one."""
    above, parts = path[:-2], path[-2:]
    shape = ("llm", "providers", "*", "models") if above[:2] == ("llm", "providers") and len(above) == 4 else above
    if len(parts) < 2 or shape not in _NAMED:
        return None
    value = data
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    names = [str(part) for part in parts]
    # A name with two dots continues one table further in.
    while isinstance(value, Mapping) and len(value) == 1 and isinstance(inner := next(iter(value.values())), Mapping):
        names.append(str(next(iter(value))))
        value = inner
    if not isinstance(value, Mapping):
        return None
    return f'{above[-1]}."{".".join(names)}"'


def right_table(path: KeyPath) -> str:
    """The path of a table that stands at the top of the file without the table that it belongs to; "" if none does."""
    tables = {name: known_keys(Settings, {}, (name,)) for name in Settings.model_fields} if len(path) == 1 else {}
    return next((f"{name}.{path[0]}" for name, keys in tables.items() if path[0] in keys), "")


def unnamed_table(data: Any, path: KeyPath) -> str:
    """The path of the table, with NAME, that a key without one belongs in; "" if it belongs in none."""
    table = (*path[:-1], "NAME")
    return dotted(table) if path and path[-1] in known_keys(Settings, data, table) else ""


_ASSIGNED_VALUE = pattern(r"\s*[\w.\"'-]+\s*=\s*(\S.*)")
_VALUE = pattern(r"[\"'\[]|\{(?!\{)|(?:true|false|[\d_.:+TZ-]+)\s*(?:#.*)?$")


_REASONS = {
    "Cannot declare": "; there is such a table above: put the keys of both into one",
    "Cannot overwrite": "; the same key is above",
    "Illegal character '\\n'": "; a closing quote is missing",
    "Expected '='": '; the file is TOML: write key = "value"',
}
"""Hints by the beginning of what ``tomllib`` says."""


def of_syntax(line: str, reason: str) -> str:
    """What is probably wrong with a line that is not TOML, as the end of a message; "" if nothing is known."""
    if (hint := next((words for start, words in _REASONS.items() if reason.startswith(start)), "")) or line[:1] == "{":
        return hint or "; the file is TOML, not JSON"
    match = _ASSIGNED_VALUE.match(line)
    if match is None or _VALUE.match(match[1]):
        return ""
    if match[1].lower().startswith(("true", "false")):
        return "; true and false are in lower case"
    return "; write straight quotes" if match[1][0] in "\u201c\u201d\u2018\u2019" else "; a text needs quotes"
