"""The whole file as one value, and the rules that span its tables.

Law: a rule about one table lives with that table; here stand only rules that need two.
"""

from __future__ import annotations

import time
from typing import Any, Self

from pydantic import PrivateAttr, model_validator

from nexus.settings.limits import check_limits
from nexus.settings.llm import LlmSettings
from nexus.settings.server import ServerSettings
from nexus.settings.types import Table, fail_at


class Settings(Table):
    """Everything that can be configured."""

    server: ServerSettings = ServerSettings()
    """The listening side."""

    llm: LlmSettings
    """Models and where they come from."""

    _written_at: float = PrivateAttr(default_factory=time.time)

    @property
    def written_at(self) -> float:
        """When the file was written that this was read from, in Unix seconds; when it was made, without a file."""
        return self._written_at

    def of_file(self, written_at: float) -> Self:
        """The same, of a file that was written then."""
        self._written_at = written_at
        return self

    @model_validator(mode="before")
    @classmethod
    def _always_llm(cls, data: Any) -> Any:
        """A missing [llm] is an empty one, which then says what it lacks."""
        return {"llm": {}, **data} if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _paths_apart(self) -> Self:
        health = self.server.health
        paths = self.llm.protocols.enabled_paths() if self.llm.enabled and health.enabled else {}
        for name, path in paths.items():
            if health.path == path or health.path.startswith(f"{path or '/v1'}/"):
                fail_at((("server", "health", "path"), f"lies within the path of llm.protocols.{name}"))
        return self

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if places := check_limits(self):
            fail_at(*places)
        return self
