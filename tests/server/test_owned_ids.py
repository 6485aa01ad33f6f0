"""An id of something stored at the vendor works only for the caller who received it."""

import itertools
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nexus.headers.own import STORED_PROVIDER, UPSTREAM_KEY
from nexus.response_store.local import LocalStore
from tests.limits import redis_server
from tests.peers import Peer, read_request, whole
from tests.serving import ALICE, BOB, KEY, Nexus, Reply

KEYS = f'[server.keys.alice]\nkey = "{ALICE}"\n[server.keys.bob]\nkey = "{BOB}"\n'
SERVES = '[server.response_store]\nstored_unknown = "serve"\n'
BY_HEADER = '[server.client_identification]\nenabled = true\nclient_id.http_header = "X-Client-Id"\n'
PATH = "/llm/openai/v1"


@dataclass
class Vendor:
    """Stores answers under consecutive ids, and returns whatever is asked for."""

    asked: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __call__(self, sock: socket.socket) -> None:
        while request := read_request(sock):
            head, _, body = request.partition(b"\r\n\r\n")
            self.asked.append(head.decode().partition(" HTTP")[0])
            answer, kind = self.answer(self.asked[-1], json.loads(body or b"{}"))
            sock.sendall(whole(answer, f"Content-Type: {kind}"))

    def answer(self, first: str, body: Any) -> tuple[bytes, str]:
        number = next(self.numbers)
        if first == "POST /v1/conversations":
            return json.dumps({"id": f"conv_{number}", "object": "conversation"}).encode(), "application/json"
        if first.endswith("/input_tokens"):
            return b'{"object": "response.input_tokens", "input_tokens": 5}', "application/json"
        if first.endswith("/input_items"):
            return b'{"object": "list", "data": [{"id": "msg_in", "type": "message"}]}', "application/json"
        output = [{"id": f"msg_{number}", "type": "message", "role": "assistant", "content": [], "status": "completed"}]
        response = {"id": f"resp_{number}", "object": "response", "model": "m", "status": "completed", "output": output}
        if not body.get("stream"):
            return json.dumps(response).encode(), "application/json"
        events = [
            {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": output[0]},
            {"type": "response.completed", "response": response},
        ]
        return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), "text/event-stream"


@dataclass
class Place:
    nexus: Nexus
    vendor: Vendor

    def ask(self, key: str, **more: Any) -> Reply:
        return self.nexus.post(f"{PATH}/responses", {"model": "v/m", "input": "x", **more}, sent(key))

    def at(self, method: str, path: str, key: str) -> Reply:
        return self.nexus.request(method, PATH + path, headers=sent(key))


