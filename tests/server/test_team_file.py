"""config/team.toml in use: the real server over HTTPS with this file, and fakes of vendors, Redis and logins.

Only addresses in the file are replaced, those in ``PLACES`` and the vendors'; a test shows any other change it makes.
"""

import hashlib
import http.client
import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nexus.cli.check import check
from nexus.settings import load
from tests.auth.kit import IdentityProvider, answer, ec_key, jwk, jwks, token
from tests.limits.redis_server import RedisServer, require
from tests.peers import Tls
from tests.serving import Nexus, Reply, bearer, wait_until
from tools.fake_upstream import ACCESS_KEY, SECRET_KEY, FakeUpstream
from tools.ports import free_port

pytestmark = pytest.mark.slow

FILE = Path(__file__).parents[2] / "config/team.toml"
ALICE, BOB, BUILD = (f"nx-hushhush-{name}-9876543210zyxwvuts" for name in ("alice", "bob", "build"))
OWN = "sk-ant-hushhush-of-alice"
PASSWORD = "redis-hushhush-4711"
ENVIRON = {
    "OPENAI_API_KEY": "sk-hushhush-openai",
    "ANTHROPIC_API_KEY": "sk-ant-hushhush",
    "GEMINI_API_KEY": "AIza-hushhush",
    "REDIS_PASSWORD": PASSWORD,
    "ALICE_KEY_SHA256": hashlib.sha256(ALICE.encode()).hexdigest(),
    "BOB_KEY_SHA256": hashlib.sha256(BOB.encode()).hexdigest(),
    "BUILD_NEXUS_KEY": BUILD,
}
VENDORS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "mine": "anthropic",
    "google": "gemini",
    "bedrock": "bedrock",
    "local": "openai",
}
HELLO = [{"role": "user", "content": "Hello!"}]


@dataclass
class Team:
    """A server running with the file."""

    nexus: Nexus
    redis: RedisServer
    upstreams: Mapping[str, FakeUpstream]
    trust: ssl.SSLContext

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        with closing(
            http.client.HTTPSConnection("127.0.0.1", self.nexus.port, context=self.trust, timeout=30)
        ) as connection:
            sent = {**({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})}
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def chat(self, model: str, headers: Mapping[str, str]) -> Reply:
        return self.ask("POST", "/llm/openai/v1/chat/completions", {"model": model, "messages": HELLO}, headers)

    def messages(self, model: str, headers: Mapping[str, str]) -> Reply:
        body = {"model": model, "max_tokens": 64, "messages": HELLO}
        return self.ask("POST", "/llm/anthropic/v1/messages", body, headers)

    def sent_to(self, provider: str) -> dict[str, str]:
        """The headers of the last request."""
        return {name.lower(): value for name, value in self.upstreams[provider].requests[-1].headers}


Serve = Callable[..., Team]


