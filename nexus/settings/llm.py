"""``[llm]``: the protocols for clients, the providers and the virtual models."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, WrapValidator, field_validator
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from nexus.settings.provider import ProviderSettings
from nexus.settings.types import BasePath, FilePath, Label, Location, Table, fail_at, no_longer_than
from nexus.settings.urls import ProxyUrl
from nexus.settings.virtual import VirtualModel, VirtualName, read_unslashed

NO_MODEL = """\
no provider is configured; the shortest useful file is
    [llm.providers.openai]
    type = "openai"
    api_key = "{{ env.OPENAI_API_KEY }}"
    models."gpt-5.5" = {}"""
NO_MODELS = 'is missing or empty: list the models to serve, such as ["NAME"]'


class ProtocolSettings(Table):
    """Settings that all protocols share."""

    enabled: bool = True
    """Serve this protocol."""

    path: BasePath
    """URL path below which it is served."""


class OpenAIProtocol(ProtocolSettings):
    """``[llm.protocols.openai]``: OpenAI's API, for OpenAI's SDKs and compatible clients."""

    path: BasePath = "/llm/openai"
    """URL path; clients append /v1/chat/completions and so on. "/" is the root."""


class AnthropicProtocol(ProtocolSettings):
    """``[llm.protocols.anthropic]``: Anthropic's API, for Anthropic's SDKs and Claude Code."""

    path: BasePath = "/llm/anthropic"
    """URL path; clients append /v1/messages and so on. "/" is the root."""


class VertexProtocol(ProtocolSettings):
    """``[llm.protocols.vertex]``: Claude on Vertex AI, for Claude Code configured for Vertex AI and Anthropic's Vertex
    SDK."""

    path: BasePath = "/llm/vertex"
    """URL path; clients append /v1/projects/... "/" is the root."""


class BedrockProtocol(ProtocolSettings):
    """``[llm.protocols.bedrock]``: the Amazon Bedrock runtime API, for AWS SDKs and Claude Code configured for
    Bedrock."""

    path: BasePath = "/llm/bedrock"
    """URL path; clients append /model/... "/" is the root."""


class GoogleProtocol(ProtocolSettings):
    """``[llm.protocols.google]``: the Gemini API, for Google's GenAI SDKs and Gemini CLI."""

    path: BasePath = "/llm/google"
    """URL path; clients append /v1beta/models/... and so on. "/" is the root."""


class Protocols(Table):
    """``[llm.protocols]``: one table for each protocol that clients can use."""

    openai: OpenAIProtocol = OpenAIProtocol.model_construct()
    """OpenAI's API."""

    anthropic: AnthropicProtocol = AnthropicProtocol.model_construct()
    """Anthropic's API."""

    vertex: VertexProtocol = VertexProtocol.model_construct()
    """Claude on Vertex AI."""

    bedrock: BedrockProtocol = BedrockProtocol.model_construct()
    """The Amazon Bedrock runtime API."""

    google: GoogleProtocol = GoogleProtocol.model_construct()
    """The Gemini API."""

    def enabled_paths(self) -> dict[str, str]:
        """Path of each enabled protocol by name; "" is the root."""
        every: dict[str, ProtocolSettings] = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: protocol.path.rstrip("/") for name, protocol in every.items() if protocol.enabled}

    def around(self, path: str) -> Iterator[str]:
        """Enabled protocols that ``path`` would collide with: it lies below their path, or, for a protocol at the root,
        below the first segment of one of its endpoints."""
        for name, base in self.enabled_paths().items():
            if any(path == taken or path.startswith(f"{taken}/") for taken in ([base] if base else _first_words(name))):
                yield name


def _first_words(protocol: str) -> set[str]:
    # Imported here because only settings with a protocol at the root need the dialects.
    from nexus.protocols.loader import FORMS

    forms = [form for form in FORMS.values() if form.protocol.name == protocol]
    paths = [form.protocol.version + operation.path for form in forms for operation in form.operations]
    return {f"/{path.split('/')[1]}" for path in paths}


