"""The pages are what they look like: valid text, snippets that load, models that exist, settings that programs know.

A snippet is tested as a reader pastes it. TOML is a nexus.toml unless its first line names Codex's file.
"""

from __future__ import annotations

import json
import mmap
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docutils.core import publish_doctree  # type: ignore[import-untyped]
from docutils.nodes import document, literal_block, system_message  # type: ignore[import-untyped]

from nexus.settings import load
from tests.conftest import Serve
from tests.programs.kit import Desk, Trap, path_of

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.rst",
    *sorted(page for page in (ROOT / "docs").glob("*.rst") if page.stem not in ("index", "settings")),
]
"""Without the table of contents, which only Sphinx reads, and the page that is made of the code."""

CLAUDE_CODE, CODEX, AI_SDK = ROOT / "docs/claude-code.rst", ROOT / "docs/codex.rst", ROOT / "docs/ai-sdk.rst"
VENDORS = ROOT / "docs/vendors.rst"
GUIDES = [ROOT / "README.rst", CLAUDE_CODE, CODEX, AI_SDK]
CODEX_FILE = "# ~/.codex/config.toml"

ENVIRON = {
    "OPENAI_API_KEY": "sk-hushhush-openai",
    "ANTHROPIC_API_KEY": "sk-ant-hushhush",
    "GEMINI_API_KEY": "AIza-hushhush",
}

OUR_WORDS = {
    CLAUDE_CODE: (
        "runs at its own vendor only",
        "the gateway key is not one that this gateway knows",
        "needs the caller's own login or key",
    ),
    CODEX: (
        "the gateway key is not one that this gateway knows",
        "does not exist",
        "; did you mean",
        "the model gave no whole summary of the conversation",
    ),
}
"""What the pages quote of Nexus's own errors."""

DEMO = '[llm.providers.demo]\ntype = "echo"\nmodels.echo = {}\n'


@dataclass(frozen=True)
class Snippet:
    """A block of a page; ``language`` is empty where the page does not say."""

    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.stem}: {self.text.strip().splitlines()[0]}"

    @property
    def is_nexus(self) -> bool:
        return self.language == "toml" and not self.text.startswith(CODEX_FILE)

    @property
    def is_codex(self) -> bool:
        return self.language == "toml" and self.text.startswith(CODEX_FILE)


def tree_of(page: Path) -> document:
    # Colours need a package that is not here; a block without them is the same block.
    quiet = {"report_level": 5, "halt_level": 5, "syntax_highlight": "none"}
    return publish_doctree(page.read_text(), source_path=str(page), settings_overrides=quiet)


def snippets_of(page: Path) -> list[Snippet]:
    found = []
    for block in tree_of(page).findall(literal_block):
        named = [name for name in block["classes"] if name != "code"]
        found.append(Snippet(page, named[0] if named else "", block.astext()))
    return found


SNIPPETS = [snippet for page in (*GUIDES, VENDORS) for snippet in snippets_of(page)]
NEXUS = [snippet for snippet in SNIPPETS if snippet.is_nexus]
CODEX_SETTINGS = [snippet for snippet in SNIPPETS if snippet.is_codex]


def names_in(snippet: Snippet, folder: Path) -> set[str]:
    """Every name by which clients can call the models of a nexus.toml."""
    file = folder / "nexus.toml"
    file.write_text(snippet.text)
    named: set[str] = set()
    for name, provider in load(file, ENVIRON).llm.providers.items():
        for alias, model in provider.models.items():
            named |= {f"{name}/{alias}", alias} | set(model.expose_as)
    return named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_valid(page: Path) -> None:
    troubles = tree_of(page).findall(system_message)
    assert [trouble.astext() for trouble in troubles] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_files_that_are_there(page: Path) -> None:
    named = set(
        re.findall(
            r"(?<![./])\b(?:config|docs|tools|tests|nexus|providers)/[\w/.-]+\.(?:toml|rst|py)\b", page.read_text()
        )
    )
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_readme_links_the_guides() -> None:
    readme = (ROOT / "README.rst").read_text()
    assert all(f"docs/{page.name}" in readme for page in (CLAUDE_CODE, CODEX, AI_SDK))


def test_errors_are_quoted_as_they_are() -> None:
    source = "".join(file.read_text() for folder in ("nexus", "providers") for file in (ROOT / folder).rglob("*.py"))
    for page, quoted in OUR_WORDS.items():
        text = " ".join(page.read_text().split())
        assert [words for words in quoted if words not in text or words not in source] == []


