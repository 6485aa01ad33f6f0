"""Which caller's limits a call counts against if no setting identifies callers."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from nexus.auth.identity import Identity, Source
from nexus.call import Call
from nexus.gateway.admission import account_of, estimated, expected
from nexus.limits.store_keys import MAX_ID, spending_tag
from nexus.provider import Provider
from nexus.provider.route import Route
from nexus.relay.call_state import CallState
from nexus.settings import registry
from nexus.settings.model import ModelSettings
from nexus.wire import decode, encode

OWN = {"x-provider-api-key": "sk-hushhush-own"}
LOGIN = {"authorization": "Bearer sk-ant-oat01-hushhush"}
FORWARDS = {"forward_token": True}
LOGINS = {"forward_login": True}


def account(
    *,
    source: Source = "open",
    client_id: str | None = None,
    headers: dict[str, str] | None = None,
    caller: str = "192.0.2.7",
    dialect: str = "chat",
    kind: str = "openai",
    credential_headers: tuple[str, ...] = (),
    **settings: Any,
) -> str:
    provider_type: type[Provider] = registry.load(kind)
    provider = provider_type(
        "p", provider_type.settings_type(type=kind, api_key=SecretStr("sk-hushhush-house"), **settings)
    )
    identity = Identity(
        client_id=client_id,
        group=None,
        models=None,
        source=source,
        key=client_id if source == "key" else None,
        owner=None,
        credential_headers=frozenset(credential_headers),
    )
    call = Call(
        id="r",
        dialect=dialect,
        caller=caller,
        identity=identity,
        headers=headers or {},
        query="",
        body=b"",
        document={},
        model="p/m",
        stream=False,
    )
    try:
        return account_of(call, provider)
    finally:
        provider.close()


SAME: dict[str, tuple[dict[str, Any], str]] = {
    "a gateway key's name before a key for the vendor": (
        dict(source="key", client_id="alice", headers=OWN, **FORWARDS),
        "key:alice",
    ),
    "a token's subject before a key for the vendor": (
        dict(source="token", client_id="alice", headers=OWN, **FORWARDS),
        "token:alice",
    ),
    "the address, without anything else": ({}, "address:192.0.2.7"),
    "the address, if the provider does not forward the key": ({"headers": OWN}, "address:192.0.2.7"),
    "the address, with an empty key": (dict(headers={"x-provider-api-key": " "}, **FORWARDS), "address:192.0.2.7"),
    "the address, if the header contains the gateway key": (
        dict(source="token", headers=OWN, credential_headers=("x-provider-api-key",), **FORWARDS),
        "address:192.0.2.7",
    ),
    "a network of one party's addresses": ({"caller": "2001:db8::1:2"}, account(caller="2001:db8::3:4")),
    "the address, if the login is not forwarded": (
        {"headers": LOGIN, "kind": "anthropic", "dialect": "messages"},
        "address:192.0.2.7",
    ),
    "the address, if a client of another protocol sends a login": (
        dict(headers=LOGIN, kind="anthropic", **LOGINS),
        "address:192.0.2.7",
    ),
}


@pytest.mark.parametrize(("call", "expected"), SAME.values(), ids=SAME.keys())
def test_a_caller_is_identified_by(call: dict[str, Any], expected: str) -> None:
    assert account(**call) == expected


HASHED: dict[str, dict[str, Any]] = {
    "a vendor key": dict(headers=OWN, **FORWARDS),
    "a login": dict(headers=LOGIN, kind="anthropic", dialect="messages", **LOGINS),
    "a vendor key of any length": dict(headers={"x-provider-api-key": "sk-hushhush" * 500}, **FORWARDS),
}


@pytest.mark.parametrize("call", HASHED.values(), ids=HASHED.keys())
def test_a_caller_with_its_own_key_is_the_hash_of_it(call: dict[str, Any]) -> None:
    found = account(**call)
    assert found.startswith("vendor-key:") and len(found) == len("vendor-key:") + 64
    assert found == account(**call, caller="198.51.100.1")
    assert "hushhush" not in found


@pytest.mark.parametrize("subject", ["x" * 256, "\U0001f600" * 256, "{all}:*"], ids=["long", "wide", "marks"])
def test_names_of_limits_are_bounded(subject: str) -> None:
    tag = spending_tag(account(source="token", client_id=subject), "p")
    assert len(tag) <= MAX_ID + 10
    assert tag.count("{") == tag.count("}") == 1


WORDS = "words of a prompt " * 100
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'QUJD' * 5000}"}}
PROMPTS: dict[str, tuple[bytes, bool]] = {
    "much text, by its size": (encode({"messages": [{"role": "user", "content": WORDS}]}), False),
    "letters that are escaped": (json.dumps({"messages": [{"role": "user", "content": "é" * 1000}]}).encode(), False),
    "little text": (encode({"messages": [{"role": "user", "content": "hi"}]}), True),
    "a picture": (
        encode({"messages": [{"role": "user", "content": [{"type": "text", "text": WORDS}, PICTURE]}]}),
        True,
    ),
}


@pytest.mark.parametrize(("body", "reads"), PROMPTS.values(), ids=PROMPTS.keys())
def test_a_prompt_is_only_parsed_if_its_size_gives_no_good_estimate(body: bytes, reads: bool) -> None:
    kind: type[Provider] = registry.load("openai")
    provider = kind("p", kind.settings_type(type="openai", api_key=SecretStr("sk-hushhush-house")))
    nobody = Identity(None, None, None, "open", None, None, frozenset())
    state = CallState(Call("r", "chat", "", nobody, {}, "", body, decode(body), "p/m", stream=False))
    state.route = Route(provider, "m", ModelSettings())
    quick = expected(state)
    assert (state.reading is not None) is reads
    exact = estimated(state)
    assert quick.media == exact.media and exact.text <= quick.text <= 1.1 * exact.text
    provider.close()
