"""Positions of the fields of a multipart form, so that one of them can be replaced and every other byte is unchanged.

Law: pure and strict: a form that two parsers could read differently is refused, because the vendor must not find
another model name in it than Nexus did. Source: RFC 7578, RFC 2046 section 5.1; WHATWG HTML, multipart/form-data
encoding algorithm (how browsers escape names).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from mmap import mmap

from nexus.dataclasses import dataclass
from nexus.errors import InvalidRequest
from nexus.late import pattern
from nexus.protocols.raw_json import Span

MOST_PARTS = 1000
LONGEST_HEAD = 8192
LONGEST_VALUE = 64 * 1024
"""Maximum bytes of a field that is read; longer ones are forwarded unread."""

_TYPE = pattern(r"""multipart/form-data((?>(?:\s*+;\s*+[\w.-]+=(?:"[^"\\]*"|[^\s;"]+))*))\s*+;?\s*+""", re.IGNORECASE)
_BOUNDARY = pattern(r"""[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]""")
_VALUE = r""""(?:[^"\\\r\n]|\\[^"\r\n])*"|[^\s;"\\]+"""
_PARAMETER = pattern(rf""";\s*([\w.*-]+)=({_VALUE})""")
_DISPOSITION = pattern(rf"""form-data((?>(?:\s*+;\s*+[\w.*-]+=(?:{_VALUE}))*))\s*+;?\s*+""", re.IGNORECASE)
_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")


@dataclass(frozen=True, slots=True)
class FormPart:
    """``value`` is the position of its bytes; ``is_file`` says that it has a file name."""

    name: str
    value: Span
    is_file: bool


@dataclass(frozen=True, slots=True)
class Form:
    parts: tuple[FormPart, ...]
    fields: Mapping[str, str]
    """The short values of fields other than files; of several with one name the last."""

    def only(self, name: str) -> FormPart | None:
        """The field of that name; None if there is none. Raises InvalidRequest if there are two."""
        found = [part for part in self.parts if part.name == name]
        if len(found) > 1:
            raise InvalidRequest.about(name, "the form has this field twice")
        if found and found[0].is_file:
            raise InvalidRequest.about(name, "expected a field without the name of a file")
        return found[0] if found else None

    @property
    def words(self) -> int:
        """Bytes of all fields other than files."""
        return sum(part.value[1] - part.value[0] for part in self.parts if not part.is_file)


def boundary_of(content_type: str) -> bytes:
    """Raises InvalidRequest."""
    whole = _TYPE.fullmatch(content_type.strip())
    named = [value for name, value in _PARAMETER.findall(whole[1]) if name.lower() == "boundary"] if whole else []
    boundary = named[0].strip('"') if len(named) == 1 else ""
    if not _BOUNDARY.fullmatch(boundary):
        raise InvalidRequest("the Content-Type of the form has no valid boundary")
    return boundary.encode()


def read_form(raw: bytes | mmap, boundary: bytes) -> Form:
    """Raises InvalidRequest for a malformed form."""
    parts = tuple(_parts(raw, b"--" + boundary))
    fields = {
        part.name: bytes(raw[part.value[0] : part.value[1]]).decode(errors="replace")
        for part in parts
        if not part.is_file and part.value[1] - part.value[0] <= LONGEST_VALUE
    }
    return Form(parts, fields)


def _parts(raw: bytes | mmap, mark: bytes) -> Iterator[FormPart]:
    position = 2 if raw[:2] == b"\r\n" else 0
    if raw[position : position + len(mark)] != mark:
        raise _broken("it does not begin with its boundary")
    line = _line_end(raw, position + len(mark))
    for _ in range(MOST_PARTS):
        if line is None:
            return
        head_end = raw.find(b"\r\n\r\n", line - 2, line + LONGEST_HEAD)
        if head_end < 0:
            raise _broken("the headers of a part do not end")
        name, is_file = _named(bytes(raw[line:head_end]) if head_end > line else b"")
        start = head_end + 4
        found = raw.find(b"\n" + mark, start)
        if found < 0:
            raise _broken("its last boundary is missing")
        if found == start or raw[found - 1 : found] != b"\r" or raw[start : start + len(mark)] == mark:
            raise _broken("a boundary is not on its own line")
        yield FormPart(name, (start, found - 1), is_file)
        line = _line_end(raw, found + 1 + len(mark))
    raise _broken(f"it has more than {MOST_PARTS} parts")


def _line_end(raw: bytes | mmap, position: int) -> int | None:
    """End of the line after a boundary; None after the last one."""
    if raw[position : position + 2] == b"--":
        if bytes(raw[position + 2 : position + 6]).strip():
            raise _broken("there is data after its last boundary")
        return None
    while raw[position : position + 1] in (b" ", b"\t"):
        position += 1
    if raw[position : position + 2] != b"\r\n":
        raise _broken("a boundary line has trailing data")
    return position + 2


def _named(head: bytes) -> tuple[str, bool]:
    """The name of a part, and whether it has a file name."""
    try:
        lines = head.decode().split("\r\n")
    except UnicodeDecodeError as error:
        raise _broken("the headers of a part are not UTF-8") from error
    headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    dispositions = [value for name, value in headers if name == "content-disposition"]
    encodings = [value.lower() for name, value in headers if name == "content-transfer-encoding"]
    whole = _DISPOSITION.fullmatch(dispositions[0]) if len(dispositions) == 1 else None
    if whole is None or any("\n" in line or "\r" in line or line[:1] in (" ", "\t") for line in lines):
        raise _broken("a part has no valid content-disposition")
    parameters = [(name.lower(), value) for name, value in _PARAMETER.findall(whole[1])]
    names = [value.strip('"') for name, value in parameters if name == "name"]
    if len(names) != 1 or "\\" in names[0] or any(name == "name*" for name, _ in parameters):
        raise _broken("a part has no name, or several")
    if any(encoding not in _PLAIN_ENCODINGS for encoding in encodings):
        raise _broken("a part has a content-transfer-encoding")
    return names[0], any(name in ("filename", "filename*") for name, _ in parameters)


def _broken(why: str) -> InvalidRequest:
    return InvalidRequest(f"the form cannot be read: {why}")
