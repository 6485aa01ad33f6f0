"""What vendors' errors have in common: the message, in whatever form its server sends it, and the kind of failure that
an HTTP status stands for.

The only reader of messages, for all dialects and the log: it never raises, and never returns nothing if the server sent
a message. Forms: an object, a string or a list under ``error``, ``message``, ``detail`` (also FastAPI's list of ``loc``
and ``msg``), ``title`` and ``detail`` (RFC 9457), ``error`` and ``error_description`` (RFC 6749), ``errors``, an HTML
page, plain text, and any of these as the ``raw`` answer of the server behind this one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping

from nexus.errors.failure import FailureKind, VendorFailure
from nexus.headers.forwarding import retry_after
from nexus.late import pattern
from nexus.protocols import context_length
from nexus.wire import Json, decode_leniently, mapping, sequence, text

KIND_OF: Mapping[int, FailureKind] = {
    401: "authentication",
    402: "quota",
    403: "permission",
    404: "not_found",
    408: "timeout",
    413: "request_too_large",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}

STATUS_OF: Mapping[FailureKind, int] = {
    "invalid_request": 400,
    "authentication": 401,
    "permission": 403,
    "model_not_found": 404,
    "not_found": 404,
    "request_too_large": 413,
    "context_length": 400,
    "content_policy": 400,
    "rate_limit": 429,
    "quota": 429,
    "overloaded": 503,
    "timeout": 504,
    "upstream": 502,
}
"""The status that a failure inside a 200 would have had."""


def kind_of_status(status: int) -> FailureKind:
    """Any other status below 500 is the client's fault, from 500 on the vendor's."""
    return KIND_OF.get(status) or ("upstream" if status >= 500 else "invalid_request")


def by_code(codes: Mapping[FailureKind, str]) -> dict[str, FailureKind]:
    """The kinds by a vendor's codes, from the codes of each kind, with blanks between them."""
    return {code: kind for kind, words in codes.items() for code in words.split()}


_NO_SUCH_MODEL = frozenset({"The provided model identifier is invalid.", "Model Not Exist"})
"""Messages of 400s about an unknown model, which have no code of their own: of Bedrock (iOfficeAI/AionCore pull request
377, 2026-06) and DeepSeek (deepwn/addi issue 13, 2026-03). Not OpenRouter's: it may be about a caller's ``models``."""


def http_failure(
    words: str, kind: FailureKind, status: int, headers: Mapping[str, str], ids: tuple[str, ...], param: str = ""
) -> VendorFailure:
    """An answer with an error status; ``ids`` are the headers, by lower-case names, that may hold the request's id."""
    id = next((headers[name] for name in ids if headers.get(name)), None)
    if kind == "invalid_request" and words in _NO_SUCH_MODEL:
        kind = "model_not_found"
    return context_length.judged(
        VendorFailure(words, kind, status, request_id=id, retry_after=retry_after(headers), param=param or None)
    )


LONGEST = 300
"""Maximum number of characters of a text in an unknown form."""

UNSAID = "the vendor reported an error without an explanation"
"""Message for an error without one."""

NO_ANSWER = "the vendor answered 200 without an answer"
"""Message for an empty answer."""

NAMELESS = VendorFailure("the model called a tool without naming it", "upstream", 502)
"""A call that no client can run: another attempt may do better."""


def ended_with(reason: str, words: str = "") -> VendorFailure:
    """An answer without content whose stop reason says that something failed: another attempt may do better."""
    return VendorFailure(words or f"the model ended with {reason}", "upstream", 502)


_DEEPEST = 5
_TITLE = pattern(r"<title[^>]{0,200}>([^<]{1,500})", re.IGNORECASE)
_TAG = pattern(r"<[^>]{0,2000}>")


def kind_of_event(event: str | None, document: Mapping[str, Json]) -> str:
    """The type of an event of a stream. Compatible servers omit it for errors; source: vllm-project/vllm #40418."""
    return text(document.get("type")) or event or ("error" if document.get("error") else "")


def decode_error(body: bytes) -> Json:
    """The JSON of an error's body; None if it is not JSON."""
    try:
        return decode_leniently(body)
    except ValueError:
        return None


def error_words(document: Json, body: bytes = b"") -> str:
    """The vendor's message; "" only if there is none. ``body`` is used if ``document`` has no message."""
    if words := _words(document, _DEEPEST):
        return words
    return _plain(body) if document is None or _holds_something(document, _DEEPEST) else ""


def _holds_something(value: Json, depth: int) -> bool:
    """Whether an object or a list contains anything non-empty."""
    match value:
        case dict() | list():
            items = value.values() if isinstance(value, dict) else value
            return depth == 0 or any(
                _holds_something(item, depth - 1) if isinstance(item, (dict, list)) else item for item in items
            )
        case _:
            return False


def _words(value: Json, depth: int) -> str:
    if depth == 0:
        return ""
    match value:
        case str():
            return value if value.strip() else ""
        case list():
            return "; ".join(words for item in value[:5] if (words := _item(item, depth - 1)))
        case dict():
            return next((words for read in _READERS if (words := read(value, depth - 1))), "")
        case _:
            return ""


def _item(item: Json, depth: int) -> str:
    """One of several errors, after the location that it refers to."""
    location = ".".join(str(step) for step in sequence(mapping(item).get("loc")) if isinstance(step, (str, int)))
    words = _words(item, depth)
    return f"{location}: {words}" if location and words else words


def _described(holder: Mapping[str, Json], depth: int) -> str:
    """RFC 6749: a code, and what it means here."""
    code, words = text(holder.get("error")), text(holder.get("error_description"))
    return f"{code}: {words}" if code and words else words


def _problem(holder: Mapping[str, Json], depth: int) -> str:
    """RFC 9457."""
    title, words = text(holder.get("title")), text(holder.get("detail"))
    return f"{title}: {words}" if title and words and words != title else ""


def _base_resp(holder: Mapping[str, Json], depth: int) -> str:
    """MiniMax's errors, also inside a 200: ragflow #17292."""
    outcome = mapping(holder.get("base_resp"))
    return text(outcome.get("status_msg")) if outcome.get("status_code") else ""


def _passed_on(holder: Mapping[str, Json], depth: int) -> str:
    """OpenRouter's errors: its own words only say that a vendor failed, whose body is beside them."""
    own, raw = text(holder.get("message")), mapping(holder.get("metadata")).get("raw")
    body = raw.encode("utf-8", "replace") if isinstance(raw, str) else b""
    words = _words(decode_error(body) if body else raw, depth) or _plain(body)
    return f"{own}: {words}" if own and words else ""


def _under(name: str) -> Callable[[Mapping[str, Json], int], str]:
    return lambda holder, depth: _words(holder.get(name), depth)


_READERS: tuple[Callable[[Mapping[str, Json], int], str], ...] = (
    _described,
    _problem,
    _passed_on,
    *(_under(name) for name in ("error", "message", "Message", "msg", "detail", "details", "errors", "title")),
    _base_resp,
    *(_under(name) for name in ("reason", "description", "error_message", "errorMessage", "error_msg", "fault")),
)


def _plain(body: bytes) -> str:
    words = body[: 16 * LONGEST].decode("utf-8", "replace").strip()
    if words.startswith("<"):
        title = _TITLE.search(words)
        words = html.unescape(title[1] if title else _TAG.sub(" ", words))
    return " ".join(words.split())[:LONGEST] if words != "null" else ""
