"""The docs pages and their snippets, as a reader would paste them."""

import functools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from docutils.core import publish_doctree  # type: ignore[import-untyped]
from docutils.parsers.rst import Directive, directives, roles  # type: ignore[import-untyped]

from nexus.settings import Settings, load

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.rst",
    ROOT / "CONTRIBUTING.rst",
    *sorted(page for page in DOCS.glob("*.rst") if page.stem not in ("index", "settings")),
]
"""Without the table of contents, which only Sphinx reads, and the page that is made of the code."""

CODEX_FILE = "# ~/.codex/config.toml"
"""The first line of a piece of Codex's own settings."""

DEMO = '[llm.providers.demo]\ntype = "echo"\nmodels.echo = {}\n'


@dataclass(frozen=True)
class Snippet:
    """A code block of a page; ``language`` is guessed if the page does not name it."""

    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.stem}: {self.text.strip().splitlines()[0]}"

    @property
    def typed(self) -> str:
        """The typed commands only, if the block is a console recording."""
        if self.language != "console":
            return self.text
        return "\n".join(re.findall(r"(?m)^\$ (.*(?:\\\n.*)*)", self.text))

    @property
    def is_nexus(self) -> bool:
        return self.language == "toml" and not self.text.startswith("# ~/") and "[project." not in self.text

    @property
    def is_codex(self) -> bool:
        return self.language == "toml" and self.text.startswith(CODEX_FILE)


def _reference(name: str, rawtext: str, text: str, *_: Any, **__: Any) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """A Sphinx reference; Sphinx checks that its target exists."""
    return [nodes.literal(rawtext, text)], []


class _Unread(Directive):  # type: ignore[misc]
    """A directive that only Sphinx reads."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        return []


for role in ("doc", "ref", "download"):
    roles.register_local_role(role, _reference)
directives.register_directive("toctree", _Unread)


@functools.cache
def tree_of(page: Path) -> nodes.document:
    # Highlighting needs a package that is not installed; the block is the same without it.
    quiet = {"report_level": 5, "halt_level": 5, "syntax_highlight": "none"}
    return publish_doctree(page.read_text(), source_path=str(page), settings_overrides=quiet)


@functools.cache
def snippets_of(page: Path) -> list[Snippet]:
    return list(_snippets_of(page))


def all_snippets() -> list[Snippet]:
    """Every snippet of every page. Reading takes a second, so no module calls this during collection."""
    return [snippet for page in PAGES for snippet in snippets_of(page)]


def _snippets_of(page: Path) -> Iterator[Snippet]:
    for block in tree_of(page).findall(nodes.literal_block):
        named = [name for name in block["classes"] if name != "code"]
        yield Snippet(page, named[0] if named else _guessed(block.astext()), block.astext())


def _guessed(text: str) -> str:
    """The guessed language of a block: settings, commands or output."""
    if re.match(r"(?:\$ )?(?:nexus|python3?|curl|\.venv/bin/\w+) ", text):
        return "console" if text.startswith("$ ") else "shell"
    try:
        tables = set(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        return "text"
    # Settings of other programs are not checked.
    return "toml" if tables and tables <= set(Settings.model_fields) else "text"


def environment_of(text: str) -> dict[str, str]:
    """A made-up value for each variable that settings name."""
    names = re.findall(r"\{\{\s*env\.(\w+)", text)
    return {name: "1" * 64 if "SHA256" in name else f"sk-hushhush-{name.lower()}" for name in names}


def load_snippet(snippet: Snippet, folder: Path) -> Any:
    """Loads a complete nexus.toml, or a fragment of one."""
    text = snippet.text if "[llm.providers." in snippet.text else f"{snippet.text}\n{DEMO}"
    for path in re.findall(r'"([\w./-]+\.(?:pem|json|key))"', text):
        # Files that the reader has; their contents are read only when used.
        place = folder / Path(path).name
        place.write_text('{"type": "service_account"}' if path.endswith(".json") else "")
        text = text.replace(f'"{path}"', f'"{place}"')
    file = folder / "nexus.toml"
    file.write_text(text)
    return load(file, environment_of(text))