@pytest.mark.parametrize("snippet", NEXUS, ids=str)
def test_a_nexus_toml_loads(snippet: Snippet, tmp_path: Path) -> None:
    assert names_in(snippet, tmp_path)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_the_models_that_a_page_asks_for_are_on_it(page: Path, tmp_path: Path) -> None:
    mine = [snippet for snippet in SNIPPETS if snippet.page == page]
    there = {"demo/echo"}.union(*(names_in(snippet, tmp_path) for snippet in mine if snippet.is_nexus))
    there |= {f"{name}[1m]" for name in there}
    text = "\n".join(snippet.text for snippet in mine if not snippet.is_nexus)
    asked = re.findall(r'^\s*"?model"? ?[=:] ?"([^"]+)"', text, re.MULTILINE)
    asked += re.findall(r'[({] ?"model": "([^"]+)"', text)
    asked += re.findall(r'ANTHROPIC_(?:DEFAULT_)?(?:\w+_)?MODEL(?:": "|=)([^"\s]+)', text)
    asked += re.findall(r"(?:-m|--model) (\S+/\S+)", text)
    asked += re.findall(r"(?:openai|openai\.chat|anthropic)\('([^']+)'\)", text)
    assert len(asked) >= 3
    assert {name for name in asked if name not in there} == set()


def test_the_guides_have_a_piece_for_every_vendor(tmp_path: Path) -> None:
    for page in (CLAUDE_CODE, CODEX):
        kinds = set()
        for snippet in NEXUS:
            if snippet.page == page:
                names_in(snippet, tmp_path)
                kinds |= {provider.type for provider in load(tmp_path / "nexus.toml", ENVIRON).llm.providers.values()}
        assert kinds == {"openai", "anthropic", "google", "bedrock"}


@pytest.mark.parametrize("snippet", [one for one in SNIPPETS if one.language == "json"], ids=str)
def test_json_is_json(snippet: Snippet) -> None:
    assert json.loads(snippet.text)


@pytest.mark.parametrize("snippet", CODEX_SETTINGS, ids=str)
def test_settings_of_codex_point_to_nexus(snippet: Snippet) -> None:
    settings = tomllib.loads(snippet.text)
    assert settings["model"]
    for name, provider in settings.get("model_providers", {}).items():
        assert (name, settings["model_provider"], provider["wire_api"]) == ("nexus", "nexus", "responses")
        assert provider["base_url"].endswith("/llm/openai/v1")
        assert provider["name"] != "OpenAI", "by this name Codex compacts in a way that only OpenAI has"


# With the real programs


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    with Trap() as trap:
        yield Desk.in_folder(tmp_path, trap)


def written(settings: dict[str, Any], prefix: str = "") -> list[str]:
    """Settings as arguments of ``-c``, with a key of dots for every table."""
    lines: list[str] = []
    for name, value in settings.items():
        if isinstance(value, dict):
            lines += written(value, f"{prefix}{name}.")
        else:
            lines += ["-c", f"{prefix}{name}={json.dumps(value)}"]
    return lines


def merged(into: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    for name, value in more.items():
        into[name] = merged(into.get(name, {}), value) if isinstance(value, dict) else value
    return into


def test_codex_knows_every_setting_and_works_with_all_of_them(desk: Desk, serve: Serve) -> None:
    nexus = serve(DEMO)
    settings: dict[str, Any] = {}
    for snippet in CODEX_SETTINGS:
        merged(settings, tomllib.loads(snippet.text))
    # A file of the reader's own making.
    del settings["model_catalog_json"]
    settings["model"] = "demo/echo"
    settings["model_providers"]["nexus"]["base_url"] = nexus.openai
    home = desk.home / ".codex"
    home.mkdir()
    # The table of a provider has to be in the file; -c changes what is there.
    (home / "config.toml").write_text(f'[model_providers.nexus]\nname = "Nexus"\nbase_url = "{nexus.openai}"\n')
    keys = {"CODEX_HOME": str(home), "NEXUS_KEY": "made-up", "OPENAI_API_KEY": "sk-hushhush-openai"}
    flags = ["--strict-config", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    said = desk.run("codex", ["exec", *flags, *written(settings), "Hello from the docs!"], keys)
    assert "unknown configuration field" not in said
    assert said.count("Hello from the docs!") >= 2, said


def test_claude_code_knows_every_variable() -> None:
    program = path_of("claude")
    # A name that ends in a star or dots stands for several.
    named = set(re.findall(r"\b((?:ANTHROPIC|CLAUDE_CODE|DISABLE|MAX)_[A-Z0-9_]+)\b", CLAUDE_CODE.read_text()))
    assert len(named) >= 20
    with program.resolve().open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as inside:
        assert {name for name in named if inside.find(name.encode()) < 0} == set()
