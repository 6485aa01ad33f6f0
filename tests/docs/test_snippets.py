"""Every snippet of every page is run or loaded: settings load, commands parse, programs run.

``CHECKS`` says what is done with each language. What is not checked here stands in ``ELSEWHERE``, with the reason. A
program meets the real server. There the fake Gemini answers for ``google``, and the echo provider for the other models
that any page names.
"""

import http.client
import json
import re
import sqlite3
import textwrap
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import anthropic
import boto3  # type: ignore[import-untyped]
import openai
import pytest
import yaml  # type: ignore[import-untyped]
from google import genai

from nexus.cli.options import read_options
from tests.conftest import Serve
from tests.docs.pages import PAGES, ROOT, Snippet, all_snippets, load_snippet, snippets_of
from tests.docs.shell import Command, commands_of
from tests.serving import KEY, Nexus
from tools.fake_upstream import FakeUpstream

ELSEWHERE = {
    "javascript": "needs Node: test_scripts.py runs it",
    "text": "pictures, and queries that tests/test_dashboards.py reads",
}
"""Languages that nothing here reads."""

SOMEBODY_ELSES = {
    *("claude", "codex", "gemini", "curl", "docker", "kubectl", "systemctl", "pip", "pipx", "uv", "git", "jq", "eval"),
    *("export", "unset", "cd", "mkdir", "sudo", "install", "useradd", "redis-server", "ollama", "vllm", "llama-server"),
    *("openssl", "npm", "cp", "mv", "cat", "echo", "sqlite3", "duckdb", "aws", "gcloud", "helm", "caddy", "nginx"),
    *("opencode", "copilot", "cline", "qwen", "aider", "llm", "gptme", "mini", "openhands", "open-webui"),
    *(".venv/bin/pip", ".venv/bin/ruff", ".venv/bin/mypy", "lms", ".", "code"),
}
"""Programs whose arguments nobody here can judge."""

BASE = "http://127.0.0.1:8000"


@dataclass
class Bench:
    """The environment of a snippet, with a server for snippets that call one."""

    folder: Path
    serve: Serve
    upstream: FakeUpstream
    gemini: FakeUpstream

    @cached_property
    def nexus(self) -> Nexus:
        fakes = STANDIN.format(key=KEY, url=self.upstream.base_url, gemini=self.gemini.base_url)
        return self.serve(standin() + fakes)


STANDIN = """
[llm.providers.openai]
type = "openai"
api_key = "{key}"
base_url = "{url}"
endpoints = ["embeddings", "audio/transcriptions", "audio/speech"]
models = ["gpt-5.5", "text-embedding-3-small", "whisper-1"]

[llm.providers.google]
type = "google"
api_key = "{key}"
base_url = "{gemini}"
models = ["gemini-3.8-flash"]
"""
"""What echo has not: other endpoints, and signed answers."""


def standin() -> str:
    """Settings in which the echo provider serves every model named on the pages."""
    named: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for snippet in all_snippets():
        if snippet.is_nexus:
            for name, table in tomllib.loads(snippet.text).get("llm", {}).get("providers", {}).items():
                models = table.get("models", {})
                for alias in models:
                    more = models[alias] if isinstance(models, dict) else {}
                    also = more.get("expose_as", [])
                    named[name][alias].update([also] if isinstance(also, str) else also)
    taken: set[str] = set()
    lines = []
    for name, models in named.items():
        if name in ("openai", "google", "demo"):
            continue
        lines.append(f'[llm.providers.{name}]\ntype = "echo"')
        for alias, exposed in models.items():
            free = sorted(exposed - taken)
            taken |= exposed
            lines.append(f"models.{json.dumps(alias)} = {{ {f'expose_as = {json.dumps(free)}' if free else ''} }}")
    return "\n".join(lines) + '\n[llm.providers.demo]\ntype = "echo"\nmodels = ["echo", "echo-tools"]\n'


def loads_as_toml(snippet: Snippet, bench: Bench) -> None:
    if snippet.is_nexus:
        assert load_snippet(snippet, bench.folder).llm.providers
    else:
        assert tomllib.loads(snippet.text)


def is_json(snippet: Snippet, bench: Bench) -> None:
    assert json.loads(snippet.text)


def is_yaml(snippet: Snippet, bench: Bench) -> None:
    assert list(yaml.safe_load_all(snippet.text))


def is_sql(snippet: Snippet, bench: Bench) -> None:
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(":memory:")) as database:
        # The table does not exist; the arguments are parsed before that is noticed.
        database.execute(snippet.text)
        assert sqlite3.complete_statement(snippet.text + ";")


def runs_as_shell(snippet: Snippet, bench: Bench) -> None:
    found = list(commands_of(snippet.text))
    assert found
    for command in found:
        understood(command)
        if command.words[:1] == ["curl"]:
            answers(command, bench)


def runs_as_console(snippet: Snippet, bench: Bench) -> None:
    """A console recording: text after ``$`` was typed."""
    assert snippet.typed
    runs_as_shell(Snippet(snippet.page, "shell", snippet.typed), bench)


