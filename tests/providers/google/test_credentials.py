"""Access tokens from a fake of Google's token endpoint, using real credentials files."""

import base64
import json
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from nexus.errors import Unreachable, UpstreamError, UpstreamTimeout
from nexus.providers.google.credential_sources import SCOPE
from nexus.providers.google.credentials import TokenSource
from tests.providers.google.fakes import (
    FakeGoogle,
    Received,
    Reply,
    authorized_user,
    external_account,
    of_json,
    service_account,
    token,
    written,
)

SECRETS = (
    "ya29.hushhush-token",
    "hushhush-refresh-token",
    "hushhush-client-secret",
    "hushhush-subject-token",
    "PRIVATE KEY",
)


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGoogle]:
    with FakeGoogle() as fake:
        monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{fake.url}/token")
        yield fake


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hides the credentials of the user who runs the tests, and Google's metadata server."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", True)


def form(received: Received) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(received.body.decode()).items()}


def claims(received: Received) -> Any:
    payload = form(received)["assertion"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_a_service_account_signs_its_token_request(google: FakeGoogle, tmp_path: Path) -> None:
    grant = TokenSource("g", written(tmp_path, service_account(google.url))).fetch()
    assert grant.value == {"authorization": "Bearer ya29.hushhush-token"}
    assert 3500 < grant.expires - time.time() <= 3600
    (received,) = google.received
    assert received.path == "/token"
    assert form(received)["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert claims(received)["scope"] == SCOPE
    assert claims(received)["iss"] == "gateway@my-project.iam.gserviceaccount.com"


def test_an_authorized_user_brings_its_quota_project(google: FakeGoogle, tmp_path: Path) -> None:
    grant = TokenSource("g", written(tmp_path, authorized_user(google.url))).fetch()
    assert grant.value == {"authorization": "Bearer ya29.hushhush-token", "x-goog-user-project": "quota-project"}
    assert form(google.received[0])["refresh_token"] == "hushhush-refresh-token"


def test_an_external_account_exchanges_its_token(google: FakeGoogle, tmp_path: Path) -> None:
    file = written(tmp_path, external_account(google.url, tmp_path / "subject"))
    assert TokenSource("g", file).fetch().value["authorization"] == "Bearer ya29.hushhush-token"
    assert form(google.received[0])["subject_token"] == "hushhush-subject-token"


def test_the_default_credentials(google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(written(tmp_path, service_account(google.url))))
    assert TokenSource("g", None).fetch().value["authorization"] == "Bearer ya29.hushhush-token"


def test_the_machines_metadata_server(google: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The metadata server of Compute Engine, GKE and Cloud Run; never contacted through a proxy."""
    here = google.url.removeprefix("http://")
    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", False)
    monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", here)
    monkeypatch.setenv("GCE_METADATA_IP", here)
    monkeypatch.setattr("nexus.providers.google.auth_transport._METADATA_HOSTS", (here.partition(":")[0],))
    google.answer = lambda asked: of_json(
        {"access_token": "ya29.hushhush-token", "expires_in": 3599, "email": "a@b", "scopes": [SCOPE], "aliases": []},
        headers={"Metadata-Flavor": "Google"},
    )
    grant = TokenSource("g", None, proxy="http://127.0.0.1:9").fetch()
    assert grant.value["authorization"] == "Bearer ya29.hushhush-token"
    assert google.received[-1].path.startswith("/computeMetadata/v1/instance/service-accounts/")
    assert {asked.headers["metadata-flavor"] for asked in google.received} == {"Google"}


def test_missing_default_credentials_are_reported() -> None:
    with pytest.raises(UpstreamError, match="no Application Default Credentials found; set credentials") as caught:
        TokenSource("g", None).fetch()
    assert not caught.value.retryable


def test_the_next_token_comes_from_the_same_credentials(google: FakeGoogle, tmp_path: Path) -> None:
    file = written(tmp_path, service_account(google.url))
    source = TokenSource("g", file)
    source.fetch()
    file.unlink()
    google.answer = lambda _: token("second")
    assert source.fetch().value["authorization"] == "Bearer second"


def test_the_environment_has_no_influence(google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    netrc = written(tmp_path, "machine 127.0.0.1 login leaked password leaked\n", "netrc")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nix")
    TokenSource("g", written(tmp_path, service_account(google.url))).fetch()
    assert "authorization" not in google.received[0].headers


def test_the_configured_proxy_is_used(google: FakeGoogle, tmp_path: Path) -> None:
    file = written(tmp_path, service_account("http://oauth2.invalid"))
    TokenSource("g", file, proxy=google.url).fetch()
    assert google.received[0].path == "http://oauth2.invalid/token"


REJECTED = "g: Google rejected the credentials"
BROKEN: dict[str, tuple[Callable[[Received], Reply], str]] = {
    "refused": (
        lambda _: of_json({"error": "invalid_grant", "error_description": "ya29.hushhush-token"}, 400),
        "g: Google rejected the credentials (invalid_grant)",
    ),
    "refused in prose": (lambda _: of_json({"error": "No. ya29.hushhush-token"}, 401), REJECTED),
    "not JSON": (lambda _: Reply(400, b"ya29.hushhush-token"), REJECTED),
    "no token in it": (lambda _: of_json({"id_token": "ya29.hushhush-token"}), REJECTED),
    "an empty token": (lambda _: token(""), "g: the access token is empty"),
    "a redirect": (lambda _: Reply(307, b"", {"Location": "http://127.0.0.1:9/"}), REJECTED),
    "garbage": (lambda _: Reply(200, b"ya29.hushhush-token"), "g: the credentials cannot be used"),
    "too much": (lambda _: Reply(200, b" " * 2_000_000), "g: cannot reach the server that issues access tokens"),
}


@pytest.mark.parametrize("make", [service_account, authorized_user])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_endpoint_is_reported(google: FakeGoogle, tmp_path: Path, make: Any, case: str) -> None:
    answer, message = BROKEN[case]
    kind, retryable = (Unreachable, True) if case == "too much" else (UpstreamError, False)
    google.answer = answer
    with pytest.raises(UpstreamError) as caught:
        TokenSource("g", written(tmp_path, make(google.url))).fetch()
    assert (type(caught.value), caught.value.message, caught.value.retryable) == (kind, message, retryable)
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert not any(secret in shown for secret in SECRETS)


def test_an_unavailable_endpoint_is_reported(
    google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda _: None)
    google.answer = lambda _: Reply(503, b"{}")
    with pytest.raises(UpstreamError, match="g: Google cannot issue access tokens now") as caught:
        TokenSource("g", written(tmp_path, service_account(google.url))).fetch()
    assert caught.value.retryable
    assert len(google.received) > 1


def test_an_unreachable_endpoint_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="g: cannot reach the server that issues access tokens") as caught:
        TokenSource("g", written(tmp_path, service_account("http://127.0.0.1:9"))).fetch()
    assert caught.value.retryable
    assert caught.value.why == "credentials: 127.0.0.1: ECONNREFUSED: Connection refused"


def test_a_silent_endpoint_times_out(google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each exchange has its own timeout, however much time remains in total."""
    monkeypatch.setattr("nexus.providers.google.auth_transport.STEP", 0.1)
    hold = threading.Event()
    google.answer = lambda _: Reply(hold=hold)
    with pytest.raises(UpstreamTimeout, match="g: no access token from Google in time") as caught:
        TokenSource("g", written(tmp_path, service_account(google.url))).fetch()
    hold.set()
    assert caught.value.retryable
    assert caught.value.why == "credentials: 127.0.0.1: timeout"


def test_retries_end_at_the_deadline(google: FakeGoogle, tmp_path: Path) -> None:
    """google-auth retries failures, with pauses in between."""
    google.answer = lambda _: Reply(503, b"{}")
    with pytest.raises(UpstreamTimeout):
        TokenSource("g", written(tmp_path, service_account(google.url)), limit=0.5).fetch()


def test_an_invalid_private_key_is_reported(google: FakeGoogle, tmp_path: Path) -> None:
    file = written(tmp_path, service_account(google.url) | {"private_key": "-----BEGIN PRIVATE KEY-----\nx"})
    with pytest.raises(UpstreamError, match="g: the credentials cannot be used") as caught:
        TokenSource("g", file).fetch()
    assert "PRIVATE KEY" not in repr(caught.value)


def test_logs_contain_no_secret(google: FakeGoogle, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings():
        warnings.simplefilter("error")
        for number, make in enumerate((service_account, authorized_user)):
            TokenSource("g", written(tmp_path, make(google.url), f"{number}.json")).fetch()
    assert not any(secret in caplog.text for secret in SECRETS)
