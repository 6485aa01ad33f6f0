"""Codex's model catalog: sent only to clients that ask the way Codex does, along with OpenAI's own list."""

from typing import Any

from tests.conftest import Serve
from tests.serving import Nexus

CONFIG = """
[llm.providers.a]
type = "anthropic"
api_key = "sk-ant-hushhush-0123456789"
models.claude-sonnet-4-5 = { context = 500000, display_name = "Sonnet", expose_as = ["claude-x", "claude-y"] }
models.claude-3-5-haiku-20241022 = {}
[llm.providers.o]
type = "openai"
api_key = "sk-hushhush-0123456789"
models."gpt-5.5" = {}
models."gpt-4.1" = {}
[llm.providers.g]
type = "google"
api_key = "AIza-hushhush-0123456789"
models."gemini-3.8-flash" = {}
[llm.models.smart]
targets = ["o/gpt-5.5"]
expose_as = ["claude-1", "claude-2"]
"""


def catalog(nexus: Nexus) -> dict[str, Any]:
    reply = nexus.request("GET", "/llm/openai/v1/models?client_version=0.171.0")
    assert [one["id"] for one in reply.json["data"]] == [one["slug"] for one in reply.json["models"]]
    return {one["slug"]: one for one in reply.json["models"]}


def test_a_model_is_described(serve: Serve) -> None:
    found = catalog(serve(CONFIG))
    sonnet = found["a/claude-sonnet-4-5"]
    assert (sonnet["display_name"], sonnet["context_window"]) == ("Sonnet", 500_000)
    assert (sonnet["default_reasoning_level"], sonnet["apply_patch_tool_type"]) == ("medium", "freeform")
    assert sonnet["base_instructions"]
    efforts = {name: [level["effort"] for level in one["supported_reasoning_levels"]] for name, one in found.items()}
    assert efforts["a/claude-3-5-haiku-20241022"] == efforts["o/gpt-4.1"] == [], "they do not think"
    assert {"low", "medium", "high"} <= set(efforts["o/gpt-5.5"]) & set(efforts["g/gemini-3.8-flash"])
    assert all("max" not in levels and "none" not in levels for levels in efforts.values())
    assert efforts["smart"] == efforts["o/gpt-5.5"]


def test_several_aliases_are_listed_and_can_be_called(serve: Serve) -> None:
    nexus = serve(CONFIG)
    names = [one["id"] for one in nexus.request("GET", "/llm/openai/v1/models").json["data"]]
    assert names[:6] == ["smart", "claude-1", "claude-2", "a/claude-sonnet-4-5", "claude-x", "claude-y"]
    for name in ("claude-y", "claude-2"):
        assert nexus.request("GET", f"/llm/openai/v1/models/{name}").json["id"] == name


def test_other_clients_get_no_catalog(serve: Serve) -> None:
    assert "models" not in serve(CONFIG).request("GET", "/llm/openai/v1/models").json
