"""The response store: translated answers that Responses clients refer to by id, on every lane, only by their owner,
until they expire.
"""

import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from nexus.response_store.local import LocalStore
from tests.limits import redis_server
from tests.server.vendors import DISTINCT, LANES, Lane
from tests.serving import ALICE, BOB, Nexus, Reply, wait_until
from tools.fake_upstream import Behaviour, Call, FakeUpstream

KEYS = f'[server.keys.alice]\nkey = "{ALICE}"\n[server.keys.bob]\nkey = "{BOB}"\n'
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}}
USER = {"role": "user", "content": "Look."}


@dataclass
class Place:
    nexus: Nexus
    upstream: FakeUpstream

    def ask(self, *items: Any, key: str = "", **more: Any) -> Reply:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.nexus.post("/llm/openai/v1/responses", {"model": "v/m", "input": list(items), **more}, headers)

    def at(self, method: str, id: str, key: str = "") -> Reply:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.nexus.request(method, f"/llm/openai/v1/responses/{id}", headers=headers)

    @property
    def sent(self) -> str:
        return json.dumps(self.upstream.requests[-1].json)


@pytest.fixture
def place_of(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def open_place(lane: Lane = LANES[2], more: str = "") -> Place:
            upstream = stack.enter_context(FakeUpstream(lane.vendor))
            return Place(stack.enter_context(Nexus.of(more + lane.config(upstream, tmp_path), tmp_path)), upstream)

        yield open_place


def references(answer: Any) -> list[dict[str, str]]:
    return [{"type": "item_reference", "id": item["id"]} for item in answer["output"]]


@pytest.mark.parametrize("lane", DISTINCT, ids=lambda lane: lane.name)
def test_a_second_turn_by_references_and_by_id(lane: Lane, place_of: Any) -> None:
    """The first answer is streamed; the request that refers to it is sent immediately after its end."""
    place: Place = place_of(lane)
    place.upstream.next(Behaviour(parts=(Call("look", "{}"),)), Behaviour(text="Blue."), Behaviour(text="Sky blue."))
    tools: Any = [TOOL]
    with openai.OpenAI(base_url=place.nexus.openai, api_key="unused", max_retries=0) as client:
        with client.responses.stream(model="v/m", input="Look.", tools=tools) as stream:
            first: Any = stream.get_final_response()
        call = next(item for item in first.output if item.type == "function_call")
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "a wall"}
        refers = [{"type": "item_reference", "id": item.id} for item in first.output]
        whole: Any = [USER, *refers, output]
        second = client.responses.create(model="v/m", input=whole, tools=tools)
        assert second.output_text == "Blue." and "a wall" in place.sent
        added: Any = [output]
        third = client.responses.create(model="v/m", input=added, tools=tools, previous_response_id=first.id)
        assert third.output_text == "Sky blue."
        texts = [json.dumps(request.json) for request in place.upstream.requests]
        assert "Look." in texts[2] and "a wall" in texts[2]
        assert [item.id for item in client.responses.retrieve(first.id).output] == [item.id for item in first.output]
        client.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(first.id)
    assert place.upstream.violations == []


def test_a_caller_cannot_read_anothers_answers(place_of: Any) -> None:
    place: Place = place_of(more=KEYS)
    answer = place.ask(USER, key=ALICE).json
    taken = place.ask(USER, *references(answer), key=BOB)
    assert (taken.status, taken.json["error"]["param"]) == (400, "input.1")
    assert "store: false" in taken.json["error"]["message"]
    assert place.ask(USER, key=BOB, previous_response_id=answer["id"]).status == 400
    assert (place.at("GET", answer["id"], BOB).status, place.at("DELETE", answer["id"], BOB).status) == (404, 404)
    assert len(place.upstream.requests) == 1
    assert place.ask(USER, *references(answer), key=ALICE).status == 200
    assert place.at("GET", answer["id"], ALICE).json == answer


def test_ids_cannot_be_guessed_at_an_open_gateway(place_of: Any) -> None:
    place: Place = place_of()
    ids = [place.ask(USER).json["id"] for _ in range(3)]
    assert len(set(ids)) == 3 and all(len(id) == len("resp_") + 32 for id in ids)
    assert place.ask({"type": "item_reference", "id": f"msg_{'0' * 32}_0"}).status == 400


def store_of(place: Place) -> LocalStore:
    answers = place.nexus.server.kept.answers
    assert isinstance(answers, LocalStore)
    return answers


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_truncated_rejected_and_unstored_answers_leave_nothing(stream: bool, place_of: Any) -> None:
    place: Place = place_of(more="")
    cut = Behaviour(text="cut short " * 50, cut_after=6)
    place.upstream.next(*[cut] * (1 if stream else 2))
    if stream:
        with pytest.raises(http.client.IncompleteRead):
            place.ask(USER, stream=True)
    else:
        assert place.ask(USER).status == 502
    place.upstream.next(Behaviour(status=400, message="no"))
    assert place.ask(USER, stream=stream).status == 400
    assert place.ask(USER, stream=stream, store=False).status == 200
    assert len(store_of(place)._entries) == 0
    assert place.ask(USER, stream=stream).status == 200
    assert len(store_of(place)._entries) == 1


