"""``type = "google"``: endpoint and credentials.

One table configures one API: ``api_key`` (or ``forward_token``) selects the Gemini API, ``project`` Vertex AI. Both at
once, or a setting that the selected API does not use, is an error.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from nexus.late import pattern
from nexus.settings.attribution import LabelRules
from nexus.settings.cloud import CloudSettings
from nexus.settings.types import FilePath, Location
from nexus.wire import decode, mapping

# Old project ids are prefixed with the organization's domain, such as "example.com:my-project".
_PROJECT = pattern(r"[a-z0-9](?:[a-z0-9.:-]{0,98}[a-z0-9])?")
_LOCATION = pattern(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_KINDS = (
    "service_account",
    "authorized_user",
    "external_account",
    "external_account_authorized_user",
    "impersonated_service_account",
)

LABELS = LabelRules(
    32,
    re.compile(r"[a-z][a-z0-9_-]{0,62}"),
    re.compile(r"[a-z0-9_-]{1,63}"),
    "at most 63 lower-case letters, digits, _ and -, and a name begins with a letter",
)
"""The rules for partner models, which are stricter than those for Google's. Source: Google's page on labels of API
calls, November 2026.
"""

NO_KEY = "is missing or empty: set api_key (or forward_token) for the Gemini API, or project for Vertex AI"


def read_project(value: str) -> str:
    """Validates a project id or number."""
    if not _PROJECT.fullmatch(value):
        raise ValueError('is not the id of a Google Cloud project; write it like "my-project"')
    return value


def read_location(value: str) -> str:
    """Validates a region or multi-region; it becomes a part of the host name."""
    if not _LOCATION.fullmatch(value):
        raise ValueError('is not a location; write it like "global", "eu" or "us-central1"')
    return value


class GoogleSettings(CloudSettings):
    """The Gemini API with ``api_key``, Vertex AI with ``project``."""

    # Depends on the other settings; see _gemini_problems.
    needs_key: ClassVar[bool] = False
    searches: ClassVar[bool] = True
    attribution_rules: ClassVar[LabelRules] = LABELS

    project: Annotated[str, AfterValidator(read_project)] | None = None
    """Google Cloud project for Vertex AI. When left out, the provider uses the Gemini API."""

    location: Annotated[str, AfterValidator(read_location)] = "global"
    """Location of Vertex AI: "global", a multi-region ("us", "eu") or a region such as "europe-west4". Default:
    "global".
    """

    credentials: FilePath | None = None
    """Path of a credentials file (service account, authorized user, external account). Default: Application Default
    Credentials.
    """

    @property
    def signed_headers(self) -> tuple[str, ...]:
        return () if self.project is None else ("authorization", "x-goog-user-project")

    @property
    def spends(self) -> bool:
        return self.project is not None or super().spends

    def problems(self) -> Iterator[Location]:
        return self._gemini_problems() if self.project is None else self._vertex_problems()

    def _gemini_problems(self) -> Iterator[Location]:
        for name in ("location", "credentials", "betas", "fields", "attribution"):
            if name in self.model_fields_set:
                yield (name,), "belongs to Vertex AI; set project too"
        if not self.has_key and not self.forward_token:
            yield ("api_key",), NO_KEY
        for alias, model in self.models.items():
            if (model.rename or alias).startswith("claude-"):
                yield ("models", alias), "Claude is served by Vertex AI, not by the Gemini API; set project"

    def _vertex_problems(self) -> Iterator[Location]:
        for name in ("api_key", "api_keys", "api_key_command"):
            if getattr(self, name) is not None:
                yield (name,), "belongs to the Gemini API, and project to Vertex AI; set only one of them"
        if self.forward_token:
            yield ("forward_token",), "belongs to the Gemini API; Vertex AI takes no key from callers; remove it"
        if self.credentials is not None and not _readable(self.credentials):
            yield ("credentials",), f"is not a Google credentials file, whose type is one of {', '.join(_KINDS)}"
        # Without importing it: validating a settings file makes no network calls.
        if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.auth") is None:
            yield ("project",), "needs the Python package google-auth, which is not installed; pip install google-auth"


def _readable(file: Path) -> bool:
    """Whether the file looks like credentials; its content is used, and validated, when a token is fetched."""
    try:
        return mapping(decode(file.read_bytes())).get("type") in _KINDS
    except (OSError, ValueError):
        return False
