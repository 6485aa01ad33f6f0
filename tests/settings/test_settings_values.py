"""Durations, sizes, addresses, paths and URLs: valid and invalid values. Error messages never repeat the input."""

from collections.abc import Callable

import pytest
from pydantic import TypeAdapter, ValidationError

from nexus.settings.keys import read_expiry
from nexus.settings.listen import ListenAddress, UnixAddress, read_addresses, read_mode
from nexus.settings.price import read_dollars
from nexus.settings.types import (
    Duration,
    PositiveDuration,
    Size,
    Timeout,
    read_duration,
    read_label,
    read_path,
    read_size,
)
from nexus.settings.urls import passwords_in, read_base_url, read_proxy_url

DURATIONS = {
    "seconds": ("60s", 60.0),
    "minutes": ("5m", 300.0),
    "hours": ("1h", 3600.0),
    "milliseconds": ("500ms", 0.5),
    "days": ("1d", 86400.0),
    "sum": ("1m30s", 90.0),
    "sum with spaces": ("1h 30m", 5400.0),
    "fraction": ("1.5s", 1.5),
    "zero": ("0s", 0.0),
    "surrounding spaces": (" 10s ", 10.0),
    "inexact in binary": ("100ms", 0.1),
    "weeks": ("2w", 1_209_600.0),
    "bare number, as in Nexus 0.6": (6061, 6061.0),
    "bare number as a string": ("90", 90.0),
    "bare fraction": (1.5, 1.5),
}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.values(), ids=DURATIONS.keys())
def test_durations_are_read(text: object, seconds: float) -> None:
    assert TypeAdapter[float](Duration).validate_python(text) == seconds


SIZES = {
    "number": (33554432, 33554432),
    "digits": ("4096", 4096),
    "binary": ("32MiB", 32 * 2**20),
    "decimal": ("10MB", 10_000_000),
    "kilo": ("512 KiB", 512 * 1024),
    "giga": ("1GiB", 2**30),
    "bytes": ("100B", 100),
    "lower case": ("1mib", 2**20),
}


@pytest.mark.parametrize(("value", "count"), SIZES.values(), ids=SIZES.keys())
def test_sizes_are_read(value: object, count: int) -> None:
    assert TypeAdapter[int](Size).validate_python(value) == count


