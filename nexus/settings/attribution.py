"""``attribution`` of a provider: labels by which the cloud's bill shows who called."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator

from nexus.dataclasses import dataclass
from nexus.headers.tags import TAG, is_tag
from nexus.settings.types import Label, Location

CLAIM = "claim:"


def read_source(value: str) -> str:
    """The source of a label's value. Raises ValueError."""
    claim, known = value.removeprefix(CLAIM), value in ("user", "key", "group") or is_tag(value)
    if known or (value.startswith(CLAIM) and claim and len(claim) <= 256 and claim.isprintable()):
        return value
    raise ValueError('must be "user", "key", "group", a claim ("claim:department") or a tag ("tag:project")')


Attribution = dict[Label, Annotated[str, AfterValidator(read_source)]]
"""Label name to the source of its value."""


@dataclass(frozen=True, slots=True)
class LabelRules:
    """The labels that a cloud accepts: how many, which names and values; ``words`` states the rules in messages."""

    most: int
    name: re.Pattern[str]
    value: re.Pattern[str]
    words: str


def source_problems(
    attributions: Mapping[str, Mapping[str, str]], tags: Collection[str], *, keys: bool, groups: bool, tokens: bool
) -> Iterator[Location]:
    """Sources that no caller can have. ``attributions`` is keyed by provider name."""
    for provider, attribution in attributions.items():
        for name, source in attribution.items():
            at = ("llm", "providers", provider, "attribution", name)
            if source.startswith(CLAIM) and not tokens:
                yield at, "names a claim, but callers have no tokens; add [server.oauth]"
            elif lacking := lacks(source, tags, keys=keys, groups=groups):
                yield at, lacking


def lacks(per: str, tags: Collection[str], *, keys: bool, groups: bool) -> str | None:
    """Why no caller can have a key, group or tag; None if callers can."""
    match per:
        case "group" if not groups:
            return "needs groups, and none are defined; set server.keys.NAME.group, or client_identification.group_id"
        case "key" if not keys:
            return "needs gateway keys, and none are defined; nexus key new NAME makes one"
        case _ if per.startswith(TAG) and (tag := per.removeprefix(TAG)) not in tags:
            return f'names a tag that callers cannot set; add "{tag}" to usage.tags'
    return None


def claims_of(attributions: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Paths of the token claims that serve as sources."""
    sources = (source for attribution in attributions.values() for source in attribution.values())
    return tuple(dict.fromkeys(source.removeprefix(CLAIM) for source in sources if source.startswith(CLAIM)))
