"""What the settings of cloud providers share: additions to the Claude API that they host, and labels on their bill."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from nexus.settings.attribution import Attribution, LabelRules
from nexus.settings.provider import ProviderSettings
from nexus.settings.types import Label, Location


class CloudSettings(ProviderSettings):
    """A provider type for a cloud; ``attribution_rules`` are the labels that it accepts."""

    attribution_rules: ClassVar[LabelRules]

    betas: tuple[Label, ...] = ()
    """Additional Claude betas that the cloud accepts, besides those that Nexus knows."""

    fields: tuple[Label, ...] = ()
    """Additional fields of Claude requests that the cloud accepts, in dotted form, such as "messages.clear_at"."""

    attribution: Attribution = Field(default_factory=dict)
    """Labels for the cloud's bill, each with the caller's attribute to send: "user", "key", "group", "claim:NAME" or
    "tag:NAME". A call that lacks one is rejected."""

    def problems(self) -> Iterator[Location]:
        rules = self.attribution_rules
        if len(self.attribution) > rules.most:
            yield ("attribution",), f"has more than {rules.most} labels"
        for name in self.attribution:
            if not rules.name.fullmatch(name):
                yield ("attribution", name), f"is not a label that the cloud accepts; write {rules.words}"
