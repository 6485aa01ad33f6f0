"""Parses request heads (start line, headers, body length) and writes the heads of answers.

Errors repeat nothing of the request: Tornado's quote headers, which may hold credentials.
"""

from __future__ import annotations

import functools
import random
import re
import time
from collections.abc import Mapping

from tornado.httputil import (
    HTTPHeaders,
    HTTPInputError,
    RequestStartLine,
    ResponseStartLine,
    format_timestamp,
    parse_request_start_line,
)

from nexus.errors import InvalidRequest
from nexus.headers.plain import LONGEST_NAME, plain_lines
from nexus.late import pattern

_LENGTH = pattern(r"[0-9]{1,18}")
_ORIGIN = pattern(r"https?://([^/?#]+)", re.IGNORECASE)


def read_start_line(line: bytes) -> RequestStartLine:
    """Parses the first line of a request. Raises InvalidRequest."""
    try:
        return parse_request_start_line(line.rstrip(b"\r").decode("latin1"))
    except (HTTPInputError, ValueError) as error:
        raise InvalidRequest(
            "malformed request line: expected METHOD TARGET HTTP/1.1, not HTTP/2 or the PROXY protocol"
        ) from error


def read_headers(lines: bytes) -> HTTPHeaders:
    """Parses header lines. Raises InvalidRequest."""
    text = lines.decode("latin1")
    found, size = plain_lines(text)
    if size == len(text):
        headers = HTTPHeaders()
        for name, value in found:
            headers[name] = value
        if len(headers) == len(found):
            return headers
    # Checked before Tornado, which caches names.
    if any(line.find(":") > LONGEST_NAME and line[0] not in " \t" for line in text.split("\n")):
        raise InvalidRequest(f"the name of a header has more than {LONGEST_NAME} characters")
    try:
        return HTTPHeaders.parse(text)
    except (HTTPInputError, ValueError) as error:
        raise InvalidRequest("malformed header line") from error


def in_origin_form(start: RequestStartLine, headers: HTTPHeaders) -> RequestStartLine:
    """Reduces an absolute-form target, as sent to a proxy, to its path; its host replaces the Host header (RFC 9112
    section 3.2.2)."""
    found = None if start.path.startswith("/") else _ORIGIN.match(start.path)
    if found is None:
        return start
    if len(headers.get_list("Host")) == 1:
        headers["Host"] = found[1]
    rest = start.path[found.end() :]
    return start._replace(path=rest if rest.startswith("/") else f"/{rest}")


@functools.lru_cache(maxsize=1024)
def written(name: str) -> str:
    """Returns a header's name in the capitalization used in answers: "X-Request-Id"."""
    return "-".join(word.capitalize() for word in name.split("-"))


def answer_head(start: ResponseStartLine, headers: Mapping[str, str]) -> bytes:
    """Returns the head as bytes. Raises ValueError if a header contains a line break."""
    lines = [f"HTTP/1.1 {start.code} {start.reason}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    text = "\r\n".join(lines)
    if text.count("\n") >= len(lines) or text.count("\r") >= len(lines):
        raise ValueError("a header of the answer has more than one line")
    return f"{text}\r\n\r\n".encode("latin1")


def has_no_body(status: int) -> bool:
    return status in (204, 304) or 100 <= status < 200


def in_ascii(text: str) -> str:
    """Returns the text for use in a header, with non-ASCII characters escaped."""
    return text if text.isascii() else text.encode("ascii", "backslashreplace").decode("ascii")


def body_length(headers: HTTPHeaders) -> int | None:
    """Returns the body's length in bytes, or None if it is chunked. Raises InvalidRequest."""
    encoding, length = headers.get("Transfer-Encoding"), headers.get("Content-Length")
    if encoding is not None:
        if length is not None:
            raise InvalidRequest("both Transfer-Encoding and Content-Length are set")
        if encoding.strip().lower() != "chunked":
            raise InvalidRequest("unsupported Transfer-Encoding: only chunked is supported")
        return None
    if length is None:
        return 0
    values = {value.strip(" \t") for value in length.split(",")}
    value = values.pop()
    if values or not _LENGTH.fullmatch(value):
        raise InvalidRequest("invalid Content-Length")
    return int(value)


def new_id() -> str:
    """Returns a new request id: the milliseconds of its time, then random digits. The ledger's index of ids then grows
    at its end; with random ids, each row of a large one changed another page. It is unique, not secret."""
    return f"req_{time.time_ns() // 1_000_000:012x}{random.getrandbits(80):020x}"


@functools.lru_cache(maxsize=2)
def date(second: int) -> str:
    """Returns a Unix time as the Date header has it."""
    return format_timestamp(second)
