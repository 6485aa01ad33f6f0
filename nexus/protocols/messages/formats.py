"""The formats in which the messages dialect comes beside Anthropic's own."""

from __future__ import annotations

from nexus.protocols.dialect import Dialect
from nexus.protocols.messages.invoke import Invoke
from nexus.protocols.messages.vertex import Vertex

FORMATS: tuple[Dialect, ...] = (Vertex(), Invoke())
