"""A request for embeddings; reads it and writes its answer in OpenAI's form.

Token numbers are refused, because they belong to one vendor's tokenizer. Source: OpenAI's API reference
(``/v1/embeddings``) and the types of its Python SDK; ``task_type`` and ``input_type`` are Google's and Cohere's own,
which clients of several vendors send in addition.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence

from nexus.dataclasses import dataclass
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.wire import Json, text

MOST_TEXTS = 2048
"""OpenAI's maximum for one request."""

_KNOWN = frozenset({"model", "input", "dimensions", "encoding_format", "task_type", "input_type"})


@dataclass(frozen=True, slots=True)
class Asked:
    """``dimensions`` is None for the model's default; ``base64`` says in which form the vectors are returned.
    ``dropped`` lists fields that no other vendor has. ``google`` says that the request came in Google's form, from
    which ``input_type`` is also derived."""

    texts: tuple[str, ...]
    dimensions: int | None = None
    base64: bool = False
    task_type: str = ""
    input_type: str = ""
    dropped: tuple[str, ...] = ()
    google: bool = False


@dataclass(frozen=True, slots=True)
class Vectors:
    """In the order of the texts. ``tokens`` is None if the vendor does not count."""

    vectors: Sequence[Sequence[float]]
    tokens: int | None


def read_asked(document: Mapping[str, Json]) -> Asked:
    return Asked(
        _texts(document.get("input")),
        positive(document, "dimensions"),
        _is_base64(document.get("encoding_format")),
        text(document.get("task_type")),
        text(document.get("input_type")),
        tuple(name for name, value in document.items() if name not in _KNOWN and value is not None),
    )


def write_answer(
    vectors: Sequence[Sequence[float]], tokens: int, asked: Asked, document: Mapping[str, Json]
) -> dict[str, Json]:
    data: list[Json] = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if asked.base64 else list(vector)}
        for index, vector in enumerate(vectors)
    ]
    usage: Json = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": text(document.get("model")), "usage": usage}


def floats(value: Json) -> list[float]:
    """A vector unchanged. Raises ValueError if it is not one."""
    if not isinstance(value, list) or not value:
        raise ValueError("expected a vector of numbers")
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
        raise ValueError("expected a vector of numbers")
    return [float(one) for one in value if isinstance(one, int | float)]


def _texts(value: Json) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value:
        raise InvalidRequest.about("input", "expected a string or an array of strings")
    if isinstance(value[0], int | list) and not isinstance(value[0], bool):
        raise UnsupportedFeature.about("input", "token ids belong to another vendor's models; send text")
    if len(value) > MOST_TEXTS:
        raise InvalidRequest.about("input", f"at most {MOST_TEXTS} strings")
    for index, one in enumerate(value):
        if not isinstance(one, str) or not one:
            raise InvalidRequest.about(f"input[{index}]", "expected a non-empty string")
    return tuple(one for one in value if isinstance(one, str))


def positive(holder: Mapping[str, Json], name: str, place: str = "") -> int | None:
    """The size of a vector. Raises InvalidRequest."""
    value = holder.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise InvalidRequest.about(f"{place}{name}", "expected a positive number")
    return value


def _is_base64(value: Json) -> bool:
    if value not in (None, "float", "base64"):
        raise InvalidRequest.about("encoding_format", 'expected "float" or "base64"')
    return bool(value == "base64")


def _packed(vector: Sequence[float]) -> str:
    """32-bit floats, little-endian, as OpenAI's SDKs read them."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
