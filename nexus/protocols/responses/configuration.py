"""Updates of the configuration among the items: each holds for all answers after it, until a later one replaces it.

Codex sends one where the effort changes in the middle of a conversation (its ``reasoning_effort_override``).
Source: openai.types.responses.ResponseConfigurationUpdateItemParam.
"""

from __future__ import annotations

from nexus.protocols.checks import Body, Drops
from nexus.wire import Json, mapping, sequence

UPDATE = "configuration_update"

_MEMBERS = {"reasoning": "effort", "text": "format"}
"""What an update can say, and where a request says it."""


def updated(body: Body, drops: Drops, *histories: Json) -> Body:
    """The request with what the updates say in place of its own; what more they say is named."""
    met = [item for items in histories for item in map(mapping, sequence(items)) if item.get("type") == UPDATE]
    for item in met:
        drops.unknown(item, ("type", "id", "status", *_MEMBERS), "input")
        for name, member in _MEMBERS.items():
            said = mapping(item.get(name))
            drops.unknown(said, (member,), f"input.{name}")
            if member in said:
                body = {**body, name: {**mapping(body.get(name)), member: said[member]}}
    return body