def test_a_disconnected_client_leaves_nothing(place_of: Any) -> None:
    place: Place = place_of()
    place.upstream.next(Behaviour(endless=True))
    with (
        openai.OpenAI(base_url=place.nexus.openai, api_key="unused", max_retries=0) as client,
        client.responses.create(model="v/m", input="Hi", stream=True) as stream,
    ):
        next(iter(stream))
    wait_until(lambda: not place.nexus.server.calls, 60)
    assert len(store_of(place)._entries) == 0


def test_many_answers_stay_within_the_size_limits(place_of: Any) -> None:
    place: Place = place_of(more='[server.response_store]\nmax_size = "20KiB"\nmax_size_per_caller = "10KiB"\n')
    answers = [place.ask({"role": "user", "content": f"{number} {'Hi ' * 500}"}).json for number in range(40)]
    store = store_of(place)
    assert 0 < store.size <= 10 * 1024 and 0 < len(store._entries) < 20
    assert place.ask(USER, *references(answers[0])).status == 400
    assert place.ask(USER, *references(answers[-1])).status == 200


def test_expanded_answers_are_limited_to_the_size_of_a_request(place_of: Any) -> None:
    """Few compressed bytes may expand to many."""
    place: Place = place_of(more='[server]\nmax_body_size = "1MiB"\n')
    words = {"role": "user", "content": "a" * 600_000}
    first = place.ask(words).json["id"]
    second = place.ask(words, previous_response_id=first).json["id"]
    reply = place.ask(USER, previous_response_id=second)
    assert (reply.status, reply.json["error"]["code"]) == (413, "request_too_large")


LIMIT = """
[llm.providers.v.rate_limits.per_user]
input_token_limit = 100
interval = "60s"
"""


def test_referenced_answers_count_towards_limits(tmp_path: Path) -> None:
    """A worker reads it, because it may be long."""
    lane = LANES[2]
    with FakeUpstream(lane.vendor) as upstream:
        upstream.default = Behaviour(text="word " * 120)
        with Nexus.of(lane.config(upstream, tmp_path) + LIMIT, tmp_path) as nexus:
            place = Place(nexus, upstream)
            answer = place.ask(USER).json
            refused = place.ask(USER, *references(answer))
            assert refused.status == 429 and len(upstream.requests) == 1
            assert place.ask(USER).status == 200


def test_it_can_be_disabled(place_of: Any) -> None:
    place: Place = place_of(more="[server.response_store]\nenabled = false\n")
    answer = place.ask(USER).json
    for reply in (place.ask(USER, *references(answer)), place.ask(USER, previous_response_id=answer["id"])):
        assert reply.status == 400 and "store: false" in reply.json["error"]["message"]
    assert place.ask(USER, store=True).status == 400
    assert place.at("GET", answer["id"]).status == 404


def test_a_stored_answer_can_be_fetched_and_deleted_and_nothing_else(place_of: Any) -> None:
    place: Place = place_of()
    answer = place.ask(USER).json
    assert answer["store"] is False
    for path in ("/input_items", "/cancel"):
        method = "POST" if path == "/cancel" else "GET"
        assert place.at(method, answer["id"] + path).status == 400
    assert place.at("GET", answer["id"] + "?stream=true").status == 400
    assert place.at("GET", answer["id"]).json == answer
    assert place.at("DELETE", answer["id"]).json == {"id": answer["id"], "object": "response", "deleted": True}
    assert place.at("DELETE", answer["id"]).status == 404


def test_tokens_of_a_request_with_references_are_counted(place_of: Any) -> None:
    place: Place = place_of()
    answer = place.ask(USER).json
    body = {"model": "v/m", "input": [USER, *references(answer)]}
    reply = place.nexus.post("/llm/openai/v1/responses/input_tokens", body)
    assert reply.status == 200 and reply.json["input_tokens"] > 0


@pytest.mark.slow
def test_processes_share_answers_in_redis(tmp_path: Path) -> None:
    redis_server.require()
    server = redis_server.RedisServer(tmp_path)
    storage = f'[server.rate_limits.storage]\ntype = "redis"\nurl = "{server.url}"\n'
    lane = LANES[2]
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack:
        upstream = stack.enter_context(FakeUpstream(lane.vendor))
        one, other = (
            Place(stack.enter_context(Nexus.of(storage + lane.config(upstream, folder), folder)), upstream)
            for folder in folders
        )
        answer = one.ask(USER, stream=False).json
        assert other.ask(USER, *references(answer)).status == 200
        assert other.at("GET", answer["id"]).json == answer
        assert other.at("DELETE", answer["id"]).status == 200
        assert one.at("GET", answer["id"]).status == 404
        again = one.ask(USER).json
        server.kill()
        lost = other.ask(USER, *references(again))
        assert (lost.status, lost.headers["x-nexus-error"]) == (503, "overloaded")
        assert one.ask(USER).status == 200
