"""Errors at wrong addresses name the intended path and the base URL to configure, in the client's dialect."""

import re
from types import SimpleNamespace
from typing import Any

import anthropic
import openai
import pytest

from nexus.server.endpoints import paths
from tests.conftest import Serve
from tests.serving import CHAT, MESSAGES, Nexus

ECHO = '[llm.providers.demo]\ntype = "echo"\nmodels.echo = {}\n'
ROOT = ECHO + '[llm.protocols]\nopenai.path = "/"\nanthropic.path = "/"\n'
ASKED: Any = {**CHAT, "model": "demo/echo"}
MESSAGE: Any = {**MESSAGES, "model": "demo/echo"}
OPENAI, ANTHROPIC, GOOGLE, VERTEX = "/llm/openai/v1", "/llm/anthropic", "/llm/google", "/llm/vertex/v1"
GEMINI = "/models/gemini-3-pro:generateContent"
PLACED = "/projects/p/locations/l/publishers/anthropic/models/claude:rawPredict"

WRONG: dict[str, tuple[str, str, str]] = {
    "v1 twice": ("/v1/v1/messages", f"{ANTHROPIC}/v1/messages", ANTHROPIC),
    "v1 twice below the path": (f"{ANTHROPIC}/v1/v1/messages", f"{ANTHROPIC}/v1/messages", ANTHROPIC),
    "v1 twice, chat": (f"{OPENAI}/v1/chat/completions", f"{OPENAI}/chat/completions", OPENAI),
    "v1 missing, embeddings": ("/llm/openai/embeddings", f"{OPENAI}/embeddings", OPENAI),
    "v1 twice, completions": (f"{OPENAI}/v1/completions", f"{OPENAI}/completions", OPENAI),
    "v1 twice, responses": (f"{OPENAI}/v1/responses", f"{OPENAI}/responses", OPENAI),
    "v1 missing, chat": ("/llm/openai/chat/completions", f"{OPENAI}/chat/completions", OPENAI),
    "v1 missing, responses": ("/llm/openai/responses", f"{OPENAI}/responses", OPENAI),
    "v1 missing, messages": (f"{ANTHROPIC}/messages", f"{ANTHROPIC}/v1/messages", f"{ANTHROPIC}/v1"),
    "v1 missing, count_tokens": (
        f"{ANTHROPIC}/messages/count_tokens",
        f"{ANTHROPIC}/v1/messages/count_tokens",
        f"{ANTHROPIC}/v1",
    ),
    "no path": ("/v1/messages", f"{ANTHROPIC}/v1/messages", ANTHROPIC),
    "no path, chat": ("/v1/chat/completions", f"{OPENAI}/chat/completions", OPENAI),
    "only the endpoint": ("/chat/completions", f"{OPENAI}/chat/completions", OPENAI),
    "only the endpoint, messages": ("/messages", f"{ANTHROPIC}/v1/messages", f"{ANTHROPIC}/v1"),
    "a slash at the end": (f"{OPENAI}/chat/completions/", f"{OPENAI}/chat/completions", OPENAI),
    "a slash at the end, messages": (f"{ANTHROPIC}/v1/messages/", f"{ANTHROPIC}/v1/messages", ANTHROPIC),
    "two slashes": ("/llm/openai//v1/chat/completions", f"{OPENAI}/chat/completions", OPENAI),
    "two slashes at the beginning": (f"/{ANTHROPIC}/v1/messages", f"{ANTHROPIC}/v1/messages", ANTHROPIC),
    "the whole endpoint, chat": (f"{OPENAI}/chat/completions/chat/completions", f"{OPENAI}/chat/completions", OPENAI),
    "the whole endpoint, responses": (f"{OPENAI}/responses/responses", f"{OPENAI}/responses", OPENAI),
    "the whole endpoint, messages": (f"{ANTHROPIC}/v1/messages/v1/messages", f"{ANTHROPIC}/v1/messages", ANTHROPIC),
    "another protocol's endpoint": (f"{OPENAI}/messages", f"{ANTHROPIC}/v1/messages", ANTHROPIC),
    "another protocol's endpoint, chat": (f"{ANTHROPIC}/v1/chat/completions", f"{OPENAI}/chat/completions", OPENAI),
    "another protocol's endpoint, responses": (f"{ANTHROPIC}/v1/responses", f"{OPENAI}/responses", OPENAI),
    "compact": ("/v1/responses/compact", f"{OPENAI}/responses/compact", OPENAI),
    "models": ("/llm/openai/models", f"{OPENAI}/models", OPENAI),
    "models, Anthropic's": (f"{ANTHROPIC}/models", f"{ANTHROPIC}/v1/models", f"{ANTHROPIC}/v1"),
    "one model": ("/llm/openai/models/demo/echo", f"{OPENAI}/models/demo/echo", OPENAI),
    "a stored answer": ("/v1/responses/resp_1", f"{OPENAI}/responses/resp_1", OPENAI),
    "no path, Gemini": (f"/v1beta{GEMINI}", f"{GOOGLE}/v1beta{GEMINI}", GOOGLE),
    "no path, Gemini's other version": (f"/v1{GEMINI}", f"{GOOGLE}/v1beta{GEMINI}", GOOGLE),
    "no path, Gemini's models": ("/v1beta/models", f"{GOOGLE}/v1beta/models", GOOGLE),
    "no path, Vertex AI": (f"/v1{PLACED}", f"{VERTEX}{PLACED}", VERTEX),
    "v1 missing, Vertex AI": (f"/llm/vertex{PLACED}", f"{VERTEX}{PLACED}", VERTEX),
    "a typo": (f"{OPENAI}/chat/completion", f"{OPENAI}/chat/completions", OPENAI),
    "a typo, messages": ("/v1/message", f"{ANTHROPIC}/v1/messages", ANTHROPIC),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Nexus.of(ECHO, tmp_path_factory.mktemp("paths")) as nexus:
        yield nexus


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("asked", "meant", "base"), WRONG.values(), ids=WRONG)
def test_the_nearest_path_and_the_base_url_are_named(
    demo: Nexus, method: str, asked: str, meant: str, base: str
) -> None:
    reply = demo.post(asked, ASKED) if method == "POST" else demo.request("GET", asked)
    assert reply.status == 404
    assert reply.json["error"]["message"] == (
        f"{asked} does not exist; did you mean {meant}? The base URL to set is {demo.base}{base}"
    )
    assert (reply.json.get("type") == "error") is base.startswith((ANTHROPIC, VERTEX)), "as the client reads it"


