"""Anthropic's paged model list: ``GET /v1/models``. Source: Anthropic's API reference."""

from __future__ import annotations

from urllib.parse import quote

from nexus.dataclasses import replace
from nexus.provider.catalogue import Catalogue, Offered, entries
from nexus.upstream.request import UpstreamRequest
from nexus.wire import text

PAGE = 1000


def catalogue(first: UpstreamRequest) -> Catalogue:
    """``first`` requests the first page, without paging parameters."""
    mark = "&" if "?" in first.url else "?"
    request = replace(first, url=f"{first.url}{mark}limit={PAGE}")
    found: list[Offered] = []
    page = request
    while True:
        document = yield page
        found += [Offered(text(entry.get("id"))) for entry in entries(document, "data")]
        last = text(document.get("last_id"))
        if document.get("has_more") is not True or not last:
            return found
        page = replace(request, url=f"{request.url}&after_id={quote(last, safe='')}")
