"""The Messages dialect as Vertex AI serves Claude: the path has the model and whether it streams.

Answers, streams and errors are the dialect's own. Source: Anthropic's SDK for Vertex AI and Google's page on Claude.
"""

from __future__ import annotations

from typing import ClassVar

from nexus.late import pattern
from nexus.protocols.dialect import Asked
from nexus.protocols.messages.dialect import Messages
from nexus.protocols.messages.unwrapped import unwrapped
from nexus.protocols.operation import COUNT_TOKENS, GENERATE, Operation
from nexus.protocols.protocol import Protocol

_PUBLISHED = r"/projects/[^/]+/locations/[^/]+/publishers/anthropic/models"
_COLON = "(?::|%3[Aa])"
_PATH = pattern(
    r"/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/publishers/anthropic/models/"
    r"(?P<model>.+):(?P<verb>rawPredict|streamRawPredict)"
)

VERTEX = Protocol("vertex", "clients set to Vertex AI (ANTHROPIC_VERTEX_BASE_URL)", base="/v1", models=None)


class Vertex(Messages):
    format: ClassVar[str] = "vertex"
    protocol: ClassVar[Protocol] = VERTEX
    any_id: ClassVar[bool] = True
    operations: ClassVar[tuple[Operation, ...]] = (
        GENERATE.matching(f"{_PUBLISHED}/(?!count-tokens{_COLON}).+{_COLON}(?:rawPredict|streamRawPredict)"),
        COUNT_TOKENS.matching(f"{_PUBLISHED}/count-tokens{_COLON}rawPredict"),
    )

    def open(self, operation: Operation, path: str, asked: Asked) -> Asked:
        found = _PATH.fullmatch(path)
        if found is None:
            raise ValueError(f"not a path of this format: {path}")
        place = f"{found['project']}/{found['location']}"
        if operation.relay == "count":
            return unwrapped(asked, {}, place)
        streams = found["verb"] == "streamRawPredict" or asked.document.get("stream") is True
        return unwrapped(asked, {"model": found["model"], "stream": streams}, place)