def test_a_misspelt_path_of_health_gets_the_right_one(demo: Nexus) -> None:
    assert demo.request("GET", "/healthz").json["error"]["message"] == "/healthz does not exist; did you mean /health?"


CLAUDE_CODE = {"User-Agent": "claude-cli/2.1.332 (external, cli)"}
CODEX = {"User-Agent": "codex_exec/0.171.0 (Linux; x86_64)", "originator": "codex_exec"}
AGENTS = {
    "Claude Code, no path": (CLAUDE_CODE, "/v1/messages?beta=true", ANTHROPIC),
    "Claude Code, v1 twice": (CLAUDE_CODE, f"{ANTHROPIC}/v1/v1/messages", ANTHROPIC),
    "Claude Code, counting": (CLAUDE_CODE, "/v1/messages/count_tokens", ANTHROPIC),
    "Claude Code, Vertex AI": (CLAUDE_CODE, f"/v1{PLACED}", VERTEX),
    "Codex, no path": (CODEX, "/v1/responses", OPENAI),
    "Codex, v1 missing": (CODEX, "/llm/openai/responses", OPENAI),
    "Codex, Anthropic's base URL": (CODEX, f"{ANTHROPIC}/responses", OPENAI),
}


@pytest.mark.parametrize(("agent", "asked", "base"), AGENTS.values(), ids=AGENTS)
def test_coding_agents_that_hide_a_404_get_a_400(demo: Nexus, agent: dict[str, str], asked: str, base: str) -> None:
    reply = demo.post(asked, ASKED, agent)
    error = reply.json["error"]
    assert (reply.status, error["type"]) == (400, "invalid_request_error")
    assert error["message"].endswith(f"The base URL to set is {demo.base}{base}")
    assert (reply.json.get("type") == "error") is (base in (ANTHROPIC, VERTEX)), "as the client reads it"
    assert demo.post(asked, ASKED).status == 404, "any other client"
    assert demo.request("GET", asked, headers=agent).status == 404


@pytest.mark.parametrize("agent", [CLAUDE_CODE, CODEX], ids=["Claude Code", "Codex"])
def test_coding_agents_get_a_404_at_unrecognisable_paths(demo: Nexus, agent: dict[str, str]) -> None:
    assert demo.post("/nope", ASKED, agent).status == 404


@pytest.mark.parametrize("asked", ["/nope", "/llm/openai/nope", "/llm", "/llm/openai/v1/fine_tuning/jobs"])
def test_an_unrecognisable_path_gets_the_base_urls(demo: Nexus, asked: str) -> None:
    message = demo.request("GET", asked).json["error"]["message"]
    assert message == (
        f"{asked} does not exist; the base URLs are openai: {demo.base}{OPENAI}, "
        f"anthropic: {demo.base}{ANTHROPIC}, vertex: {demo.base}/llm/vertex/v1, "
        f"bedrock: {demo.base}/llm/bedrock, google: {demo.base}/llm/google"
    )


