"""``[llm]``: the protocols that clients may speak and the providers that answer."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, FilePath, ValidationInfo, WrapValidator, field_validator
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from nexus.settings.provider import ProviderSettings
from nexus.settings.types import BasePath, Label, Location, Table, fail_at, no_longer_than
from nexus.settings.urls import ProxyUrl
from nexus.settings.virtual import VirtualModel, VirtualName

NO_MODEL = """\
no provider with a model is configured; the shortest useful file is
    [llm.providers.openai]
    type = "openai"
    api_key = "{{ env.OPENAI_API_KEY }}"
    models."gpt-4.1" = {}"""


class Protocol(Table):
    """What all protocols can be told."""

    enabled: bool = True
    """Whether it is served."""

    path: BasePath
    """Where."""


class OpenAIProtocol(Protocol):
    """``[llm.protocols.openai]``: what OpenAI's SDKs speak."""

    path: BasePath = "/llm/openai"
    """Where; clients append /v1/chat/completions and the like. "/" is the root."""


class AnthropicProtocol(Protocol):
    """``[llm.protocols.anthropic]``: what Anthropic's SDKs and Claude Code speak."""

    path: BasePath = "/llm/anthropic"
    """Where; clients append /v1/messages and the like. "/" is the root."""


class VertexProtocol(Protocol):
    """``[llm.protocols.vertex]``: Claude as Google's Vertex AI serves it: Claude Code that is set to Vertex AI, and
    Anthropic's SDK for it."""

    path: BasePath = "/llm/vertex"
    """Where; clients append /v1/projects/... "/" is the root."""


class BedrockProtocol(Protocol):
    """``[llm.protocols.bedrock]``: the runtime of Amazon Bedrock: AWS's SDKs, Claude Code that is set to Bedrock."""

    path: BasePath = "/llm/bedrock"
    """Where; clients append /model/... "/" is the root."""


class GoogleProtocol(Protocol):
    """``[llm.protocols.google]``: the Gemini API: Google's GenAI SDKs and Gemini CLI."""

    path: BasePath = "/llm/google"
    """Where; clients append /v1beta/models/... and the like. "/" is the root."""


class Protocols(Table):
    """``[llm.protocols]``: one table for each protocol that clients may speak."""

    openai: OpenAIProtocol = OpenAIProtocol.model_construct()
    """OpenAI's protocol."""

    anthropic: AnthropicProtocol = AnthropicProtocol.model_construct()
    """Anthropic's protocol."""

    vertex: VertexProtocol = VertexProtocol.model_construct()
    """Anthropic's protocol as Vertex AI has it."""

    bedrock: BedrockProtocol = BedrockProtocol.model_construct()
    """Amazon Bedrock's."""

    google: GoogleProtocol = GoogleProtocol.model_construct()
    """The Gemini API's."""

    def enabled_paths(self) -> dict[str, str]:
        """Protocol name to path, "" for the root, switched-on ones only."""
        every: dict[str, Protocol] = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: protocol.path.rstrip("/") for name, protocol in every.items() if protocol.enabled}

    def around(self, path: str) -> Iterator[str]:
        """The switched-on protocols within whose paths another one lies; at the root their first words are taken."""
        for name, base in self.enabled_paths().items():
            if any(path == taken or path.startswith(f"{taken}/") for taken in ([base] if base else _first_words(name))):
                yield name


def _first_words(protocol: str) -> set[str]:
    # Only who has a protocol at the root waits for the import of all dialects.
    from nexus.protocols.loader import FORMS

    forms = [form for form in FORMS.values() if form.protocol.name == protocol]
    paths = [form.protocol.version + operation.path for form in forms for operation in form.operations]
    return {f"/{path.split('/')[1]}" for path in paths}


def read_provider(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> ProviderSettings:
    """Hand a provider table to the settings class of its type, with what ``[llm]`` says for all of them."""
    shared = {name: info.data[name] for name in SHARED if info.data.get(name) is not None}
    return ProviderSettings.read(value, handler, shared)


SHARED = ("proxy", "ca_file")
"""Settings of ``[llm]`` that hold for every provider that does not say otherwise."""


def read_provider_name(value: str) -> str:
    """The part of a model name before the slash."""
    if "/" in value:
        raise ValueError('a provider name must not contain "/", which separates provider and model')
    return value


ProviderName = Annotated[Label, AfterValidator(read_provider_name), no_longer_than(64, "a provider name")]

AnyProvider = Annotated[ProviderSettings, WrapValidator(read_provider)]


def _taken_names(providers: dict[str, ProviderSettings]) -> Iterator[Location]:
    """Every ``expose_as`` that is a name of another model too."""
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
    """Everything about language models."""

    enabled: bool = True
    """Whether any model is served at all."""

    protocols: Protocols = Field(default=Protocols.model_construct(), validate_default=True)
    """What clients may speak."""

    proxy: ProxyUrl | None = Field(default=None, repr=False)
    """URL of a forward proxy for all providers; none is ever taken from the environment."""

    ca_file: FilePath | None = None
    """CA certificates (PEM) that all providers trust instead of the system's."""

    # Stands after what providers inherit: fields are validated in this order.
    providers: dict[ProviderName, AnyProvider] = Field(default_factory=dict, validate_default=True)
    """Where calls go, by the name before the slash of a model's name."""

    models: dict[VirtualName, VirtualModel] = Field(default_factory=dict)
    """Virtual models: names for several models, of which one answers."""

    @property
    def paths(self) -> dict[str, str]:
        """Where each protocol is served, "" at the root."""
        return self.protocols.enabled_paths() if self.enabled else {}

    @property
    def served(self) -> Mapping[str, ProviderSettings]:
        """The providers, as long as any model is served."""
        return self.providers if self.enabled else {}

    @field_validator("protocols")
    @classmethod
    def _spoken(cls, value: Protocols, info: ValidationInfo) -> Protocols:
        if info.data.get("enabled") and not value.enabled_paths():
            raise ValueError("every protocol is disabled; enable one, or set llm.enabled = false")
        return value

    @field_validator("providers")
    @classmethod
    def _serving(cls, value: dict[str, ProviderSettings], info: ValidationInfo) -> dict[str, ProviderSettings]:
        if info.data.get("enabled") and not any(provider.models for provider in value.values()):
            raise ValueError(NO_MODEL)
        if taken := list(_taken_names(value)):
            fail_at(*taken)
        return value
