"""The site as a whole: terms that people search for are headings, and the files for editors are published."""

import re
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.docs.pages import DOCS, ROOT, load_snippet, snippets_of
from tests.serving import KEY, wait_until
from tools.fake_upstream import FakeUpstream

HEADING = re.compile(r"^(\S.*)\n([=~-])\2+$", re.MULTILINE)


@pytest.mark.parametrize(
    "word", ["docker", "timeout", "proxy", "cost", "fallback", "key", "security", "limit", "budget"]
)
def test_a_word_that_people_search_for_is_in_a_heading(word: str) -> None:
    headings = [found[1].lower() for page in DOCS.glob("*.rst") for found in HEADING.finditer(page.read_text())]
    assert any(word in heading for heading in headings)


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.toml")), ids=lambda file: file.name)
def test_a_settings_file_names_its_schema(file: Path) -> None:
    assert file.read_text().startswith("#:schema ./nexus.schema.json\n")


def test_the_site_has_the_schema() -> None:
    assert 'html_extra_path = ["nexus.schema.json"]' in (DOCS / "conf.py").read_text()


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = set(re.findall(r"^   ([a-z-]+)$", (DOCS / "index.rst").read_text(), re.MULTILINE))
    assert {page.stem for page in DOCS.glob("*.rst")} - {"index", "settings"} <= listed


def test_kimi_sees_the_agent_that_calls(tmp_path: Path, serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    (recipe,) = [one for one in snippets_of(DOCS / "recipes.rst") if "providers.kimi" in one.text]
    assert load_snippet(recipe, tmp_path)
    text = recipe.text.replace("https://api.kimi.com/coding", anthropic_upstream.base_url)
    nexus = serve(text.replace("{{ env.KIMI_API_KEY }}", KEY))
    asked = {"model": "kimi-for-coding", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello!"}]}
    assert nexus.messages(asked, {"User-Agent": "claude-cli/2.1.332"}).status == 200
    wait_until(lambda: bool(anthropic_upstream.requests))
    assert anthropic_upstream.requests[-1].header("user-agent") == "claude-cli/2.1.332"
