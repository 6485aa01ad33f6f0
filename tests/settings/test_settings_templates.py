"""Double-brace templates: expanded once, in values only; invalid ones are reported with their location."""

from pathlib import Path
from typing import Any

import pytest

from nexus.settings.templates import MAX_FILE, PLACEHOLDER, expand

MANY = 300_000

ENVIRON = {"KEY": "sk-1", "HOST": "example.org", "EMPTY": "", "NESTED": "{{ env.KEY }}", "BACK": r"\1\g<0>"}

EXPANDED: dict[str, tuple[object, object]] = {
    "plain": ("plain", "plain"),
    "whole string": ("{{ env.KEY }}", "sk-1"),
    "no spaces": ("{{env.KEY}}", "sk-1"),
    "many spaces": ("{{   env.KEY\t}}", "sk-1"),
    "several with text": ("https://{{ env.HOST }}/{{ env.KEY }}/x", "https://example.org/sk-1/x"),
    "set but empty is set": ("{{ env.EMPTY }}", ""),
    "default unused": ('{{ env.KEY | default("x") }}', "sk-1"),
    "default used": ('{{ env.NOPE | default("x y") }}', "x y"),
    "default empty": ('{{ env.NOPE|default("") }}', ""),
    "default in single quotes": ("{{ env.NOPE | default('x') }}", "x"),
    "default with braces": ('{{ env.NOPE | default("a}}b") }}!', "a}}b!"),
    "default not for an empty variable": ('{{ env.EMPTY | default("x") }}', ""),
    "expanded once": ("{{ env.NESTED }}", "{{ env.KEY }}"),
    "no group references": ("{{ env.BACK }}", r"\1\g<0>"),
    "single braces": ('{"a": {}}', '{"a": {}}'),
    "closing braces": ("a }} b", "a }} b"),
    "table and array": ({"a": ["{{ env.KEY }}", {"b": "{{ env.HOST }}"}]}, {"a": ["sk-1", {"b": "example.org"}]}),
    "keys stay": ({"{{ env.KEY }}": 1}, {"{{ env.KEY }}": 1}),
    "other types": ({"a": 1, "b": True, "c": [1.5]}, {"a": 1, "b": True, "c": [1.5]}),
}


@pytest.mark.parametrize(("value", "result"), EXPANDED.values(), ids=EXPANDED.keys())
def test_templates_are_expanded(value: Any, result: Any) -> None:
    expansion = expand(value, ENVIRON)
    assert (expansion.data, expansion.problems) == (result, [])


REFUSED = {
    "unset": ("{{ env.NOPE }}", ["environment variable NOPE is not set"]),
    "unset twice, reported once": ("{{ env.NOPE }}{{ env.NOPE }}", ["environment variable NOPE is not set"]),
    "two unset": ("{{ env.A }}{{ env.B }}", ["environment variable A is not set", "environment variable B is not set"]),
    "a file without quotes": ("{{ file /a }}", ["only {{ env.NAME }}"]),
    "a missing file": ('{{ file "nix/nix" }}', ["the file nix/nix cannot be read: no such file or directory"]),
    "a folder": ('{{ file "/" }}', ["the file / cannot be read: is a directory"]),
    "other scope": ("{{ file.KEY }}", ["only {{ env.NAME }}"]),
    "no scope": ("{{ KEY }}", ["only {{ env.NAME }}"]),
    "empty": ("{{ }}", ["only {{ env.NAME }}"]),
    "too many dots": ("{{ env.A.B }}", ["only {{ env.NAME }}"]),
    "other filter": ("{{ env.KEY | upper }}", ["only {{ env.NAME }}"]),
    "default without quotes": ("{{ env.NOPE | default(x) }}", ["only {{ env.NAME }}"]),
    "name with a digit first": ("{{ env.1A }}", ["only {{ env.NAME }}"]),
    "not closed": ("{{ env.KEY", ['a "{{" has no "}}"']),
    "closed by one": ("{{ env.KEY }", ['a "{{" has no "}}"']),
}


@pytest.mark.parametrize(("text", "messages"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_templates_are_rejected(text: str, messages: list[str]) -> None:
    expansion = expand({"a": ["ok", text]}, ENVIRON)
    assert expansion.data == {"a": ["ok", PLACEHOLDER]}
    assert [path for path, _ in expansion.problems] == [("a", 1)] * len(messages)
    for (_, said), expected in zip(expansion.problems, messages, strict=True):
        assert said.startswith(expected)


def test_messages_never_repeat_the_text_between_braces() -> None:
    ((_, message),) = expand({"api_key": "{{ sk-hushhush-123 }}"}, {}).problems
    assert "sk-hushhush" not in message


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(b"sk-1\n", "sk-1", id="as a secret store writes it"),
        pytest.param(b"\xef\xbb\xbf  sk-1\r\n\n", "sk-1", id="as an editor writes it"),
        pytest.param(b"{{ env.KEY }}", "{{ env.KEY }}", id="expanded once"),
        pytest.param(b"", "", id="empty"),
    ],
)
def test_file_templates_read_the_file(tmp_path: Path, raw: bytes, value: str) -> None:
    (tmp_path / "key").write_bytes(raw)
    for path in ("key", str(tmp_path / "key")):
        expansion = expand({"a": "<{{ file '" + path + "' }}>"}, {}, tmp_path)
        assert (expansion.data, expansion.problems) == ({"a": f"<{value}>"}, [])


@pytest.mark.parametrize(
    ("raw", "message"),
    [(b"x" * (MAX_FILE + 1), f"is larger than {MAX_FILE} bytes"), (b"\xff\xfe", "is not UTF-8 text")],
    ids=["too large", "not text"],
)
def test_unusable_secret_files_are_rejected(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "key").write_bytes(raw)
    ((_, said),) = expand({"a": '{{ file "key" }}'}, {}, tmp_path).problems
    assert said.endswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "{{ env.A | default(" * MANY + '"' * (MANY + 1),
        "{{ env.A " * MANY,
        '{{ env.A "' * MANY,
        "{{ env.A" + " " * MANY + "|}}",
        "{{ env." + "A" * MANY + " -}}",
        '{{ env.A | default("x"' + " " * MANY + "}}",
        "{{ file" + " " * MANY + "}}",
    ],
    ids=lambda text: text[:20],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    """In quadratic time, each would take minutes."""
    assert expand({"a": text}, ENVIRON).problems
