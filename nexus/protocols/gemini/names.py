"""Tool names that Gemini accepts, and the way back to the client's own.

Law: the same name always gets the same form, so history and declarations agree without any memory; names that fit
stay as they are. Source: FunctionDeclaration.name; 64 is the shortest limit that Google documents for any model.
"""

from __future__ import annotations

import hashlib
import re

from nexus.conversation import Request

_VALID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_FOREIGN = re.compile(r"[^A-Za-z0-9_.-]")


def wire_name(name: str) -> str:
    """The tool name as Gemini is told it."""
    if _VALID.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    readable = _FOREIGN.sub("_", name)[:54]
    return f"{readable if readable[:1].isalpha() else '_' + readable}_{digest}"


def original_names(request: Request) -> dict[str, str]:
    """Wire name -> the client's name, for the tools whose name had to change; the readers want it as ``names``."""
    return {wire: tool.name for tool in request.tools if (wire := wire_name(tool.name)) != tool.name}
