"""Configuration updates among the items: each applies to all later answers, until another one replaces it.

Codex sends one if the effort changes within a conversation (its ``reasoning_effort_override``). Source:
openai.types.responses.ResponseConfigurationUpdateItemParam.
"""

from __future__ import annotations

from nexus.protocols.checks import Body, Drops
from nexus.wire import Json, mapping, sequence

UPDATE = "configuration_update"

_MEMBERS = {"reasoning": "effort", "text": "format"}
"""Members of an update, and the same settings in a request."""


def updated(body: Body, drops: Drops, *histories: Json) -> Body:
    """The request with the settings of the updates instead of its own; other settings are reported as dropped."""
    met = [item for items in histories for item in map(mapping, sequence(items)) if item.get("type") == UPDATE]
    for item in met:
        drops.unknown(item, ("type", "id", "status", *_MEMBERS), "input")
        for name, member in _MEMBERS.items():
            said = mapping(item.get(name))
            drops.unknown(said, (member,), f"input.{name}")
            if member in said:
                body = {**body, name: {**mapping(body.get(name)), member: said[member]}}
    return body
