"""Pages, settings files and ``nexus init`` name no model that its vendor has retired or will retire within months.

Sources, November 2026: platform.claude.com/docs/en/about-claude/model-deprecations,
developers.openai.com/api/docs/deprecations, api-docs.deepseek.com, docs.x.ai (migration guides), and for Moonshot and
Together, LiteLLM 1.110.2's catalogue. The last dates are those of the vendors' own platforms.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from nexus.cli.detect import Machine
from tests.docs.pages import PAGES, ROOT

RETIRED = {
    "claude-3": "2026-06-19",
    "claude-(?:sonnet|opus)-4-20": "2026-06-15",
    "claude-sonnet-4-5": "2026-11-30",
    r"gpt-3\.5": "2026-10-23",
    r"gpt-4(?![.\d])": "2026-10-23",
    r"gpt-(?:4o|4\.1)": "2027-01-14",
    r"gpt-5(?![.\d])|\bo[134](?:-mini|-pro)?\b": "2026-12-11",
    r"gpt-5\.5-mini": "never existed",
    "deepseek-(?:chat|reasoner)": "2026-07-24",
    r"grok-(?:[23]|4(?![.\d]))": "2026-05-15",
    r"kimi-k2(?![.\d])|kimi-k2\.5": "2026-08-31",
    r"Qwen3-Coder-480B|Qwen3-Next": "2026-06-04",
}
"""The date by which each pattern's models end."""

FILES = [*PAGES, *sorted((ROOT / "config").glob("*.toml")), *sorted(ROOT.glob("deploy/**/*.toml"))]


def retired_in(text: str) -> Iterator[tuple[str, str]]:
    for pattern, end in RETIRED.items():
        for found in re.finditer(f"(?:{pattern})[\\w.:-]*", text):
            yield found[0], end


def test_no_page_names_a_retired_model() -> None:
    assert [(file.name, *found) for file in FILES for found in retired_in(file.read_text())] == []


def test_init_proposes_no_retired_model(tmp_path: Path) -> None:
    credentials = tmp_path / "google.json"
    credentials.write_text('{"project_id": "p"}')
    names = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "AWS_PROFILE")
    environ = {**dict.fromkeys(names, "set"), "GOOGLE_APPLICATION_CREDENTIALS": str(credentials)}
    found = Machine(environ, tmp_path, servers={}).vendors()
    assert [vendor.name for vendor in found] == ["openai", "anthropic", "google", "bedrock", "vertex"]
    assert list(retired_in(" ".join(model for vendor in found for model in vendor.models))) == []
