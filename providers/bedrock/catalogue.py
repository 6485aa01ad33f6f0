"""Bedrock's model lists: foundation models that can be called on demand, and inference profiles.

Bedrock's control plane serves them, on a different host than the runtime. Source: Amazon's API reference,
ListFoundationModels and ListInferenceProfiles.
"""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from nexus.provider.catalogue import Catalogue, Offered, entries, pages, parameter, texts
from nexus.providers.bedrock.regions import region_of
from nexus.upstream.request import UpstreamRequest
from nexus.wire import mapping, sequence, text

PAGE = 1000
LISTS = ("foundation-models", "inference-profiles")
"""The paths of both lists."""


def control_url(base_url: str) -> str:
    """The control plane's URL for a runtime of AWS; any other server serves both."""
    parts = urlsplit(base_url)
    if region_of(parts.hostname) is None:
        return base_url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace("bedrock-runtime", "bedrock", 1)))


def catalogue(models: UpstreamRequest, profiles: UpstreamRequest) -> Catalogue:
    """Models that can be called by their own id, then inference profiles."""
    document = yield models
    generates: dict[str, bool] = {}
    found: list[Offered] = []
    for entry in entries(document, "modelSummaries"):
        id, answers = text(entry.get("modelId")), "TEXT" in texts(entry, "outputModalities")
        generates[id] = answers
        if "ON_DEMAND" in texts(entry, "inferenceTypesSupported"):
            found.append(Offered(id, answers, (text(entry.get("modelArn")),)))
    documents = yield from pages(
        profiles, f"maxResults={PAGE}", lambda page: parameter("nextToken", page.get("nextToken"))
    )
    for entry in (entry for document in documents for entry in entries(document, "inferenceProfileSummaries")):
        ids = (text(mapping(model).get("modelArn")).rpartition("/")[2] for model in sequence(entry.get("models")))
        answers = all(generates.get(model, True) for model in ids)
        found.append(Offered(text(entry.get("inferenceProfileId")), answers, (text(entry.get("inferenceProfileArn")),)))
    return found