BASES = {
    f"{OPENAI}/": OPENAI,
    OPENAI: OPENAI,
    f"{ANTHROPIC}/v1": ANTHROPIC,
    f"{ANTHROPIC}/v1/": ANTHROPIC,
    "/llm/google/v1beta": "/llm/google",
    "/llm/vertex/v1/": "/llm/vertex/v1",
}


@pytest.mark.parametrize("asked", BASES)
def test_opening_a_base_url_explains_how_to_configure_it(demo: Nexus, asked: str) -> None:
    reply = demo.request("GET", asked)
    given = f"the base URL {demo.base}{BASES[asked]} in the client, which appends the rest"
    assert (reply.status, reply.json["error"]["message"]) == (404, f"{asked} is not an endpoint: configure {given}")


def test_anthropics_clients_are_recognised_by_their_header_on_ambiguous_paths(demo: Nexus) -> None:
    reply = demo.request("GET", "/v1/models", headers={"anthropic-version": "2023-06-01"})
    assert (reply.status, reply.json["type"]) == (404, "error")
    assert f"did you mean {ANTHROPIC}/v1/models" in reply.json["error"]["message"]
    plain = demo.request("GET", "/v1/models")
    assert f"did you mean {OPENAI}/models" in plain.json["error"]["message"]


@pytest.mark.parametrize(
    ("asked", "header"),
    [("/llm/google/v1/files", "x-goog-api-client"), (f"{ANTHROPIC}/v1/completion", "anthropic-version")],
)
def test_what_a_protocol_lacks_is_not_looked_for_in_another(demo: Nexus, asked: str, header: str) -> None:
    reply = demo.request("GET", asked, headers={header: "x"})
    error = reply.json["error"]
    assert (reply.status, "param" in error, f"{OPENAI}/" in error["message"]) == (404, False, False), reply.body


def test_long_paths_and_odd_hosts_are_not_repeated(demo: Nexus) -> None:
    reply = demo.request("GET", "/" + "x" * 5000 + "/v1/messages", headers={"Host": "a b<script>"})
    assert reply.status in (400, 404)
    assert len(reply.body) < 1000
    assert b"script" not in reply.body


def test_paths_of_many_parts_are_compared_at_their_ends(demo: Nexus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any sender may ask for them: 30,000 parts held the loop for half a minute."""
    compared: list[str] = []

    def fullmatch(pattern: str, text: str) -> re.Match[str] | None:
        compared.append(text)
        return re.fullmatch(pattern, text)

    monkeypatch.setattr(paths, "re", SimpleNamespace(fullmatch=fullmatch, escape=re.escape))
    reply = demo.request("GET", "/a" * 2000 + "/v1/message")
    assert (reply.status, len(compared) < 20_000) == (404, True)
    assert max(map(len, compared)) < 200


def test_both_protocols_at_the_root(serve: Serve) -> None:
    nexus = serve(ROOT)
    with openai.OpenAI(base_url=f"{nexus.base}/v1", api_key="unused", max_retries=0) as client:
        assert client.chat.completions.create(**ASKED).choices
        assert client.responses.create(model="demo/echo", input="x").output
        assert [model.object for model in client.models.list()] == ["model"]
        assert client.models.retrieve("demo/echo").object == "model"
    with anthropic.Anthropic(base_url=nexus.base, api_key="unused", max_retries=0) as other:
        assert other.messages.create(**MESSAGE).content
        assert [model.type for model in other.models.list()] == ["model"]
        assert other.models.retrieve("demo/echo").type == "model"
        with pytest.raises(anthropic.NotFoundError):
            other.models.retrieve("demo/none")
    assert nexus.request("HEAD", "/").status == 200
    assert nexus.request("GET", "/api/hello").json == {"message": "hello"}
    assert nexus.request("GET", "/health").status == 200
    wrong = nexus.request("GET", "/v1/v1/messages").json["error"]["message"]
    assert wrong == f"/v1/v1/messages does not exist; did you mean /v1/messages? The base URL to set is {nexus.base}"


def test_one_protocol_at_the_root(serve: Serve) -> None:
    nexus = serve(ECHO + '[llm.protocols.openai]\npath = "/"\n')
    assert nexus.post("/v1/chat/completions", ASKED).status == 200
    assert nexus.post("/llm/anthropic/v1/messages", MESSAGE).status == 200
    listed = nexus.request("GET", "/v1/models", headers={"anthropic-version": "2023-06-01"})
    assert listed.json["object"] == "list"
