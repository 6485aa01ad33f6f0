"""Regular expressions that are compiled when they are first used: a start knows some hundred, and uses a dozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["pattern"]

if TYPE_CHECKING:
    from re import compile as pattern
else:
    import re

    class pattern:
        """As ``re.compile``; its methods are those of the compiled one from the first use on."""

        def __init__(self, pattern, flags=0):
            self.pattern, self._options = pattern, flags

        def __getattr__(self, name):
            if name.startswith("__"):
                # What copies or shows it asks for more than a compiled one has.
                raise AttributeError(name)
            found = getattr(re.compile(self.pattern, self._options), name)
            setattr(self, name, found)
            return found
