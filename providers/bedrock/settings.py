"""``type = "bedrock"``: region and credentials.

One source of credentials, or none for AWS's default chain; two at once are an error. The region is never taken from the
environment: the settings file states where data is processed.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator

from nexus.providers.bedrock.regions import read_region, region_of
from nexus.settings.attribution import LabelRules
from nexus.settings.cloud import CloudSettings
from nexus.settings.model import ModelSettings
from nexus.settings.types import Label, Location
from nexus.settings.urls import host_of

_TEXT = r"[a-zA-Z0-9\s:_@$#=/+,.-]"
LABELS = LabelRules(
    16,
    re.compile(_TEXT + "{1,256}", re.ASCII),
    re.compile(_TEXT + "{1,256}", re.ASCII),
    "at most 256 letters, digits, blanks and :_@$#=/+,.-",
)
"""Source: botocore's service model, RequestMetadata."""

_DOTS = (".", "..")


class BedrockModel(ModelSettings):
    """``[llm.providers.NAME.models.ALIAS]`` of a Bedrock provider."""

    family: Literal["anthropic"] | None = None
    """"anthropic" marks an ARN that does not name its model as a Claude model. Default: according to the id."""

    base_model: Label | None = None
    """The model behind an ARN that does not name it, such as "anthropic.claude-opus-5"; its capabilities and price
    apply.
    """

    def known_as(self, model: str) -> str:
        """The id that determines what the model accepts."""
        return self.base_model or model


class BedrockSettings(CloudSettings):
    """AWS Bedrock. Without credentials here, AWS's default chain is used."""

    needs_key: ClassVar[bool] = False
    passes_paths: ClassVar[bool] = False
    attribution_rules: ClassVar[LabelRules] = LABELS

    models: dict[Label, BedrockModel] = Field(default_factory=dict)  # type: ignore[assignment]  # narrower, read only
    """Alias to model; only models listed here are served."""

    region: Annotated[str, AfterValidator(read_region)] | None = None
    """Region in which calls are processed, such as "eu-central-1". Optional if base_url contains it."""

    profile: Label | None = None
    """Profile in AWS's own configuration files to take credentials from."""

    access_key_id: SecretStr | None = None
    """AWS access key id; requires secret_access_key."""

    secret_access_key: SecretStr | None = None
    """Secret of access_key_id."""

    session_token: SecretStr | None = None
    """Session token of temporary credentials; requires access_key_id and secret_access_key."""

    @property
    def signing_region(self) -> str | None:
        """The region that requests are signed for."""
        return self.region or (region_of(host_of(self.base_url)) if self.base_url else None)

    @property
    def signed_headers(self) -> tuple[str, ...]:
        # A token in "authorization" would replace the gateway's own; the other headers are part of the signature.
        return ("authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256")

    @property
    def spends(self) -> bool:
        return True

    @field_validator("access_key_id", "secret_access_key", "session_token")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        """An empty value, as from an empty template, counts as left out, as for api_key."""
        key = value.get_secret_value().strip() if value is not None else ""
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ValueError("contains characters that are not allowed in an AWS key")
        return SecretStr(key) if key else None

    def problems(self) -> Iterator[Location]:
        yield from self._place_problems()
        yield from self._credential_problems()
        # The id becomes one path segment, and these two would change the path.
        named = {alias: model.rename or alias for alias, model in self.models.items()}
        yield from (
            (("models", alias), "is not a model id; set rename to the id of the model")
            for alias, name in named.items()
            if name in _DOTS
        )
        if self.forward_token:
            yield (
                ("forward_token",),
                "has no effect: a signature needs more than the one key that callers send; remove it",
            )
        if importlib.util.find_spec("botocore") is None:
            yield ("type",), "needs the Python package boto3, which is not installed; pip install boto3"

    def _place_problems(self) -> Iterator[Location]:
        named = region_of(host_of(self.base_url)) if self.base_url else None
        if self.region is not None and named is not None and named != self.region:
            yield ("region",), f"differs from {named}, the region in base_url; set only one of them"
        elif self.signing_region is None and not (self.base_url and self.has_key):
            how = "Nexus does not take it from a profile or an environment variable"
            yield ("region",), f'is missing; set it to the region of Bedrock, such as "us-east-1" ({how})'

    def _credential_problems(self) -> Iterator[Location]:
        keys = ("access_key_id", "secret_access_key", "session_token")
        given = [name for name in keys if getattr(self, name) is not None]
        for name in ("access_key_id", "secret_access_key") if given else ():
            if name not in given:
                yield (name,), f"is missing or empty, though {given[0]} is set; they belong together"
        sources = {
            "api_key": self.api_key is not None,
            "api_keys": self.api_keys is not None,
            "api_key_command": self.api_key_command is not None,
            "profile": self.profile is not None,
            given[0] if given else "": bool(given),
        }
        used = [name for name, is_set in sources.items() if is_set]
        yield from (
            ((name,), f"cannot be combined with {used[0]}; set only one kind of credentials") for name in used[1:]
        )
