"""A fast parser for ordinary header blocks: ASCII only, neither long names nor empty values nor folded lines. For all
others it returns 0, and the caller parses them line by line."""

from __future__ import annotations

from nexus.late import pattern

LONGEST_NAME = 256
"""Maximum characters of a header's name, because facts about names are cached."""

_LINE = pattern(rf"([!#$%&'*+\-.^_`|~0-9A-Za-z]{{1,{LONGEST_NAME}}}):[ \t]*([!-~](?:[ \t!-~]*[!-~])?)[ \t]*\r\n")
_HEAD = pattern(rf"(?:{_LINE.pattern})*\r\n")


def plain_lines(text: str) -> tuple[list[tuple[str, str]], int]:
    """Names and values as sent, and the length of the header block including its empty line; 0 if ``text`` does not
    begin with an ordinary block."""
    head = _HEAD.match(text)
    return ([], 0) if head is None else (_LINE.findall(head[0]), head.end())
