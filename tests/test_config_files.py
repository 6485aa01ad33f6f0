"""Every file in config/ loads, and the annotated one names every key with its actual default."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined, PydanticUndefinedType

from nexus.settings import ListenAddress, ModelSettings, ProviderSettings, Settings, Table, load, registry
from nexus.settings.attempts import ModelTimeouts
from nexus.settings.auth_scheme import AuthSchemeSettings
from nexus.settings.budgets import Budget
from nexus.settings.header_rules import HeaderRule, NamingRule
from nexus.settings.keys import GatewayKey
from nexus.settings.listen import read_addresses
from nexus.settings.server import DashboardSettings, MetricsSettings
from nexus.settings.types import read_duration, read_size
from nexus.settings.virtual import WeightedTarget
from nexus.settings.warnings import warnings
from tests.peers import Tls

CONFIG = Path(__file__).parents[1] / "config"
ANNOTATED = CONFIG / "nexus.toml"
ENVIRON = {
    "OPENAI_API_KEY": "sk-hushhush-openai",
    "ANTHROPIC_API_KEY": "sk-ant-hushhush",
    "ANTHROPIC_API_KEY_2": "sk-ant-hushhush-2",
    "GEMINI_API_KEY": "AIza-hushhush",
    "NEXUS_LOGIN_SECRET": "hushhush-login",
    "AWS_ACCESS_KEY_ID": "AKIAHUSHHUSH0123",
    "AWS_SECRET_ACCESS_KEY": "aws-hushhush-secret",
    "BOB_NEXUS_KEY": "nx-hushhush0123456789abcdefghijklmnop",
    "AZURE_CLIENT_SECRET": "azure-hushhush-secret",
    "AWS_SESSION_TOKEN": "aws-hushhush-token",
    "REDIS_PASSWORD": "redis-hushhush",
    "OTLP_API_KEY": "otlp-hushhush-key",
    "ALICE_KEY_SHA256": "e771b83e95bc5912af7d23beffbf46ba845ba64782fcd86f52e74e078ffa9a73",
    "BOB_KEY_SHA256": "0fdd4ac4a6e0e43c6b7a06a0d4f2c0f2e2b6b7ac17a5ca6cd7c5cba25be2f8f4",
    "BUILD_NEXUS_KEY": "nx-hushhush9876543210zyxwvutsrqponml",
}

ROUTES = {
    "nexus.toml": {"openai": ["gpt-5.5", "smart"], "anthropic": ["claude-sonnet-5-5", "claude-haiku-5-5"]},
    "reference.toml": {
        "openai": ["gpt-6.2-sol", "gpt-6-luna", "smart"],
        "anthropic": ["claude-sonnet-5-5", "fast"],
        "bedrock": ["claude"],
    },
    "demo.toml": {"demo": ["echo", "echo-tools"]},
    "claude-code.toml": {"anthropic": ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"]},
    "codex.toml": {
        "openai": ["gpt-5.5"],
        "anthropic": ["claude-opus-5-5", "claude-sonnet-5-5"],
        "google": ["gemini-3.8-flash"],
    },
    "team.toml": {
        "openai": ["gpt-5.5", "gpt-6-luna", "smart"],
        "anthropic": ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"],
        "mine": ["claude-sonnet-5-5"],
        "google": ["gemini-3.8-flash"],
        "bedrock": ["claude"],
        "local": ["qwen3-coder"],
    },
    "fallback.toml": {
        "anthropic": ["sonnet", "haiku"],
        "bedrock-us": ["sonnet"],
        "bedrock-eu": ["sonnet"],
        "openai": ["gpt-5.5", "gpt-6-luna"],
        "google": ["gemini-3.8-flash"],
    },
}


@pytest.mark.parametrize(("name", "routes"), ROUTES.items(), ids=ROUTES.keys())
def test_each_file_loads_with_its_routes(name: str, routes: dict[str, list[str]], tmp_path: Path) -> None:
    providers = load(in_place(name, tmp_path), ENVIRON).llm.providers
    assert {name: list(provider.models) for name, provider in providers.items()} == routes


def in_place(name: str, folder: Path) -> Path:
    """The file unchanged, except that its certificate paths point to existing files."""
    text = (CONFIG / name).read_text()
    for file in re.findall(r'^[a-z_]+ = "/etc/nexus/([a-z-]+\.pem)"', text, re.MULTILINE):
        (folder / file).write_text("")
    (folder / name).write_text(text.replace("/etc/nexus", str(folder)))
    return folder / name


def test_every_file_is_tested() -> None:
    assert {file.name for file in CONFIG.glob("*.toml")} == set(ROUTES)


@pytest.mark.parametrize("name", ["team.toml", "fallback.toml"])
def test_files_load_without_warnings(name: str, tmp_path: Path) -> None:
    assert warnings(load(in_place(name, tmp_path), ENVIRON)) == ()


def uncommented() -> str:
    """The annotated file with every setting uncommented."""
    return re.sub(r"^#(?=[a-z_\[])", "", ANNOTATED.read_text(), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, tls: Tls) -> tuple[Settings, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("config")
    for name in ("redis-ca.pem", "redis-client.pem"):
        (folder / name).write_text("")
    (folder / "redis-client-key.pem").write_text("")
    (folder / "google.json").write_text('{"type": "service_account"}')
    text = uncommented()
    for place in ("/etc/ssl/certs/internal-ca.pem", "/etc/ssl/certs/nexus.pem"):
        text = text.replace(place, tls.ca_file)
    text = text.replace("/etc/ssl/private/nexus-key.pem", tls.key_file)
    for name in ("cert.pem", "key.pem", "collector-ca.pem", "client.pem", "client-key.pem"):
        (folder / name).write_text("")
        text = text.replace(f"/etc/nexus/{name}", str(folder / name))
    text = re.sub(r"/etc/ssl/(?:certs|private)/(redis-[a-z-]+\.pem)", rf"{folder}/\1", text)
    text = text.replace("/etc/nexus/google-credentials.json", str(folder / "google.json"))
    # Limits per caller are rejected unless callers are identified, and the file's default does not identify them.
    told_apart = re.sub(r"(\[server\.client_identification\](?:\n#.*)*\nenabled = )false", r"\1true", text)
    (folder / "nexus.toml").write_text(told_apart)
    return load(folder / "nexus.toml", ENVIRON), tomllib.loads(text)


SHARED: tuple[type[Table], ...] = (ProviderSettings, AuthSchemeSettings, ModelSettings, NamingRule, HeaderRule)
"""Tables whose keys are written out once, for whichever of their kinds comes first."""

UNWRITTEN = {"IdSource.http_header", "Tracing.exporters", "Metrics.exporters"}
"""What cannot stand beside its alternatives, or repeats a table; a remark names it."""


def tables(value: object, data: Any) -> Iterator[tuple[type[Table], dict[str, Any]]]:
    """Every settings class in use, with what the file writes for it."""
    match value:
        case WeightedTarget() if isinstance(data, str):
            yield type(value), {"model": data}
        case Table():
            yield type(value), data
            for name in type(value).model_fields:
                yield from tables(getattr(value, name), data.get(name, {}))
        case dict():
            for name, item in value.items():
                yield from tables(item, data[name])
        case tuple():
            for place, item in enumerate(value):
                yield from tables(item, data[place])


def written(everything: tuple[Settings, dict[str, Any]]) -> dict[tuple[type[Table], str], list[Any]]:
    """Every key of every table in use, with each value that the file writes for it."""
    found: dict[tuple[type[Table], str], list[Any]] = {}
    for table, data in tables(*everything):
        for name in table.model_fields:
            # Settings that all kinds share are written once, for the first kind.
            base = next((base for base in SHARED if issubclass(table, base) and name in base.model_fields), table)
            values = found.setdefault((base, name), [])
            values.extend([data[name]] if name in data else [])
    return found


def meaning(default: object, text: Any) -> object:
    """The meaning of a value in the file, parsed by hand rather than by the models under test."""
    match default:
        case (ListenAddress(), *_):
            return read_addresses(text)
        case float() if isinstance(text, str):
            return read_duration(text)
        case tuple():
            return tuple(text)
        case int() if isinstance(text, str):
            return read_size(text)
        case _:
            return text


def test_every_key_of_every_table_is_written(everything: tuple[Settings, dict[str, Any]]) -> None:
    assert [
        f"{table.__name__}.{name}"
        for (table, name), values in written(everything).items()
        if not values and f"{table.__name__}.{name}" not in UNWRITTEN
    ] == []


def test_every_kind_of_provider_has_a_table(everything: tuple[Settings, dict[str, Any]]) -> None:
    assert {provider.type for provider in everything[0].llm.providers.values()} >= set(registry.kinds())


EMPTY: tuple[object, ...] = (None, PydanticUndefined, (), False)
NO_ONE_DEFAULT = {
    (GatewayKey, "models"),
    (Budget, "models"),
    (DashboardSettings, "enabled"),
    (MetricsSettings, "listen_address"),
}
EXAMPLES = {
    "endpoints",
    "passthrough_paths",
    "price",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "reasoning",
    "warn_at",
    "store",
    "tags",
    "readers",
    "listen",
    "type",
    "api_key",
    "api_key_command",
    "auth_header",
    "auth_scheme",
    "entra",
    "tenant_id",
    "client_secret",
    "token_file",
    "base_url",
    "rename",
    "expose_as",
    "display_name",
    "description",
    "max_tokens",
    "proxy",
    "ca_file",
    "client_cert",
    "client_key",
    "project",
    "responses",
    "credentials",
    "region",
    "profile",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "family",
    "base_model",
    "sha256",
    "key",
    "group",
    "expires",
    "url",
    "max_bytes_in_flight",
    "issuer",
    "audience",
    "login",
    "expected_issuer",
    "expected_audience",
    "resource",
    "authorization_servers",
    "client_id",
    "group_id",
    "http_header",
    "jwt_claim",
    "gateway_key",
    "group_values",
    "x_forwarded_for_trusted_hops",
    "hosts",
    "allow_origins",
    "allow_methods",
    "allow_headers",
    "expose_headers",
    "max_age",
    "certificate",
    "rule",
    "name",
    "pattern",
    "value",
    "default",
    "headers",
    "oauth",
    "cors",
    "tls",
    "protected_resource",
    "input_token_limit",
    "output_token_limit",
    "request_limit",
    "global",
    "per_ip",
    "rate_limits",
    "cert_file",
    "key_file",
    "overall",
    "api_keys",
    "max_concurrency",
    "context",
    "spread",
    "targets",
    "patience",
    "deadline",
    "on_overflow",
    "on_budget",
    "service_name",
    "endpoint",
    "ca",
    "cert",
    "domain_name",
}
"""Keys without a default, whose values in the file are examples."""


def test_every_default_is_written_correctly(everything: tuple[Settings, dict[str, Any]]) -> None:
    compared = []
    for (table, name), values in written(everything).items():
        info = table.model_fields[name]
        if name in EXAMPLES or table in (ModelTimeouts, WeightedTarget) or (table, name) in NO_ONE_DEFAULT:
            assert isinstance(info.default, BaseModel) or info.default in EMPTY or name in ("rule", "weight")
        elif info.default_factory is None and not isinstance(info.default, BaseModel | PydanticUndefinedType):
            compared.append(name)
            assert all(meaning(info.default, text) == info.default for text in values), f"{table.__name__}.{name}"
    assert len(compared) >= 20
