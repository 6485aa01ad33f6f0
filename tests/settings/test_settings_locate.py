"""A path is found on its line, however it is written in TOML."""

import tomllib
from typing import Any

import pytest

from nexus.settings.toml_spans import Spans

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
    "element of an array": (("server", "many", 1, "deep"), 8),
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
    "no part of the path": (("telemetry", "x"), None),
    "the file itself": ((), None),
}


@pytest.mark.parametrize(("path", "line"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_each_path_is_found_on_its_line(path: tuple[str | int, ...], line: int | None, newline: str) -> None:
    found = Spans(TEXT.replace("\n", newline)).find(path, key=True)
    assert (None if found is None else found[0].line) == line


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, item in items for deeper in _paths(item, (*path, key)))]


def test_no_path_exists_before_its_reported_line() -> None:
    spans = Spans(TEXT)
    for path in _paths(tomllib.loads(TEXT))[1:]:
        found = spans.find(path, key=True)
        assert found is not None and found[1] == len(path)
        with pytest.raises((KeyError, IndexError, tomllib.TOMLDecodeError)):
            value: Any = tomllib.loads("\n".join(TEXT.split("\n")[: found[0].line - 1]))
            for part in path:
                value = value[part]