def sent(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key.startswith("nx-") else {"X-Client-Id": key}


@pytest.fixture
def place_of(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    vendor = Vendor()
    with Peer(vendor) as peer:
        servers: list[Nexus] = []

        def opened(settings: str = KEYS, more: str = "", names: str = "v", key: str = f'api_key = "{KEY}"') -> Place:
            common = f'type = "openai"\n{key}\nbase_url = "{peer.url}"\nresponses = true\n{more}models.m = {{}}\n'
            providers = "".join(f"[llm.providers.{name}]\n{common}" for name in names)
            nexus = Nexus.of(settings + providers, tmp_path)
            servers.append(nexus)
            return Place(nexus.__enter__(), vendor)

        yield opened
        for nexus in servers:
            nexus.__exit__()


NAMING: dict[str, Callable[[Place, str, str], Reply]] = {
    "fetched": lambda place, key, n: place.at("GET", f"/responses/resp_{n}", key),
    "its input": lambda place, key, n: place.at("GET", f"/responses/resp_{n}/input_items", key),
    "cancelled": lambda place, key, n: place.at("POST", f"/responses/resp_{n}/cancel", key),
    "deleted": lambda place, key, n: place.at("DELETE", f"/responses/resp_{n}", key),
    "continued from": lambda place, key, n: place.ask(key, previous_response_id=f"resp_{n}"),
    "continued from, streamed": lambda place, key, n: place.ask(key, previous_response_id=f"resp_{n}", stream=True),
    "an item": lambda place, key, n: place.ask(key, input=[{"type": "item_reference", "id": f"msg_{n}"}]),
    "an item, briefly": lambda place, key, n: place.ask(key, input=[{"id": f"msg_{n}"}]),
    "reasoning without content": lambda place, key, n: place.ask(key, input=[{"type": "reasoning", "id": f"msg_{n}"}]),
    "an item for a conversation": lambda place, key, n: place.nexus.post(
        f"{PATH}/conversations", {"items": [{"type": "item_reference", "id": f"msg_{n}"}]}, sent(key)
    ),
    "compacted": lambda place, key, n: place.nexus.post(
        f"{PATH}/responses/compact", {"model": "v/m", "previous_response_id": f"resp_{n}"}, sent(key)
    ),
    "counted": lambda place, key, n: place.nexus.post(
        f"{PATH}/responses/input_tokens", {"model": "v/m", "previous_response_id": f"resp_{n}"}, sent(key)
    ),
}


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("use", NAMING.values(), ids=NAMING)
def test_an_answer_belongs_to_its_owner(
    place_of: Callable[..., Place], use: Callable[[Place, str, str], Reply], stream: bool
) -> None:
    place = place_of()
    assert place.ask(ALICE, stream=stream).status == 200
    refused, unknown = use(place, BOB, "1"), use(place, BOB, "77")
    assert (refused.status, unknown.status) == (404, 404)
    assert refused.json["error"]["message"].replace("_1", "_77") == unknown.json["error"]["message"]
    assert len(place.vendor.asked) == 1, "nothing reached the vendor"
    assert use(place, ALICE, "1").status != 404
    assert len(place.vendor.asked) == 2


TWO_NAMES = {
    "twice": '"previous_response_id": "THEIRS", "previous_response_id": "MINE"',
    "escaped": r'"previous_response_i\u0064": "THEIRS", "previous_response_id": "MINE"',
    "in other letters": '"Previous_Response_ID": "THEIRS"',
    "with a long s, which is an s to Go": '"previou\u017f_response_id": "THEIRS"',
    "a word in other letters": '"Conversation": "THEIRS"',
    "a tool's": '"tools": [{"type": "code_interpreter", "Container": "THEIRS"}]',
    "inside": '"conversation": {"id": "THEIRS", "id": "MINE"}',
}


@pytest.mark.parametrize("names", TWO_NAMES.values(), ids=TWO_NAMES)
def test_an_owner_cannot_be_hidden_behind_another_name(names: str, place_of: Callable[..., Place]) -> None:
    """Some vendors read the first of two members, some the last, and some ignore case."""
    place = place_of(KEYS)
    theirs, mine = place.ask(ALICE).json["id"], place.ask(BOB).json["id"]
    body = f'{{"model": "v/m", "input": "x", {names}}}'.replace("THEIRS", theirs).replace("MINE", mine)
    assert place.nexus.post(f"{PATH}/responses", body.encode(), sent(BOB)).status == 400
    assert len(place.vendor.asked) == 2


def test_names_in_other_letters_are_free_in_tools(place_of: Callable[..., Place]) -> None:
    properties = {"Container": {"type": "string"}, "container": {"type": "string"}, "conversation": {}}
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": properties}}
    assert place_of(KEYS).ask(ALICE, tools=[tool]).status == 200


CONVERSATION: dict[str, Callable[[Place, str], Reply]] = {
    "fetched": lambda place, key: place.at("GET", "/conversations/conv_1", key),
    "its items": lambda place, key: place.at("GET", "/conversations/conv_1/items", key),
    "an item of it": lambda place, key: place.at("GET", "/conversations/conv_1/items/msg_1", key),
    "deleted": lambda place, key: place.at("DELETE", "/conversations/conv_1", key),
    "answered in": lambda place, key: place.ask(key, conversation="conv_1"),
    "answered in, as an object": lambda place, key: place.ask(key, conversation={"id": "conv_1"}),
    "added to": lambda place, key: place.nexus.post(f"{PATH}/conversations/conv_1/items", {"items": []}, sent(key)),
}


@pytest.mark.parametrize("use", CONVERSATION.values(), ids=CONVERSATION)
def test_a_conversation_belongs_to_its_owner(
    place_of: Callable[..., Place], use: Callable[[Place, str], Reply]
) -> None:
    place = place_of()
    assert place.nexus.post(f"{PATH}/conversations", {}, sent(ALICE)).json["id"] == "conv_1"
    assert use(place, BOB).status == 404
    assert use(place, ALICE).status == 200


def test_serving_unknown_ids_still_protects_known_ones(place_of: Callable[..., Place]) -> None:
    place = place_of(SERVES + KEYS)
    place.ask(ALICE)
    assert place.at("GET", "/responses/resp_1", BOB).status == 404
    assert place.at("GET", "/responses/resp_77/input_items", BOB).status == 200
    assert place.at("GET", "/responses/resp_77", ALICE).status == 200, "viewing it did not change its owner"


def test_callers_identified_by_a_header_are_separate(place_of: Callable[..., Place]) -> None:
    """No gateway keys are needed, so unknown ids are served."""
    place = place_of(BY_HEADER)
    place.ask("alice")
    assert [place.at("GET", "/responses/resp_1", who).status for who in ("bob", "alice")] == [404, 200]
    assert place.at("GET", "/responses/resp_77", "bob").status == 200


def test_without_separate_callers_no_owners_are_stored(place_of: Callable[..., Place]) -> None:
    place = place_of("")
    place.ask("")
    assert place.at("GET", "/responses/resp_1", "").status == 200
    assert stored(place) == 0


def test_answers_that_are_not_stored_have_no_stored_owner(place_of: Callable[..., Place]) -> None:
    place = place_of()
    place.ask(ALICE, store=False)
    place.ask(ALICE, store=False, stream=True)
    assert stored(place) == 0


def test_no_owners_are_stored_for_a_callers_own_vendor_account(place_of: Callable[..., Place]) -> None:
    place = place_of(more="forward_token = true\n")
    headers = {**sent(BOB), UPSTREAM_KEY: "sk-hushhush-of-bobs-own"}
    assert place.nexus.request("GET", f"{PATH}/responses/resp_77", headers=headers).status == 200
    assert stored(place) == 0


BY_ID = {
    "an answer": ("GET", "/responses/resp_1"),
    "its input": ("GET", "/responses/resp_1/input_items"),
    "cancelled": ("POST", "/responses/resp_1/cancel"),
    "deleted": ("DELETE", "/responses/resp_1"),
    "a conversation": ("GET", "/conversations/conv_2"),
    "its items": ("GET", "/conversations/conv_2/items"),
    "its item": ("DELETE", "/conversations/conv_2/items/msg_1"),
}
ACCOUNTS = {"one account": f'api_key = "{KEY}"', "two accounts": f'api_keys = ["{KEY}", "{KEY}-b"]'}


class TestSeveralProviders:
    """A path without ``x-nexus-provider`` goes to the provider that gave the caller its id."""

    def filled(self, place: Place) -> Place:
        assert place.ask(ALICE, model="w/m").json["id"] == "resp_1"
        made = place.nexus.post(f"{PATH}/conversations", {}, {**sent(ALICE), STORED_PROVIDER: "w"})
        assert made.json["id"] == "conv_2"
        return place

    @pytest.mark.parametrize("key", ACCOUNTS.values(), ids=ACCOUNTS)
    @pytest.mark.parametrize(("method", "path"), BY_ID.values(), ids=BY_ID)
    def test_an_id_leads_to_its_provider(
        self, place_of: Callable[..., Place], method: str, path: str, key: str
    ) -> None:
        place = self.filled(place_of(names="vw", key=key))
        reply = place.at(method, path, ALICE)
        assert (reply.status, reply.headers.get("x-nexus-route")) == (200, "w/*")
        assert len(place.vendor.asked) == 3

    @pytest.mark.parametrize("settings", [KEYS, SERVES + KEYS], ids=["unknown closed", "unknown served"])
    @pytest.mark.parametrize(("method", "path"), BY_ID.values(), ids=BY_ID)
    def test_for_others_it_looks_unknown(
        self, place_of: Callable[..., Place], method: str, path: str, settings: str
    ) -> None:
        place = self.filled(place_of(settings, names="vw"))
        strange = path.replace("resp_1", "resp_77").replace("conv_2", "conv_77")
        for key in (BOB, ALICE):
            unknown = place.at(method, strange, key)
            assert unknown.status == 400
            assert "x-nexus-provider is missing; set it to one of: v, w" in unknown.json["error"]["message"]
        others = place.at(method, path, BOB)
        assert (others.status, others.json) == (400, place.at(method, strange, BOB).json)
        assert len(place.vendor.asked) == 2, "nothing reached the vendor"

    def test_a_header_that_names_another_provider_wins(self, place_of: Callable[..., Place]) -> None:
        place = self.filled(place_of(names="vw"))
        there, elsewhere = (
            place.nexus.request("GET", f"{PATH}/responses/resp_1", headers={**sent(ALICE), STORED_PROVIDER: name})
            for name in "wv"
        )
        assert (there.status, elsewhere.status) == (200, 404)
        assert len(place.vendor.asked) == 3

    def test_an_id_that_two_providers_gave_needs_the_header(self, place_of: Callable[..., Place]) -> None:
        place = place_of(names="vw")
        place.ask(ALICE, model="v/m")
        place.vendor.numbers = itertools.count(1)
        place.ask(ALICE, model="w/m")
        assert place.at("GET", "/responses/resp_1", ALICE).status == 400

    @pytest.mark.slow
    def test_processes_that_share_redis_find_it_and_none_while_redis_is_down(
        self, place_of: Callable[..., Place], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        redis_server.require()
        redis = redis_server.RedisServer(tmp_path_factory.mktemp("redis"))
        storage = f'[server.rate_limits.storage]\ntype = "redis"\nurl = "{redis.url}"\nresponse_timeout = "30s"\n'
        first, second = place_of(KEYS + storage, names="vw"), place_of(KEYS + storage, names="vw")
        self.filled(first)
        reply = second.at("GET", "/responses/resp_1", ALICE)
        assert (reply.status, reply.headers.get("x-nexus-route")) == (200, "w/*")
        assert second.at("GET", "/responses/resp_1", BOB).status == 400
        redis.kill()
        assert second.at("GET", "/responses/resp_1", ALICE).status == 503, "without Redis the owner is unknown"


RUNS = {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1", "status": "completed"}
SHELL = {"type": "shell_call", "id": "sh_1", "environment": {"type": "container_reference", "container_id": "cntr_1"}}
RESPONSE = {"id": "resp_1", "object": "response", "model": "m", "status": "completed"}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {}}
HELD_IN = {"id": "cntr_1", "expires_at": "2026-12-01T00:00:00Z"}
CODE = {"type": "code_interpreter", "container": "cntr_1"}
RUN = {"type": "shell", "environment": {"type": "container_reference", "container_id": "cntr_1"}}
CONTAINERS: dict[str, tuple[str, str, list[Any], Any]] = {
    "code interpreter": ("openai", f"{PATH}/responses", [RESPONSE | {"output": [RUNS]}], {"tools": [CODE]}),
    "shell": ("openai", f"{PATH}/responses", [RESPONSE | {"output": [SHELL]}], {"tools": [RUN]}),
    "code interpreter, streamed": (
        "openai",
        f"{PATH}/responses",
        [
            {"type": "response.output_item.done", "output_index": 0, "item": RUNS},
            {"type": "response.completed", "response": RESPONSE},
        ],
        {"tools": [CODE]},
    ),
    "Claude's code execution": (
        "anthropic",
        "/llm/anthropic/v1/messages",
        [MESSAGE | {"container": HELD_IN, "stop_reason": "end_turn"}],
        {"container": "cntr_1"},
    ),
    "Claude's code execution, streamed": (
        "anthropic",
        "/llm/anthropic/v1/messages",
        [
            {"type": "message_start", "message": MESSAGE},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "container": HELD_IN}, "usage": {}},
            {"type": "message_stop"},
        ],
        {"container": {"id": "cntr_1", "skills": []}},
    ),
}


@pytest.mark.parametrize("key", ACCOUNTS.values(), ids=ACCOUNTS)
@pytest.mark.parametrize(("kind", "path", "answer", "named"), CONTAINERS.values(), ids=CONTAINERS)
def test_a_container_belongs_to_its_owner_and_its_account(
    kind: str, path: str, answer: list[Any], named: Any, key: str, tmp_path: Path
) -> None:
    """Also if the answer is not stored. Sources: BerriAI/litellm#30942; Anthropic's page on code execution."""
    asked: list[bytes] = []
    stream = len(answer) > 1

    def vendor(sock: socket.socket) -> None:
        while request := read_request(sock):
            asked.append(request.partition(b"\r\n\r\n")[0])
            framed = [
                b"event: %s\ndata: %s\n\n" % (one.get("type", "").encode(), json.dumps(one).encode()) for one in answer
            ]
            body = b"".join(framed) if stream else json.dumps(answer[0]).encode()
            sock.sendall(whole(body, "Content-Type: " + ("text/event-stream" if stream else "application/json")))

    with Peer(vendor) as peer:
        more = "responses = true\n" if kind == "openai" else ""
        provider = f'[llm.providers.v]\ntype = "{kind}"\n{key}\nbase_url = "{peer.url}"\n{more}models.m = {{}}\n'
        with Nexus.of(KEYS + provider, tmp_path) as nexus:

            def ask(caller: str, **fields: Any) -> Reply:
                body = {"model": "v/m", "input": "x", "messages": [], "max_tokens": 9, "store": False, "stream": stream}
                return nexus.post(path, body | fields, {"Authorization": f"Bearer {caller}"})

            assert ask(ALICE).status == 200
            assert ask(BOB, **named).status in (400, 404)
            assert len(asked) == 1, "nothing reached the vendor"
            for _ in range(4):
                assert ask(ALICE, **named).status == 200
            keys = {line for head in asked for line in head.split(b"\r\n") if b"hushhush" in line}
            assert len(keys) == 1, "all went to the account that made it"


def stored(place: Place) -> int:
    ids = place.nexus.server.kept.ids
    assert isinstance(ids, LocalStore)
    return len(ids._entries)
