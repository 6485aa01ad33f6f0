"""How a URL is used in an exchange, and that a request head cannot be split."""

import pytest

from nexus.upstream.address import Address, address_of, head_of

ADDRESSES: dict[str, tuple[str, Address]] = {
    "a vendor": (
        "https://api.openai.com/v1/chat/completions",
        Address(("https", "api.openai.com", None), "api.openai.com", "/v1/chat/completions", "api.openai.com"),
    ),
    "an explicit port": (
        "http://127.0.0.1:9100/v1?api-version=1",
        Address(("http", "127.0.0.1", 9100), "127.0.0.1:9100", "/v1?api-version=1", "127.0.0.1:9100"),
    ),
    "the standard port, which no header names": (
        "https://Vendor.test:443/v1",
        Address(("https", "vendor.test", 443), "vendor.test", "/v1", "Vendor.test:443"),
    ),
    "an address of version 6": ("http://[::1]:8080", Address(("http", "::1", 8080), "[::1]:8080", "/", "[::1]:8080")),
    "a path that would be a host": (
        "https://vendor.test//other.test/v1",
        Address(("https", "vendor.test", None), "vendor.test", "/other.test/v1", "vendor.test"),
    ),
    "a path of which AWS signs the escapes": (
        "https://vendor.test/model/a%3A1 b/converse",
        Address(("https", "vendor.test", None), "vendor.test", "/model/a%3A1%20b/converse", "vendor.test"),
    ),
    "a Unix socket": (
        "http+unix://%2Frun%2Fa.sock/v1",
        Address(("http+unix", "%2Frun%2Fa.sock", None), "%2Frun%2Fa.sock", "/v1", "/run/a.sock"),
    ),
}


@pytest.mark.parametrize(("url", "address"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_how_a_url_is_used(url: str, address: Address) -> None:
    assert address_of(url) == address


def test_a_head_is_written_according_to_http() -> None:
    assert (
        head_of("POST", "/v1", {"host": "a", "x-team": "é"}) == b"POST /v1 HTTP/1.1\r\nhost: a\r\nx-team: \xe9\r\n\r\n"
    )


BAD: dict[str, tuple[str, str, dict[str, str]]] = {
    "a value with a line end": ("GET", "/", {"a": "b\r\nc: d"}),
    "a value with half a line end": ("GET", "/", {"a": "b\nc: d"}),
    "a value with a NUL": ("GET", "/", {"a": "b\0"}),
    "a value that no header can hold": ("GET", "/", {"a": "世"}),
    "a name with a blank": ("GET", "/", {"a b": "c"}),
    "no name": ("GET", "/", {"": "c"}),
    "a target with a line end": ("GET", "/\r\na: b", {}),
}


@pytest.mark.parametrize(("method", "target", "headers"), BAD.values(), ids=BAD.keys())
def test_a_value_that_would_split_the_head_is_rejected(method: str, target: str, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"not valid HTTP|latin-1"):
        head_of(method, target, headers)
