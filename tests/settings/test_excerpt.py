"""A problem shows its line with a mark below the key or the value, and never shows a secret."""

import io
from itertools import pairwise
from pathlib import Path

import pytest

from nexus.cli.colours import is_coloured, render
from nexus.settings import SettingsError, load
from nexus.settings.excerpt import WIDEST
from nexus.settings.problems import MOST_SHOWN

VENDOR = '[llm.providers.x]\ntype = "openai"\napi_key = "{{ env.KEY }}"\n'

MARKED: dict[str, tuple[str, str, str]] = {
    "value": ('[server]\nclient_timeout = "60sec"', 'client_timeout = "60sec"', "                 ^^^^^^^"),
    "number": ("[server]\nworkers = 0 # none", "workers = 0", "          ^"),
    "unknown key": ("[server]\nlisen = 1", "lisen = 1", "^^^^^"),
    "unknown key of an inline table": (
        f"{VENDOR}models.a = {{ context = 5, typo = 5 }}",
        "models.a = { context = 5, typo = 5 }",
        "                          ^^^^",
    ),
    "dotted name": (f"{VENDOR}models.gpt-4.1 = {{}}", "models.gpt-4.1 = {}", "             ^"),
    "value of an inline table": (
        f'{VENDOR}timeouts = {{ connect = "1s", idle = "2sec" }}',
        'timeouts = { connect = "1s", idle = "2sec" }',
        "                                    ^^^^^^",
    ),
    "element of an array over lines": (
        f'{VENDOR}models.a = {{}}\n[usage]\ntags = [\n  "a",  # one\n  "a",\n]',
        "tags = [",
        "       ^",
    ),
    "second element": (
        '[server.keys.a]\nkey = "{{ env.STRONG }}"\nmodels = [\n  "x/*",  # one\n  "",\n]',
        '  "",',
        "  ^^",
    ),
    "missing key: its table": ("[llm.providers.y]\nmodels.a = {}", "[llm.providers.y]", "               ^"),
    "template": (
        '[llm.providers.y]\ntype = "openai"\napi_key = "{{ env.NOPE }}"',
        'api_key = "{{ env.NOPE }}"',
        "          ^^^^^^^^^^^^^^^^",
    ),
    "wide characters before it": (
        f'{VENDOR}models."\u6a21\u578b" = {{ context = "x" }}',
        'models."\u6a21\u578b" = { context = "x" }',
        "                            ^^^",
    ),
    "tab before it": ("[server]\n\tworkers\t=\t0", " workers = 0", "           ^"),
    "TOML itself": ("[server\nworkers = 1", "[...", "    ^"),
    "unfinished TOML": ("[server]\nhosts = [", "hosts = [", "         ^"),
}


def shown(tmp_path: Path, text: str, *, newline: str = "\n") -> list[str]:
    file = tmp_path / "nexus.toml"
    file.write_bytes(text.replace("\n", newline).encode())
    with pytest.raises(SettingsError) as caught:
        load(file, {"KEY": "sk-hushhush", "STRONG": "nx-hushhusha1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6"})
    return render(caught.value.problems, coloured=False).splitlines()


def excerpts(lines: list[str]) -> list[tuple[str, str]]:
    """Each line of the file that is shown, with the mark below it."""
    return [
        (line.partition("| ")[2], below.partition("| ")[2])
        for line, below in pairwise(lines)
        if below.startswith("      | ")
    ]


@pytest.mark.parametrize(("text", "line", "mark"), MARKED.values(), ids=MARKED.keys())
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_the_mark_is_below_the_wrong_key_or_value(
    tmp_path: Path, text: str, line: str, mark: str, newline: str
) -> None:
    pairs = excerpts(shown(tmp_path, text, newline=newline))
    assert (line, mark) in pairs


