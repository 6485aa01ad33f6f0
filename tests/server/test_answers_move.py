"""A Responses conversation may go on at any vendor: answers that Nexus translated are resolved for OpenAI too, whether
the client refers to them or sends them whole.
"""

import json
from typing import Any

import pytest

from tests.conftest import Serve
from tests.server.vendors import providers
from tests.serving import Nexus, Reply
from tools.fake_upstream import Behaviour, FakeUpstream

ONCE = "retries.attempts = 1"
SMART = '[llm.models.smart]\ntargets = ["v1/m", "v2/m"]\n'
FIRST = {"role": "user", "content": "Look."}
THEN = {"role": "user", "content": "And then?"}
ALICE = '[server.keys.alice]\nkey = "nx-hushhusha1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6"\n'


def ask(nexus: Nexus, model: str, endpoint: str = "", **fields: Any) -> Reply:
    headers = {"x-nexus-key": "nx-hushhusha1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6", "x-nexus-session": "s"}
    return nexus.post(f"/llm/openai/v1/responses{endpoint}", {"model": model, **fields}, headers)


def by_id(answer: Any) -> dict[str, Any]:
    return {"previous_response_id": answer["id"], "input": [THEN]}


def by_references(answer: Any) -> dict[str, Any]:
    refers = [{"type": "item_reference", "id": item["id"]} for item in answer["output"]]
    return {"input": [FIRST, *refers, THEN]}


def whole(answer: Any) -> dict[str, Any]:
    return {"input": [FIRST, *answer["output"], THEN]}


def unstored(answer: Any) -> dict[str, Any]:
    """Codex leaves out the id of the reasoning."""
    reasoning, *others = answer["output"]
    reasoning = {name: value for name, value in reasoning.items() if name != "id"}
    return {"input": [FIRST, reasoning, *others, THEN], "store": False}


TURNS = [by_id, by_references, whole, unstored]


@pytest.mark.parametrize("keys", ["", ALICE], ids=["open", "keys"])
@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.__name__)
def test_the_next_turn_goes_to_any_target(
    turn: Any, keys: str, serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream
) -> None:
    anthropic_upstream.default = Behaviour(thinking="Is it blue?", text="Sky blue.")
    tables = (
        ("v1", "openai", openai_upstream, f"responses = true\n{ONCE}", "gpt-4.1"),
        ("v2", "anthropic", anthropic_upstream, ONCE, "claude-sonnet-4-5"),
    )
    nexus = serve(keys + providers(*tables) + SMART)
    answer = ask(nexus, "v2/m", input=[FIRST]).json
    for model in ("smart", "v1/m"):
        again = ask(nexus, model, **turn(answer))
        assert (again.status, again.headers["x-nexus-route"]) == (200, "v1/gpt-4.1"), again.body
        sent = json.dumps(openai_upstream.requests[-1].json)
        assert "Look." in sent and "Sky blue." in sent and "And then?" in sent and "item_reference" not in sent
    asked = {name: value for name, value in turn(answer).items() if name != "store"}
    counted = ask(nexus, "v1/m", endpoint="/input_tokens", **asked)
    assert counted.status == 200 and "Sky blue." in json.dumps(openai_upstream.requests[-1].json)
    openai_upstream.next(Behaviour(status=503))
    moved = ask(nexus, "smart", **turn(answer))
    assert moved.headers["x-nexus-tried"] == "v1/m=503, v2/m=200"
    assert openai_upstream.violations == anthropic_upstream.violations == []


