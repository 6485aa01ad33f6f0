"""URLs of the Gemini API and Vertex AI, and the resource names of models.

Law: hosts come from the settings alone. A model's id is percent-encoded into one path segment, so that no id can name
another host, resource or method; only the collections listed here may precede it. Sources: ai.google.dev/api,
google.genai's API client, anthropic's ``lib/vertex``.
"""

from __future__ import annotations

from urllib.parse import quote

from nexus.late import pattern
from nexus.protocols import embeddings
from nexus.protocols.embeddings import Format

GEMINI_API = "https://generativelanguage.googleapis.com/v1beta"
_MULTI_REGIONS = ("us", "eu")
_VERSION = pattern(r"/v\d+(?:(?:alpha|beta)\d*)?$")

_GEMINI_COLLECTIONS = ("models/", "tunedModels/")
_VERTEX_COLLECTIONS = ("publishers/google/models/", "endpoints/")
TUNED = ("tunedModels/", "endpoints/")
"""Prefixes of the ids of custom models."""


def gemini_base(url: str) -> str:
    """``url`` with its version, which users may leave out."""
    return url if _VERSION.search(url) else f"{url}/v1beta"


def vertex_base(url: str, location: str) -> str:
    """``url``, or else the address of ``location``, with its version."""
    base = url or f"https://{_host(location)}"
    return base if _VERSION.search(base) else f"{base}/v1"


def beta_of(base: str) -> str:
    """The base URL for listing models on Vertex AI, which its v1 does not support."""
    return _VERSION.sub("/v1beta1", base)


def _host(location: str) -> str:
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def vertex_parent(project: str, location: str) -> str:
    """The resource that contains all models of Vertex AI."""
    return f"/projects/{_segment(project)}/locations/{_segment(location)}"


def model_path(model: str, *, vertex: bool) -> str:
    """Collection and id; an id without a collection is in the first one."""
    collections = _VERTEX_COLLECTIONS if vertex else _GEMINI_COLLECTIONS
    collection = next(filter(model.startswith, collections), "")
    return f"/{collection or collections[0]}{_segment(model.removeprefix(collection))}"


def claude_model(model: str) -> str:
    return f"/publishers/anthropic/models/{_segment(model)}"


def embedding_format(model: str, *, vertex: bool) -> Format | None:
    """The format for an embedding model, None for others; by its name. Source: google-genai, and Vertex AI's page on
    text embeddings.
    """
    id = model.rpartition("/")[2]
    if "embedding" not in id and "gecko" not in id:
        return None
    if not vertex:
        return embeddings.GEMINI
    if not id.startswith("gemini-"):
        return embeddings.PREDICT
    first = id.startswith(("gemini-embedding-001", "gemini-embedding-exp"))
    return embeddings.PREDICT_ONE if first else embeddings.EMBED_CONTENT


def _segment(text: str) -> str:
    """One path segment; "@" separates a Claude model from its date."""
    return quote(text, safe="@")
