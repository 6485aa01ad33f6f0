"""Bedrock's errors, in answers and in the middle of streams, read into neutral terms.

Bedrock has no separate type for a conversation that is too long, nor for refused content, which stays
``invalid_request``, as any ValidationException but that about a model's id. Sources: the bedrock-runtime service model;
the AWS REST-JSON protocol (``x-amzn-errortype``, ``__type``); the common AWS error types.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors.failure import FailureKind, VendorFailure
from nexus.protocols import context_length
from nexus.protocols.error_words import KIND_OF, decode_error, error_words, http_failure, kind_of_status
from nexus.wire import Json, count, mapping, text

_UNSIGNED = ("expiredtoken", "invalidclienttokenid", "invalidsignature", "missingauthenticationtoken")
_TYPES: Mapping[str, tuple[FailureKind, int]] = {
    **dict.fromkeys((*_UNSIGNED, "signaturedoesnotmatch", "unrecognizedclient"), ("authentication", 403)),
    **dict.fromkeys(("incompletesignature", "requestexpired"), ("authentication", 400)),
    **dict.fromkeys(("accessdenied", "notauthorized", "optinrequired"), ("permission", 403)),
    **dict.fromkeys(("internalfailure", "internalserver"), ("upstream", 500)),
    **dict.fromkeys(("modelerror", "modelstreamerror"), ("upstream", 424)),
    **dict.fromkeys(("throttling", "toomanyrequests"), ("rate_limit", 429)),
    **dict.fromkeys(("serialization", "validation"), ("invalid_request", 400)),
    "modelnotready": ("overloaded", 429),
    "modeltimeout": ("timeout", 408),
    "requestentitytoolarge": ("request_too_large", 413),
    "resourcenotfound": ("model_not_found", 404),
    "servicequotaexceeded": ("quota", 400),
    "serviceunavailable": ("overloaded", 503),
    "unknownoperation": ("not_found", 404),
}
_STATUSES: Mapping[int, FailureKind] = {
    **KIND_OF,
    **dict.fromkeys((400, 422), "invalid_request"),
    404: "model_not_found",
    424: "upstream",
}
_MODEL_FAILED = frozenset({"modelerror", "modelstreamerror"})


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> VendorFailure:
    document = decode_error(body)
    wire = mapping(document)
    short = _short(headers.get("x-amzn-errortype") or text(wire.get("__type")) or text(wire.get("code")))
    words = _words(wire) or error_words(document, body) or f"the vendor answered {status} without an explanation"
    kind = _kind(short, wire) or _STATUSES.get(status) or kind_of_status(status)
    return http_failure(words, kind, status, headers, ("x-amzn-requestid",))


def read_stream_error(event: str, wire: Mapping[str, Json]) -> VendorFailure:
    """An exception or error message inside a stream; ``event`` is its name, or "error" with the code in ``__type``."""
    short = _short(text(wire.get("__type")) or event)
    status = _TYPES.get(short, ("", 500))[1]
    words = _words(wire) or error_words(wire) or f"Bedrock ended the stream with {event}"
    return context_length.judged(VendorFailure(words, kind=_kind(short, wire) or "upstream", status=status))


def is_answer(body: Mapping[str, Json]) -> bool:
    return not {"output", "stopReason", "usage"}.isdisjoint(body)


def read_no_answer(wire: Mapping[str, Json]) -> VendorFailure:
    """A 200 with something other than an answer, such as an error of a proxy in front."""
    short = _short(text(wire.get("__type")) or text(wire.get("code")))
    kind, status = _TYPES.get(short, ("upstream", 502))
    words = error_words(wire) or "Bedrock answered 200 without an answer"
    return context_length.judged(VendorFailure(words, kind=kind, status=status))


def is_failure(event: str) -> bool:
    return event == "error" or event.lower().endswith("exception")


def _short(name: str) -> str:
    """``aws.protocols#ValidationException:http://...`` -> ``validation``."""
    bare = name.partition(":")[0].rpartition("#")[2].strip().lower().removesuffix("exception")
    return bare if bare in _TYPES else bare.removesuffix("error")


def _kind(short: str, wire: Mapping[str, Json]) -> FailureKind | None:
    """A model's own failure has the status of the model's server."""
    original = count(wire.get("originalStatusCode"))
    if short in _MODEL_FAILED and original:
        return _STATUSES.get(original, "upstream")
    found = _TYPES.get(short)
    return None if found is None else found[0]


def _words(wire: Mapping[str, Json]) -> str:
    words = text(wire.get("message")) or text(wire.get("Message"))
    original = text(wire.get("originalMessage"))
    return f"{words} ({original})" if words and original and original not in words else words or original
