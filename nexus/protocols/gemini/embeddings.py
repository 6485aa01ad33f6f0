"""A request for embeddings and its answer, in the form of the Gemini API.

Law: pure. Several requests in one become one request if they have the same options, as Google's SDKs make them. Source:
ai.google.dev/api/embeddings; google.genai's converters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import join, maybe_whole, wrong
from nexus.protocols.embeddings import MOST_TEXTS, EmbeddingsRequest
from nexus.protocols.gemini.spelling import camel
from nexus.wire import Json, mapping, sequence, text

_TASKS: Mapping[str, str] = {
    "RETRIEVAL_QUERY": "search_query",
    "QUESTION_ANSWERING": "search_query",
    "FACT_VERIFICATION": "search_query",
    "CODE_RETRIEVAL_QUERY": "search_query",
    "RETRIEVAL_DOCUMENT": "search_document",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
}
"""Google's task types by Cohere's names."""

_IN_PATH = ("model", "stream")
_KNOWN = frozenset({"model", "content", "taskType", "outputDimensionality"})


def read_asked(document: Mapping[str, Json]) -> EmbeddingsRequest:
    document = mapping(camel(dict(document)))
    several = document.get("requests")
    if several is None:
        given: Sequence[Json] = [{name: value for name, value in document.items() if name not in _IN_PATH}]
    elif isinstance(several, list) and 0 < len(several) <= MOST_TEXTS:
        given = several
    else:
        raise wrong("requests", f"an array of 1 to {MOST_TEXTS} requests")
    requests = {("" if several is None else f"requests.{at}"): mapping(one) for at, one in enumerate(given)}
    asked = {
        (text(one.get("taskType")), maybe_whole(one, "outputDimensionality", 1, path=path))
        for path, one in requests.items()
    }
    if len(asked) > 1:
        raise UnsupportedFeature.about(
            "requests", "requests with another taskType or outputDimensionality must be sent separately"
        )
    ((task, size),) = asked
    task = "" if task == "TASK_TYPE_UNSPECIFIED" else task
    lost = (name for one in requests.values() for name, value in one.items() if name not in _KNOWN and value)
    return EmbeddingsRequest(
        tuple(_text(one, path) for path, one in requests.items()),
        size,
        task_type=task,
        input_type=_TASKS.get(task, ""),
        dropped=tuple(dict.fromkeys(lost)),
        google=True,
    )


def write_answer(
    vectors: Sequence[Sequence[float]], tokens: int, asked: EmbeddingsRequest, document: Mapping[str, Json]
) -> dict[str, Json]:
    usage: Json = {"promptTokenCount": tokens}
    embeddings: list[Json] = [{"values": list(vector)} for vector in vectors]
    if document.get("requests") is None:
        return {"embedding": embeddings[0], "usageMetadata": usage}
    return {"embeddings": embeddings, "usageMetadata": usage}


def _text(request: Mapping[str, Json], where: str) -> str:
    path = join(where, "content")
    given = mapping(request.get("content")).get("parts")
    parts = [given] if isinstance(given, dict) else sequence(given)
    for at, part in enumerate(parts):
        if not isinstance(mapping(part).get("text"), str):
            raise UnsupportedFeature.about(f"{path}.parts.{at}", "only text can be embedded")
    words = "".join(text(mapping(part).get("text")) for part in parts)
    if not words:
        raise wrong(path, "a non-empty text")
    return words
