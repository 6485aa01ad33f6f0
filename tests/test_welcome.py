"""The lines to paste that start and check print: the right address for each client, and nothing that breaks one."""

import shlex
import socket
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nexus.server.clients import NO_KEY, Access, claude_code
from nexus.server.process.announce import demo_text, what_to_paste
from nexus.settings import load
from tests.auth.kit import ALICE

TWO = """
[llm.providers.openai]
type = "openai"
api_key = "sk-hushhush"
models."gpt-4.1" = {}
[llm.providers.anthropic]
type = "anthropic"
MORE
models.opus.rename = "claude-opus-5-5"
models.sonnet.rename = "claude-sonnet-5-5"
models.haiku.rename = "claude-haiku-5-5"
"""
BEDROCK = """
[llm.providers.bedrock]
type = "bedrock"
region = "us-east-1"
{more}
models.sonnet.rename = "us.anthropic.claude-sonnet-5-5"
"""
KEY = 'api_key = "sk-ant-hushhush"'
LOGIN = "forward_login = true"


def lines(
    folder: Path, *, server: str = "", provider: str = KEY, base: str = "http://127.0.0.1:8000"
) -> dict[str, str]:
    file = folder / "nexus.toml"
    file.write_text(server + TWO.replace("MORE", provider))
    return dict(line.split(": ", 1) for line in what_to_paste(load(file, {}), base))


def environment(line: str) -> dict[str, str]:
    """The environment variables that a shell sets from a line."""
    return dict(word.split("=", 1) for word in shlex.split(line) if word.split("=", 1)[0].isupper())


def test_claude_code_gets_its_environment(tmp_path: Path) -> None:
    line = lines(tmp_path)["Claude Code"]
    assert line.endswith(" claude")
    assert environment(line) == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:8000/llm/anthropic",
        "ANTHROPIC_AUTH_TOKEN": "not-used",
        "ANTHROPIC_MODEL": "anthropic/sonnet",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "anthropic/haiku",
    }


@pytest.mark.parametrize("model", ["anthropic/sonnet", "sonnet", "large", "virtual", "any"])
def test_claude_code_gets_the_context_size_of_its_model(tmp_path: Path, model: str) -> None:
    """That of a virtual model is the largest of its targets: what does not fit the first goes to the next."""
    file = tmp_path / "nexus.toml"
    known = f'{KEY}\nmodels.sonnet.context = 1000000\nmodels.sonnet.expose_as = "large"\nmodels.haiku.context = 200000'
    targets = '["anthropic/haiku", "anthropic/sonnet", "openai/gpt-4.1"]'
    virtual = f'[llm.models.virtual]\ntargets = {targets}\nexpose_as = "any"\n'
    file.write_text(TWO.replace("MORE", known) + virtual)
    found = claude_code(Access(load(file, {}), "http://127.0.0.1:8000", NO_KEY), model)
    assert found["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == found["CLAUDE_CODE_AUTO_COMPACT_WINDOW"] == "1000000"


CHECKS = {
    "Anthropic itself": (TWO.replace("MORE", KEY), "anthropic/sonnet", None),
    "another vendor": (TWO.replace("MORE", KEY), "openai/gpt-4.1", "0"),
    "Bedrock": (BEDROCK.format(more=""), "bedrock/sonnet", "0"),
    "Bedrock, told that it checks": (BEDROCK.format(more='fields = ["safeguards"]'), "bedrock/sonnet", None),
    "a name without a provider": (TWO.replace("MORE", KEY), "sonnet", None),
}


@pytest.mark.parametrize(("settings", "model", "expected"), CHECKS.values(), ids=CHECKS)
def test_claude_code_checks_calls_itself_where_the_vendor_does_not(
    settings: str, model: str, expected: str | None, tmp_path: Path
) -> None:
    """Auto mode, which new sessions start in, would hold the first call and say that the gateway is not compatible."""
    file = tmp_path / "nexus.toml"
    file.write_text(settings)
    gateway = Access(load(file, {}), "http://127.0.0.1:8000", NO_KEY)
    assert claude_code(gateway, model).get("CLAUDE_CODE_AUTO_MODE_SERVER") == expected


def test_sdks_get_their_base_urls(tmp_path: Path) -> None:
    found = lines(tmp_path)
    assert environment(found["OpenAI SDK"]) == {
        "OPENAI_BASE_URL": "http://127.0.0.1:8000/llm/openai/v1",
        "OPENAI_API_KEY": "not-used",
    }
    assert environment(found["Anthropic SDK"]) == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:8000/llm/anthropic",
        "ANTHROPIC_API_KEY": "not-used",
    }


