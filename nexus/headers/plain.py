"""The lines of a head as nearly all are: in ASCII, none empty, none folded. Whoever meets others reads line by line."""

from __future__ import annotations

from nexus.late import pattern

_LINE = pattern(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([!-~](?:[ \t!-~]*[!-~])?)[ \t]*\r\n")
_HEAD = pattern(rf"(?:{_LINE.pattern})*\r\n")


def plain_lines(text: str) -> tuple[list[tuple[str, str]], int]:
    """Names and values as they are written, and how many characters they take with the empty line behind them; 0
    where the text does not begin with such a head."""
    head = _HEAD.match(text)
    return ([], 0) if head is None else (_LINE.findall(head[0]), head.end())
