"""The line of a settings file that a problem is about, with secrets removed, and the position of the problem on it.

Law: no secret is shown. The excerpt hides any text that looks like a secret or stands where one can, comments, and
everything but the keys of a line that does not parse.
"""

from __future__ import annotations

import re
import unicodedata

from nexus.dataclasses import dataclass
from nexus.late import pattern
from nexus.settings.toml_spans import Span

WIDEST = 100
"""Maximum characters of a shown line."""
HIDDEN = "..."

_TOKEN = pattern(
    r"(?P<comment>#.*)"
    r"|(?P<text>(?P<quote>\"\"\"|'''|\"|')(?P<inside>(?:(?!(?P=quote))(?:\\.|.))*)(?P<closed>(?P=quote))?)"
    r"|(?P<word>[^\s=\[\]{},\"'#]*[^\s=\[\]{},\"'#.])"
)
_HEADER = pattern(r"\s*\[{1,2}[^\[\],={}]*\]{1,2}\s*(?:#.*)?")
_IS_KEY = pattern(r"\s*(?:=|\.\s*[A-Za-z0-9_\"'-])")
_PLAIN = pattern(r"true|false|[+-]?(?:inf|nan)|[+-]?[0-9][0-9A-Fa-fxob_.:+TZtz-]{0,24}")
_SECRET_NAME = pattern(
    r"key|token|secret|password|credential|authorization|cookie|sha256|default|value|header|tags|attributes|store|proxy",
    re.IGNORECASE,
)
_TEMPLATE = pattern(r"\{\{\s*(?:env\.[A-Za-z_][A-Za-z0-9_]*|file\s+(?:'[^'\"]*'|\"[^'\"]*\"))\s*\}\}")
_WORDS = pattern(r"[A-Za-z0-9]+")
_LONG, _LONGEST = 10, 24


@dataclass(frozen=True, slots=True)
class Excerpt:
    """``start`` and ``length`` are terminal columns, for a mark below the text; a length of 0 means no mark."""

    number: int
    text: str
    start: int
    length: int


def excerpt(line: str, span: Span, *, name: str, strict: bool = False) -> Excerpt:
    """``line`` without secrets, at most ``WIDEST`` characters, with the position of the span on it.

    ``name`` is the last key of the problem's path, for a line that has no key itself. ``strict`` hides all strings.
    """
    pieces = _pieces(line.rstrip("\r"), name, strict)
    shown = "".join(piece for _, _, piece in pieces).rstrip()
    start, end = _shown_at(pieces, span.start), _shown_at(pieces, span.end)
    begin = max(0, min(start, len(shown)) - WIDEST // 2) if len(shown) > WIDEST else 0
    text = shown[begin : begin + WIDEST]
    start, end = min(start - begin, len(text)), min(end - begin, len(text))
    return Excerpt(span.line, text, _columns(text[:start]), max(1, _columns(text[start:end])))


def _pieces(line: str, name: str, strict: bool) -> list[tuple[int, int, str]]:
    """The line in pieces: start, end, and the text to show in its place."""
    pieces: list[tuple[int, int, str]] = []
    at = 0
    header = _HEADER.fullmatch(line) is not None
    for match in _TOKEN.finditer(line):
        pieces.append((at, match.start(), _printable(line[at : match.start()])))
        at = match.end()
        if match["comment"] is not None:
            break
        is_key = header or _IS_KEY.match(line, at) is not None
        if is_key and (match["word"] is not None or match["closed"]):
            name = match["inside"] if match["text"] is not None else match["word"]
            shown = HIDDEN if _is_random(name) else match[0]
        else:
            shown = _value(match, name, strict)
        pieces.append((match.start(), at, _printable(shown)))
    else:
        pieces.append((at, len(line), _printable(line[at:])))
    return pieces


def _value(match: re.Match[str], name: str, strict: bool) -> str:
    if (word := match["word"]) is not None:
        return word if _PLAIN.fullmatch(word) else HIDDEN
    quote, inside, closed = match["quote"], match["inside"], match["closed"] or ""
    rest = _TEMPLATE.sub("", inside)
    hidden = rest and (
        strict or not closed or _SECRET_NAME.search(name) or "{{" in rest or "@" in rest or _is_random(rest)
    )
    return f"{quote}{HIDDEN if hidden else inside}{closed}"


def _is_random(text: str) -> bool:
    """Whether a text could be a key: it holds a long word of letters and digits, or a very long word."""
    words = _WORDS.findall(text)
    mixed = any(len(word) >= _LONG and re.search("[0-9]", word) and re.search("[A-Za-z]", word) for word in words)
    return mixed or any(len(word) >= _LONGEST for word in words)


def _shown_at(pieces: list[tuple[int, int, str]], at: int) -> int:
    """The position in the shown text of position ``at`` of the line."""
    position = 0
    for start, end, shown in pieces:
        if at < end:
            # A position inside a hidden text maps to its beginning.
            return position + (at - start if end - start == len(shown) else 0)
        position += len(shown)
    return position


def _printable(text: str) -> str:
    return "".join(" " if char == "\t" else char if char.isprintable() else "?" for char in text)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text)
