"""Strict, bounded reader for the head of an HTTP/1 answer.

A malformed header line is an error at once. The standard library's reader takes such a line for the start of the body,
loses the framing and waits for an end that never comes. Source: RFC 9112.
"""

from __future__ import annotations

from http.client import BadStatusLine, HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected

from nexus.headers.plain import LONGEST_NAME, plain_lines
from nexus.late import pattern
from nexus.upstream.chunks import Chunks, ends_trailers

MAX_HEAD = 256 * 1024
"""Maximum size of a head in bytes, interim answers included."""

MAX_LINE = 64 * 1024
TRAILERS = 5.0
"""Timeout in seconds for the trailers; the answer is complete without them."""

_STATUS = pattern(r"HTTP/1\.([01]) ([1-5]\d\d)(?: (.*))?")
_NAME = pattern(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROLS = pattern(r"[\x00-\x08\x0a-\x1f\x7f]")


class BadHead(HTTPException):
    """The upstream's head is not HTTP."""


class StrictResponse(HTTPResponse):
    """``http.client``'s answer with a strict head reader.

    It accepts as many headers as fit, skips interim answers, removes control characters from values, and rejects
    everything else that is malformed.
    """

    fields: dict[str, str]
    """The headers by lower-case name; repeated headers are joined with commas."""

    _left = MAX_HEAD
    _chunks: Chunks

    def begin(self) -> None:
        if self.headers is not None:
            return
        self._left = MAX_HEAD
        minor, status, reason = self._status_line(first=True)
        headers = self._header_lines()
        while 100 <= status < 200 and status != 101:
            minor, status, reason = self._status_line(first=False)
            headers = self._header_lines()
        self.code = self.status = status
        self.reason = reason
        self.version = 10 + minor
        self.headers = self.fields = headers
        self._frame()

    def _frame(self) -> None:
        """Determines where the body ends."""
        encodings = {part.strip().lower() for part in self.headers.get("transfer-encoding", "").split(",")}
        if encodings not in ({""}, {"chunked"}, {"identity"}):
            raise BadHead("an unknown transfer encoding")
        self.chunked = "chunked" in encodings
        self._chunks = Chunks()
        self.will_close = self._check_close()  # type: ignore[attr-defined]
        self.length = None if self.chunked else self._content_length()
        if self.status in (204, 304) or 100 <= self.status < 200 or self._method == "HEAD":  # type: ignore[attr-defined]
            self.length = 0
        if not self.chunked and self.length is None:
            self.will_close = True

    def _content_length(self) -> int | None:
        declared = self.headers.get("content-length")
        if declared is None:
            return None
        values = {part.strip() for part in declared.split(",")}
        value = values.pop()
        if values or not (value.isascii() and value.isdigit() and len(value) < 19):
            raise BadHead("an unusable Content-Length")
        return int(value)

    def _line(self) -> bytes:
        """One line without its line break. Raises IncompleteRead if the upstream closes within it."""
        line = self.fp.readline(min(MAX_LINE, self._left) + 1)
        size = len(line)
        self._left -= size
        if self._left < 0 or size > MAX_LINE:
            raise BadHead("the head is too long")
        if not line.endswith(b"\n"):
            raise IncompleteRead(line)
        return line.rstrip(b"\r\n")

    def _status_line(self, *, first: bool) -> tuple[int, int, str]:
        try:
            line = self._line().decode("latin-1")
        except IncompleteRead as error:
            if first and not error.partial:
                raise RemoteDisconnected("the connection was closed without an answer") from None
            if first and not error.partial.startswith(b"HTTP/"[: len(error.partial)]):
                raise BadStatusLine(error.partial.decode("latin-1")) from None
            raise
        match = _STATUS.fullmatch(line)
        if match is None:
            raise BadStatusLine(line)
        return int(match[1]), int(match[2]), _CONTROLS.sub("", match[3] or "").strip()

    def _header_lines(self) -> dict[str, str]:
        # As a rule the whole head has arrived.
        found, size = plain_lines(self.fp.peek().decode("latin-1"))
        if 0 < size <= self._left:
            self.fp.read(size)
            self._left -= size
        else:
            found = self._odd_lines()
        headers: dict[str, str] = {}
        for name, value in found:
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    def _odd_lines(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        while line := self._line():
            text = line.decode("latin-1")
            if text[0] in " \t" and found:
                name, value = found[-1]
                found[-1] = name, f"{value} {_clean(text)}".strip()
                continue
            name, colon, value = text.partition(":")
            name = name.rstrip(" \t")
            if not colon or _NAME.fullmatch(name) is None:
                raise BadHead("malformed header line")
            found.append((name, _clean(value)))
        return [(name, value) for name, value in found if len(name) <= LONGEST_NAME]

    def _read1_chunked(self, size: int) -> bytes:
        """Body bytes from one read of the socket, of any number of chunks."""
        body = b""
        while not body and not self._chunks.ended:
            if not (raw := self.fp.read1(size)):
                raise IncompleteRead(b"")
            body = self._chunks.feed(raw)
        if not body:
            self._read_and_discard_trailer()
            self._close_conn()  # type: ignore[attr-defined]
        return body

    def _read_and_discard_trailer(self) -> None:
        """Reads the trailers. If that fails the answer still counts as complete, but the connection is not reused."""
        rest = self._chunks.rest
        try:
            while not ends_trailers(rest):
                if len(rest) > MAX_HEAD or not (more := self.fp.read1(MAX_LINE)):
                    self.spoil()
                    return
                rest += more
        except (OSError, HTTPException):
            self.spoil()

    def spoil(self) -> None:
        """Called when the answer is complete but the connection must not be reused."""


def _clean(value: str) -> str:
    return _CONTROLS.sub("", value).strip()
