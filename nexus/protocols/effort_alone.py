"""A Messages client's effort without ``thinking``: how hard to think, but not whether.

Decided where the model is known by both its names, the client's and the vendor's: an alias may hide either.
"""

from __future__ import annotations

from dataclasses import replace

from nexus.conversation.parts import Request
from nexus.models.claude import profile


def with_switch(request: Request, *names: str) -> Request:
    """``names`` are those of the model. A Claude that always thinks needs no switch; of all others an effort does not
    switch thinking on."""
    thinking = request.thinking
    if thinking is None or thinking.enabled is not None:
        return request
    always = any(profile(name).off == "never" for name in names)
    return replace(request, thinking=replace(thinking, enabled=always))
