"""Sends hundreds of scripted calls of every kind through one gateway, in front of a fake of each vendor's lane."""

import json
import random
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.scraped import Scraped
from tests.server.vendors import LANES, RESPONSES, Lane
from tests.serving import Nexus, Reply
from tools.fake_upstream import Behaviour, FakeUpstream

NANO = {
    "input": 2000,
    "cache_read": 300,
    "cache_write_5m": 2500,
    "cache_write_1h": 4000,
    "output": 10_000,
    "reasoning": 11_000,
}
"""Dollars per token of each part."""

PRICE = ", ".join(f"{part} = {nano / 1000:g}" for part, nano in NANO.items())
LIMIT = 1000

TEXT = [{"role": "user", "content": "How is the weather?"}]
CLIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/llm/openai/v1/chat/completions", {"messages": TEXT, "max_completion_tokens": 900}),
    "messages": ("/llm/anthropic/v1/messages", {"messages": TEXT, "max_tokens": 900}),
    "responses": ("/llm/openai/v1/responses", {"input": "How is the weather?", "max_output_tokens": 900}),
}

PASSED: dict[str, dict[str, Any]] = {
    "embeddings": {"input": ["a", "b"]},
    "completions": {"prompt": "Say it"},
    "images/generations": {"prompt": "A cat"},
    "moderations": {"input": "x"},
    "audio/speech": {"input": "Hello", "voice": "alloy"},
}

ALL_LANES = {lane.name.replace(" ", "-"): lane for lane in (*LANES, RESPONSES)}

GENERAL = f"""
[server]
worker_threads = 64
[budgets.all]
per = "user"
limit_usd = {LIMIT}
period = "month"
unknown = "allow"
[llm.providers.free]
type = "echo"
[llm.providers.free.models.m]
price = {{ input = 0, output = 0 }}
[llm.providers.limited]
type = "echo"
[llm.providers.limited.models.m]
price = {{ {PRICE} }}
[llm.providers.limited.rate_limits.per_user]
request_limit = 1
interval = "1h"
"""

PROVIDER = """
endpoints = ["embeddings", "completions", "images/generations", "moderations", "audio/speech"]
"""


