"""The paged model lists of the Gemini API and of Vertex AI's publishers.

Sources: ai.google.dev/api/models; Vertex AI's REST reference, ``publishers.models.list`` of v1beta1.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.provider.catalogue import Catalogue, Offered, entries, pages, parameter, texts
from nexus.upstream.request import UpstreamRequest
from nexus.wire import Json, text

_SIZE = "pageSize=1000"
"""The largest page of the Gemini API; Vertex AI gives 100 and accepts any number."""
PUBLISHERS = ("google", "anthropic")
"""The publishers on Vertex AI whose models are supported."""
_OTHER = ("embed", "imagen", "veo", "tts", "image", "lyria", "aqa", "chirp", "medlm", "gecko")


def gemini_catalogue(first: UpstreamRequest) -> Catalogue:
    """The models of the Gemini API; ids have no ``models/`` prefix, as in settings."""
    offered: list[Offered] = []
    for document in (yield from pages(first, _SIZE, _following)):
        for entry in entries(document, "models"):
            id, methods = text(entry.get("name")).removeprefix("models/"), texts(entry, "supportedGenerationMethods")
            answers = "generateContent" in methods if methods else True
            offered.append(Offered(id, answers and not _is_other(id), (f"models/{id}",)))
    return offered


def vertex_catalogue(first: Mapping[str, UpstreamRequest]) -> Catalogue:
    """The models of Vertex AI's publishers; ``first`` has the request for each publisher's first page."""
    offered: list[Offered] = []
    for publisher, request in first.items():
        for document in (yield from pages(request, _SIZE, _following)):
            # A publisher without models here has no list at all.
            for entry in entries({"publisherModels": [], **document}, "publisherModels"):
                name = text(entry.get("name"))
                id, version = name.rpartition("/")[2], text(entry.get("versionId"))
                also = (f"{id}@{version}", f"publishers/{publisher}/models/{id}") if version else (name,)
                offered.append(Offered(id, not _is_other(id), also))
    return [one for one in offered if one.id.startswith(("gemini", "claude")) or not one.answers]


def _following(page: Mapping[str, Json]) -> str:
    return parameter("pageToken", page.get("nextPageToken"))


def _is_other(id: str) -> bool:
    return any(word in id for word in _OTHER)
