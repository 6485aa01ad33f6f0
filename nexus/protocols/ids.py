"""Ids in a form that a vendor accepts."""

from __future__ import annotations

import re

from nexus.wire import digest


class ToolIds:
    """Converts every tool call id of one request to a form that a vendor accepts; the same id always gets the same
    form.

    ``valid`` is the vendor's full-match pattern; ids that do not match become ``prefix`` and a hash.
    """

    def __init__(self, valid: re.Pattern[str], prefix: str = "call_", digits: int = 24) -> None:
        self._valid = valid
        self._prefix = prefix
        self._digits = digits
        self._forms: dict[str, str] = {}

    def __getitem__(self, original: str) -> str:
        if original not in self._forms:
            fits = self._valid.fullmatch(original) is not None
            self._forms[original] = original if fits else self._prefix + digest(original, self._digits)
        return self._forms[original]


def openai_user(user: str) -> str:
    """``user`` shortened to the 64 characters that OpenAI accepts."""
    return user if len(user) <= 64 else digest(user)
