"""``attribution`` of a provider: what its cloud's own bill is told of who called."""

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
    """Where a value comes from."""
    claim, known = value.removeprefix(CLAIM), value in ("user", "key", "group") or is_tag(value)
    if known or (value.startswith(CLAIM) and claim and len(claim) <= 256 and claim.isprintable()):
        return value
    raise ValueError('must be "user", "key", "group", a claim ("claim:department") or a tag ("tag:project")')


Attribution = dict[Label, Annotated[str, AfterValidator(read_source)]]
"""Name in the bill to where its value comes from."""


@dataclass(frozen=True, slots=True)
class LabelRules:
    """What a cloud takes: at most so many, with such names and values; ``words`` say it."""

    most: int
    name: re.Pattern[str]
    value: re.Pattern[str]
    words: str


def name_problems(attribution: Attribution, rules: LabelRules) -> Iterator[Location]:
    """Names that the cloud does not take, as ``fail_at`` takes it."""
    if len(attribution) > rules.most:
        yield ("attribution",), f"has more than {rules.most} names"
    for name in attribution:
        if not rules.name.fullmatch(name):
            yield ("attribution", name), f"is not a name that the cloud takes: {rules.words}"


def source_problems(
    attributions: Mapping[str, Mapping[str, str]], tags: Collection[str], *, keys: bool, groups: bool, tokens: bool
) -> Iterator[Location]:
    """Sources that no caller has, by the name of each provider."""
    for provider, attribution in attributions.items():
        for name, source in attribution.items():
            at = ("llm", "providers", provider, "attribution", name)
            match source:
                case "key" if not keys:
                    yield at, "needs gateway keys, and none are defined; nexus key new NAME makes one"
                case "group" if not groups:
                    yield at, "needs groups, and none are defined"
                case _ if source.startswith(CLAIM) and not tokens:
                    yield at, "needs tokens; add [server.oauth]"
                case _ if source.startswith(TAG) and source.removeprefix(TAG) not in tags:
                    yield at, f'names a tag that callers cannot set; add "{source.removeprefix(TAG)}" to usage.tags'


def claims_of(attributions: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Paths of the claims that are asked for."""
    sources = (source for attribution in attributions.values() for source in attribution.values())
    return tuple(dict.fromkeys(source.removeprefix(CLAIM) for source in sources if source.startswith(CLAIM)))
