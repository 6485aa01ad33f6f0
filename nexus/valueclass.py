"""Dataclasses that every call makes by the dozen: the type checker alone keeps them frozen.

A frozen one of the standard library sets each field through ``object.__setattr__``, which takes ten times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["valueclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass as valueclass
else:
    from dataclasses import dataclass

    def valueclass(*, frozen, **options):
        """As ``dataclass``, with a hash where it is frozen."""
        return dataclass(unsafe_hash=frozen and options.get("eq", True), **options)
