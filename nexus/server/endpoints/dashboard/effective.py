"""The effective configuration as readable text, without secrets.

Values are hidden if they have a secret type or their field is excluded from repr; the rest still passes through the
log's redactor. The text is not a valid settings file: durations are in seconds, sizes in bytes, amounts in US dollars.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, SecretStr

from nexus.conversation.usage import NANO
from nexus.settings import Settings
from nexus.settings.price import is_dollars
from nexus.telemetry.logs import redacted

HIDDEN = "(hidden)"
MOST = 100_000
"""Maximum characters; a configuration with thousands of models is truncated."""


def effective(settings: Settings) -> str:
    """Returns all settings that differ from their defaults, in the syntax of the settings file."""
    text = redacted("\n".join(_table((), _plain(settings))).strip() + "\n")
    return text if len(text) <= MOST else f"{text[:MOST]}\n# and more\n"


def _plain(value: object) -> object:
    match value:
        case SecretStr():
            return HIDDEN
        case BaseModel():
            fields = type(value).model_fields
            found = {name: (getattr(value, name), fields[name]) for name in fields}
            return {
                name: _plain(one / NANO if is_dollars(field) else one) if field.repr else HIDDEN
                for name, (one, field) in found.items()
                if one is not None and (field.is_required() or one != field.get_default(call_default_factory=True))
            }
        case Mapping():
            return {str(name): _plain(one) for name, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(one) for one in value]
        case str() | bool() | int() | float():
            return int(value) if isinstance(value, float) and value.is_integer() else value
        case _:
            return str(value)


def _table(path: tuple[str, ...], table: object) -> Iterator[str]:
    assert isinstance(table, dict)
    inner = {name: one for name, one in table.items() if isinstance(one, dict)}
    if path and (len(inner) < len(table) or not table):
        yield ""
        yield f"[{'.'.join(map(_key, path))}]"
    yield from (f"{_key(name)} = {_value(one)}" for name, one in table.items() if name not in inner)
    for name, one in inner.items():
        yield from _table((*path, name), one)


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if plain else json.dumps(name, ensure_ascii=False)


def _value(value: object) -> str:
    match value:
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            return f"{{ {', '.join(f'{_key(name)} = {_value(one)}' for name, one in value.items())} }}"
        case _:
            return json.dumps(value, ensure_ascii=False)