@pytest.mark.parametrize("turn", [by_id, by_references], ids=lambda turn: turn.__name__)
def test_what_a_reference_adds_counts_towards_limits_at_openai_too(
    turn: Any, serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream
) -> None:
    anthropic_upstream.default = Behaviour(text="Sky blue. " * 4000)
    limit = '[llm.providers.v1.rate_limits.per_user]\ninput_token_limit = 8000\ninterval = "1h"\n'
    tables = (
        ("v1", "openai", openai_upstream, f"responses = true\n{ONCE}", "gpt-4.1"),
        ("v2", "anthropic", anthropic_upstream, ONCE, "claude-sonnet-4-5"),
    )
    nexus = serve(ALICE + providers(*tables) + limit)
    answer = ask(nexus, "v2/m", input=[FIRST]).json
    more = {"role": "user", "content": "And then? " * 1000}
    asked = turn(answer)
    assert ask(nexus, "v1/m", **{**asked, "input": [*asked["input"], more]}).status == 429
    assert ask(nexus, "v1/m", input=[FIRST, more]).status == 200, "a long question alone fits"


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.__name__)
def test_reasoning_that_its_vendor_did_not_sign_stays_behind(
    turn: Any, serve: Serve, openai_upstream: FakeUpstream
) -> None:
    """OpenAI has no item of that id (opencode #6501, sub2api #3588)."""
    with FakeUpstream("openai") as house:
        tables = (
            ("v1", "openai", openai_upstream, f"responses = true\n{ONCE}", "gpt-5.4"),
            ("v2", "openai", house, ONCE, "deepseek-v4"),
        )
        nexus = serve(providers(*tables))
        house.next(Behaviour(thinking="Is it blue?", text="Sky blue."))
        answer = ask(nexus, "v2/m", input=[FIRST]).json
        assert [item["type"] for item in answer["output"]] == ["reasoning", "message"]
        assert ask(nexus, "v1/m", **turn(answer)).status == 200
        assert "Sky blue." in json.dumps(openai_upstream.requests[-1].json)
        assert ask(nexus, "v2/m", **turn(answer)).status == 200
        assert "Is it blue?" in json.dumps(house.requests[-1].json), "the vendor's own"
        assert openai_upstream.violations == house.violations == []


SAID = [{"type": "output_text", "text": "Sky blue.", "annotations": []}]
OTHER_IDS: list[dict[str, Any]] = [
    {"type": "message", "role": "user", "id": "019f629b-43ee", "content": "Look."},
    {"role": "user", "id": "", "content": "Look."},
    {"type": "reasoning", "id": "item_1", "summary": [], "encrypted_content": "gAAA"},
    {"type": "function_call", "id": "call_70eac2", "call_id": "c1", "name": "f", "arguments": "{}"},
    {"type": "custom_tool_call", "id": "fc_d74wbrca4514", "call_id": "c2", "name": "g", "input": "x"},
    {"type": "message", "role": "assistant", "id": "msg_" + "+/" * 200, "content": SAID, "status": "completed"},
    {"type": "function_call_output", "call_id": "c1", "output": "1"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "1"},
]
"""Items of other servers and clients, with ids that OpenAI rejects: codex #33176, langchainjs #11044, cockpit-tools
#2090, pi #10257, oh-my-pi #284."""


def test_items_lose_ids_that_openai_rejects(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(providers(("v1", "openai", openai_upstream, f"responses = true\n{ONCE}", "gpt-5.4")))
    kept = {"type": "message", "role": "assistant", "id": "msg_1", "content": SAID, "status": "completed"}
    brief = {"id": "fc_1"}
    reply = ask(nexus, "v1/m", input=[*OTHER_IDS, kept, THEN, brief], store=False)
    assert reply.status == 200, reply.body
    expected = [{name: value for name, value in item.items() if name != "id"} for item in OTHER_IDS]
    assert openai_upstream.requests[-1].json["input"] == [*expected, kept, THEN, brief]


@pytest.mark.parametrize("model", ["minimax-m3", "gpt-5.4"])
@pytest.mark.parametrize("endpoint", ["", "/compact"])
def test_only_openais_models_compact_by_themselves(
    endpoint: str, model: str, serve: Serve, openai_upstream: FakeUpstream
) -> None:
    """Codex: "expected exactly one compaction output item, got 0" (cc-switch #4725)."""
    nexus = serve(providers(("v1", "openai", openai_upstream, f"responses = true\n{ONCE}", model)))
    trigger = [] if endpoint else [{"type": "compaction_trigger"}]
    reply = ask(nexus, "v1/m", endpoint, input=[FIRST, *trigger], store=False)
    sent = openai_upstream.requests[-1]
    if model == "gpt-5.4":
        assert (sent.path, sent.json["input"]) == (f"/v1/responses{endpoint}", [FIRST, *trigger])
        return
    assert (reply.status, [item["type"] for item in reply.json["output"]][-1]) == (200, "compaction"), reply.body
    assert sent.path == "/v1/responses" and "compaction_trigger" not in json.dumps(sent.json)
    assert ask(nexus, "v1/m", input=[*reply.json["output"], THEN], store=False).status == 200
    assert "Hello from the fake upstream." in json.dumps(openai_upstream.requests[-1].json)
