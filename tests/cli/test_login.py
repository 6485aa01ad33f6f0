"""``nexus login``: gets a token by device login, stores it in one file and renews it; the gateway accepts it."""

import json
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import openai
import pytest
import responses
from requests import ConnectionError as Unreachable

from nexus.auth.device import GRANT, IdentityProvider, Issued, LoginFailed, Prompt
from nexus.cli.login import Login, how_to_log_in, log_in
from nexus.cli.options import CommandError
from nexus.settings import Settings
from nexus.settings.oauth import LoginSettings
from tests.auth.kit import ec_key, jwk, jwks, token
from tests.clock import Clock
from tests.leaks import allowed_to_say
from tests.serving import Nexus
from tests.web import Received, Reply, WebServer, of_json

ISSUER = "https://id.example.com"
CLIENT = LoginSettings(client_id="nexus")
DOCUMENT = {
    "issuer": ISSUER,
    "jwks_uri": f"{ISSUER}/keys",
    "token_endpoint": f"{ISSUER}/token",
    "device_authorization_endpoint": f"{ISSUER}/device",
}
DEVICE = {
    "device_code": "hushhush-device",
    "user_code": "ABCD-EFGH",
    "verification_uri": f"{ISSUER}/activate",
    "expires_in": 600,
    "interval": 5,
}
GRANTED = {"access_token": "hushhush-token", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "hushhush-r1"}


class Waiting(Clock):
    """A clock that advances only by waiting."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.waited: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


@pytest.fixture
def issuer() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{ISSUER}/.well-known/openid-configuration", json=DOCUMENT)
        mock.post(f"{ISSUER}/device", json=DEVICE)
        yield mock


def asked(clock: Waiting, client: LoginSettings = CLIENT) -> tuple[Issued, Prompt]:
    prompts: list[Prompt] = []
    provider = IdentityProvider(ISSUER, client)
    try:
        issued = provider.login(prompts.append, wait=clock.wait, clock=clock)
    finally:
        provider.close()
    return issued, prompts[0]


def error(code: str) -> dict[str, Any]:
    return {"json": {"error": code, "error_description": "hushhush"}, "status": 400}


def sent(call: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(call.request.body).items()}


def test_login_polls_until_the_user_confirms(issuer: responses.RequestsMock) -> None:
    issuer.post(f"{ISSUER}/token", **error("authorization_pending"))
    issuer.post(f"{ISSUER}/token", **error("slow_down"))
    issuer.post(f"{ISSUER}/token", json=GRANTED)
    clock = Waiting()
    issued, prompt = asked(clock)
    assert (issued.token, issued.refresh) == ("hushhush-token", "hushhush-r1")
    assert (prompt.url, prompt.code) == (f"{ISSUER}/activate", "ABCD-EFGH")
    assert clock.waited == [5.0, 5.0, 10.0]
    assert sent(issuer.calls[1]) == {"client_id": "nexus", "scope": "openid offline_access"}
    assert sent(issuer.calls[2]) == {"client_id": "nexus", "grant_type": GRANT, "device_code": "hushhush-device"}
    assert "hushhush" not in repr(issued)


ENDS: dict[str, tuple[dict[str, Any], str]] = {
    "refused": (error("access_denied"), "the issuer answered 400, access_denied"),
    "expired": (error("expired_token"), "the issuer answered 400, expired_token"),
    "no OAuth error": ({"body": "hushhush", "status": 500}, "the issuer answered 500"),
    "an error with words in it": (error("Hush hush!"), "the issuer answered 400"),
    "another token": ({"json": {"id_token": "x"}}, "the issuer's answer has no access_token"),
    "never": (error("authorization_pending"), "the login was not confirmed in time"),
    "unreachable": ({"body": Unreachable()}, "the login was not confirmed in time"),
    "a redirect": ({"status": 302, "headers": {"Location": "https://evil.example.com"}}, "the issuer answered 302"),
    "too long": ({"body": b" " * (600 * 1024)}, "too large"),
}


@pytest.mark.parametrize(("answer", "said"), ENDS.values(), ids=ENDS.keys())
def test_a_failed_login_is_reported(issuer: responses.RequestsMock, answer: dict[str, Any], said: str) -> None:
    issuer.post(f"{ISSUER}/token", **answer)
    with pytest.raises(LoginFailed) as caught:
        asked(Waiting())
    assert said in str(caught.value) and "hush" not in str(caught.value).lower()


def test_an_issuer_without_device_login_is_reported() -> None:
    with responses.RequestsMock() as mock:
        mock.get(f"{ISSUER}/.well-known/openid-configuration", json={**DOCUMENT, "device_authorization_endpoint": None})
        with pytest.raises(LoginFailed, match="does not support device login"):
            asked(Waiting())


def test_an_endpoint_on_another_host_is_not_contacted() -> None:
    with responses.RequestsMock() as mock:
        elsewhere = {**DOCUMENT, "device_authorization_endpoint": "https://evil.example.com/device"}
        mock.get(f"{ISSUER}/.well-known/openid-configuration", json=elsewhere)
        with pytest.raises(LoginFailed, match="another host than the issuer"):
            asked(Waiting())


def test_optional_login_settings_are_sent(issuer: responses.RequestsMock) -> None:
    ends = token(ec_key(), ends=100.0)
    issuer.post(f"{ISSUER}/token", json={**GRANTED, "id_token": ends})
    table = {"client_id": "c", "client_secret": "hushhush", "audience": "gate", "scopes": ["x"], "token": "id_token"}
    issued, _ = asked(Waiting(), LoginSettings.model_validate(table))
    assert issued.token == ends
    assert abs(issued.expires - time.time() - 100) < 60, "the expiry of the ID token, not of the access token"
    assert sent(issuer.calls[1]) == {"client_id": "c", "client_secret": "hushhush", "audience": "gate", "scope": "x"}


HOW = Login(ISSUER, CLIENT)


def state(tmp_path: Path, **kept: Any) -> dict[str, str]:
    """The environment of a home folder that stores this login."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    if kept:
        file = next((tmp_path / "nexus").glob("login-*.json"))
        file.write_text(json.dumps(kept))
    return environ


