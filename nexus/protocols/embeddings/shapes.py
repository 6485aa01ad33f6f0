"""The formats of vendors' embeddings requests, one value each.

Pure; an answer that violates its format raises ValueError. Sources: google-genai's converters (``batchEmbedContents``
on the Gemini API, ``predict`` and ``embedContent`` on Vertex AI) and Google's API reference; Amazon's model parameters
of Titan and Cohere embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from nexus.dataclasses import dataclass
from nexus.errors import UnsupportedFeature
from nexus.protocols.embeddings.asked import Asked, Vectors, floats
from nexus.wire import Json, count, mapping, only, sequence

Body = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Format:
    """``dialect`` is that of the vendor's errors; ``most`` is the maximum number of texts in one request. ``lacks``
    lists request fields that it does not have; ``tokens_header`` is the reply header with the count, if the body has
    none."""

    dialect: str
    most: int
    write: Callable[[Sequence[str], Asked, str], Body]
    read: Callable[[Mapping[str, Json]], Vectors]
    lacks: tuple[str, ...] = field(default=())
    tokens_header: str = ""
    path: str = ""
    """The endpoint, for a provider that has several."""

    def lost(self, asked: Asked) -> tuple[str, ...]:
        """Requested fields that are not supported here, by the client's names."""
        if asked.google:
            typed = bool(asked.input_type) and "input_type" not in self.lacks
            return ("taskType",) if asked.task_type and "task_type" in self.lacks and not typed else ()
        return tuple(name for name in self.lacks if getattr(asked, name))


@dataclass(frozen=True, slots=True)
class EmbeddingsCodec:
    """Embeddings of a dialect: ``format`` is its vendors' own, in which requests are passed through."""

    format: Format
    read: Callable[[Mapping[str, Json]], Asked]
    """A client's request. Raises ClientError."""

    write: Callable[[Sequence[Sequence[float]], int, Asked, Mapping[str, Json]], dict[str, Json]]
    """The answer: vectors and tokens, for a request that was read."""


def _google_config(asked: Asked) -> Body:
    return only({"taskType": asked.task_type or None, "outputDimensionality": asked.dimensions})


def _content(one: str) -> Json:
    return {"parts": [{"text": one}]}


def _write_gemini(texts: Sequence[str], asked: Asked, model: str) -> Body:
    config, named = _google_config(asked), model if "/" in model else f"models/{model}"
    return {"requests": [{"model": named, "content": _content(one)} | config for one in texts]}


def _read_gemini(answer: Mapping[str, Json]) -> Vectors:
    found = [floats(mapping(one).get("values")) for one in sequence(answer.get("embeddings"))]
    return Vectors(found, _prompt_tokens(answer))


def _prompt_tokens(answer: Mapping[str, Json]) -> int | None:
    usage = mapping(answer.get("usageMetadata"))
    return count(usage["promptTokenCount"]) if "promptTokenCount" in usage else None


def _write_predict(texts: Sequence[str], asked: Asked, model: str) -> Body:
    size = only({"outputDimensionality": asked.dimensions})
    instances = [only({"content": one, "task_type": asked.task_type or None}) for one in texts]
    return only({"instances": instances, "parameters": size or None})


def _read_predict(answer: Mapping[str, Json]) -> Vectors:
    found = [mapping(mapping(one).get("embeddings")) for one in sequence(answer.get("predictions"))]
    counted = [mapping(one.get("statistics")).get("token_count") for one in found]
    tokens = [int(one) for one in counted if isinstance(one, int | float)]
    return Vectors([floats(one.get("values")) for one in found], sum(tokens) if len(tokens) == len(found) else None)


def _write_embed_content(texts: Sequence[str], asked: Asked, model: str) -> Body:
    return only({"content": _content(texts[0]), "embedContentConfig": _google_config(asked) or None})


def _read_embed_content(answer: Mapping[str, Json]) -> Vectors:
    return Vectors([floats(mapping(answer.get("embedding")).get("values"))], _prompt_tokens(answer))


def _write_titan(texts: Sequence[str], asked: Asked, model: str) -> Body:
    return only({"inputText": texts[0], "dimensions": asked.dimensions})


def _write_titan_1(texts: Sequence[str], asked: Asked, model: str) -> Body:
    if asked.dimensions is not None:
        raise UnsupportedFeature.about("dimensions", "this model has one size only")
    return {"inputText": texts[0]}


def _write_titan_image(texts: Sequence[str], asked: Asked, model: str) -> Body:
    size = only({"outputEmbeddingLength": asked.dimensions})
    return only({"inputText": texts[0], "embeddingConfig": size or None})


def _read_titan(answer: Mapping[str, Json]) -> Vectors:
    tokens = count(answer["inputTextTokenCount"]) if "inputTextTokenCount" in answer else None
    return Vectors([floats(answer.get("embedding"))], tokens)


def _write_cohere(texts: Sequence[str], asked: Asked, model: str) -> Body:
    if asked.dimensions is not None and "-v3" in model:
        raise UnsupportedFeature.about("dimensions", "this model has one size only")
    kinds = {"input_type": asked.input_type or "search_document", "embedding_types": ["float"]}
    return only({"texts": list(texts), **kinds, "output_dimension": asked.dimensions})


def _read_cohere(answer: Mapping[str, Json]) -> Vectors:
    """By type if types were requested, else a list."""
    found = answer.get("embeddings")
    by_type = found.get("float") if isinstance(found, dict) else found
    return Vectors([floats(one) for one in sequence(by_type)], None)


def _write_openai(texts: Sequence[str], asked: Asked, model: str) -> Body:
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
    "converse",
    96,
    _write_cohere,
    _read_cohere,
    lacks=("task_type",),
    tokens_header="x-amzn-bedrock-input-token-count",
)