SECRET = "sk-proj-a1b2c3d4e5f6g7h8"
HIDDEN: dict[str, tuple[str, str]] = {
    "misspelt api_key": (f'[llm.providers.x]\ntype = "openai"\napi_kye = "{SECRET}"', 'api_kye = "..."'),
    "short text of an unknown key": ('[server]\npasswort = "hush"', 'passwort = "..."'),
    "key in the place of its hash": (f'[server.keys.a]\nsha256 = "{SECRET}"', 'sha256 = "..."'),
    "key in a list of hashes": (f'[server.keys.a]\nsha256 = [\n"abc", "{SECRET}"]', '"...", "..."]'),
    "key in another place": (f'[server]\nclient_timeout = "{SECRET}"', 'client_timeout = "..."'),
    "password in a URL": (f'{VENDOR}base_url = "ftp://me:hush@host"', 'base_url = "..."'),
    "comment": (f"[server]\nworkers = 0 # {SECRET}", "workers = 0"),
    "neighbour on the line": (
        f'[llm.providers]\nx = {{ type = "openai", api_key = "{SECRET}", forward_token = 5 }}',
        'x = { type = "openai", api_key = "...", forward_token = 5 }',
    ),
    "default of a template": (
        '[llm.providers.x]\ntype = "openai"\napi_key = "{{ env.NO | default(hush) }}"',
        'api_key = "..."',
    ),
    "value of a header": (
        f'{VENDOR}headers = [{{ rule = "insert", name = "x y", value = "hush" }}]',
        'headers = [{ rule = "insert", name = "x y", value = "..." }]',
    ),
    "without quotes": (f"[server]\napi_key = {SECRET}", "api_key = ..."),
    "never closed": ('[server]\napi_key = "hush', 'api_key = "...'),
    "alone on its line": (f"{SECRET}", "..."),
    "as a name": (f"{SECRET} = 5 5", "... = 5 5"),
    "text over lines": (f'[llm.providers.x]\ntype = "openai"\napi_kye = """{SECRET}\n"""', 'api_kye = """...'),
}


@pytest.mark.parametrize(("text", "line"), HIDDEN.values(), ids=HIDDEN.keys())
def test_no_secret_is_shown(tmp_path: Path, text: str, line: str) -> None:
    lines = shown(tmp_path, text)
    assert line in [one.partition("| ")[2] for one in lines]
    assert not any(SECRET in one or "hush" in one for one in lines)


def test_a_long_line_is_cut_around_the_mark(tmp_path: Path) -> None:
    names = ", ".join(f'"m{number}"' for number in range(200))
    lines = shown(tmp_path, f'[server.keys.a]\nkey = "{{{{ env.STRONG }}}}"\nmodels = [{names}, " x"]\n')
    ((text, mark),) = [(line, mark) for line, mark in excerpts(lines) if "m199" in line]
    assert len(text) <= WIDEST and text[mark.index("^") :].startswith('" x"')


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


COLOURED: dict[str, tuple[io.StringIO, str, dict[str, str], bool]] = {
    "terminal": (Terminal(), "auto", {}, True),
    "terminal, NO_COLOR": (Terminal(), "auto", {"NO_COLOR": "1"}, False),
    "terminal, an empty NO_COLOR": (Terminal(), "auto", {"NO_COLOR": ""}, True),
    "dumb terminal": (Terminal(), "auto", {"TERM": "dumb"}, False),
    "terminal, never": (Terminal(), "never", {}, False),
    "file": (io.StringIO(), "auto", {}, False),
    "file, always over NO_COLOR": (io.StringIO(), "always", {"NO_COLOR": "1"}, True),
}


@pytest.mark.parametrize(("stream", "when", "environ", "coloured"), COLOURED.values(), ids=COLOURED.keys())
def test_problems_are_coloured(stream: io.StringIO, when: str, environ: dict[str, str], coloured: bool) -> None:
    assert is_coloured(stream, when, environ) is coloured


def test_of_many_problems_the_first_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text(f"usage.readers = [{'1, ' * 300}]\n[llm.providers.demo]\ntype = 'echo'\nmodels.echo = {{}}\n")
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    found = caught.value.problems
    # An excerpt takes as long as its line.
    assert [problem.excerpt is not None for problem in found] == [True] * MOST_SHOWN + [False] * (300 - MOST_SHOWN)
    lines = render(found, coloured=False).splitlines()
    assert lines[-1] == f"and {300 - MOST_SHOWN} more problems"
    assert len([line for line in lines if ": usage.readers[" in line]) == MOST_SHOWN


def test_coloured_text_is_the_plain_text_plus_colours(tmp_path: Path) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text("[server]\nworkers = 0\nlisen = 1\n")
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    bright = render(caught.value.problems, coloured=True)
    plain = render(caught.value.problems, coloured=False)
    assert "\033[31m" in bright
    for code in ("31", "34", "1", "0"):
        bright = bright.replace(f"\033[{code}m", "")
    assert bright == plain
