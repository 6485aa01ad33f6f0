"""Recognizes members of a request on which the answer does not depend, in the error of a server that rejects them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nexus.dataclasses import replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern
from nexus.protocols.codec import Target

UNKNOWN = r"(extra inputs|not permitted|(not|un)[ -]?support|unrecogni[sz]ed|unknown|unexpected)"
"""How servers call what they do not know."""

NOT_ENABLED = "not enabled"
"""How OpenAI calls what an organization lacks."""

_QUIRK = "rejected members: "


class Rejectable:
    """Members that servers may reject, by their paths from the top; ``*`` stands for every element of an array."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._members = tuple((path, f'"{path.rpartition(".")[2]}"'.encode(), _words(path)) for path in paths)

    def quirk_of(self, refused: VendorFailure, body: bytes) -> str | None:
        """Names the members that the error rejects and the body has; None if there are none."""
        said = f"{refused.vendor_param} {refused.message}"
        named = [path for path, sent, words in self._members if sent in body and words.search(said)]
        return quirk_about(*named) if named else None


def quirk_about(*paths: str) -> str:
    """The quirk of a server that rejects the members at ``paths``."""
    return _QUIRK + ", ".join(paths)


def rejected_by(quirk: str) -> tuple[str, ...]:
    """The paths that a quirk of a ``Rejectable`` names; none for other quirks."""
    return tuple(quirk.removeprefix(_QUIRK).split(", ")) if quirk.startswith(_QUIRK) else ()


def with_rejected(target: Target, quirks: frozenset[str]) -> Target:
    """The target without what the quirks of a ``Rejectable`` name; others change nothing."""
    named = [path for quirk in quirks for path in rejected_by(quirk)]
    return replace(target, rejected=tuple(dict.fromkeys((*target.rejected, *named)))) if named else target


def _words(path: str) -> re.Pattern[str]:
    # Servers write a path with dots, brackets or as a list; many put the type of an element after its number.
    name = path.replace(".", r"\W{1,6}").replace(r"*\W{1,6}", r"\d{1,9}\W{1,6}(\w{1,40}\W{1,6})?")
    name = name.replace("cache_control", r"cache_control(\W{1,6}\w{1,40})?")
    return pattern(
        rf"\b{name}\b.{{0,80}}({UNKNOWN}|{NOT_ENABLED})|{UNKNOWN}.{{0,80}}\b{name}\b", re.IGNORECASE | re.DOTALL
    )
