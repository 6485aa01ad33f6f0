"""Regular expressions that are compiled on first use: a start defines about a hundred and uses a dozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["pattern"]

if TYPE_CHECKING:
    from re import compile as pattern
else:
    import re

    class pattern:
        """As ``re.compile``; from the first use on its methods are those of the compiled pattern."""

        def __init__(self, pattern, flags=0):
            self.pattern, self._options = pattern, flags

        def __getattr__(self, name):
            if name.startswith("__"):
                # Copying and repr look up attributes that a compiled pattern does not have.
                raise AttributeError(name)
            found = getattr(re.compile(self.pattern, self._options), name)
            setattr(self, name, found)
            return found
