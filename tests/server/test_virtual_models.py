"""Virtual models over sockets: limits, concurrency, keys, deadlines and stored ids, decided separately for
each target.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Serve
from tests.server.vendors import providers
from tests.serving import BODIES, KEY, PATHS, Nexus, Reply
from tools.fake_upstream import Behaviour, FakeUpstream

SMART = '[llm.models.smart]\ntargets = ["v1/m", "v2/m"]\n'
ONCE = "retries.attempts = 1"
OWN = "sk-hushhush-own-0123456789"


@pytest.fixture
def openais() -> Iterator[list[FakeUpstream]]:
    with FakeUpstream("openai") as one, FakeUpstream("openai") as two, FakeUpstream("openai") as three:
        yield [one, two, three]


def config(fakes: list[FakeUpstream], first: str = "", second: str = "", model: str = "", model2: str = "") -> str:
    """Providers v1, v2, ... of type openai, each with a model m."""
    more = [first, second, *[""] * len(fakes)]
    tables = [(f"v{number}", "openai", fake, more[number - 1], "gpt-4.1") for number, fake in enumerate(fakes, 1)]
    text = providers(*tables)
    for number, keys in ((1, model), (2, model2)):
        text = text.replace(f"[llm.providers.v{number}.models.m]", f"[llm.providers.v{number}.models.m]\n{keys}")
    return text


def ask(nexus: Nexus, client: str = "chat", headers: dict[str, str] | None = None, **fields: Any) -> Reply:
    return nexus.post(PATHS[client], {"model": "smart", **BODIES[client], **fields}, headers, may_be_cut=True)


def asked(fakes: list[FakeUpstream]) -> list[int]:
    return [len(fake.requests) for fake in fakes]


def test_the_first_target_is_retried_if_no_other_is_left(serve: Serve, openais: list[FakeUpstream]) -> None:
    quick = 'retries = { attempts = 2, base_delay = "1ms", max_delay = "1ms" }'
    nexus = serve(config(openais, quick, ONCE) + SMART)
    openais[0].next(Behaviour(status=503))
    openais[1].default = Behaviour(status=503)
    reply = ask(nexus)
    assert reply.headers["x-nexus-tried"] == "v1/m=503, v2/m=503, v1/m=200"


def test_every_attempt_starts_from_the_original_bytes(serve: Serve, openais: list[FakeUpstream]) -> None:
    nexus = serve(config(openais, ONCE) + SMART)
    openais[0].default = Behaviour(status=503)
    assert ask(nexus, user="x").status == 200
    assert openais[0].requests[0].body == openais[1].requests[0].body


def test_the_virtual_models_name_is_listed_and_returned(serve: Serve, openais: list[FakeUpstream]) -> None:
    nexus = serve(config(openais) + SMART + 'expose_as = "claude-smart"\ndisplay_name = "Smart"\n')
    listed = nexus.request("GET", "/llm/openai/v1/models").json["data"]
    assert [one["id"] for one in listed][:2] == ["smart", "claude-smart"]
    assert nexus.request("GET", "/llm/openai/v1/models/claude-smart").status == 200
    for name in ("smart", "claude-smart"):
        assert ask(nexus, model=name).json["model"] == name


LIMITED = "rate_limits.per_user = {{ request_limit = 1, interval = '{}' }}"


def test_limits_apply_per_target_and_the_shortest_wait_is_reported(serve: Serve, openais: list[FakeUpstream]) -> None:
    nexus = serve(config(openais, model=LIMITED.format("2h"), model2=LIMITED.format("1h")) + SMART)
    assert [ask(nexus).headers["x-nexus-route"] for _ in range(2)] == ["v1/gpt-4.1", "v2/gpt-4.1"]
    reply = ask(nexus)
    assert (reply.status, reply.headers["x-nexus-tried"]) == (429, "v1/m=limit, v2/m=limit")
    assert 3500 < int(reply.headers["retry-after"]) <= 3600
    assert asked(openais) == [1, 1, 0]
    assert nexus.runtime.gateway.admission.limits.open == 0


def test_a_failed_target_releases_its_reservation(serve: Serve, openais: list[FakeUpstream]) -> None:
    nexus = serve(config(openais, ONCE, model=LIMITED.format("1h")) + SMART)
    openais[0].next(Behaviour(status=503))
    assert ask(nexus, prompt_cache_key="a").headers["x-nexus-route"] == "v2/gpt-4.1"
    assert ask(nexus, prompt_cache_key="b").headers["x-nexus-route"] == "v1/gpt-4.1"


@pytest.mark.parametrize("client", PATHS)
def test_too_long_for_every_target_is_the_clients_own_error(
    serve: Serve, openais: list[FakeUpstream], client: str
) -> None:
    nexus = serve(config(openais, model="context = 5", model2="context = 5") + SMART)
    reply = ask(nexus, client)
    assert reply.status == 400
    assert b"context_length_exceeded" in reply.body or b"prompt is too long" in reply.body
    assert asked(openais) == [0, 0, 0]


def test_too_long_for_every_target_goes_to_the_long_context_target(serve: Serve, openais: list[FakeUpstream]) -> None:
    nexus = serve(config(openais, model="context = 5", model2="context = 5") + SMART + 'on_overflow = "v3/m"\n')
    reply = ask(nexus, prompt_cache_key="s")
    assert reply.headers["x-nexus-tried"] == "v1/m=too-small, v2/m=too-small, v3/m=200"
    assert len(nexus.server.kept.router.moves._candidates) == 0, (
        "the next short request of the session returns to its own target"
    )


def test_no_free_concurrency_is_a_503_with_retry_after(serve: Serve, openais: list[FakeUpstream]) -> None:
    nexus = serve(config(openais, "max_concurrency = 1", "max_concurrency = 1") + SMART)
    rooms = nexus.server.kept.router.rooms
    assert rooms.enter("v1", None) and rooms.enter("v2", None)
    reply = ask(nexus)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert reply.headers["x-nexus-tried"] == "v1/m=busy, v2/m=busy"
    rooms.leave("v1")
    assert ask(nexus).status == 200
    assert rooms.running("v1") == 0


def test_a_target_that_does_not_support_the_request_is_skipped(serve: Serve, openais: list[FakeUpstream]) -> None:
    with FakeUpstream("anthropic") as claude:
        tables = (("v1", "anthropic", claude, "", "claude-sonnet-4-5"), ("v2", "openai", openais[0], "", "gpt-4.1"))
        nexus = serve(providers(*tables) + SMART)
        reply = ask(nexus, n=2)
    assert reply.headers["x-nexus-tried"] == "v1/m=not-expressible, v2/m=200"
    assert claude.requests == []


def test_a_request_that_no_target_supports_gets_the_first_targets_400(serve: Serve) -> None:
    with FakeUpstream("anthropic") as claude:
        tables = [(name, "anthropic", claude, "", "claude-sonnet-4-5") for name in ("v1", "v2")]
        nexus = serve(providers(*tables) + SMART)
        reply = ask(nexus, n=2)
    assert reply.status == 400 and reply.json["error"]["param"] == "n"


def test_no_target_is_called_after_the_deadline(serve: Serve, openais: list[FakeUpstream]) -> None:
    nexus = serve(config(openais, ONCE) + SMART + 'deadline = "400ms"\n')
    openais[0].default = Behaviour(hang=True)
    assert ask(nexus).status == 504
    assert asked(openais)[1:] == [0, 0]


def test_patience_does_not_apply_to_the_last_target(serve: Serve, openais: list[FakeUpstream]) -> None:
    nexus = serve(config(openais, ONCE) + SMART + 'patience = "100ms"\n')
    openais[0].default = Behaviour(hang=True)
    openais[1].default = Behaviour(delay=0.25)
    reply = ask(nexus, stream=True)
    assert reply.status == 200 and reply.body.endswith(b"data: [DONE]\n\n")
    assert reply.headers["x-nexus-tried"] == "v1/m=timeout, v2/m=200"


def test_a_client_that_retries_gets_no_extra_retry(serve: Serve, openais: list[FakeUpstream]) -> None:
    nexus = serve(config(openais, 'retries = { attempts = 3, base_delay = "1ms" }'))
    openais[0].default = Behaviour(status=503)
    assert ask(nexus, model="v1/m", headers={"x-stainless-retry-count": "1"}).headers["x-nexus-attempts"] == "1"
    assert ask(nexus, model="v1/m", headers={"x-stainless-retry-count": "0"}).headers["x-nexus-attempts"] == "3"


POOL = 'api_keys = ["sk-hushhush-pool-000000001", "sk-hushhush-pool-000000002"]'


def shown(fake: FakeUpstream) -> list[str]:
    """The credentials that a vendor received."""
    found = [{name.lower(): value for name, value in request.headers} for request in fake.requests]
    return [headers["authorization"] for headers in found]


def pool(fakes: list[FakeUpstream], more: str = "") -> str:
    return config(fakes).replace(f'api_key = "{KEY}"', f"{POOL}\n{more}", 1)


@pytest.mark.parametrize("status", [401, 402, 403, 429])
def test_another_key_of_the_pool_answers(serve: Serve, openais: list[FakeUpstream], status: int) -> None:
    nexus = serve(pool(openais))
    openais[0].next(Behaviour(status=status, headers=(("retry-after", "60"),)))
    replies = [ask(nexus, model="v1/m", prompt_cache_key="s") for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    keys = shown(openais[0])
    assert len(set(keys[:2])) == 2 and keys[1] == keys[2], "the first one is in cooldown"


def test_a_callers_own_key_is_sent_to_one_provider_and_replaces_the_pool(
    serve: Serve, openais: list[FakeUpstream]
) -> None:
    nexus = serve(pool(openais, "forward_token = true") + SMART)
    openais[0].default = Behaviour(status=429)
    reply = ask(nexus, headers={"x-provider-api-key": OWN})
    assert reply.status == 429 and asked(openais)[1:] == [0, 0]
    assert set(shown(openais[0])) == {f"Bearer {OWN}"}
    assert ask(nexus).headers["x-nexus-route"] == "v2/gpt-4.1", "the configured keys are limited too"


def test_with_spill_over_other_providers_use_the_configured_key(serve: Serve, openais: list[FakeUpstream]) -> None:
    nexus = serve(config(openais, f"forward_token = true\n{ONCE}") + SMART + "spill_over = true\n")
    openais[0].default = Behaviour(status=429, headers=(("retry-after", "60"),))
    for _ in range(2):
        assert ask(nexus, headers={"x-provider-api-key": OWN}).headers["x-nexus-route"] == "v2/gpt-4.1"
    assert asked(openais) == [1, 2, 0], "over its quota the login is in cooldown, for that caller"
    assert all(OWN not in str(request.headers) for request in openais[1].requests)
    openais[0].default = Behaviour()
    assert ask(nexus, prompt_cache_key="other").headers["x-nexus-route"] == "v1/gpt-4.1"


def test_tokens_are_counted_by_the_target_that_would_answer(serve: Serve) -> None:
    with FakeUpstream("anthropic") as one, FakeUpstream("anthropic") as two:
        tables = [(f"v{n}", "anthropic", fake, ONCE, "claude-sonnet-4-5") for n, fake in ((1, one), (2, two))]
        nexus = serve(providers(*tables) + SMART)
        body, session = {"model": "smart", **BODIES["messages"]}, {"x-nexus-session": "s"}
        one.next(Behaviour(status=529))
        assert nexus.messages(body, session).headers["x-nexus-route"] == "v2/claude-sonnet-4-5"
        del body["max_tokens"]
        counted = nexus.post("/llm/anthropic/v1/messages/count_tokens", body, session)
        assert (counted.status, counted.headers["x-nexus-route"]) == (200, "v2/claude-sonnet-4-5")


def kept(number: int) -> Behaviour:
    item = {"id": f"rs_{number}", "type": "reasoning", "summary": [], "encrypted_content": f"sealed by {number}"}
    said = {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": "completed", "content": []}
    answer = {"id": f"resp_{number}", "object": "response", "model": "m", "status": "completed", "output": [item, said]}
    return Behaviour(body=json.dumps(answer).encode())


@pytest.fixture
def stateful(serve: Serve, openais: list[FakeUpstream]) -> Nexus:
    for number, fake in enumerate(openais, 1):
        fake.default = kept(number)
    return serve(config(openais, f"responses = true\n{ONCE}", f"responses = true\n{ONCE}") + SMART)


def responses(nexus: Nexus, **fields: Any) -> Reply:
    return ask(nexus, "responses", **fields)


def test_stored_answers_are_requested_from_the_account_that_made_them(
    stateful: Nexus, openais: list[FakeUpstream]
) -> None:
    openais[0].next(Behaviour(status=503))
    first = responses(stateful)
    assert first.json["id"] == "resp_2"
    again = responses(stateful, previous_response_id="resp_2")
    assert again.headers["x-nexus-route"] == "v2/gpt-4.1", "though the first target is up again"
    openais[1].next(Behaviour(status=503))
    assert responses(stateful, previous_response_id="resp_2").status == 503
    assert asked(openais) == [1, 3, 0]


def test_ids_of_unknown_origin_are_rejected_by_name(stateful: Nexus, openais: list[FakeUpstream]) -> None:
    reply = responses(stateful, previous_response_id="resp_9")
    assert (reply.status, reply.json["error"]["param"]) == (400, "previous_response_id")
    assert asked(openais) == [0, 0, 0]


def test_encrypted_reasoning_goes_to_the_account_that_encrypted_it(
    stateful: Nexus, openais: list[FakeUpstream]
) -> None:
    openais[0].next(Behaviour(status=503))
    sealed = responses(stateful, store=False).json["output"][0]
    turns = [{"type": "reasoning", "summary": [], "encrypted_content": sealed["encrypted_content"]}]
    reply = responses(stateful, input=[*turns, {"role": "user", "content": "Go on"}], store=False)
    assert reply.headers["x-nexus-route"] == "v2/gpt-4.1"
    assert asked(openais) == [1, 2, 0]


def test_encrypted_reasoning_of_unknown_origin_is_rejected_by_name(
    stateful: Nexus, openais: list[FakeUpstream]
) -> None:
    turns = [{"type": "reasoning", "summary": [], "encrypted_content": "x"}, {"role": "user", "content": "Go on"}]
    reply = responses(stateful, input=turns)
    assert (reply.status, reply.json["error"]["param"]) == (400, "input.0")
    told = responses(stateful, input=turns, prompt_cache_key="s")
    assert told.headers["x-nexus-route"] == "v1/gpt-4.1", "a session's reasoning came from its first target"


def test_a_file_that_was_not_uploaded_through_nexus_is_looked_for_in_each_account(
    stateful: Nexus, openais: list[FakeUpstream]
) -> None:
    content = [{"type": "input_file", "file_id": "file_1"}]
    openais[0].next(Behaviour(status=404))
    reply = responses(stateful, input=[{"role": "user", "content": content}])
    assert (reply.status, reply.headers["x-nexus-route"]) == (200, "v2/gpt-4.1")
    plain = responses(stateful, model="v1/m", input=[{"role": "user", "content": content}])
    assert plain.status == 200