@pytest.fixture
def serve(tmp_path: Path, tls: Tls, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts the file, with some of its text replaced."""
    require()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    key = str(Path(tls.ca_file).with_name("key.pem"))
    with ExitStack() as stack:
        port = stack.enter_context(free_port())
        certificates = ("--tls-cert-file", tls.ca_file, "--tls-key-file", key, "--tls-ca-cert-file", tls.ca_file)
        redis = RedisServer(
            tmp_path, "--tls-port", str(port), *certificates, "--tls-auth-clients", "no", "--requirepass", PASSWORD
        )
        stack.callback(redis.kill)
        logins = stack.enter_context(IdentityProvider(answer(jwks(jwk(ec_key())))))
        upstreams = {name: stack.enter_context(FakeUpstream(vendor)) for name, vendor in VENDORS.items()}

        def run(**replaced: str) -> Team:
            text = FILE.read_text()
            places = {
                "/etc/nexus/cert.pem": tls.ca_file,
                "/etc/nexus/key.pem": key,
                "/etc/nexus/redis-ca.pem": tls.ca_file,
                "redis.example.com:6379": f"127.0.0.1:{port}",
                "https://id.example.com/.well-known/jwks.json": logins.url,
                'base_url = "https://gpu.example.com/v1"\n': "",
                **replaced,
            }
            for old, new in places.items():
                assert text.count(old) == 1, old
                text = text.replace(old, new)
            for name, upstream in upstreams.items():
                head = f"[llm.providers.{name}]\n"
                assert head in text
                # At another address, OpenAI is no longer recognised by its name.
                own = "responses = true\n" if name == "openai" else ""
                text = text.replace(head, f'{head}base_url = "{upstream.base_url}"\n{own}')
            (tmp_path / "nexus.toml").write_text(text)
            nexus = stack.enter_context(Nexus(load(tmp_path / "nexus.toml", ENVIRON)))
            return Team(nexus, redis, upstreams, ssl.create_default_context(cafile=tls.ca_file))

        yield run
        for name, upstream in upstreams.items():
            assert upstream.violations == [], name


@pytest.fixture
def team(serve: Serve) -> Team:
    return serve()


def login(**claims: Any) -> dict[str, str]:
    """A token of the identity provider."""
    return bearer(token(ec_key(), iss="https://id.example.com", aud="nexus", **claims))


MODELS = (
    "openai/gpt-5.5",
    "openai/smart",
    "anthropic/claude-opus-5-5",
    "google/gemini-3.8-flash",
    "bedrock/claude",
    "local/qwen3-coder",
)


class TestCallers:
    def test_every_vendor_answers_with_a_key_and_with_a_login(self, team: Team) -> None:
        for model in MODELS:
            assert team.chat(model, bearer(ALICE)).status == 200, model
            assert team.messages(model, {"x-api-key": ALICE}).status == 200, model
            assert team.chat(model, login(groups=["staff"])).status == 200, model
        for provider, upstream in team.upstreams.items():
            sent = json.dumps([request.headers for request in upstream.requests])
            assert (provider == "mine") == (upstream.requests == [])
            assert ALICE not in sent and "eyJ" not in sent

    def test_an_anonymous_caller_is_told_where_to_log_in(self, team: Team) -> None:
        refused = team.chat("openai/gpt-5.5", {})
        assert refused.status == 401
        metadata = "https://llm.example.com/.well-known/oauth-protected-resource"
        assert refused.headers["www-authenticate"] == f'Bearer resource_metadata="{metadata}"'
        found = team.ask("GET", "/.well-known/oauth-protected-resource")
        assert found.json["authorization_servers"] == ["https://id.example.com/"]
        assert team.ask("GET", "/health").status == 200
        foreign = token(ec_key(), iss="https://id.example.com", aud="another service")
        assert team.chat("openai/gpt-5.5", bearer(foreign)).status == 401

    def test_a_key_gives_access_to_its_models_only(self, team: Team) -> None:
        assert team.messages("anthropic/claude-haiku-5-5", bearer(BOB)).status == 200
        assert team.chat("openai/gpt-5.5", bearer(BOB)).status == 404
        assert team.chat("openai/gpt-6-luna", bearer(BUILD)).status == 200
        listed = team.ask("GET", "/llm/openai/v1/models", headers=bearer(BUILD)).json["data"]
        assert [model["id"] for model in listed] == ["openai/gpt-6-luna"]
        assert team.upstreams["openai"].requests[-1].json["model"] == "gpt-6-luna"

    def test_each_group_has_its_limits(self, team: Team) -> None:
        def budget(headers: Mapping[str, str]) -> str:
            return team.messages("anthropic/claude-haiku-5-5", headers).headers["anthropic-ratelimit-requests-limit"]

        assert budget(bearer(BOB)) == "100"
        assert budget(login(sub="eve", groups=["all", "guests"])) == "100"
        assert budget(login(sub="joe")) == budget(bearer(ALICE)) == "1000"
        assert team.chat("openai/gpt-5.5", login(groups=["nobody"])).status == 400


class TestBudgetsAndLimits:
    def test_a_used_up_limit_rejects_calls_of_its_model(self, team: Team) -> None:
        guest = login(sub="eve", groups=["guests"])
        statuses = [team.chat("openai/smart", guest).status for _ in range(21)]
        assert statuses == [200] * 20 + [429]
        refused = team.chat("openai/smart", guest)
        assert refused.json["error"]["message"].startswith(
            "Nexus limits model openai/smart to 20 requests per 1h; 0 are left and this request needs 1: retry in "
        )
        assert refused.headers["x-nexus-limit"] == "own"
        assert 3000 < int(refused.headers["retry-after"]) <= 3661
        other = team.chat("openai/gpt-5.5", guest)
        assert (other.status, other.headers["x-ratelimit-limit-tokens"]) == (200, "200000")
        staff = team.chat("openai/smart", login(sub="joe", groups=["staff"]))
        assert (staff.status, staff.headers["x-ratelimit-limit-requests"]) == (200, "200")
        robots = team.chat("openai/gpt-6-luna", bearer(BUILD))
        assert robots.headers["x-ratelimit-limit-tokens"] in ("5000000", "500000")

    def test_usage_is_counted_in_redis(self, team: Team) -> None:
        assert team.chat("openai/gpt-5.5", bearer(ALICE)).status == 200
        import redis

        with closing(redis.Redis(port=team.redis.port, password=PASSWORD)) as client:
            keys = {str(key, "ascii") for key in client.scan_iter()}
        assert len(keys) == 4 and all(re.match(r"nexus-team:\{[rt]:[^{}]+\}:", key) for key in keys), keys

    def test_the_load_balancer_reports_each_clients_address(self, serve: Serve) -> None:
        team = serve(**{"per_ip = { limit = 600,": "per_ip = { limit = 2,"})

        def call(forwarded: str) -> int:
            return team.chat("openai/gpt-5.5", {**bearer(ALICE), "X-Forwarded-For": forwarded}).status

        assert [call("192.0.2.7") for _ in range(3)] == [200, 200, 429]
        assert call("192.0.2.8") == 200
        assert call("192.0.2.9, 192.0.2.7") == 429, "an address that the caller wrote itself does not count"


class TestVendorKeys:
    def test_the_callers_own_key_is_used(self, team: Team) -> None:
        for own in (bearer(ALICE), {"x-nexus-key": ALICE}):
            reply = team.messages("mine/claude-sonnet-5-5", {**own, "X-Provider-API-Key": OWN})
            assert reply.status == 200
            sent = team.sent_to("mine")
            assert sent["x-api-key"] == OWN
            assert ALICE not in json.dumps(sent) and "x-provider-api-key" not in sent

    def test_without_the_callers_key_the_call_is_rejected(self, team: Team) -> None:
        reply = team.messages("mine/claude-sonnet-5-5", bearer(ALICE))
        assert (reply.status, reply.headers["x-nexus-error"]) == (401, "authentication")
        assert team.upstreams["mine"].requests == []

    def test_other_providers_use_the_configured_key(self, team: Team) -> None:
        assert team.messages("anthropic/claude-haiku-5-5", {**bearer(ALICE), "X-Provider-API-Key": OWN}).status == 200
        sent = team.sent_to("anthropic")
        assert sent["x-api-key"] == ENVIRON["ANTHROPIC_API_KEY"] and OWN not in json.dumps(sent)


class TestHeaderRules:
    SENT: Mapping[str, str] = {
        "X-Team-Name": "red",
        "X-Team-Internal": "no",
        "X-Project": "p1",
        "Cookie": "session=hushhush",
        "X-Other": "no",
    }

    def test_rules_of_provider_and_model(self, team: Team) -> None:
        assert team.messages("anthropic/claude-opus-5-5", {**bearer(ALICE), **self.SENT}).status == 200
        sent = team.sent_to("anthropic")
        wanted = {"x-team-name": "red", "x-cost-reference": "none", "x-project": "p1", "x-tag": "p1"}
        assert wanted | {"x-sent-by": "nexus", "x-review": "yes"} == {
            name: value for name, value in sent.items() if name in wanted or name in ("x-sent-by", "x-review")
        }
        assert not {"x-team-internal", "cookie", "x-other", "authorization", "x-ticket"} & set(sent)
        team.messages("anthropic/claude-haiku-5-5", {**bearer(ALICE), "X-Ticket": "t-7"})
        assert team.sent_to("anthropic")["x-cost-reference"] == "t-7"
        assert "x-review" not in team.sent_to("anthropic")

    def test_bedrock_signs_after_applying_the_rules(self, team: Team) -> None:
        """The fake checks the signature over the request it received."""
        assert team.messages("bedrock/claude", {**bearer(ALICE), **self.SENT}).status == 200
        sent = team.sent_to("bedrock")
        assert sent["authorization"].startswith("AWS4-HMAC-SHA256 ")
        assert sent["x-project"] == "p1" and not {"x-team-name", "x-sent-by", "cookie"} & set(sent)

    def test_check_prints_the_rules(self, team: Team, capsys: pytest.CaptureFixture[str]) -> None:
        assert check(team.nexus.settings, "nexus.toml") == 0
        said = capsys.readouterr().out
        rules = "forward /^x-team-/; remove /-internal$/; forward x-ticket as x-cost-reference (with a default); "
        rules += "rename_duplicate x-project and x-tag; insert x-sent-by"
        assert f"headers of anthropic/claude-opus-5-5: {rules}; insert x-review\n" in said
        assert f"headers of anthropic/claude-haiku-5-5: {rules}\n" in said
        assert "warning" not in said and "yes" not in said


class TestWebPages:
    PAGE: Mapping[str, str] = {"Origin": "https://chat.example.com", "Access-Control-Request-Method": "POST"}

    def test_the_teams_own_origin_is_accepted(self, team: Team) -> None:
        path = "/llm/openai/v1/chat/completions"
        asked = team.ask("OPTIONS", path, headers=self.PAGE)
        assert (asked.status, asked.headers["access-control-max-age"]) == (204, "3600")
        assert asked.headers["access-control-allow-origin"] == self.PAGE["Origin"]
        foreign = team.ask("OPTIONS", path, headers={**self.PAGE, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers

    def test_the_header_against_forged_forms(self, serve: Serve) -> None:
        team = serve(**{"[server.csrf]\nenabled = false": "[server.csrf]\nenabled = true"})
        assert team.chat("openai/gpt-5.5", bearer(ALICE)).status == 403
        assert team.chat("openai/gpt-5.5", {**bearer(ALICE), "X-Nexus-CSRF-Protection": "1"}).status == 200


def test_no_reservation_remains(team: Team) -> None:
    for _ in range(3):
        team.chat("openai/gpt-5.5", bearer(ALICE))
    server = team.nexus.server
    wait_until(lambda: not (server.kept.limits.open or server.workers.busy))
