"""``type = "google"``: endpoint and credentials.

A table means one API, told by its keys: ``api_key`` (or ``forward_token``) is the Gemini API, ``project`` is
Vertex AI. Both at once, or a key that the chosen API has no use for, is refused rather than ignored.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, FilePath

from nexus.late import pattern
from nexus.settings.attribution import Attribution, LabelRules, name_problems
from nexus.settings.provider import ProviderSettings
from nexus.settings.types import Label, Location
from nexus.wire import decode, mapping

# Old projects carry their organisation's domain in front, such as "example.com:my-project".
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
"""Of partners' models, which take fewer than Google's. Source: Google's page on labels of API calls, November 2026."""

NO_KEY = "is missing or empty: set api_key (or forward_token) for the Gemini API, or project for Vertex AI"


def read_project(value: str) -> str:
    """A project's id or number."""
    if not _PROJECT.fullmatch(value):
        raise ValueError("is not the id of a Google Cloud project; it has lower-case letters, digits and hyphens")
    return value


def read_location(value: str) -> str:
    """A region, or a group of them; it becomes a part of the host's name."""
    if not _LOCATION.fullmatch(value):
        raise ValueError('is not a location; write it like "global", "eu" or "us-central1"')
    return value


class GoogleSettings(ProviderSettings):
    """The Gemini API with ``api_key``, Vertex AI with ``project``."""

    # Told by the other keys; see _one_api.
    needs_key: ClassVar[bool] = False
    searches: ClassVar[bool] = True

    project: Annotated[str, AfterValidator(read_project)] | None = None
    """The Google Cloud project that Vertex AI is called in; the Gemini API when left out."""

    location: Annotated[str, AfterValidator(read_location)] = "global"
    """Where Vertex AI answers: "global", a multi-region ("us", "eu") or a region such as "europe-west4"."""

    credentials: FilePath | None = None
    """Path of a credentials file (service account, authorized user, external account); else Google's defaults."""

    betas: tuple[Label, ...] = ()
    """Betas of Claude's that Vertex AI takes by now; the others that Nexus knows stay."""

    fields: tuple[Label, ...] = ()
    """Fields of Claude's requests that Vertex AI takes by now, with dots, such as "messages.clear_at"."""

    attribution: Attribution = Field(default_factory=dict)
    """Labels in Google's bill to what is told of the caller there: "user", "key", "group", "claim:NAME" or "tag:NAME";
    a call that lacks one is refused. For Vertex AI."""

    attribution_rules: ClassVar[LabelRules | None] = LABELS

    @property
    def attributed(self) -> Mapping[str, str]:
        return self.attribution

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
        yield from name_problems(self.attribution, LABELS)
        for name in ("api_key", "api_keys", "api_key_command"):
            if getattr(self, name) is not None:
                yield (name,), "belongs to the Gemini API, and project to Vertex AI; set one of them"
        if self.forward_token:
            yield ("forward_token",), "is for the Gemini API; Vertex AI takes no key from callers"
        if self.credentials is not None and not self._readable():
            yield ("credentials",), f"is not a Google credentials file; its type must be one of {', '.join(_KINDS)}"
        if not _has_google_auth():
            yield ("project",), "needs the package google-auth, which is not installed"

    def _readable(self) -> bool:
        """Whether the file looks like credentials; what it holds is used, and checked, when a token is fetched."""
        assert self.credentials is not None
        try:
            return mapping(decode(self.credentials.read_bytes())).get("type") in _KINDS
        except (OSError, ValueError):
            return False


def _has_google_auth() -> bool:
    """Looks without importing, for the check of a settings file calls nobody."""
    return importlib.util.find_spec("google") is not None and importlib.util.find_spec("google.auth") is not None
