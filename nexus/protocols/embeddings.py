"""Embeddings: requests in OpenAI's form and their answers, and the formats of vendors' requests, one value each.

Pure; an answer that violates its format raises ValueError. Token numbers are refused, because they belong to one
vendor's tokenizer. Sources: OpenAI's API reference (``/v1/embeddings``) and the types of its Python SDK; ``task_type``
and ``input_type`` are Google's and Cohere's own, which clients of several vendors send in addition; google-genai's
converters (``batchEmbedContents`` on the Gemini API, ``predict`` and ``embedContent`` on Vertex AI) and Google's API
reference; Amazon's model parameters of Titan and Cohere embeddings.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping, Sequence

from nexus.dataclasses import dataclass, field
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import maybe_whole, wrong
from nexus.wire import Json, count, mapping, only, sequence, text

MOST_TEXTS = 2048
"""OpenAI's maximum for one request."""

_KNOWN = frozenset({"model", "input", "dimensions", "encoding_format", "task_type", "input_type"})


@dataclass(frozen=True, slots=True)
class EmbeddingsRequest:
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
    """Vectors in the order of the texts. ``tokens`` is None if the vendor does not count."""

    vectors: Sequence[Sequence[float]]
    tokens: int | None


def read_asked(document: Mapping[str, Json]) -> EmbeddingsRequest:
    return EmbeddingsRequest(
        _texts(document.get("input")),
        maybe_whole(document, "dimensions", 1),
        _is_base64(document.get("encoding_format")),
        text(document.get("task_type")),
        text(document.get("input_type")),
        tuple(name for name, value in document.items() if name not in _KNOWN and value is not None),
    )


def write_answer(
    vectors: Sequence[Sequence[float]], tokens: int, asked: EmbeddingsRequest, document: Mapping[str, Json]
) -> dict[str, Json]:
    data: list[Json] = [
        {"object": "embedding", "index": index, "embedding": packed(vector) if asked.base64 else list(vector)}
        for index, vector in enumerate(vectors)
    ]
    usage: Json = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": text(document.get("model")), "usage": usage}


_LARGEST = 3.4028234663852886e38
"""The largest 32-bit float."""


def floats(value: Json) -> list[float]:
    """The numbers of a vector. Raises ValueError if it is not one."""
    numbers = [one for one in sequence(value) if isinstance(one, int | float) and not isinstance(one, bool)]
    if not numbers or len(numbers) < len(sequence(value)) or any(abs(one) > _LARGEST for one in numbers):
        raise ValueError("expected a vector of numbers")
    return [float(one) for one in numbers]


def _texts(value: Json) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value:
        raise wrong("input", "a string or an array of strings")
    if isinstance(value[0], int | list) and not isinstance(value[0], bool):
        raise UnsupportedFeature.about("input", "token ids belong to another vendor's models; send text")
    if len(value) > MOST_TEXTS:
        raise wrong("input", f"at most {MOST_TEXTS} strings")
    for index, one in enumerate(value):
        if not isinstance(one, str) or not one:
            raise wrong(f"input.{index}", "a non-empty string")
    return tuple(one for one in value if isinstance(one, str))


def _is_base64(value: Json) -> bool:
    if value not in (None, "float", "base64"):
        raise wrong("encoding_format", '"float" or "base64"')
    return bool(value == "base64")


def packed(vector: Sequence[float]) -> str:
    """32-bit floats, little-endian, as OpenAI's SDKs read them."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


Body = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Format:
    """``dialect`` is that of the vendor's errors; ``most`` is the maximum number of texts in one request. ``lacks``
    lists request fields that it does not have; ``tokens_header`` is the reply header with the count, if the body has
    none."""

    dialect: str
    most: int
    write: Callable[[Sequence[str], EmbeddingsRequest, str], Body]
    read: Callable[[Mapping[str, Json]], Vectors]
    lacks: tuple[str, ...] = field(default=())
    tokens_header: str = ""
    path: str = ""
    """The endpoint, for a provider that has several."""

    def lost(self, asked: EmbeddingsRequest) -> tuple[str, ...]:
        """Requested fields that are not supported here, by the client's names."""
        if asked.google:
            typed = bool(asked.input_type) and "input_type" not in self.lacks
            return ("taskType",) if asked.task_type and "task_type" in self.lacks and not typed else ()
        return tuple(name for name in self.lacks if getattr(asked, name))


@dataclass(frozen=True, slots=True)
class EmbeddingsCodec:
    """Embeddings of a dialect: ``format`` is its vendors' own, in which requests are passed through."""

    format: Format
    read: Callable[[Mapping[str, Json]], EmbeddingsRequest]
    """A client's request. Raises ClientError."""

    write: Callable[[Sequence[Sequence[float]], int, EmbeddingsRequest, Mapping[str, Json]], dict[str, Json]]
    """The answer: vectors and tokens, for a request that was read."""


def _google_config(asked: EmbeddingsRequest) -> Body:
    return only({"taskType": asked.task_type or None, "outputDimensionality": asked.dimensions})


def _content(one: str) -> Json:
    return {"parts": [{"text": one}]}


