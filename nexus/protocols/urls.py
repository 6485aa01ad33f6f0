"""Data URLs and links in clients' content and in vendors' requests."""

from __future__ import annotations

import re

from nexus.conversation.parts import Inline, Link
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.late import pattern

_WEB = ("https://", "http://")
_DATA_URL = pattern(r"data:([^;,\s]+)((?:;[^;,\s]*)*),", re.IGNORECASE)


def read_url(url: str, *, param: str) -> Inline | Link:
    """A data URL's content or a link, to the web or to cloud storage; the writer decides which it supports.

    Raises InvalidRequest for anything else.
    """
    if url[:5].lower() == "data:":
        match = _DATA_URL.match(url)
        if match is None or not match.group(2).lower().endswith(";base64"):
            raise InvalidRequest("a data URL must have a media type and be base64-encoded", param=param)
        return Inline(match.group(1).lower(), _forgiven(url[match.end() :]))
    if url.lower().startswith((*_WEB, "gs://", "s3://")):
        return Link(url)
    raise InvalidRequest("expected an https URL or a data URL", param=param)


def _forgiven(data: str) -> str:
    """Base64 as every vendor accepts it: in data URLs it may contain whitespace, such as line breaks, and lack its
    padding (WHATWG's forgiving-base64)."""
    if any(blank in data for blank in "\n\r\t "):
        data = "".join(data.split())
    return data + "=" * (-len(data) % 4)


def web_url(link: Link, path: str) -> str:
    """For vendors that only fetch from the web. Raises UnsupportedFeature for an address in cloud storage."""
    if not is_web(link.url):
        raise UnsupportedFeature.about(
            path, f"this vendor does not read {link.url.partition(':')[0]}:// URLs; send the content inline"
        )
    return link.url


def is_web(url: str) -> bool:
    return url.lower().startswith(_WEB)


def data_url(source: Inline) -> str:
    return f"data:{source.media_type};base64,{source.data}"
