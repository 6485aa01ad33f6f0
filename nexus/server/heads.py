"""The head of a request: its first line, its headers, and how long a body they announce.

A refusal repeats nothing of what was sent: Tornado quotes headers, and credentials with them.
"""

from __future__ import annotations

import re

from tornado.httputil import HTTPHeaders, HTTPInputError, RequestStartLine, parse_request_start_line

from nexus.errors import InvalidRequest

_LENGTH = re.compile(r"[0-9]{1,18}")


def read_start_line(line: bytes) -> RequestStartLine:
    """Raises InvalidRequest."""
    try:
        return parse_request_start_line(line.rstrip(b"\r").decode("latin1"))
    except (HTTPInputError, ValueError) as error:
        raise InvalidRequest("the first line is not METHOD TARGET HTTP/1.1") from error


def read_headers(lines: bytes) -> HTTPHeaders:
    """Raises InvalidRequest."""
    try:
        return HTTPHeaders.parse(lines.decode("latin1"))
    except (HTTPInputError, ValueError) as error:
        raise InvalidRequest("a header line is not valid HTTP") from error


def body_length(headers: HTTPHeaders) -> int | None:
    """Bytes that follow a head, None where they come in chunks. Raises InvalidRequest."""
    encoding, length = headers.get("Transfer-Encoding"), headers.get("Content-Length")
    if encoding is not None:
        if length is not None:
            raise InvalidRequest("both Transfer-Encoding and Content-Length are given")
        if encoding.strip().lower() != "chunked":
            raise InvalidRequest("the only Transfer-Encoding that is understood is chunked")
        return None
    if length is None:
        return 0
    values = {value.strip(" \t") for value in length.split(",")}
    value = values.pop()
    if values or not _LENGTH.fullmatch(value):
        raise InvalidRequest("Content-Length is not a number")
    return int(value)