def _write_gemini(texts: Sequence[str], asked: EmbeddingsRequest, model: str) -> Body:
    config, named = _google_config(asked), model if "/" in model else f"models/{model}"
    return {"requests": [{"model": named, "content": _content(one)} | config for one in texts]}


def _read_gemini(answer: Mapping[str, Json]) -> Vectors:
    found = [floats(mapping(one).get("values")) for one in sequence(answer.get("embeddings"))]
    return Vectors(found, _prompt_tokens(answer))


def _prompt_tokens(answer: Mapping[str, Json]) -> int | None:
    usage = mapping(answer.get("usageMetadata"))
    return count(usage["promptTokenCount"]) if "promptTokenCount" in usage else None


def _write_predict(texts: Sequence[str], asked: EmbeddingsRequest, model: str) -> Body:
    size = only({"outputDimensionality": asked.dimensions})
    instances = [only({"content": one, "task_type": asked.task_type or None}) for one in texts]
    return only({"instances": instances, "parameters": size or None})


def _read_predict(answer: Mapping[str, Json]) -> Vectors:
    found = [mapping(mapping(one).get("embeddings")) for one in sequence(answer.get("predictions"))]
    counted = [mapping(one.get("statistics")).get("token_count") for one in found]
    tokens = [int(one) for one in counted if isinstance(one, int | float)]
    return Vectors([floats(one.get("values")) for one in found], sum(tokens) if len(tokens) == len(found) else None)


def _write_embed_content(texts: Sequence[str], asked: EmbeddingsRequest, model: str) -> Body:
    return only({"content": _content(texts[0]), "embedContentConfig": _google_config(asked) or None})


def _read_embed_content(answer: Mapping[str, Json]) -> Vectors:
    return Vectors([floats(mapping(answer.get("embedding")).get("values"))], _prompt_tokens(answer))


def _write_titan(texts: Sequence[str], asked: EmbeddingsRequest, model: str) -> Body:
    return only({"inputText": texts[0], "dimensions": asked.dimensions})


def _write_titan_1(texts: Sequence[str], asked: EmbeddingsRequest, model: str) -> Body:
    if asked.dimensions is not None:
        raise UnsupportedFeature.about("dimensions", "this model has only one size")
    return {"inputText": texts[0]}


def _write_titan_image(texts: Sequence[str], asked: EmbeddingsRequest, model: str) -> Body:
    size = only({"outputEmbeddingLength": asked.dimensions})
    return only({"inputText": texts[0], "embeddingConfig": size or None})


def _read_titan(answer: Mapping[str, Json]) -> Vectors:
    tokens = count(answer["inputTextTokenCount"]) if "inputTextTokenCount" in answer else None
    return Vectors([floats(answer.get("embedding"))], tokens)


def _write_cohere(texts: Sequence[str], asked: EmbeddingsRequest, model: str) -> Body:
    if asked.dimensions is not None and "-v3" in model:
        raise UnsupportedFeature.about("dimensions", "this model has only one size")
    kinds = {"input_type": asked.input_type or "search_document", "embedding_types": ["float"]}
    return only({"texts": list(texts), **kinds, "output_dimension": asked.dimensions})


def _read_cohere(answer: Mapping[str, Json]) -> Vectors:
    """Reads vectors by type, as they are if types were requested, else a list."""
    found = answer.get("embeddings")
    by_type = found.get("float") if isinstance(found, dict) else found
    return Vectors([floats(one) for one in sequence(by_type)], None)


def _write_openai(texts: Sequence[str], asked: EmbeddingsRequest, model: str) -> Body:
    body = {"model": model, "input": list(texts), "encoding_format": "float", "dimensions": asked.dimensions}
    return only(body)


def _read_openai(answer: Mapping[str, Json]) -> Vectors:
    found = [floats(mapping(one).get("embedding")) for one in sequence(answer.get("data"))]
    usage = mapping(answer.get("usage"))
    return Vectors(found, count(usage["prompt_tokens"]) if "prompt_tokens" in usage else None)


OPENAI = Format("chat", 2048, _write_openai, _read_openai, lacks=("input_type", "task_type"), path="/embeddings")
GEMINI = Format("gemini", 100, _write_gemini, _read_gemini, lacks=("input_type",))
PREDICT = Format("gemini", 250, _write_predict, _read_predict, lacks=("input_type",))
PREDICT_ONE = Format("gemini", 1, _write_predict, _read_predict, lacks=("input_type",))
"""For gemini-embedding-001, which accepts one text per request."""
EMBED_CONTENT = Format("gemini", 1, _write_embed_content, _read_embed_content, lacks=("input_type",))
"""For Vertex AI's later Gemini embeddings."""
_TITANS_LACK = ("input_type", "task_type")
TITAN = Format("converse", 1, _write_titan, _read_titan, lacks=_TITANS_LACK)
TITAN_1 = Format("converse", 1, _write_titan_1, _read_titan, lacks=_TITANS_LACK)
TITAN_IMAGE = Format("converse", 1, _write_titan_image, _read_titan, lacks=_TITANS_LACK)
COHERE = Format(
    "converse", 96, _write_cohere, _read_cohere, lacks=("task_type",), tokens_header="x-amzn-bedrock-input-token-count"
)
