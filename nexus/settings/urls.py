"""Validation of URLs in the settings.

Messages state the rule and never the URL, which may hold credentials.
"""

from __future__ import annotations

import importlib.util
import re
from typing import Annotated
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pydantic import AfterValidator

from nexus.late import pattern
from nexus.settings.types import needs
from nexus.upstream.request import UNIX


def read_base_url(value: str) -> str:
    """The base URL of an API, without a trailing slash; paths are appended to it. Raises ValueError."""
    url = value.strip()
    if url.startswith(f"{UNIX}://"):
        return _read_unix(url)
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain credentials; they belong in a setting of their own, such as api_key")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError("must not have a query or a fragment, because paths are appended to it")
    return url.rstrip("/")


def read_proxy_url(value: str) -> str:
    """The URL of a forward proxy, with or without credentials; "" for ``none``, which means no proxy. Raises
    ValueError."""
    url = value.strip()
    if url == "none":
        return ""
    parts = _split(url, ("http", "https", "socks5", "socks5h"))
    if parts.scheme.startswith("socks") and importlib.util.find_spec("socks") is None:
        raise ValueError(needs("PySocks", "socks"))
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError('must have only a scheme, a host and a port, such as "http://proxy.internal:3128"')
    return url.rstrip("/")


def passwords_in(value: str) -> tuple[str, ...]:
    """The password in a URL, as written and percent-decoded."""
    if "://" not in value or "@" not in value:
        return ()
    try:
        password = urlsplit(value).password
    except ValueError:
        return ()
    return (password, unquote(password)) if password else ()


def host_of(url: str) -> str | None:
    """The host of a URL that has been validated."""
    return urlsplit(url).hostname


def _read_unix(url: str) -> str:
    """Normalises ``http+unix:///run/server.sock`` to ``http+unix://%2Frun%2Fserver.sock``, which may have a path, such
    as ``/v1``. Raises ValueError."""
    rest = url.removeprefix(f"{UNIX}://")
    if rest.startswith("/"):
        rest = quote(rest.rstrip("/"), safe="")
    host, slash, path = rest.partition("/")
    if not host or not url.isprintable() or " " in url or set("?#") & set(path):
        raise ValueError(f'is not the address of a Unix socket; write it like "{UNIX}:///run/server.sock"')
    return f"{UNIX}://{host}{slash}{path}".rstrip("/")


def parts_of(url: str) -> tuple[SplitResult, int | None]:
    """A URL's parts and its port. Raises ValueError."""
    # urlsplit silently drops line breaks and tabs, so reject them first.
    if not url.isprintable() or " " in url:
        raise ValueError("must not contain spaces or control characters")
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        raise ValueError("is not a URL: invalid host or port") from None


def _split(url: str, schemes: tuple[str, ...] = ("http", "https")) -> SplitResult:
    parts, _ = parts_of(url)
    if parts.scheme not in schemes or not parts.hostname:
        *first, last = (f'"{scheme}://"' for scheme in schemes)
        raise ValueError(f"must begin with {', '.join(first)} or {last} and name a host")
    return parts


BaseUrl = Annotated[str, AfterValidator(read_base_url)]

ProxyUrl = Annotated[str, AfterValidator(read_proxy_url)]


_PLAIN = pattern(r"(?:/[^/\\\x00-\x20\x7f?#]+)+/?|/")


def is_plain(path: str) -> bool:
    """Whether every server reads a path the same way: no empty or dotted segment, even percent-encoded."""
    if not path.isascii() or not _PLAIN.fullmatch(path):
        return False
    decoded = unquote(unquote(path))
    segments = re.split(r"[/\\]", decoded)
    return decoded.isprintable() and not {".", ".."} & {segment.partition(";")[0].strip() for segment in segments}
