"""What older drafts of JSON Schema said otherwise, in the words of 2020-12, which Anthropic's API demands.

Source: its own 400, ``JSON schema is invalid. It must match JSON Schema draft 2020-12``.
"""

from __future__ import annotations

from nexus.protocols.json_schema.walk import rebuilt
from nexus.wire import Json

_CHANGED = frozenset({"exclusiveMinimum", "exclusiveMaximum", "items", "required"})
_BOUNDS = (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))


def modern(schema: Json) -> Json:
    """``schema`` itself, as a copy, where it is of that draft already."""
    if not isinstance(schema, dict):
        return schema
    copy = rebuilt(schema, lambda one, path: modern(one))
    if copy.get("type") == "any":
        del copy["type"]
    if _CHANGED.isdisjoint(copy):
        return copy
    for bound, exclusive in _BOUNDS:
        if isinstance(copy.get(exclusive), bool) and copy.pop(exclusive) and bound in copy:
            copy[exclusive] = copy.pop(bound)
    if isinstance(copy.get("items"), list):
        copy["prefixItems"] = copy.pop("items")
        if "additionalItems" in copy:
            copy["items"] = copy.pop("additionalItems")
    if isinstance(copy.get("required"), bool):
        # A property of draft 3 said so itself; its object says it by name, or not at all.
        del copy["required"]
    return copy