def understood(command: Command) -> None:
    """Checks that the command is valid for our parser, or is a known third-party command."""
    match command.words:
        case []:
            assert command.variables
        case ["nexus" | ".venv/bin/nexus", *words]:
            ours(words)
        case ["python" | "python3" | ".venv/bin/python", "-m", "nexus", *words]:
            ours(words)
        case ["python" | "python3" | ".venv/bin/python", "-m", module, *_]:
            parts = module.split(".")
            there = ROOT.joinpath(*parts).exists() or ROOT.joinpath(*parts).with_suffix(".py").exists()
            assert there or module in ("venv", "pip", "pytest", "sphinx", "build")
        case ["python" | "python3" | ".venv/bin/python", file, *_]:
            assert (ROOT / file).exists() or file == "greeting.py", "no script of ours, nor what Claude Code wrote"
        case ["sudo", *words]:
            understood(Command(words))
        case [program, *_]:
            assert program in SOMEBODY_ELSES, f"{program} is no program that pages name"


def ours(words: list[str]) -> None:
    options = read_options(words, {})
    if options.config is not None and options.config.parts[0] in ("config", "deploy"):
        assert (ROOT / options.config).exists()


def answers(command: Command, bench: Bench) -> None:
    """``curl`` gets an answer if it calls Nexus."""
    words = command.words[1:]
    url = next(word for word in words if word.startswith(("http://", "https://")))
    if not url.startswith(BASE):
        return
    pairs = list(pairwise(words))
    headers = dict(value.split(": ", 1) for flag, value in pairs if flag == "-H")
    headers = {name: value for name, value in headers.items() if "$" not in value}
    body = next((value for flag, value in pairs if flag in ("-d", "--data")), "")
    method = next((value for flag, value in pairs if flag == "-X"), "POST" if body else "GET")
    parts = urlsplit(url)
    reply = bench.nexus.request(method, f"{parts.path}?{parts.query}".rstrip("?"), body.encode(), headers)
    assert reply.status == http.client.OK, reply.body


TOO_LARGE = ("langchain", "litellm", "pydantic_ai", "agents")
"""How packages begin that [dev] is too small for: where they are missing their snippets are only compiled."""


def is_missing_a_package(snippet: Snippet) -> bool:
    code = compile(textwrap.dedent(snippet.text), str(snippet), "exec")
    large = [name.partition(".")[0] for name in code.co_names if name.startswith(TOO_LARGE)]
    return any(find_spec(name) is None for name in large)


def runs_as_python(snippet: Snippet, bench: Bench) -> None:
    """Runs the snippet after the earlier ones of its page, as a reader would."""
    if is_missing_a_package(snippet):
        return
    mine = [one for one in snippets_of(snippet.page) if one.language == "python" and not is_missing_a_package(one)]
    base = bench.nexus.base
    names: dict[str, Any] = {"openai": openai, "anthropic": anthropic, "boto3": boto3, "genai": genai}
    with ExitStack() as opened:
        for one in mine[: mine.index(snippet) + 1]:
            text = one.text.replace(BASE, base).replace("https://nexus.example", base)
            exec(compile(textwrap.dedent(text), str(snippet), "exec"), names)
            for value in names.values():
                if not isinstance(value, (ModuleType, type)) and callable(close := getattr(value, "close", None)):
                    opened.callback(close)


CHECKS: dict[str, Callable[[Snippet, Bench], None]] = {
    "toml": loads_as_toml,
    "json": is_json,
    "yaml": is_yaml,
    "sql": is_sql,
    "shell": runs_as_shell,
    "console": runs_as_console,
    "python": runs_as_python,
}

CLIENT = 'client = openai.OpenAI(base_url="http://127.0.0.1:8000/llm/openai/v1", api_key="nx-...")'

NOT_RUN = {f"files-and-batches: {CLIENT}": "batches that have run: tests/server/test_files.py has them"}
"""Snippets that cannot stand alone, by page and first line."""


@pytest.fixture
def bench(
    tmp_path: Path, serve: Serve, openai_upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAHUSHHUSH0123")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-hushhush-secret")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.mp3").write_bytes(b"ID3")
    with FakeUpstream("gemini") as gemini:
        yield Bench(tmp_path, serve, openai_upstream, gemini)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_snippets_of_a_page_work(page: Path, bench: Bench) -> None:
    for snippet in snippets_of(page):
        if snippet.language in ELSEWHERE or str(snippet) in NOT_RUN:
            continue
        assert snippet.language in CHECKS, f"{snippet}: name the language of the block (.. code-block:: shell)"
        try:
            CHECKS[snippet.language](snippet, bench)
        except Exception as error:
            error.add_note(f"in the snippet {snippet}")
            raise


def test_every_exception_is_needed() -> None:
    assert set(ELSEWHERE) <= {snippet.language for snippet in all_snippets()}
    assert set(NOT_RUN) <= {str(snippet) for snippet in all_snippets()}


# -- links ---------------------------------------------------------------------------------------------------------

LINK = re.compile(r"`[^`<]*<([^>`]+)>`_|(?<![<\w])(https?://[^\s>`\"']+)")


def test_links_are_valid() -> None:
    """Linked files exist, and external links are well-formed. Sphinx checks ``:doc:`` and ``:ref:``."""
    for page in PAGES:
        for written, _ in LINK.findall(page.read_text()):
            parts = urlsplit(written)
            if parts.scheme:
                known = parts.scheme == "https" and re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc)
            else:
                known = not written or (page.parent / parts.path).exists()
            assert known, f"{page.stem}: {written}"
