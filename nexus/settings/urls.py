"""What counts as a usable URL in the settings.

Law: messages name the rule and never the URL, which may hold credentials.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator


def read_base_url(value: str) -> str:
    """The address of a vendor's API, to which paths are appended."""
    url = value.strip()
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials; the key belongs into api_key")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError("must not have a query or a fragment, for paths are appended to it")
    return url.rstrip("/")


def read_proxy_url(value: str) -> str:
    """The address of a forward proxy, with or without credentials."""
    url = value.strip()
    parts = _split(url)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError('a proxy is scheme, host and port only, such as "http://proxy.internal:3128"')
    return url.rstrip("/")


def passwords_in(value: str) -> tuple[str, ...]:
    """Passwords that a URL carries, as they are written and as they are meant."""
    if "://" not in value or "@" not in value:
        return ()
    try:
        password = urlsplit(value).password
    except ValueError:
        return ()
    return (password, unquote(password)) if password else ()


def host_of(url: str) -> str | None:
    """The host of a URL that has been checked."""
    return urlsplit(url).hostname


def _split(url: str) -> SplitResult:
    # urlsplit drops line breaks and tabs without a word, so they are looked for first.
    if not url.isprintable() or " " in url:
        raise ValueError("a URL holds no blanks and no control characters")
    try:
        parts = urlsplit(url)
        port_is_number = parts.port is None or parts.port >= 0
    except ValueError:
        raise ValueError("is not a URL: host or port cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_number:
        raise ValueError('must begin with "http://" or "https://" and name a host')
    return parts


BaseUrl = Annotated[str, AfterValidator(read_base_url)]

ProxyUrl = Annotated[str, AfterValidator(read_proxy_url)]
