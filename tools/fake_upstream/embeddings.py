"""Embeddings of the vendors that have their own formats, checked field by field as published.

Law: pure. Sources: google-genai, Google's API reference, Amazon's inference parameters of Titan and Cohere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.endpoints import DIMENSIONS, vector
from tools.fake_upstream.vendors import Answer, compact

GEMINI_VERB = "batchEmbedContents"
VERTEX_VERBS = ("predict", "embedContent")
TITAN_SIZES = (256, 512, 1024)
COHERE_MOST = 96


def is_bedrocks(model: str) -> bool:
    return "amazon.titan-embed" in model or "cohere.embed" in model


def problems(body: dict[str, Any], model: str, verb: str) -> Iterator[str]:
    """Problems of ``body``; ``verb`` is the last word of the path."""
    match verb:
        case "batchEmbedContents":
            yield from _only(body, {"requests"})
            if len(body.get("requests", ())) > 100:
                yield "requests: at most 100"
            for one in body.get("requests", ()):
                yield from _only(one, {"model", "content", "taskType", "title", "outputDimensionality"})
                yield from _content(one.get("content"))
                if one.get("model") != f"models/{model}":
                    yield f"model: must be models/{model}"
        case "predict":
            yield from _only(body, {"instances", "parameters"})
            yield from _only(body.get("parameters", {}), {"outputDimensionality", "autoTruncate"})
            if model.startswith("gemini-embedding-001") and len(body["instances"]) > 1:
                yield "instances: this model takes one"
            for one in body["instances"]:
                yield from _only(one, {"content", "task_type", "title"})
                if not isinstance(one.get("content"), str):
                    yield "content: must be a string"
        case "embedContent":
            yield from _only(body, {"content", "embedContentConfig"})
            yield from _only(body.get("embedContentConfig", {}), {"taskType", "title", "outputDimensionality"})
            yield from _content(body.get("content"))
        case _ if "cohere.embed" in model:
            known = {"texts", "input_type", "truncate", "embedding_types", "output_dimension", "images", "inputs"}
            yield from _only(body, known - ({"output_dimension", "inputs"} if "-v3" in model else set()))
            if not 0 < len(body.get("texts", ())) <= COHERE_MOST:
                yield f"texts: 1 to {COHERE_MOST}"
            if not body.get("input_type"):
                yield "input_type: required"
        case _:
            first = "embed-text-v1" in model
            yield from _only(body, {"inputText"} | (set() if first else {"dimensions", "normalize", "embeddingTypes"}))
            if not isinstance(body.get("inputText"), str):
                yield "inputText: must be a string"
            if body.get("dimensions", TITAN_SIZES[0]) not in TITAN_SIZES:
                yield f"dimensions: must be one of {TITAN_SIZES}"


def answer(body: dict[str, Any], model: str, verb: str, behaviour: Behaviour) -> Answer:
    used = behaviour.input_tokens
    match verb:
        case "batchEmbedContents":
            asked = body["requests"]
            found = [{"values": vector(one.get("outputDimensionality") or DIMENSIONS, _n(one))} for one in asked]
            return Answer(compact({"embeddings": found}))
        case "predict":
            size = body.get("parameters", {}).get("outputDimensionality") or DIMENSIONS
            counted = {"truncated": False, "token_count": used}
            made = [
                {"embeddings": {"values": vector(size, len(one["content"])), "statistics": counted}}
                for one in body["instances"]
            ]
            return Answer(compact({"predictions": made}))
        case "embedContent":
            size = body.get("embedContentConfig", {}).get("outputDimensionality") or DIMENSIONS
            whole = {"embedding": {"values": vector(size, _n(body))}, "usageMetadata": {"promptTokenCount": used}}
            return Answer(compact(whole))
        case _ if "cohere.embed" in model:
            size = body.get("output_dimension") or DIMENSIONS
            vectors = [vector(size, len(one)) for one in body["texts"]]
            embeddings: Any = {"float": vectors} if body.get("embedding_types") else vectors
            whole = {"id": "x", "embeddings": embeddings, "texts": body["texts"], "response_type": "embeddings_by_type"}
            return Answer(compact(whole), headers=(("x-amzn-bedrock-input-token-count", str(used)),))
        case _:
            floats = vector(body.get("dimensions") or DIMENSIONS, len(body["inputText"]))
            return Answer(compact({"embedding": floats, "inputTextTokenCount": used}))


def one(body: dict[str, Any], model: str, behaviour: Behaviour) -> Answer:
    """The answer of the Gemini API's embedContent."""
    many = json.loads(answer({"requests": [body]}, model, GEMINI_VERB, behaviour).body)
    return Answer(compact({"embedding": many["embeddings"][0]}))


def _n(one: dict[str, Any]) -> int:
    return len(one["content"]["parts"][0]["text"])


def _only(body: dict[str, Any], known: set[str]) -> Iterator[str]:
    yield from (f"{name}: Extra inputs are not permitted" for name in body if name not in known)


def _content(content: Any) -> Iterator[str]:
    if not isinstance(content, dict) or not content.get("parts") or set(content) - {"parts", "role"}:
        yield "content: must have parts"