@dataclass
class World:
    """``replies`` maps call ids to replies; ``sent`` counts all requests that may be calls."""

    nexus: Nexus
    fakes: dict[str, FakeUpstream]
    random: random.Random
    replies: dict[str, Reply] = field(default_factory=dict)
    sent: int = 0

    def ask(self, path: str, body: dict[str, Any] | bytes, method: str = "POST") -> Reply:
        self.sent += 1
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json"} if raw else {}
        reply = self.nexus.request(method, path, raw, given, may_be_cut=True)
        self.replies[reply.headers["x-nexus-request-id"]] = reply
        return reply

    def leave(self, path: str, body: dict[str, Any], fake: FakeUpstream) -> None:
        """Sends a request and disconnects once the vendor has it and, for a stream, part of the answer was read."""
        self.sent += 1
        raw, seen = json.dumps(body).encode(), len(fake.requests)
        with socket.create_connection(("127.0.0.1", self.nexus.port)) as client:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            client.sendall(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
            fake.wait_until(lambda: len(fake.requests) > seen)
            if body["stream"]:
                assert client.recv(100)

    def used(self, lane: Lane) -> dict[str, Any]:
        """The usage that the vendor reports for an answer."""
        is_gemini, output = "gemini" in lane.model, self.random.randint(1, 900)
        reasons = is_gemini or lane.vendor == "openai"
        return {
            "input_tokens": self.random.randint(1, 5000),
            "cached_tokens": self.random.choice((0, self.random.randint(1, 3000))),
            "cache_write_tokens": 0 if is_gemini else self.random.choice((0, self.random.randint(1, 2000))),
            "output_tokens": output,
            "reasoning_tokens": self.random.randint(0, output) if reasons else 0,
        }


Kind = Callable[[World, str, str, bool], None]


def body_of(client: str, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
    path, body = CLIENTS[client]
    asks = {"stream_options": {"include_usage": True}} if client == "chat" and stream else {}
    return path, {"model": model, "stream": stream, **body, **asks}


def scripted(*ends: dict[str, Any]) -> Kind:
    """Attempts that end as given, one after the other, then one that succeeds."""

    def call(world: World, name: str, client: str, stream: bool) -> None:
        lane, fake = ALL_LANES[name], world.fakes[name]
        fake.next(*(Behaviour(**(world.used(lane) | end)) for end in (*ends, {})))
        world.ask(*body_of(client, f"{name}/m", stream))
        fake.drop_queued()

    return call


def fallback(world: World, name: str, client: str, stream: bool) -> None:
    fake, other = world.fakes[name], world.fakes[next_of(name)]
    fake.next(*(Behaviour(status=400, error_code="billing_hard_limit_reached"), Behaviour(status=500)))
    other.next(Behaviour(**world.used(ALL_LANES[next_of(name)])))
    world.ask(*body_of(client, f"from-{name}", stream))
    fake.drop_queued()
    other.drop_queued()


def cancelled(world: World, name: str, client: str, stream: bool) -> None:
    fake = world.fakes[name]
    fake.next(Behaviour(endless=True) if stream else Behaviour(hold=threading.Event()))
    world.leave(*body_of(client, f"{name}/m", stream), fake)
    fake.drop_queued()


def unknown_model(world: World, name: str, client: str, stream: bool) -> None:
    assert world.ask(*body_of(client, f"{name}/none", stream)).status == 404


def no_document(world: World, name: str, client: str, stream: bool) -> None:
    assert world.ask(CLIENTS[client][0], b"{").status == 400


KINDS: dict[str, Kind] = {
    "well": scripted(),
    "tried again": scripted({"status": 500}),
    "refused by the vendor": scripted({"status": 400}),
    "no connection": scripted({"close_before_head": True}, {"close_before_head": True}),
    "cut": scripted({"cut_after": 4}, {"cut_after": 4}),
    "an error in the answer": scripted({"error_after": 4}, {"error_after": 4}),
    "no end": scripted({"end_after": 4}, {"end_after": 4}),
    "fallback": fallback,
    "cancelled": cancelled,
    "unknown model": unknown_model,
    "no document": no_document,
}


OF_STREAMS = {"an error in the answer", "no end"}
"""A fake cannot interrupt a whole answer in these ways."""


def next_of(name: str) -> str:
    names = list(ALL_LANES)
    return names[(names.index(name) + 1) % len(names)]


def config(fakes: dict[str, FakeUpstream], folder: Path) -> str:
    parts = [GENERAL]
    for name, lane in ALL_LANES.items():
        (folder / name).mkdir()
        text = lane.config(fakes[name], folder / name).replace("[llm.providers.v]", f"[llm.providers.{name}]")
        text = text.replace("models.m.rename =", "retries = { attempts = 2, base_delay = '1ms' }\nmodels.m.rename =")
        more = PROVIDER if lane.vendor == "openai" else ""
        parts += [text, f"models.m.price = {{ {PRICE} }}", more]
        parts += [f'[llm.models.from-{name}]\ntargets = ["{name}/m", "{next_of(name)}/m"]\n']
    return "\n".join(parts)


def ended(nexus: Nexus) -> float:
    found = Scraped.of(nexus)
    return found.sum("calls_total") + found.sum("refused_requests_total")


def other_operations(world: World) -> None:
    for name, lane in ALL_LANES.items():
        world.ask("/llm/anthropic/v1/messages/count_tokens", {"model": f"{name}/m", "messages": TEXT})
        world.ask("/llm/openai/v1/responses/input_tokens", {"model": f"{name}/m", "input": "Hello"})
        world.fakes[name].next(Behaviour(**world.used(lane)))
        made = world.ask("/llm/openai/v1/responses", {"model": f"{name}/m", "input": "Hello"})
        world.ask(f"/llm/openai/v1/responses/{json.loads(made.body)['id']}", b"", "GET")
        world.ask("/llm/openai/v1/responses/compact", {"model": f"{name}/m", "input": "Hello"})
        world.fakes[name].drop_queued()
        for endpoint, body in PASSED.items():
            world.fakes[name].next(Behaviour(**world.used(lane)))
            world.ask(f"/llm/openai/v1/{endpoint}", {"model": f"{name}/m", **body})
            world.fakes[name].drop_queued()
    for _ in range(3):
        world.ask(*body_of("chat", "limited/m", False))
