"""Browsers and proxies: origins, preflights, client addresses and metadata, as pure functions."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nexus.auth.client_ip import client_ip
from nexus.auth.cors import is_allowed, preflight_headers, reply_headers
from nexus.auth.identity import Unidentified
from nexus.auth.metadata import challenge, document
from nexus.errors import AuthenticationFailed
from nexus.settings.guards import ClientIpSettings, CorsSettings
from nexus.settings.oauth import OAuthSettings, ProtectedResource, oauth_warnings
from tests.auth.kit import lines, tables

PEER = "10.0.0.1"

PLACES: dict[str, tuple[dict[str, Any], dict[str, str | list[str]], str]] = {
    "no proxy is trusted": ({}, {"x-real-ip": "1.1.1.1", "x-forwarded-for": "2.2.2.2"}, PEER),
    "real": ({"x_real_ip": True}, {"x-real-ip": "1.1.1.1"}, "1.1.1.1"),
    "real, broken": ({"x_real_ip": True}, {"x-real-ip": "one"}, PEER),
    "real, twice": ({"x_real_ip": True}, {"x-real-ip": ["1.1.1.1", "2.2.2.2"]}, PEER),
    "real before forwarded": (
        {"x_real_ip": True, "x_forwarded_for_trusted_hops": 0},
        {"x-real-ip": "1.1.1.1", "x-forwarded-for": "2.2.2.2"},
        "1.1.1.1",
    ),
    "broken real, then forwarded": (
        {"x_real_ip": True, "x_forwarded_for_trusted_hops": 0},
        {"x-real-ip": "", "x-forwarded-for": "2.2.2.2"},
        "2.2.2.2",
    ),
    "last": ({"x_forwarded_for_trusted_hops": 0}, {"x-forwarded-for": "1.1.1.1, 2.2.2.2"}, "2.2.2.2"),
    "last but one": ({"x_forwarded_for_trusted_hops": 1}, {"x-forwarded-for": "9.9.9.9,1.1.1.1,2.2.2.2"}, "1.1.1.1"),
    "all lines count": (
        {"x_forwarded_for_trusted_hops": 1},
        {"x-forwarded-for": ["6.6.6.6", "1.1.1.1", "2.2.2.2"]},
        "1.1.1.1",
    ),
    "a forged first line": (
        {"x_forwarded_for_trusted_hops": 0},
        {"x-forwarded-for": ["6.6.6.6", "1.1.1.1"]},
        "1.1.1.1",
    ),
    "too few": ({"x_forwarded_for_trusted_hops": 2}, {"x-forwarded-for": "1.1.1.1, 2.2.2.2"}, PEER),
    "none": ({"x_forwarded_for_trusted_hops": 0}, {}, PEER),
    "empty": ({"x_forwarded_for_trusted_hops": 0}, {"x-forwarded-for": ""}, PEER),
    "broken": ({"x_forwarded_for_trusted_hops": 0}, {"x-forwarded-for": "1.1.1.1, unknown"}, PEER),
    "with a port": ({"x_real_ip": True}, {"x-real-ip": "1.1.1.1:80"}, "1.1.1.1"),
    "IPv6": ({"x_real_ip": True}, {"x-real-ip": "2001:DB8:0::1"}, "2001:db8::1"),
    "IPv6 with a port": ({"x_real_ip": True}, {"x-real-ip": "[2001:db8::1]:80"}, "2001:db8::1"),
    "IPv4 in IPv6": ({"x_real_ip": True}, {"x-real-ip": "::ffff:1.1.1.1"}, "1.1.1.1"),
    "zone": ({"x_real_ip": True}, {"x-real-ip": "fe80::1%anything"}, PEER),
}


@pytest.mark.parametrize(("settings", "headers", "address"), PLACES.values(), ids=PLACES.keys())
def test_the_client_ip_is_read_behind_trusted_proxies(
    settings: dict[str, Any], headers: dict[str, str | list[str]], address: str
) -> None:
    assert client_ip(ClientIpSettings(**settings), lines(headers), PEER) == address


@given(st.lists(st.text("0123456789.:,[]% af", max_size=20), max_size=4), st.integers(0, 3))
def test_any_forwarded_header_gives_a_valid_address(sent: list[str], hops: int) -> None:
    found = client_ip(ClientIpSettings(x_forwarded_for_trusted_hops=hops), {"x-forwarded-for": sent}, PEER)
    assert ipaddress.ip_address(found)
    assert "," not in found and "%" not in found


def test_a_unix_socket_has_no_client_address() -> None:
    assert client_ip(ClientIpSettings(), {}, "") == ""


# -- CORS ----------------------------------------------------------------------------------------------------------


def cors(**keys: Any) -> CorsSettings:
    return CorsSettings.model_validate(keys)


ORIGINS: dict[str, tuple[Any, str, bool]] = {
    "any": ("*", "https://a.example", True),
    "any, in a list": (["*"], "null", True),
    "one": ("https://a.example", "https://a.example", True),
    "port of the scheme": ("https://a.example:443/", "https://a.example", True),
    "capitals": ("https://A.example", "https://a.EXAMPLE", True),
    "another port": ("https://a.example", "https://a.example:8443", False),
    "another scheme": ("https://a.example", "http://a.example", False),
    "beginning": ("https://a.example", "https://a.example.evil", False),
    "one of several": (["https://a.example", "http://localhost:3000"], "http://localhost:3000", True),
    "below": ("https://*.example.com", "https://a.b.example.com", True),
    "not below but beside": ("https://*.example.com", "https://evilexample.com", False),
    "not below but above": ("https://*.example.com", "https://example.com", False),
    "star of the browser's": ("https://*.example.com", "https://*.example.com", False),
    "any port": ("http://localhost:*", "http://localhost:5173", True),
    "any port of that host": ("http://localhost:*", "http://localhost.evil:5173", False),
    "another kind of page": ("vscode-webview://*.x", "vscode-webview://abc.x", True),
    "null": (["https://a.example"], "null", False),
    "empty": (["https://a.example"], "", False),
    "two": (["https://a.example"], "https://a.example,https://b.example", False),
    "user": (["https://a.example"], "https://a.example@evil", False),
    "nobody": ([], "https://a.example", False),
    "left out": (None, "https://a.example", False),
}


@pytest.mark.parametrize(("allowed", "origin", "fine"), ORIGINS.values(), ids=ORIGINS.keys())
def test_only_allowed_origins_get_cors_headers(allowed: Any, origin: str, fine: bool) -> None:
    settings = cors(**({} if allowed is None else {"allow_origins": allowed}))
    assert is_allowed(settings, origin) is fine
    assert ("Access-Control-Allow-Origin" in reply_headers(settings, origin)) is fine


BAD_CORS: dict[str, tuple[dict[str, Any], tuple[str | int, ...], str]] = {
    "path": ({"allow_origins": "https://a.example/x"}, ("allow_origins",), "is not an origin"),
    "no scheme": ({"allow_origins": ["https://a.example", "b.example"]}, ("allow_origins", 1), "is not an origin"),
    "star in a name": ({"allow_origins": "https://*a.example"}, ("allow_origins",), "is not an origin"),
    "star in the middle": ({"allow_origins": "https://a.*.example"}, ("allow_origins",), "is not an origin"),
    "null": ({"allow_origins": "null"}, ("allow_origins",), "is not an origin"),
    "port": ({"allow_origins": "https://a.example:99999"}, ("allow_origins",), "is not an origin"),
    "number": ({"allow_origins": [1]}, ("allow_origins", 0), "is not an origin"),
    "lower case": ({"allow_methods": ["GET", "post"]}, ("allow_methods", 1), "is not an HTTP method"),
    "no header": ({"allow_headers": "a b"}, ("allow_headers",), "is not a header name"),
    "no text": ({"expose_headers": [1]}, ("expose_headers", 0), "must be a string"),
    "star with credentials": (
        {"allow_origins": "*", "allow_credentials": True},
        ("allow_origins",),
        'cannot be "*" with',
    ),
    "header star with credentials": (
        {"allow_origins": "https://a.example", "allow_headers": ["*"], "allow_credentials": True},
        ("allow_headers",),
        'cannot be "*" with',
    ),
}


@pytest.mark.parametrize(("table", "place", "message"), BAD_CORS.values(), ids=BAD_CORS.keys())
def test_invalid_cors_settings_are_rejected(table: dict[str, Any], place: tuple[str | int, ...], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        tables(cors=table)
    (error,) = caught.value.errors()
    assert error["loc"] == ("cors", *place)
    assert message in str(error["msg"])


A = "https://a.example"
FULL = cors(
    allow_origins=[A],
    allow_methods=["GET", "POST"],
    allow_headers=["Authorization", "X-A"],
    expose_headers=["x-nexus-route"],
    allow_credentials=True,
    max_age="1h",
    allow_private_network=True,
)
ASK = {"origin": A, "access-control-request-method": "POST", "access-control-request-private-network": "true"}


def test_replies_to_pages_have_cors_headers() -> None:
    assert reply_headers(None, A) == {}
    assert reply_headers(FULL, None) == reply_headers(FULL, "https://evil") == {"Vary": "Origin"}
    assert reply_headers(FULL, A) == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": A,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "x-nexus-route",
    }
    assert reply_headers(cors(allow_origins="*"), A) == {"Access-Control-Allow-Origin": "*"}
    assert reply_headers(cors(allow_methods="*"), A) == {"Vary": "Origin"}


def test_preflights_list_what_pages_may_send() -> None:
    vary = {"Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
    assert preflight_headers(FULL, ASK) == {
        **vary,
        "Access-Control-Allow-Origin": A,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Allow-Headers": "authorization, x-a",
        "Access-Control-Max-Age": "3600",
        "Access-Control-Allow-Private-Network": "true",
    }
    assert preflight_headers(FULL, {**ASK, "origin": "https://evil"}) == vary
    assert preflight_headers(cors(allow_origins="*", allow_methods="*", allow_headers="*"), ASK) == {
        **vary,
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "*",
        "Access-Control-Allow-Headers": "*",
    }
    # Settings left out send no header.
    assert preflight_headers(cors(allow_origins=[A]), ASK) == {**vary, "Access-Control-Allow-Origin": A}
    assert preflight_headers(None, ASK) is None
    assert preflight_headers(FULL, {"origin": A}) is None
    assert preflight_headers(FULL, {"access-control-request-method": "GET"}) is None


# -- RFC 9728 ------------------------------------------------------------------------------------------------------

RESOURCE = ProtectedResource(resource="http://127.0.0.1:8080", authorization_servers=("http://127.0.0.1:4444/",))


def test_protected_resource_metadata_is_that_of_the_settings() -> None:
    assert document(RESOURCE) == {
        "resource": "http://127.0.0.1:8080/",
        "authorization_servers": ["http://127.0.0.1:4444/"],
    }
    below = ProtectedResource(
        resource="https://gw.example/llm/", authorization_servers=("https://id.example/realms/x",)
    )
    assert document(below)["resource"] == "https://gw.example/llm/"
    assert document(below)["authorization_servers"] == ["https://id.example/realms/x"]


AT = 'resource_metadata="http://127.0.0.1:8080/.well-known/oauth-protected-resource"'

CHALLENGES: dict[str, tuple[Exception, ProtectedResource | None, str | None]] = {
    "nothing sent": (Unidentified("x", sent=False), RESOURCE, f"Bearer {AT}"),
    "bad token": (Unidentified("x", sent=True, token=True), RESOURCE, f'Bearer {AT}, error="invalid_token"'),
    "keys only": (Unidentified("x", sent=True), None, 'Bearer realm="nexus"'),
    "tokens without metadata": (Unidentified("x", sent=True, token=True), None, 'Bearer error="invalid_token"'),
    "another 401": (AuthenticationFailed("the vendor's key is missing"), RESOURCE, None),
    "another error": (ValueError(), RESOURCE, None),
}


@pytest.mark.parametrize(("error", "resource", "said"), CHALLENGES.values(), ids=CHALLENGES.keys())
def test_challenges_name_the_metadata(error: Exception, resource: ProtectedResource | None, said: str | None) -> None:
    assert challenge(error, resource) == said


BAD_OAUTH: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "no address": ({}, (), "has neither issuer nor url"),
    "no URL": ({"url": "id.example"}, ("url",), "http"),
    "credentials": ({"url": "https://u:p@id.example"}, ("url",), "must not contain credentials"),
    "fragment": ({"url": "https://id.example/?a#b"}, ("url",), "fragment"),
    "line break": ({"url": "https://id.example/?a=\nb"}, ("url",), "control characters"),
    "too often": ({"url": "https://id.example", "poll_interval": "10ms"}, ("poll_interval",), "greater than or equal"),
    "empty audience": ({"url": "https://id.example", "expected_audience": ""}, ("expected_audience",), "empty"),
    "no authorization server": (
        {"url": "https://id.example", "protected_resource": {"resource": "https://x", "authorization_servers": []}},
        ("protected_resource", "authorization_servers"),
        "is empty",
    ),
    "no file": ({"url": "https://id.example", "ca_file": "/nope"}, ("ca_file",), "not point to a file"),
}


@pytest.mark.parametrize(("table", "place", "message"), BAD_OAUTH.values(), ids=BAD_OAUTH.keys())
def test_invalid_oauth_settings_are_rejected(table: dict[str, Any], place: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        tables(oauth=table)
    (error,) = caught.value.errors()
    assert error["loc"] == ("oauth", *place)
    assert message in str(error["msg"])


def test_risky_oauth_settings_are_warned_about() -> None:
    careless = OAuthSettings(url="http://id.example/keys?p=x")
    assert careless.url == "http://id.example/keys?p=x"
    said = tuple(oauth_warnings(careless))
    assert len(said) == 3 and "not https" in said[0]
    careful = {"expected_issuer": "x", "expected_audience": "y"}
    for url in ("https://id.example", "http://localhost:1/", "http://127.0.0.1/", "http://[::1]/"):
        assert not list(oauth_warnings(OAuthSettings.model_validate({"url": url, **careful})))
    assert not list(oauth_warnings(None))