def codex(line: str) -> dict[str, Any]:
    """The settings that Codex reads from its options, each of which is a line of TOML."""
    words = shlex.split(line)
    options = [word for before, word in pairwise(words) if before == "-c"]
    (name, table) = options[1].split("=", 1)
    assert (options[0], name) == ("model_provider=nexus", "model_providers.nexus")
    others = tomllib.loads("\n".join(options[2:]))
    return {**tomllib.loads(f"nexus = {table}")["nexus"], **others, "model": words[words.index("-m") + 1]}


def test_codex_gets_its_provider(tmp_path: Path) -> None:
    assert codex(lines(tmp_path)["Codex"]) == {
        "name": "Nexus",
        "base_url": "http://127.0.0.1:8000/llm/openai/v1",
        "wire_api": "responses",
        "model": "openai/gpt-4.1",
    }


def test_codex_gets_the_context_size_of_its_model(tmp_path: Path) -> None:
    """It would assume 272,000 tokens, and compact a conversation only after the vendor has rejected it."""
    small = TWO.replace('models."gpt-4.1" = {}', 'models."gpt-4.1" = { context = 32768 }')
    file = tmp_path / "nexus.toml"
    file.write_text(small.replace("MORE", KEY))
    found = dict(line.split(": ", 1) for line in what_to_paste(load(file, {}), "http://127.0.0.1:8000"))
    assert codex(found["Codex"])["model_context_window"] == 32768


def test_with_keys_a_placeholder_stands_for_the_callers_key(tmp_path: Path) -> None:
    found = lines(tmp_path, server=f'[server.keys.alice]\nkey = "{ALICE}"\n')
    assert environment(found["Claude Code"])["ANTHROPIC_AUTH_TOKEN"] == "YOUR-GATEWAY-KEY"
    assert environment(found["OpenAI SDK"])["OPENAI_API_KEY"] == "YOUR-GATEWAY-KEY"
    assert codex(found["Codex"])["env_key"] == "NEXUS_KEY"
    assert environment(found["Codex"])["NEXUS_KEY"] == "YOUR-GATEWAY-KEY"
    assert ALICE not in str(found)


def test_with_a_login_the_key_is_sent_in_a_separate_header(tmp_path: Path) -> None:
    found = lines(tmp_path, server=f'[server.keys.alice]\nkey = "{ALICE}"\n', provider=LOGIN)
    set_ = environment(found["Claude Code"])
    assert set_["ANTHROPIC_CUSTOM_HEADERS"] == "x-nexus-key: YOUR-GATEWAY-KEY"
    assert "ANTHROPIC_AUTH_TOKEN" not in set_


@pytest.mark.parametrize("base", ["http://0.0.0.0:8000", "http://[::]:8000"])
def test_wildcard_addresses_are_shown_as_localhost(tmp_path: Path, base: str) -> None:
    found = lines(tmp_path, base=base)
    assert environment(found["OpenAI SDK"])["OPENAI_BASE_URL"] == "http://localhost:8000/llm/openai/v1"
    assert found["from other machines"].startswith(socket.gethostname())
    assert "'http://localhost:8000/llm/" in demo_text(base)


def test_only_enabled_protocols_are_listed(tmp_path: Path) -> None:
    found = lines(tmp_path, server='[llm.protocols.openai]\nenabled = false\n[llm.protocols.anthropic]\npath = "/a"\n')
    assert list(found) == ["Claude Code", "Anthropic SDK"]
    assert environment(found["Claude Code"])["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8000/a"
