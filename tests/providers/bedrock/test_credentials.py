"""AWS's credential chain: credentials are found where AWS's tools find them, kept until they expire, and a cancelled
call never waits for them.

``tests/test_renewal.py`` has the calls that share one fetch.
"""

import datetime
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nexus.cancel import Cancel
from nexus.errors import Cancelled, NexusError, Unreachable, UpstreamTimeout
from nexus.providers.bedrock import BedrockProvider
from nexus.providers.bedrock.credentials import Chain, Keys
from tests.providers.bedrock.fakes import (
    ACCESS_KEY,
    MESSAGE,
    REGION,
    SECRET_KEY,
    TOKEN,
    Fake,
    Script,
    Seen,
    answer,
    check_signature,
    provider_request,
    settings,
    stall,
)
from tests.serving import wait_until

KEYS = Keys(ACCESS_KEY, SECRET_KEY, None)
SESSION = Keys(ACCESS_KEY, SECRET_KEY, TOKEN)
Env = pytest.MonkeyPatch


def issued(seconds: float = 6 * 3600, token: str = TOKEN) -> dict[str, str]:
    """Keys as issued by a metadata server."""
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return {
        "AccessKeyId": ACCESS_KEY,
        "SecretAccessKey": SECRET_KEY,
        "Token": token,
        "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Code": "Success",
    }


def chain(profile: str | None = None, patience: float = 20.0) -> Chain:
    return Chain("bedrock", profile, REGION, patience)


def in_environment(env: Env, aws: Path) -> Keys:
    env.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    env.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    env.setenv("AWS_SESSION_TOKEN", TOKEN)
    return SESSION


