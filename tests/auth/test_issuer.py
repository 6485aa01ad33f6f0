"""Issuer discovery documents: which issuer they must name, and which URLs for keys and logins are accepted."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nexus.auth.fetching import JwksSource
from nexus.auth.issuer import Metadata, metadata_url, read_metadata
from nexus.errors import UpstreamError
from nexus.settings.oauth import OAuthSettings, oauth_warnings
from tests.auth.kit import Behaviour, IdentityProvider, answer, ec_key, hang_up, jwk, jwks

ISSUER = "https://id.example.com/tenant"


def document(**more: Any) -> dict[str, Any]:
    said = {
        "issuer": ISSUER,
        "jwks_uri": "https://id.example.com/keys",
        "token_endpoint": "https://id.example.com/token",
        "device_authorization_endpoint": "https://id.example.com/device",
    }
    return {name: value for name, value in {**said, **more}.items() if value is not None}


def test_the_endpoints_of_a_document_are_read() -> None:
    found = Metadata("https://id.example.com/keys", "https://id.example.com/token", "https://id.example.com/device")
    assert read_metadata(document(), ISSUER, ()) == found
    bare = document(token_endpoint=None, device_authorization_endpoint=None)
    assert read_metadata(bare, ISSUER, ()) == Metadata("https://id.example.com/keys", "", "")
    google = document(jwks_uri="https://www.googleapis.com/oauth2/v3/certs")
    assert read_metadata(google, ISSUER, ("www.googleapis.com",)).jwks == "https://www.googleapis.com/oauth2/v3/certs"


@pytest.mark.parametrize("issuer", [ISSUER, f"{ISSUER}/"])
def test_the_document_url_is_derived_from_the_issuer(issuer: str) -> None:
    assert metadata_url(issuer) == "https://id.example.com/tenant/.well-known/openid-configuration"


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"issuer": "https://evil.example.com"}, "names another issuer"),
    "no issuer, as in a web page": ({"issuer": None}, "is no discovery document: it names no issuer"),
    "a slash more": ({"issuer": f"{ISSUER}/"}, "only the trailing slash differs"),
    "no keys": ({"jwks_uri": None}, "has no jwks_uri"),
    "keys elsewhere": (
        {"jwks_uri": "https://evil.example.com/keys"},
        'jwks_uri is at evil.example.com, another host than the issuer; to trust it: hosts = ["evil.example.com"]',
    ),
    "keys at another port": ({"jwks_uri": "https://id.example.com:444/keys"}, "another host than the issuer"),
    "keys of a name that only ends like it": ({"jwks_uri": "https://evilid.example.com/k"}, "another host"),
    "keys without TLS": ({"jwks_uri": "http://id.example.com/keys"}, "jwks_uri is not https"),
    "keys on this machine": ({"jwks_uri": "http://127.0.0.1/keys"}, "jwks_uri is not https"),
    "keys in a file": ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri is not a URL"),
    "credentials": ({"jwks_uri": "https://id.example.com@evil.example.com/"}, "has credentials"),
    "a blank": ({"jwks_uri": "https://id.example.com/ keys"}, "jwks_uri is not a URL"),
    "another token endpoint": ({"token_endpoint": "https://evil.example.com/t"}, "token_endpoint is at evil"),
    "another device endpoint": (
        {"device_authorization_endpoint": "https://evil.example.com/d"},
        "device_authorization_endpoint is at evil.example.com",
    ),
}


@pytest.mark.parametrize(("more", "said"), LIES.values(), ids=LIES.keys())
def test_untrusted_documents_are_rejected(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        read_metadata(document(**more), ISSUER, ())


def test_a_local_issuer_needs_no_tls_but_http() -> None:
    local = "http://127.0.0.1:8080"
    here = {"issuer": local, "token_endpoint": None, "device_authorization_endpoint": None}
    assert read_metadata(document(**here, jwks_uri=f"{local}/keys"), local, ()) == Metadata(f"{local}/keys", "", "")
    with pytest.raises(ValueError, match="jwks_uri is not https"):
        read_metadata(document(**here, jwks_uri="ftp://127.0.0.1:8080/keys"), local, ())


def test_keys_are_found_through_the_issuer_and_the_document_is_fetched_once() -> None:
    pages: list[str] = []
    with IdentityProvider(answer(b"")) as provider:
        issuer = provider.url.removesuffix("/jwks.json")
        wellknown = answer(json.dumps({"issuer": issuer, "jwks_uri": provider.url}).encode())
        keys = answer(jwks(jwk(ec_key(), "one")))
        turns: list[tuple[str, Behaviour]] = [("document", wellknown), ("keys", keys), ("keys", keys)]

        def served(sock: Any, running: IdentityProvider) -> None:
            name, behaviour = turns[len(pages)]
            pages.append(name)
            behaviour(sock, running)

        provider.behaviour = served
        source = JwksSource(OAuthSettings(issuer=issuer))
        assert [key.kid for key in source().keys] == ["one"]
        assert [key.kid for key in source().keys] == ["one"]
        assert pages == ["document", "keys", "keys"]
        for failure in (answer(b"", "404 Not Found"), hang_up):
            turns += [("keys", failure), ("document", wellknown), ("keys", keys)]
            with pytest.raises(UpstreamError):
                source()
            # The keys may have moved: the document is fetched again for their new URL.
            assert [key.kid for key in source().keys] == ["one"]
        assert pages == [name for name, _ in turns]
        source.close()


def test_a_document_naming_another_issuer_gives_no_keys() -> None:
    said = answer(json.dumps({"issuer": "https://evil.example.com", "jwks_uri": "https://evil.example.com/"}).encode())
    with IdentityProvider(said) as provider:
        source = JwksSource(OAuthSettings(issuer=provider.url.removesuffix("/jwks.json")))
        with pytest.raises(UpstreamError, match="names another issuer"):
            source()
        source.close()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({}, "has neither issuer nor url"),
    "no TLS": ({"issuer": "http://id.example.com"}, "must begin with https://"),
    "query": ({"issuer": "https://id.example.com/?a=b"}, "must not have a query"),
    "login without an issuer": ({"url": "https://i/k", "login": {"client_id": "nexus"}}, "needs issuer"),
}


@pytest.mark.parametrize(("table", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_settings_are_rejected(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        OAuthSettings.model_validate(table)


def test_the_claim_iss_must_match_the_issuer() -> None:
    by_issuer = OAuthSettings(issuer="https://id.example.com/")
    assert by_issuer.claimed_issuer == "https://id.example.com/"
    assert not any("expected_issuer" in said for said in oauth_warnings(by_issuer))
    assert OAuthSettings(issuer="http://127.0.0.1:1", expected_issuer="other").claimed_issuer == "other"


def test_the_reference_file_shows_issuer_and_url() -> None:
    text = (Path(__file__).parents[2] / "config/nexus.toml").read_text()
    assert '#issuer = "https://id.example.com"' in text and "#url = " in text
