"""Which tools of a request are strict: as many as the vendor's limits allow, the first ones first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.conversation.parts import Tool
from nexus.dataclasses import dataclass
from nexus.models.tool_rules import StrictLimits
from nexus.protocols.json_schema.closed import Closed, NotClosed, close
from nexus.protocols.json_schema.roots import modern, modern_root
from nexus.wire import Json

FORMAT = "output_format.schema"


@dataclass(frozen=True, slots=True)
class StrictTools:
    """``schemas`` of the tools that stay strict, by index; ``lost`` lists the others, and keywords that no longer
    apply."""

    schemas: Mapping[int, dict[str, Json]]
    lost: tuple[str, ...]


def over(limits: StrictLimits | None, closed: Sequence[Closed], tools: int) -> bool:
    """Whether these schemas, this many of them of tools, exceed the vendor's limits for one request."""
    if limits is None:
        return False
    optional, unions = sum(one.optional for one in closed), sum(one.unions for one in closed)
    return tools > limits.tools or optional > limits.optional or unions > limits.unions


def close_format(schema: Json, limits: StrictLimits | None, path: str = FORMAT) -> Closed:
    """The schema of an answer that the model is forced to follow. Raises NotClosed."""
    closed = close(modern(schema), path)
    if limits is not None and over(limits, [closed], 0):
        raise NotClosed(
            f"{path}: it has more than {limits.optional} properties that are not required, or more than "
            f"{limits.unions} schemas of several types"
        )
    return closed


def strict_tools(tools: Sequence[Tool], limits: StrictLimits | None, format: Closed | None) -> StrictTools:
    """``format`` counts too, and stays strict."""
    kept: dict[int, Closed] = {}
    lost: list[str] = []
    for at, tool in enumerate(tools):
        if tool.strict:
            try:
                kept[at] = close(modern_root(tool.parameters, f"tools.{at}.parameters").schema, "")
            except NotClosed:
                lost.append(f"tools.{at}.strict")
    beside = [] if format is None else [format]
    while over(limits, [*beside, *kept.values()], len(kept)):
        at, _ = kept.popitem()
        lost.append(f"tools.{at}.strict")
    lost += [f"tools.{at}.parameters{path}" for at, closed in kept.items() for path in closed.lost]
    return StrictTools({at: closed.schema for at, closed in kept.items()}, tuple(lost))
