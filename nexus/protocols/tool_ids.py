"""Ids of tool calls in a form that a vendor accepts."""

from __future__ import annotations

import hashlib
import re


class ToolIds:
    """Gives every tool call id of one request a form that a vendor accepts; the same id always gets the same form.

    ``valid`` is the vendor's full-match pattern; ids that do not fit, or collide, become ``prefix`` + a hash.
    """

    def __init__(self, valid: re.Pattern[str], prefix: str = "call_") -> None:
        self._valid = valid
        self._prefix = prefix
        self._forms: dict[str, str] = {}

    def __getitem__(self, original: str) -> str:
        if original not in self._forms:
            fits = self._valid.fullmatch(original) is not None
            digest = hashlib.sha256(original.encode()).hexdigest()[:24]
            self._forms[original] = original if fits else f"{self._prefix}{digest}"
        return self._forms[original]
