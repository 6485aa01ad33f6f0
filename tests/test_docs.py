"""The docs pages are valid: valid markup, existing models, settings that the programs know.

``tests/docs`` tests each snippet; this file tests whole pages and what they say about programs.
"""

import json
import mmap
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from docutils.nodes import system_message  # type: ignore[import-untyped]

from nexus.settings import load
from tests.conftest import Serve
from tests.docs.pages import DEMO, PAGES, ROOT, Snippet, all_snippets, environment_of, snippets_of, tree_of
from tests.programs.kit import Desk, Trap, path_of

CLAUDE_CODE, CODEX, AI_SDK = ROOT / "docs/claude-code.rst", ROOT / "docs/codex.rst", ROOT / "docs/ai-sdk.rst"
GUIDES = [ROOT / "README.rst", CLAUDE_CODE, CODEX, AI_SDK]

OUR_WORDS = {
    CLAUDE_CODE: ("runs at its own vendor only", "invalid gateway key", "the caller's own login or key"),
    CODEX: ("invalid gateway key", "does not exist", "; did you mean", "the model returned no complete summary"),
}
"""What the pages quote of Nexus's own errors."""


def settings_of_codex() -> list[dict[str, Any]]:
    return [tomllib.loads(snippet.text) for snippet in all_snippets() if snippet.is_codex]


def names_in(snippet: Snippet, folder: Path) -> set[str]:
    """Every name by which clients can call the models of a nexus.toml."""
    file = folder / "nexus.toml"
    file.write_text(snippet.text)
    named: set[str] = set()
    for name, provider in load(file, environment_of(snippet.text)).llm.providers.items():
        for alias, model in provider.models.items():
            named |= {f"{name}/{alias}", alias} | set(model.expose_as)
    return named


def test_pages_are_valid() -> None:
    troubles = {page.stem: [trouble.astext() for trouble in tree_of(page).findall(system_message)] for page in PAGES}
    assert {page: found for page, found in troubles.items() if found} == {}


def test_files_named_on_a_page_exist() -> None:
    files = r"(?<![./])\b(?:config|docs|tools|tests|nexus|providers)/[\w/.-]+\.(?:toml|rst|py)\b"
    named = {(page.stem, name) for page in PAGES for name in re.findall(files, page.read_text())}
    # The example file that contributors create.
    assert {one for one in named if not (ROOT / one[1]).exists()} == {("CONTRIBUTING", "providers/acme/__init__.py")}


def test_readme_links_the_guides() -> None:
    readme = (ROOT / "README.rst").read_text()
    assert all(f"docs/{page.name}" in readme for page in (CLAUDE_CODE, CODEX, AI_SDK))


def test_quoted_errors_match_the_code() -> None:
    source = "".join(file.read_text() for folder in ("nexus", "providers") for file in (ROOT / folder).rglob("*.py"))
    for page, quoted in OUR_WORDS.items():
        text = " ".join(page.read_text().split())
        assert [words for words in quoted if words not in text or words not in source] == []


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_models_requested_on_a_page_are_configured_on_it(page: Path, tmp_path: Path) -> None:
    mine = snippets_of(page)
    there = {"demo/echo"}.union(*(names_in(snippet, tmp_path) for snippet in mine if snippet.is_nexus))
    there |= {f"{name}[1m]" for name in there}
    text = "\n".join(snippet.typed for snippet in mine if not snippet.is_nexus)
    asked = re.findall(r'^\s*"?model"? ?[=:] ?"([^"]+)"', text, re.MULTILINE)
    asked += re.findall(r'[({] ?"model": "([^"]+)"', text)
    asked += re.findall(r'ANTHROPIC_(?:DEFAULT_)?(?:\w+_)?MODEL(?:": "|=)([^"\s]+)', text)
    asked += re.findall(r"(?:-m|--model|nexus test) (\S+/\S+)", text)
    asked += re.findall(r"(?:openai|openai\.chat|anthropic)\('([^']+)'\)", text)
    assert len(asked) >= 3
    assert {name for name in asked if name not in there} == set()


def test_the_guides_have_a_snippet_for_every_vendor(tmp_path: Path) -> None:
    for page in (CLAUDE_CODE, CODEX):
        kinds = set()
        for snippet in snippets_of(page):
            if snippet.is_nexus:
                names_in(snippet, tmp_path)
                kinds |= {
                    provider.type
                    for provider in load(tmp_path / "nexus.toml", environment_of(snippet.text)).llm.providers.values()
                }
        assert kinds == {"openai", "anthropic", "google", "bedrock"}


def test_settings_of_codex_point_to_nexus() -> None:
    assert settings_of_codex()
    for settings in settings_of_codex():
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


def test_codex_accepts_and_works_with_every_setting(desk: Desk, serve: Serve) -> None:
    nexus = serve(DEMO)
    settings: dict[str, Any] = {}
    for piece in settings_of_codex():
        merged(settings, piece)
    # A file that the reader creates.
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
    # A name that ends in a star or dots stands for several names.
    named = set(re.findall(r"\b((?:ANTHROPIC|CLAUDE_CODE|DISABLE|MAX)_[A-Z0-9_]+)\b", CLAUDE_CODE.read_text()))
    assert len(named) >= 20
    with program.resolve().open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as inside:
        assert {name for name in named if inside.find(name.encode()) < 0} == set()
