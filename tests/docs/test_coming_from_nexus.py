"""docs/coming-from-nexus.rst: a Nexus 0.6 file starts unchanged, and each key is handled as the page says."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.settings import Settings, SettingsError, load
from nexus.settings.former import FORMER
from tests.docs.pages import DOCS, ROOT, environment_of

OLD = (ROOT / "tests/fixtures/coming_from/nexus-0.6.toml").read_text()
PAGE = (DOCS / "coming-from-nexus.rst").read_text()


def table(name: str) -> dict[str, str]:
    """A table of the page: old key to new key."""
    text = PAGE.split(f".. {name}\n", 1)[1].split(f".. end of {name}", 1)[0]
    rows = re.findall(r"^``([\w.]+)``(?:\s+``([\w.]+)``)?", text, re.MULTILINE)
    assert rows
    return dict(rows)


def settings_of(text: str, folder: Path) -> Settings:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (folder / name).write_text("")
        text = text.replace(f'"{name}"', f'"{folder / name}"')
    (folder / "nexus.toml").write_text(text)
    return load(folder / "nexus.toml", environment_of(text))


def test_an_old_file_loads_with_a_warning_for_each_changed_key(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    told = {note.partition(" ")[0] for note in settings_of(OLD, tmp_path).origin.notes}
    assert told == {*table("renamed"), *table("ignored")}


@pytest.mark.parametrize("key", table("refused"))
def test_a_removed_key_is_rejected_by_name(key: str, tmp_path: Path) -> None:
    pytest.importorskip("redis")
    *tables, name = key.replace(".P.", ".openai.").split(".")
    value = '"gpt"' if name == "model_filter" else "1" if name.startswith("max_") else "{ enabled = true }"
    line, header = f"{name} = {value}\n", f"[{'.'.join(tables)}]\n" if tables else ""
    text = OLD.replace(header, header + line, 1) if header in OLD else f"{OLD}\n{header}{line}"
    with pytest.raises(SettingsError) as caught:
        settings_of(text, tmp_path)
    assert [problem.message.startswith("is not supported") for problem in caught.value.problems] == [True]


def test_the_page_lists_the_keys_that_the_code_knows() -> None:
    for verdict in ("renamed", "ignored", "refused"):
        keys = {".".join(one.path).replace("*", "P"): ".".join(one.now) for one in FORMER if one.verdict == verdict}
        # Keys that are the same for each exporter are listed once on the page.
        kept = {
            key: now for key, now in keys.items() if ".exporters.otlp" not in key or key.startswith("telemetry.exp")
        }
        assert table(verdict) == kept


def leaves(table: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in table.items():
        yield from leaves(value, (*path, name)) if isinstance(value, dict) else [(*path, name)]


def test_the_old_file_is_complete() -> None:
    assert len(list(leaves(tomllib.loads(OLD)))) > 80