def read_provider(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> ProviderSettings:
    """Reads a provider table as the settings class of its type; ``[llm]``'s ``SHARED`` settings are its defaults."""
    shared = {name: info.data[name] for name in SHARED if info.data.get(name) is not None}
    return ProviderSettings.read(value, handler, shared)


SHARED = ("proxy", "ca_file")
"""Settings of ``[llm]`` that apply to every provider that does not override them."""


ProviderName = Annotated[Label, AfterValidator(read_unslashed), no_longer_than(64, "a provider name")]

AnyProvider = Annotated[ProviderSettings, WrapValidator(read_provider)]


def _taken_names(providers: dict[str, ProviderSettings]) -> Iterator[Location]:
    """Problems of each ``expose_as`` that is also a name of another model."""
    models = [(name, alias, model) for name, provider in providers.items() for alias, model in provider.models.items()]
    owners: dict[str, set[str]] = {}
    for name, alias, model in models:
        for known in (f"{name}/{alias}", alias, *model.expose_as):
            owners.setdefault(known, set()).add(f"{name}/{alias}")
    for name, alias, model in models:
        others = {other for second in model.expose_as for other in owners[second]} - {f"{name}/{alias}"}
        if others:
            text = f"is also a name of {', '.join(sorted(others))}; a name must be unique"
            yield (name, "models", alias, "expose_as"), text


class LlmSettings(Table):
    """Language models: protocols, providers and virtual models."""

    enabled: bool = True
    """Serve models at all."""

    protocols: Protocols = Field(default=Protocols.model_construct(), validate_default=True)
    """The protocols for clients."""

    proxy: ProxyUrl | None = Field(default=None, repr=False)
    """URL of a forward proxy for all providers. Nexus ignores proxy variables of the environment."""

    ca_file: FilePath | None = None
    """CA certificates (PEM) that all providers trust instead of the system's."""

    # Declared after the settings that providers inherit, because fields are validated in order.
    providers: dict[ProviderName, AnyProvider] = Field(default_factory=dict, validate_default=True)
    """Providers by name; clients call a model as provider/alias."""

    models: dict[VirtualName, VirtualModel] = Field(default_factory=dict)
    """Virtual models by name: each stands for several models, of which one answers."""

    @property
    def paths(self) -> dict[str, str]:
        """Path of each protocol that is served, by name; "" is the root."""
        return self.protocols.enabled_paths() if self.enabled else {}

    @property
    def served(self) -> Mapping[str, ProviderSettings]:
        """The providers, or none if ``enabled`` is false."""
        return self.providers if self.enabled else {}

    def context_of(self, model: str) -> int | None:
        """The context window of a model by any of its names, if the settings have it; the largest among the targets of
        a virtual model, because calls that do not fit one target go to another."""
        virtual = next((one for name, one in self.models.items() if model in (name, *one.expose_as)), None)
        names = {model} if virtual is None else {name for _, name in virtual.named}
        windows = (
            table.context
            for provider, one in self.providers.items()
            for alias, table in one.models.items()
            if not names.isdisjoint((f"{provider}/{alias}", alias, *table.expose_as))
        )
        return max(filter(None, windows), default=None)

    @field_validator("protocols")
    @classmethod
    def _some_protocol(cls, value: Protocols, info: ValidationInfo) -> Protocols:
        if info.data.get("enabled") and not value.enabled_paths():
            raise ValueError("every protocol is disabled; enable one, or set llm.enabled = false")
        return value

    @field_validator("providers")
    @classmethod
    def _some_model(cls, value: dict[str, ProviderSettings], info: ValidationInfo) -> dict[str, ProviderSettings]:
        if info.data.get("enabled") and not value:
            raise ValueError(NO_MODEL)
        if info.data.get("enabled") and not any(provider.models for provider in value.values()):
            fail_at(*(((name, "models"), NO_MODELS) for name in value))
        if taken := list(_taken_names(value)):
            fail_at(*taken)
        return value