@pytest.fixture
def logged_in(tmp_path: Path, issuer: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("nexus.auth.device.time.sleep", lambda _: None)
    issuer.post(f"{ISSUER}/token", json=GRANTED)
    monkeypatch.setattr(IdentityProvider, "login", _at_once(IdentityProvider.login))
    assert log_in(HOW, state(tmp_path), anew=True) == "hushhush-token"
    return tmp_path


def _at_once(real: Any) -> Any:
    def asks(self: IdentityProvider, show: Any) -> Issued:
        clock = Waiting()
        found: Issued = real(self, show, wait=clock.wait, clock=clock)
        return found

    return asks


def test_a_token_is_stored_readable_by_its_owner_only(logged_in: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert log_in(HOW, state(logged_in), anew=True) == "hushhush-token"
    err = capsys.readouterr().err
    assert "open https://id.example.com/activate\nand confirm the code ABCD-EFGH" in err and "hushhush" not in err
    (file,) = (logged_in / "nexus").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_valid_token_is_reused_without_a_request(logged_in: Path, issuer: responses.RequestsMock) -> None:
    before = len(issuer.calls)
    assert log_in(HOW, state(logged_in)) == "hushhush-token"
    assert len(issuer.calls) == before


def test_an_expiring_token_is_renewed(logged_in: Path, issuer: responses.RequestsMock) -> None:
    issuer.replace("POST", f"{ISSUER}/token", json={"access_token": "hushhush-2", "expires_in": 3600})
    environ = state(logged_in, token="hushhush-token", expires=time.time() + 30, refresh="hushhush-r1")
    assert log_in(HOW, environ) == "hushhush-2"
    assert sent(issuer.calls[-1]) == {
        "client_id": "nexus",
        "grant_type": "refresh_token",
        "refresh_token": "hushhush-r1",
    }
    assert log_in(HOW, environ) == "hushhush-2", "a refresh token that is not replaced is kept"
    kept = json.loads(next((logged_in / "nexus").iterdir()).read_text())
    assert kept["refresh"] == "hushhush-r1"


def test_a_token_that_cannot_be_stored_is_returned(logged_in: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        assert log_in(HOW, state(logged_in), anew=True) == "hushhush-token"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    err = capsys.readouterr().err
    assert "nexus login: this login is not stored, and ends with its token: " in err and "file too large" in err
    assert log_in(HOW, state(logged_in)) == "hushhush-token", "the login before is kept"


LOST: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "nothing is kept": ({"token": ""}, {}, "not logged in; run nexus login in a terminal"),
    "no refresh token": ({"token": "t", "expires": 0, "refresh": ""}, {}, "not logged in"),
    "refused": ({"token": "t", "expires": 0, "refresh": "r"}, error("invalid_grant"), "not logged in"),
    "issuer down": ({"token": "t", "expires": 0, "refresh": "r"}, {"status": 503, "body": ""}, "answered 503"),
}


@pytest.mark.parametrize(("kept", "answer", "said"), LOST.values(), ids=LOST.keys())
def test_without_a_terminal_no_login_is_started(
    logged_in: Path,
    issuer: responses.RequestsMock,
    capsys: pytest.CaptureFixture[str],
    kept: dict[str, Any],
    answer: dict[str, Any],
    said: str,
) -> None:
    capsys.readouterr()
    if answer:
        issuer.replace("POST", f"{ISSUER}/token", **answer)
    with pytest.raises(CommandError, match=said):
        log_in(HOW, state(logged_in, **kept))
    assert capsys.readouterr() == ("", "")


def settings(table: dict[str, Any]) -> Settings:
    llm = {"providers": {"demo": {"type": "echo", "models": {"echo": {}}}}}
    return Settings.model_validate({"server": {"oauth": table}, "llm": llm})


def test_flags_override_settings() -> None:
    table = {"issuer": ISSUER, "hosts": ["k.example.com"], "login": {"client_id": "a", "audience": "gate"}}
    assert how_to_log_in(settings(table), "", "").client.client_id == "a"
    how = how_to_log_in(settings(table), "", "b")
    assert (how.issuer, how.client.client_id, how.client.audience, how.hosts) == (
        ISSUER,
        "b",
        "gate",
        ("k.example.com",),
    )
    assert how_to_log_in(None, ISSUER, "c") == Login(ISSUER, LoginSettings(client_id="c"))


@pytest.mark.parametrize(
    ("table", "flags", "said"),
    [
        ({"url": f"{ISSUER}/k"}, ("", "x"), "no issuer: set server.oauth.issuer"),
        ({"issuer": ISSUER}, ("", ""), "no client id: set server.oauth.login.client_id"),
        ({"issuer": ISSUER}, ("http://id.example.com", "x"), "--issuer must begin with https://"),
    ],
    ids=["no issuer", "no client", "no TLS"],
)
def test_missing_settings_are_reported(table: dict[str, Any], flags: tuple[str, str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        how_to_log_in(settings(table), *flags)


def an_issuer(request: Received) -> Reply:
    """An identity provider whose user has confirmed before the first poll."""
    url = f"http://{request.headers['host']}"
    match request.path:
        case "/keys":
            return Reply(200, jwks(jwk(ec_key(), "one")))
        case "/device":
            return of_json({**DEVICE, "verification_uri": f"{url}/go", "interval": 1})
        case "/token":
            return of_json({"access_token": token(ec_key(), iss=url, aud="nexus", sub="alice"), "expires_in": 3600})
    names = {"jwks_uri": "keys", "token_endpoint": "token", "device_authorization_endpoint": "device"}
    return of_json({"issuer": url, **{name: f"{url}/{at}" for name, at in names.items()}})


CONFIG = """
[server.oauth]
issuer = "{issuer}"
expected_audience = "nexus"
[server.oauth.login]
client_id = "nexus"
[llm.providers.demo]
type = "echo"
models.echo = {{}}
"""


@pytest.mark.slow
def test_the_gateway_accepts_a_token_from_nexus_login(tmp_path: Path) -> None:
    """The settings name only the issuer: the gateway finds its keys with it, and the login its endpoints."""
    with WebServer(an_issuer) as issuer:
        (tmp_path / "nexus.toml").write_text(CONFIG.format(issuer=issuer.url))
        # The token must appear on stdout only.
        with allowed_to_say("console", "eyJ"):
            run = subprocess.run(
                [sys.executable, "-m", "nexus", "login", "--anew"],
                cwd=tmp_path,
                env={"PYTHONPATH": str(Path(__file__).parents[2]), "XDG_STATE_HOME": str(tmp_path)},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        assert (run.returncode, run.stdout.count("\n")) == (0, 1), run.stderr
        assert f"open {issuer.url}/go\nand confirm the code ABCD-EFGH" in run.stderr
        with Nexus.of((tmp_path / "nexus.toml").read_text(), tmp_path) as nexus:
            client = openai.OpenAI(base_url=nexus.openai, api_key=run.stdout.strip(), max_retries=0)
            answer = client.chat.completions.create(model="demo/echo", messages=[{"role": "user", "content": "Hello!"}])
            assert answer.choices[0].message.content
            with pytest.raises(openai.AuthenticationError):
                client.with_options(api_key="nx-hushhush-nobody").models.list()
