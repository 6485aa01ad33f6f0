"""The formats of the messages dialect besides Anthropic's own."""

from __future__ import annotations

from nexus.protocols.dialect import Dialect
from nexus.protocols.messages.invoke import Invoke
from nexus.protocols.messages.vertex import Vertex

FORMATS: tuple[Dialect, ...] = (Vertex(), Invoke())
