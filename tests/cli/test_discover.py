"""``nexus check --discover`` and ``nexus init``: the vendors' lists of models, page by page and within bounds."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nexus.cli import discover as discovering
from nexus.cli.check import check
from nexus.cli.detect import Found, Machine
from nexus.cli.discover import ModelList, discover
from nexus.cli.init import write
from nexus.settings import load
from tests.peers import Handler, Peer, mute, read_request
from tests.web import Received, Reply, WebServer, of_json
from tools.fake_upstream import ACCESS_KEY, SECRET_KEY, service_account

KEY = "sk-hushhush-a1b2c3d4"
Pages = dict[str, Any]


class Vendor(WebServer):
    """Answers each path and query with a document or a reply, and everything that is posted with a token."""

    def __init__(self, pages: Pages) -> None:
        super().__init__(self._page)
        self.pages = pages

    def _page(self, asked: Received) -> Reply:
        if asked.method == "POST":
            return of_json({"access_token": "hushhush-token", "expires_in": 3600, "token_type": "Bearer"})
        page = self.pages.get(asked.path, Reply(404, b'{"error": {"message": "no such page"}}'))
        return page if isinstance(page, Reply) else of_json(page)


def keyed(kind: str, more: str = "", path: str = "/v1") -> Callable[[Any, Path], str]:
    return lambda server, _: (
        f'[llm.providers.v]\ntype = "{kind}"\napi_key = "{KEY}"\nbase_url = "{server.url}{path}"\n{more}'
    )


def vertex(server: Vendor, folder: Path) -> str:
    file = folder / "account.json"
    file.write_text(json.dumps(service_account(server.url)))
    place = f'project = "p"\nlocation = "us-central1"\ncredentials = "{file}"\n'
    return f'[llm.providers.v]\ntype = "google"\nbase_url = "{server.url}"\n{place}'


def bedrock(server: Vendor, folder: Path) -> str:
    keys = f'access_key_id = "{ACCESS_KEY}"\nsecret_access_key = "{SECRET_KEY}"\nregion = "us-east-1"\n'
    return f'[llm.providers.v]\ntype = "bedrock"\nbase_url = "{server.url}"\n{keys}'


def ids(*names: str) -> dict[str, Any]:
    return {"data": [{"id": name} for name in names]}


MODELS = "/v1/models"
BEARER = ("authorization", f"Bearer {KEY}")
PROFILE = {
    "inferenceProfileId": "us.amazon.nova-pro-v1:0",
    "inferenceProfileArn": "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0",
    "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"}],
}
GEMINI = [
    {"name": "models/gemini-3.8-flash", "supportedGenerationMethods": ["generateContent", "countTokens"]},
    {"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]},
]

LISTS: dict[str, tuple[Callable[[Vendor, Path], str], Pages, list[str], list[str], tuple[str, str]]] = {
    "openai": (
        keyed("openai"),
        {MODELS: ids("gpt-5.5", "gpt-4.1", "text-embedding-3-small", "whisper-1", "gpt-image-2", "gpt-5.5")},
        ["gpt-5.5", "gpt-4.1"],
        ["text-embedding-3-small", "whisper-1", "gpt-image-2"],
        BEARER,
    ),
    "openai: a base_url without /v1": (keyed("openai", path=""), {MODELS: ids("qwen3:8b")}, ["qwen3:8b"], [], BEARER),
    "openai: modalities (OpenRouter)": (
        keyed("openai"),
        {MODELS: {"data": [{"id": "a/b", "architecture": {"output_modalities": ["image"]}}, {"id": "c/d"}]}},
        ["c/d"],
        ["a/b"],
        BEARER,
    ),
    "openai: Azure's deployments": (
        keyed("openai", 'auth_header = "api-key"\nquery = { api-version = "2026-01-01" }\n', "/openai/deployments"),
        {"/openai/models?api-version=2026-01-01": ids("gpt-4.1")},
        ["gpt-4.1"],
        [],
        ("api-key", KEY),
    ),
    "openai: a header rule": (
        keyed("openai", 'headers = [{ rule = "insert", name = "user-agent", value = "KimiCLI/1" }]\n'),
        {MODELS: ids("kimi-k3")},
        ["kimi-k3"],
        [],
        ("user-agent", "KimiCLI/1"),
    ),
    "anthropic, two pages": (
        keyed("anthropic"),
        {
            f"{MODELS}?limit=1000": {**ids("claude-opus-5-5"), "has_more": True, "last_id": "claude/opus"},
            f"{MODELS}?limit=1000&after_id=claude%2Fopus": {**ids("claude-haiku-5-5"), "has_more": False},
        },
        ["claude-opus-5-5", "claude-haiku-5-5"],
        [],
        ("x-api-key", KEY),
    ),
    "gemini, two pages": (
        keyed("google", path=""),
        {
            "/v1beta/models?pageSize=1000": {"models": GEMINI[:1], "nextPageToken": "to/ken"},
            "/v1beta/models?pageSize=1000&pageToken=to%2Fken": {"models": GEMINI[1:]},
        },
        ["gemini-3.8-flash"],
        ["gemini-embedding-001"],
        ("x-goog-api-key", KEY),
    ),
    "vertex, two publishers": (
        vertex,
        {
            "/v1beta1/publishers/google/models?pageSize=1000": {
                "publisherModels": [
                    {"name": "publishers/google/models/gemini-3.8-flash", "versionId": "default"},
                    {"name": "publishers/google/models/imagen-4", "versionId": "default"},
                ]
            },
            "/v1beta1/publishers/anthropic/models?pageSize=1000": {
                "publisherModels": [{"name": "publishers/anthropic/models/claude-sonnet-4-5", "versionId": "20250929"}]
            },
        },
        ["gemini-3.8-flash", "claude-sonnet-4-5"],
        ["imagen-4"],
        ("authorization", "Bearer hushhush-token"),
    ),
    "bedrock, models and profiles": (
        bedrock,
        {
            "/foundation-models": {
                "modelSummaries": [
                    {
                        "modelId": "amazon.nova-pro-v1:0",
                        "outputModalities": ["TEXT"],
                        "inferenceTypesSupported": ["INFERENCE_PROFILE"],
                    },
                    {"modelId": "openai.oss", "outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"]},
                    {
                        "modelId": "amazon.titan-embed-text-v2:0",
                        "outputModalities": ["EMBEDDING"],
                        "inferenceTypesSupported": ["ON_DEMAND"],
                    },
                ]
            },
            "/inference-profiles?maxResults=1000": {"inferenceProfileSummaries": [PROFILE], "nextToken": "n/1"},
            "/inference-profiles?maxResults=1000&nextToken=n%2F1": {"inferenceProfileSummaries": []},
        },
        ["openai.oss", "us.amazon.nova-pro-v1:0"],
        ["amazon.titan-embed-text-v2:0"],
        ("authorization", f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/"),
    ),
}


def asked(server: Vendor | Peer, folder: Path, table: Callable[[Any, Path], str], seconds: float = 60.0) -> ModelList:
    file = folder / "nexus.toml"
    file.write_text(table(server, folder) + "models.m = {}\n")
    return discover(load(file, {}), seconds)["v"]


@pytest.mark.parametrize(("table", "pages", "answer", "others", "credential"), LISTS.values(), ids=LISTS.keys())
def test_the_models_of_each_vendor_are_listed(
    tmp_path: Path,
    table: Callable[[Vendor, Path], str],
    pages: Pages,
    answer: list[str],
    others: list[str],
    credential: tuple[str, str],
) -> None:
    with Vendor(dict(pages)) as server:
        found = asked(server, tmp_path, table)
    assert found.failed == ""
    assert [one.id for one in found.offered if one.answers] == answer
    assert [one.id for one in found.offered if not one.answers] == others
    asked_for = [one for one in server.received if one.method == "GET"]
    assert {one.path for one in asked_for} >= set(pages)
    name, value = credential
    assert all(one.headers[name].startswith(value) for one in asked_for)


FAILURES: dict[str, tuple[Pages, str]] = {
    "a wrong key": (
        {MODELS: Reply(401, b'{"error": {"message": "Incorrect API key provided"}}')},
        "401 from {host}: Incorrect API key provided",
    ),
    "no list there": ({}, "404 from {host}: no such page"),
    "a page of HTML": ({MODELS: Reply(200, b"<html>")}, "the answer has no list"),
    "another shape": ({MODELS: {"data": {"a": 1}}}, "the answer has no list 'data'"),
    "a redirect": ({MODELS: Reply(302, b"")}, "302 from {host}"),
    "too large": ({MODELS: Reply(200, b" " * (discovering.MOST_BYTES + 1))}, "the list is larger than 8 MiB"),
}


@pytest.mark.parametrize(("pages", "said"), FAILURES.values(), ids=FAILURES.keys())
def test_failures_are_reported(tmp_path: Path, pages: Pages, said: str) -> None:
    with Vendor(dict(pages)) as server:
        found = asked(server, tmp_path, keyed("openai"))
    assert said.format(host=server.url.removeprefix("http://")) in found.failed
    assert found.offered == ()


def dripping(sock: socket.socket) -> None:
    read_request(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with suppress(OSError):
        while True:
            sock.sendall(b" ")
            time.sleep(0.01)


@pytest.mark.parametrize("handler", [mute(), dripping], ids=["silence", "a byte at a time"])
def test_a_slow_list_is_abandoned(tmp_path: Path, handler: Handler) -> None:
    with Peer(handler) as peer:
        found = asked(peer, tmp_path, keyed("openai", path=""), 0.1)
    assert "no complete list within 0.1 s" in found.failed and found.offered == ()


def test_an_endless_list_is_abandoned(tmp_path: Path) -> None:
    page = {**ids("claude-opus-5-5"), "has_more": True, "last_id": "x"}
    with Vendor({f"{MODELS}?limit=1000": page, f"{MODELS}?limit=1000&after_id=x": page}) as server:
        found = asked(server, tmp_path, keyed("anthropic"))
    assert found.failed == f"the list has more than {discovering.MOST_PAGES} pages"
    assert len(server.received) == discovering.MOST_PAGES


COMPARED = """\
[llm.providers.v]
type = "openai"
api_key = "{key}"
base_url = "{url}/v1"
models.small.rename = "gpt-4.1"
models.gone = {{}}
models."gpt-5.5-20260401" = {{}}
[llm.providers.lost]
type = "openai"
api_key = "{key}"
base_url = "{url}/lost"
models.m = {{}}
[llm.providers.theirs]
type = "anthropic"
forward_token = true
base_url = "{url}/v1"
models.m = {{}}
[llm.providers.demo]
type = "echo"
models.echo = {{}}
"""


def test_check_compares_offered_and_configured_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages: Pages = {
        MODELS: ids("gpt-4.1", "gpt-5.5", "o3", "whisper-1"),
        "/lost/models": Reply(401, json.dumps({"error": {"message": f"key {KEY} is wrong"}}).encode()),
    }
    file = tmp_path / "nexus.toml"
    with Vendor(pages) as server:
        file.write_text(COMPARED.format(url=server.url, key=KEY))
        assert check(load(file, {}), "nexus.toml", discovers=True) == 1
    out = capsys.readouterr().out
    said = out[out.index("v offers") :].splitlines()
    host = server.url.removeprefix("http://")
    assert said == [
        "v offers 4 models, 2 of them configured",
        "warning: v/gone is configured but not in the vendor's list",
        "  offered but not configured:",
        "    o3",
        "  offered for other uses than text:",
        "    whisper-1",
        f"lost: cannot get the list of models: 401 from {host}: key [redacted] is wrong",
        "theirs: cannot get the list of models: it has no key; callers bring their own",
        "demo: its type has no list of models",
        "",
        "nexus.toml: valid, 6 models",
    ]
    assert "hushhush" not in out


OFFER = ["gpt-6.2-sol-20260801", "gpt-5.5", "gpt-9-lunar", "whisper-1"]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """A fake OpenAI that is detected by its key."""
    with Vendor({MODELS: ids(*OFFER)}) as server:
        lines = ('api_key = "{{ env.OPENAI_API_KEY }}"', f'base_url = "{server.url}/v1"')
        models = ("gpt-6.2-sol", "gpt-6-luna", "gpt-5.5")
        one = Found("openai", "openai", "OPENAI_API_KEY", models, lines)
        monkeypatch.setattr(Machine, "vendors", lambda _: [one])
        yield server


CHOICES: dict[str, tuple[dict[str, bool], list[str], list[str]]] = {
    "some": ({}, ["gpt-6.2-sol", "gpt-5.5"], ["gpt-9-lunar"]),
    "all": ({"every": True}, ["gpt-6.2-sol-20260801", "gpt-5.5", "gpt-9-lunar"], []),
    "offline": ({"discovers": False}, ["gpt-6.2-sol", "gpt-6-luna", "gpt-5.5"], []),
}


@pytest.mark.parametrize(("options", "models", "others"), CHOICES.values(), ids=CHOICES.keys())
def test_init_writes_offered_models(
    tmp_path: Path, found: Vendor, options: dict[str, bool], models: list[str], others: list[str]
) -> None:
    file, environ = tmp_path / "nexus.toml", {"OPENAI_API_KEY": KEY, "HOME": str(tmp_path)}
    assert write(file, environ, {}, **options) == 0
    assert list(load(file, environ).llm.providers["openai"].models) == models
    written = [line for line in file.read_text().splitlines() if line.startswith("#[llm")]
    assert written == [f'#[llm.providers.openai.models."{name}"]' for name in others]
    assert bool(found.received) is options.get("discovers", True)


def test_init_takes_a_few_of_many_unknown_models(tmp_path: Path, found: Vendor) -> None:
    found.pages[MODELS] = ids(*(f"model-{number}" for number in range(200)))
    file, environ = tmp_path / "nexus.toml", {"OPENAI_API_KEY": KEY, "HOME": str(tmp_path)}
    assert write(file, environ, {}) == 0
    assert list(load(file, environ).llm.providers["openai"].models) == [f"model-{number}" for number in range(4)]
    assert file.read_text().count("#[llm.providers.openai.models.") == 196


def test_init_without_a_list_writes_known_models_and_says_why(
    tmp_path: Path, found: Vendor, capsys: pytest.CaptureFixture[str]
) -> None:
    found.pages[MODELS] = Reply(401, json.dumps({"error": {"message": f"key {KEY} is wrong"}}).encode())
    file, environ = tmp_path / "nexus.toml", {"OPENAI_API_KEY": KEY, "HOME": str(tmp_path)}
    assert write(file, environ, {}) == 0
    assert list(load(file, environ).llm.providers["openai"].models) == ["gpt-6.2-sol", "gpt-6-luna", "gpt-5.5"]
    out = capsys.readouterr().out
    assert "openai: wrote the models known to Nexus, because the vendor's list is unavailable: 401 from" in out
    assert "hushhush" not in out + file.read_text()
