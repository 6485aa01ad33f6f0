"""A Messages client's effort without ``thinking``: how much to think, but not whether.

Decided when both names of the model are known, the client's and the vendor's, because an alias may hide either.
"""

from __future__ import annotations

from dataclasses import replace

from nexus.conversation.parts import Request
from nexus.models.claude import profile


def with_switch(request: Request, *names: str) -> Request:
    """``names`` are those of the model. A Claude model that always thinks needs no switch; for all others an effort
    does not turn thinking on."""
    thinking = request.thinking
    if thinking is None or thinking.enabled is not None:
        return request
    always = any(profile(name).off == "never" for name in names)
    return replace(request, thinking=replace(thinking, enabled=always))
