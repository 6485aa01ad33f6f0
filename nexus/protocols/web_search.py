"""Web searches that vendors run themselves: kept if configured, otherwise refused or dropped.

Nexus searches nothing itself, and does not treat any function of the client as a search.
"""

from __future__ import annotations

from nexus.conversation.parts import Request, WebSearch
from nexus.dataclasses import replace
from nexus.errors import UnsupportedFeature


def without_search(request: Request, *, searches: bool) -> tuple[Request, tuple[str, ...]]:
    """The request for a vendor that ``searches`` or does not, and what was dropped. Raises UnsupportedFeature."""
    wanted = [(at, tool) for at, tool in enumerate(request.tools) if isinstance(tool, WebSearch)]
    if searches:
        return request, tuple(name for _, tool in wanted for name in tool.lost)
    if not wanted:
        return request, ()
    for at, tool in wanted:
        if not tool.offered:
            raise UnsupportedFeature.about(
                f"tools.{at}",
                f"{tool.kind} runs at its own vendor only; set web_search = true on a model whose vendor "
                "can search the web",
            )
    kept = tuple(tool for tool in request.tools if not isinstance(tool, WebSearch))
    choice = request.tool_choice
    if choice is not None and (choice.name not in {None, *(tool.name for tool in kept)} or not kept):
        if choice.mode in ("required", "tool"):
            raise UnsupportedFeature.about(
                "tool_choice", "it forces a search that runs at its own vendor only; use auto"
            )
        choice = None
    return replace(request, tools=kept, tool_choice=choice), tuple(f"tools.{tool.kind}" for _, tool in wanted)