ADDRESSES = {
    "IPv4": ("127.0.0.1:8000", "127.0.0.1", 8000, True),
    "any free port": ("127.0.0.1:0", "127.0.0.1", 0, True),
    "loopback net": ("127.9.9.9:1", "127.9.9.9", 1, True),
    "IPv6": ("[::1]:0", "::1", 0, True),
    "IPv6 everywhere": ("[::]:80", "::", 80, False),
    "IPv4 in IPv6": ("[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, True),
    "everywhere": ("0.0.0.0:65535", "0.0.0.0", 65535, False),
    "localhost": ("localhost:80", "localhost", 80, True),
    "host name": ("gateway.internal:80", "gateway.internal", 80, False),
}


@pytest.mark.parametrize(("text", "host", "port", "loopback"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_a_listen_address_is_read(text: str, host: str, port: int, loopback: bool) -> None:
    address = ListenAddress.read(text)
    assert (address.host, address.port, address.is_loopback) == (host, port, loopback)
    assert str(address) == text
    assert ListenAddress.read(address) is address


LISTS: dict[str, tuple[object, list[str]]] = {
    "one": ("127.0.0.1:1", ["127.0.0.1:1"]),
    "a list": (["127.0.0.1:1", "[::1]:1"], ["127.0.0.1:1", "[::1]:1"]),
    "with commas": ("127.0.0.1:1, [::1]:1", ["127.0.0.1:1", "[::1]:1"]),
    "a Unix socket": ("unix:/run/nexus.sock", ["unix:/run/nexus.sock"]),
    "as a URL": ("unix:///run/nexus.sock", ["unix:/run/nexus.sock"]),
    "both": (["unix:nexus.sock", "0.0.0.0:80"], ["unix:nexus.sock", "0.0.0.0:80"]),
    "free ports": ("127.0.0.1:0,127.0.0.1:0", ["127.0.0.1:0", "127.0.0.1:0"]),
}


@pytest.mark.parametrize(("given", "expected"), LISTS.values(), ids=LISTS.keys())
def test_lists_of_listen_addresses_are_read(given: object, expected: list[str]) -> None:
    addresses = read_addresses(given)
    assert [str(address) for address in addresses] == expected
    assert read_addresses(addresses) == addresses
    assert all(address.is_loopback for address in addresses if isinstance(address, UnixAddress))


REFUSED: dict[str, tuple[Callable[[str], object], object, str]] = {
    "duration: month": (read_duration, "6061mon", "is not a duration"),
    "duration: product": (read_duration, "1m*6061", "is not a duration"),
    "duration: negative number": (read_duration, -6061, "is not a duration"),
    "duration: not a number": (read_duration, float("nan"), "is not a duration"),
    "duration: true": (read_duration, True, "is not a duration"),
    "duration: unknown unit": (read_duration, "6061 parsecs", "is not a duration"),
    "duration: negative": (read_duration, "-6061s", "is not a duration"),
    "duration: empty": (read_duration, "", "is not a duration"),
    "duration: other digits": (read_duration, "\uff166061s", "is not a duration"),
    "duration: too long": (read_duration, "999999999d", "at most 400 days"),
    "size: unknown unit": (read_size, "6061 MeB", "is not a size"),
    "size: bare letter": (read_size, "6061i", "is not a size"),
    "size: fraction": (read_size, 6061.5, "is not a size"),
    "size: true": (read_size, True, "is not a size"),
    "addresses: none": (read_addresses, [], "names no address"),
    "addresses: one twice": (read_addresses, "6061.example:1,6061.example:1", "names an address twice"),
    "addresses: no path": (read_addresses, "unix:", "is not the path of a Unix socket"),
    "addresses: a folder": (read_addresses, "unix:/6061/", "is not the path of a Unix socket"),
    "addresses: a long path": (read_addresses, "unix:/6061" + "x" * 100, "is longer than 100 bytes"),
    "mode: letters": (read_mode, "rw6061", "is not a mode"),
    "mode: too many digits": (read_mode, "6061", "is not a mode"),
    "address: no port": (ListenAddress.read, "6061.example", "HOST:PORT"),
    "address: not a string": (ListenAddress.read, 6061, "HOST:PORT"),
    "address: port too large": (ListenAddress.read, "6061.example:65536", "from 0 to 65535"),
    "address: port not a number": (ListenAddress.read, "6061.example:http", "from 0 to 65535"),
    "address: no host": (ListenAddress.read, ":6061", "has no host"),
    "address: IPv6 without brackets": (ListenAddress.read, "6061::1:80", "without brackets"),
    "address: name in brackets": (ListenAddress.read, "[6061.example]:80", "not an IPv6 address"),
    "address: broken IPv4": (ListenAddress.read, "6061.1.1.1:80", "neither an IP address nor a host name"),
    "address: space in name": (ListenAddress.read, "6061 example:80", "neither an IP address nor a host name"),
    "address: URL": (ListenAddress.read, "http://6061:80", "is a URL"),
    "path: relative": (read_path, "6061", "is not a URL path"),
    "path: root": (read_path, "/", "is not a URL path"),
    "path: two slashes at the end": (read_path, "/6061//", "is not a URL path"),
    "path: query": (read_path, "/6061?x=1", "is not a URL path"),
    "path: double slash": (read_path, "/6061//x", "is not a URL path"),
    "path: dots": (read_path, "/6061/../x", "is not a URL path"),
    "path: line break": (read_path, "/6061\n", "is not a URL path"),
    "label: empty": (read_label, "", "must not be empty"),
    "label: control character": (read_label, "6061\x1b[0m", "control characters"),
    "label: space at the end": (read_label, "6061 ", "end with a space"),
    "URL: other scheme": (read_base_url, "ftp://6061.example", '"http://" or "https://"'),
    "URL: no scheme": (read_base_url, "6061.example/v1", '"http://" or "https://"'),
    "URL: no host": (read_base_url, "https:///6061", "name a host"),
    "URL: credentials": (read_base_url, "https://u:6061@example", "must not contain credentials"),
    "URL: fragment": (read_base_url, "https://6061.example/#x", "query or a fragment"),
    "URL: query": (read_base_url, "https://6061.example/?a=b", "query or a fragment"),
    "URL: space": (read_base_url, "https://6061 .example", "spaces"),
    "URL: line break": (read_base_url, "https://6061\n.example", "control characters"),
    "URL: port": (read_base_url, "https://example:6061x", "invalid host or port"),
    "URL: bracket": (read_base_url, "https://[6061", "invalid host or port"),
    "proxy: path": (read_proxy_url, "http://6061.example/x", "only a scheme, a host and a port"),
    "proxy: fragment": (read_proxy_url, "http://6061.example/#x", "only a scheme, a host and a port"),
    "URL: a socket without a path": (read_base_url, "http+unix:///", "Unix socket"),
    "URL: a socket with a query": (read_base_url, "http+unix://%2F6061/v1?x=1", "Unix socket"),
    "URL: a socket as a scheme": (read_base_url, "unix:///run/6061.sock", "must begin with"),
    "proxy: socks": (read_proxy_url, "socks4://6061.example", 'or "socks5h://"'),
    "proxy: no host": (read_proxy_url, "socks5://", "must begin with"),
    "dollars: more digits than a decimal number has": (read_dollars, "6061e999999", "between 0 and 1000000"),
    "dollars: not a number": (read_dollars, "sNaN6061", "is not an amount"),
    "expiry: after the year 9999 in UTC": (read_expiry, "9999-12-31T23:59:59-12:00", "is not a date"),
    "expiry: before the year 1 in UTC": (read_expiry, "0001-01-01T00:00:00+12:00", "is not a date"),
}


@pytest.mark.parametrize(("read", "value", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_values_are_rejected_without_repeating_them(
    read: Callable[[object], object], value: object, message: str
) -> None:
    with pytest.raises(ValueError) as caught:
        read(value)
    assert message in str(caught.value)
    assert "6061" not in str(caught.value)


OUT_OF_RANGE: dict[str, tuple[object, object]] = {
    "zero where something must pass": (PositiveDuration, "0s"),
    "zero timeout": (Timeout, "0ms"),
    "timeout beyond what sockets take": (Timeout, "25h"),
    "empty size": (Size, 0),
    "negative size": (Size, -1),
}


@pytest.mark.parametrize(("kind", "value"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE.keys())
def test_values_out_of_range_are_rejected(kind: type, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


URLS = {
    "kept": ("https://api.openai.com/v1", "https://api.openai.com/v1"),
    "slashes at the end": ("http://localhost:11434/v1//", "http://localhost:11434/v1"),
    "surrounding spaces, as in a variable": (" https://x.example\n", "https://x.example"),
    "IPv6": ("http://[::1]:8080/", "http://[::1]:8080"),
}


@pytest.mark.parametrize(("text", "url"), URLS.values(), ids=URLS.keys())
def test_base_urls_are_normalized(text: str, url: str) -> None:
    assert read_base_url(text) == url


def test_credentials_in_a_proxy_url_are_found() -> None:
    url = read_proxy_url("http://me:p%40hushhush-word@proxy.internal:3128/")
    assert url == "http://me:p%40hushhush-word@proxy.internal:3128"
    assert passwords_in(url) == ("p%40hushhush-word", "p@hushhush-word")
    assert passwords_in("mail me@example.org") == passwords_in("http://[x@") == passwords_in("http://me@host") == ()
