"""Each way to write a path in TOML is found on its own line."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from nexus.settings.spans import Locator

TEXT = '''\
# 1
top = "x"

[server]
listen_address = "127.0.0.1:0" # 5
many = [
  "a",
  { deep = 1 },
]
# 10
[llm.providers.openai]
api_key = """
x
"""
models.a = { rename = "b" }
models."gpt-3.5" = {} # 16
timeouts = { connect = "1s", idle = "2s" }

[[rules]]
name = "one # no comment"
[[rules]] # 21
name = "two\u2028three"
"a.b" = 1 # 23
[llm.providers.openai.retries]
attempts = 2'''

CASES: dict[str, tuple[tuple[str | int, ...], int | None]] = {
    "key at the top": (("top",), 2),
    "table": (("server",), 4),
    "key in a table": (("server", "listen_address"), 5),
    "array over lines": (("server", "many"), 6),
    "element of an array": (("server", "many", 1, "deep"), 6),
    "table that only its child names": (("llm",), 11),
    "table in a table": (("llm", "providers", "openai"), 11),
    "text over lines": (("llm", "providers", "openai", "api_key"), 12),
    "dotted key": (("llm", "providers", "openai", "models", "a"), 15),
    "inline table": (("llm", "providers", "openai", "models", "a", "rename"), 15),
    "quoted key with a dot": (("llm", "providers", "openai", "models", "gpt-3.5"), 16),
    "second key of an inline table": (("llm", "providers", "openai", "timeouts", "idle"), 17),
    "first of an array of tables": (("rules", 0, "name"), 20),
    "second of an array of tables": (("rules", 1), 21),
    "after a line separator that TOML does not know": (("rules", 1, "a.b"), 23),
    "table named later": (("llm", "providers", "openai", "retries", "attempts"), 25),
    "missing key: its table": (("llm", "providers", "openai", "type"), 11),
    "missing below a missing table": (("llm", "providers", "openai", "nix", "nix"), 11),
    "missing element": (("rules", 7, "name"), 19),
    "nothing of it": (("telemetry", "x"), None),
    "the file itself": ((), None),
}


@pytest.mark.parametrize(("path", "line"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_line(path: tuple[str | int, ...], line: int | None, newline: str) -> None:
    assert Locator(TEXT.replace("\n", newline)).place(path)[0] == line


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, item in items for deeper in _paths(item, (*path, key)))]


def test_without_its_line_and_all_after_it_a_path_is_gone() -> None:
    locator = Locator(TEXT)
    for path in _paths(tomllib.loads(TEXT))[1:]:
        line, _ = locator.place(path)
        assert line is not None
        value: Any = tomllib.loads("\n".join(TEXT.split("\n")[: line - 1]))
        with pytest.raises((KeyError, IndexError)):
            for part in path:
                value = value[part]