def in_a_file(env: Env, aws: Path) -> Keys:
    (aws / "credentials").write_text(
        f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    return KEYS


def from_a_process(env: Env, aws: Path) -> Keys:
    (aws / "keys.json").write_text(
        json.dumps({"Version": 1, "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "SessionToken": TOKEN})
    )
    (aws / "config").write_text(f"[default]\ncredential_process = cat {aws / 'keys.json'}\n")
    return SESSION


@pytest.mark.parametrize("place", [in_environment, in_a_file, from_a_process])
def test_credentials_are_found_where_awss_tools_find_them(
    place: Callable[[Env, Path], Keys], monkeypatch: Env, aws: Path
) -> None:
    expected = place(monkeypatch, aws)
    assert chain().keys(Cancel()) == expected


def test_a_profile_is_used_even_if_the_environment_has_keys(monkeypatch: Env, aws: Path) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAHUSHHUSHENVIRON0")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    (aws / "credentials").write_text(
        f"[team]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    with Fake([answer(MESSAGE)]) as fake:
        bedrock = BedrockProvider("bedrock", settings(base_url=fake.url, profile="team"))
        bedrock.send(bedrock.prepare(provider_request()), Cancel()).close()
        check_signature(fake.request(), fake.url)


def container(server: Fake, monkeypatch: Env) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/creds")


def test_a_containers_metadata_server_issues_them(monkeypatch: Env) -> None:
    with Fake([answer(issued())]) as server:
        container(server, monkeypatch)
        assert chain().keys(Cancel()) == SESSION
        assert server.request().target == "/creds"


def imds(keys: dict[str, str]) -> Script:
    """The instance metadata service, version 2."""

    def script(seen: Seen, sock: socket.socket) -> None:
        match seen.method, seen.target.rstrip("/").rpartition("/")[2]:
            case "PUT", _:
                answer(b"a-token", content_type="text/plain")(seen, sock)
            case _, "security-credentials":
                answer(b"role", content_type="text/plain")(seen, sock)
            case _:
                answer(keys)(seen, sock)

    return script


def on_an_instance(monkeypatch: Env, url: str) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)


def test_an_instances_metadata_server_issues_them(monkeypatch: Env) -> None:
    with Fake([imds(issued())]) as server:
        on_an_instance(monkeypatch, server.url)
        assert chain().keys(Cancel()) == SESSION


def test_an_unresponsive_metadata_server_is_named_in_the_log(monkeypatch: Env) -> None:
    with Fake([stall]) as server:
        on_an_instance(monkeypatch, server.url)
        with pytest.raises(Unreachable) as caught:
            chain().keys(Cancel())
    assert (caught.value.phase, caught.value.host) == ("credentials", "")
    assert re.search(r"; asking took \d+\.\d s, as it does without an instance metadata service$", caught.value.cause)
    assert "asking took" not in caught.value.message


WITHOUT: dict[str, tuple[dict[str, str], str | None, str, str]] = {
    # environment, profile, AWS's config file, expected message
    "nothing anywhere": ({}, None, "", "none are configured"),
    "an unknown profile": ({}, "team", "", "ProfileNotFound"),
    "half of them": ({"AWS_ACCESS_KEY_ID": ACCESS_KEY}, None, "", "PartialCredentialsError"),
    "a process that fails": ({}, None, "[default]\ncredential_process = false\n", "CredentialRetrievalError"),
}


@pytest.mark.parametrize(("environment", "profile", "file", "said"), WITHOUT.values(), ids=WITHOUT.keys())
def test_missing_credentials_are_reported_with_the_reason(
    environment: dict[str, str], profile: str | None, file: str, said: str, monkeypatch: Env, aws: Path
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (aws / "config").write_text(file)
    with pytest.raises(Unreachable) as caught:
        chain(profile).keys(Cancel())
    assert said in caught.value.message
    assert ACCESS_KEY not in caught.value.message
    assert caught.value.retryable == (said == "none are configured")


def test_a_cancelled_call_does_not_wait_for_a_stalled_server(monkeypatch: Env) -> None:
    with Fake([stall]) as server:
        container(server, monkeypatch)
        bedrock = BedrockProvider("bedrock", settings(base_url="http://127.0.0.1:9"))
        cancel, reason = Cancel(), Cancelled("gone")
        raised: list[BaseException] = []

        def call() -> None:
            with pytest.raises(NexusError) as caught:
                bedrock.send(bedrock.prepare(provider_request()), cancel)
            raised.append(caught.value)

        thread = threading.Thread(target=call)
        thread.start()
        server.request()
        cancel.throw(reason)
        thread.join(60)
    assert raised == [reason]


def test_waiting_for_credentials_times_out(monkeypatch: Env) -> None:
    with Fake([stall]) as server:
        container(server, monkeypatch)
        with pytest.raises(UpstreamTimeout, match="no AWS credentials within") as caught:
            chain(patience=0.05).keys(Cancel())
    assert caught.value.phase == "credentials"
    assert "the source of the AWS credentials did not answer" in caught.value.cause


class Gate:
    """A metadata server that answers when the test opens the gate."""

    def __init__(self, keys: dict[str, str]) -> None:
        self.keys = keys
        self.opened = threading.Event()

    def __call__(self, seen: Seen, sock: socket.socket) -> None:
        assert self.opened.wait(60)
        answer(self.keys)(seen, sock)


def test_valid_keys_are_not_fetched_again(monkeypatch: Env) -> None:
    with Fake([answer(issued())]) as server:
        container(server, monkeypatch)
        shared = chain()
        first = shared.keys(Cancel())
        # On a slow machine botocore gives up waiting and asks again.
        fetches = server.seen.qsize()
        assert fetches and all(shared.keys(Cancel()) is first for _ in range(5))
        assert server.seen.qsize() == fetches


def age(shared: Chain, left: float) -> None:
    """Pretends that the keys were fetched an hour ago and expire in ``left`` seconds."""
    source: Any = shared._source
    renewed, now = shared._renewed, time.time()
    source._expiry_time = datetime.datetime.fromtimestamp(now + left, datetime.UTC)
    assert renewed._grant is not None
    renewed._grant = replace(renewed._grant, expires=now + left, fetched=now - 3600)


def test_keys_about_to_expire_are_used_while_new_ones_are_fetched(monkeypatch: Env) -> None:
    gate = Gate(issued(token="the-next-hushhush-token"))
    with Fake([answer(issued()), gate]) as server:
        container(server, monkeypatch)
        shared = chain()
        shared.keys(Cancel())
        age(shared, 300)
        assert [shared.keys(Cancel()).token for _ in range(3)] == [TOKEN] * 3
        server.request()
        server.request()
        gate.opened.set()
        wait_until(lambda: shared.keys(Cancel()).token == "the-next-hushhush-token")
        assert server.seen.empty()


def test_expired_keys_are_replaced_before_the_call(monkeypatch: Env) -> None:
    with Fake([answer(issued()), answer(issued(token="the-next-hushhush-token"))]) as server:
        container(server, monkeypatch)
        shared = chain()
        shared.keys(Cancel())
        age(shared, 5)
        assert shared.keys(Cancel()).token == "the-next-hushhush-token"


def test_a_failed_fetch_is_followed_by_another(monkeypatch: Env, aws: Path) -> None:
    shared = chain()
    with pytest.raises(Unreachable):
        shared.keys(Cancel())
    in_a_file(monkeypatch, aws)
    assert shared.keys(Cancel()) == KEYS


EXPIRED = answer({"message": "expired"}, 403, x_amzn_errortype="ExpiredTokenException:http://internal/")
DENIED = answer({"message": "no"}, 403, x_amzn_errortype="AccessDeniedException")


@pytest.mark.parametrize(("refusal", "visits"), [(EXPIRED, 2), (DENIED, 1)], ids=["expired", "denied"])
def test_keys_that_aws_reports_as_expired_are_fetched_again(refusal: Script, visits: int, monkeypatch: Env) -> None:
    with Fake([answer(issued())]) as server, Fake([refusal]) as fake:
        container(server, monkeypatch)
        bedrock = BedrockProvider("bedrock", settings(base_url=fake.url))
        bedrock._chain.keys(Cancel())
        age(bedrock._chain, 3600)
        for _ in range(3):
            bedrock.send(bedrock.prepare(provider_request()), Cancel()).close()
        assert server.seen.qsize() == visits, "new keys are not fetched again"


def test_no_key_of_the_chain_is_revealed(monkeypatch: Env, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Fake([answer(issued())]) as server, Fake([answer(MESSAGE)]) as fake:
        container(server, monkeypatch)
        bedrock = BedrockProvider("bedrock", settings(base_url=fake.url))
        bedrock.send(bedrock.prepare(provider_request()), Cancel()).close()
        assert fake.request().headers["x-amz-security-token"] == TOKEN
    shown: Any = caplog.text + repr(bedrock._chain) + repr(bedrock._chain.__dict__)
    assert not any(secret in shown for secret in (SECRET_KEY, TOKEN, ACCESS_KEY))


def test_credential_requests_use_the_same_proxy_as_all_others(tmp_path: Path) -> None:
    """STS and SSO; the machine's own metadata service is contacted directly."""
    chain = Chain("bedrock", None, REGION, proxy="http://proxy.test:3128", ca_file="/etc/ca.pem")
    client = chain._session().client("sts", aws_access_key_id="a", aws_secret_access_key="b")
    assert client._endpoint.http_session._proxy_config._proxies["https"] == "http://proxy.test:3128"
    assert client._endpoint.http_session._verify == "/etc/ca.pem"
    without = Chain("bedrock", None, REGION)._session().client("sts", aws_access_key_id="a", aws_secret_access_key="b")
    assert without._endpoint.http_session._proxy_config._proxies == {}, "environment variables are ignored"
