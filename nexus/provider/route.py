"""Where a call goes: a provider and one of its models."""

from __future__ import annotations

from functools import cached_property

from nexus.dataclasses import dataclass
from nexus.provider import Provider
from nexus.settings.model import ModelSettings


@dataclass(frozen=True)
class Route:
    """Provider and request model for a call; ``name`` is the public ``provider/alias``, ``names`` all public names."""

    provider: Provider
    alias: str
    settings: ModelSettings

    @cached_property
    def name(self) -> str:
        return f"{self.provider.name}/{self.alias}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.name, *self.settings.expose_as)))

    @cached_property
    def model(self) -> str:
        return self.settings.rename or self.alias

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.model}"
