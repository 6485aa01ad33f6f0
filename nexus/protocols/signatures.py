"""Removes another vendor's thinking from a request whose bytes pass: our tags on its signatures tell whose it is.

Law: pure. A request without our tags is not looked into, and no byte beside what goes is changed.
"""

from __future__ import annotations

from nexus.protocols.codec import MAY_BE_TAGGED
from nexus.protocols.dialect import Edited
from nexus.protocols.rewrite import Rules, cut


def without_foreign(raw: bytes, rules: Rules, name: str) -> Edited:
    """``rules`` find what goes, which is reported as ``name``."""
    if MAY_BE_TAGGED not in raw:
        return Edited(raw)
    body = cut(raw, rules)
    return Edited(body, () if body == raw else (name,))
