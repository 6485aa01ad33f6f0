"""Virtual models over real sockets: what clients and vendors see when several things fail."""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from nexus.gateway.affinity import IDLE
from nexus.gateway.cooldowns import Cooldowns
from nexus.server.server import Server
from tests.clock import Clock
from tests.conftest import Serve
from tests.server.vendors import providers
from tests.serving import BEGINS, BODIES, ENDS, HELLO, PATHS, Nexus, Reply, wait_until
from tools.fake_upstream import ACCESS_KEY, SECRET_KEY, Behaviour, FakeUpstream

QUICK = "retries = { attempts = 2, base_delay = '1ms', max_delay = '1ms' }\n"
GPT = f"{QUICK}responses = true\n"


def stop_clock(server: Server) -> Clock:
    """Stops the clock of cooldowns, session moves and retry budgets."""
    clock, router = Clock(), server.kept.router
    router.cooldowns.clock = clock
    router.retry_budgets._clock = clock
    return clock


@pytest.fixture
def three() -> Iterator[list[FakeUpstream]]:
    with ExitStack() as stack:
        fakes = [stack.enter_context(FakeUpstream("openai")) for _ in range(3)]
        for fake, text in zip(fakes, ("north north north", "south south south", "west west west"), strict=True):
            fake.default = Behaviour(text=text)
        yield fakes
        assert [fake.violations for fake in fakes] == [[], [], []]


def config(fakes: list[FakeUpstream], model: str, each: str = QUICK) -> str:
    """Providers v1, v2 and so on, and one virtual model."""
    tables = [(f"v{number}", "openai", fake, each, "gpt-4.1") for number, fake in enumerate(fakes, 1)]
    return f"{providers(*tables)}\n[llm.models.smart]\n{model}\n"


TARGETS = 'targets = ["v1/m", "v2/m", "v3/m"]'
SPREAD = 'spread = ["v1/m", "v2/m", "v3/m"]'


def ask(nexus: Nexus, client: str = "chat", headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
    return nexus.post(PATHS[client], {"model": "smart", **BODIES[client], **more}, headers, may_be_cut=True)


def answered_by(reply: Reply) -> str:
    assert reply.status == 200, reply.body
    return reply.headers["x-nexus-route"].partition("/")[0]


def nothing_held(nexus: Nexus) -> None:
    """Every reservation, concurrency slot and worker has been released."""
    rooms = nexus.server.kept.router.rooms
    wait_until(lambda: not nexus.server.workers.busy)
    assert nexus.server.kept.limits.open == 0
    assert [rooms.running(f"v{number}") for number in (1, 2, 3)] == [0, 0, 0]


BREAKS: dict[str, Callable[[int], Behaviour]] = {
    "cut": lambda events: Behaviour(cut_after=events),
    "reset": lambda events: Behaviour(reset_after=events),
    "ended": lambda events: Behaviour(end_after=events),
    "error": lambda events: Behaviour(error_after=events),
}


@pytest.mark.parametrize("client", PATHS)
def test_content_never_comes_from_two_attempts(serve: Serve, three: list[FakeUpstream], client: str) -> None:
    """Whatever fails, and wherever: content comes from one vendor, from its beginning, and is complete or visibly
    incomplete.
    """
    nexus = serve(config(three, TARGETS))
    seen = set()
    for (name, breaks), events in itertools.product(BREAKS.items(), range(8)):
        nexus.server.kept.router.cooldowns = Cooldowns()
        for fake in three:
            fake.clear()
        three[0].next(replace(breaks(events), text="north north north"))
        three[1].next(replace(breaks(1), text="south south south"))
        body = ask(nexus, client, stream=True).body
        said = [word for word in (b"north", b"south", b"west") if word in body]
        whole = ENDS[client] in body
        assert len(said) <= 1 and body.count(BEGINS[client]) <= 1, (name, events, body)
        assert not whole or body.count(said[0]) >= 3, (name, events, body)
        seen.add((said[0] if said else b"", whole))
    # The first vendor broke mid-stream, or another one answered instead.
    assert {(b"north", False), (b"west", True)} <= seen
    nothing_held(nexus)


def test_each_session_has_its_vendor_and_returns_to_it(serve: Serve, three: list[FakeUpstream]) -> None:
    nexus = serve(config(three, SPREAD))
    clock = stop_clock(nexus.server)
    sessions = [{"x-nexus-session": str(number)} for number in range(40)]

    def vendors() -> list[str]:
        return [answered_by(ask(nexus, headers=session)) for session in sessions]

    home = vendors()
    assert vendors() == home and set(home) == {"v1", "v2", "v3"}
    three[0].default = Behaviour(status=503)
    away = vendors()
    assert all(now == then for now, then in zip(away, home, strict=True) if then != "v1") and "v1" not in away
    three[0].default = Behaviour()
    clock.now += 100.0
    assert vendors() == away, "a session that moved stays while it is in use"
    clock.now += IDLE + 1
    assert vendors() == home
    nothing_held(nexus)


def test_targets_are_tried_if_all_are_in_cooldown(serve: Serve, three: list[FakeUpstream]) -> None:
    nexus = serve(config(three, TARGETS))
    stop_clock(nexus.server)
    limited = Behaviour(status=429, headers=(("retry-after", "60"),))
    for fake in three:
        fake.next(limited)
    assert ask(nexus).status == 429
    reply = ask(nexus)
    assert answered_by(reply) == "v1"
    three[0].default = three[1].default = limited
    assert ask(nexus).headers["x-nexus-tried"].count("=429") <= 2
    nothing_held(nexus)


def test_a_hanging_vendor_only_uses_its_own_concurrency(serve: Serve, three: list[FakeUpstream]) -> None:
    most = 4
    text = config(three, TARGETS).replace("retries =", f"max_concurrency = {most}\nretries =", 1)
    nexus = serve(text)
    hang = threading.Event()
    three[0].default = Behaviour(hold=hang)
    with ExitStack() as stack:
        stack.callback(hang.set)
        threads = [threading.Thread(target=ask, args=(nexus,)) for _ in range(most)]
        for thread in threads:
            thread.start()
            stack.callback(thread.join, 60)
        three[0].wait_for_requests(most)
        for _ in range(20):
            reply = ask(nexus)
            assert answered_by(reply) == "v2" and reply.headers["x-nexus-tried"].startswith("v1/m=busy, ")
        refused = ask(nexus, model="v1/m")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        wait_until(lambda: nexus.server.workers.busy == most)
        hang.set()
    nothing_held(nexus)


def test_thinking_is_sent_where_it_is_valid_and_reported_where_it_is_dropped(serve: Serve) -> None:
    """Claude's signatures are valid at all its hosts; each attempt starts from the client's original request."""
    with FakeUpstream("anthropic") as anthropic, FakeUpstream("bedrock") as bedrock, FakeUpstream("openai") as openai:
        tables = [("v1", "anthropic", anthropic, QUICK, "claude-sonnet-4-5"), ("v3", "openai", openai, GPT, "gpt-5.5")]
        aws = f'access_key_id = "{ACCESS_KEY}"\nsecret_access_key = "{SECRET_KEY}"\nregion = "us-east-1"\n{QUICK}'
        claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
        second = f'[llm.providers.v2]\ntype = "bedrock"\nbase_url = "{bedrock.base_url}"\n{aws}'
        second += f'models.m.rename = "{claude}"\n'
        nexus = serve(f"{providers(*tables)}{second}[llm.models.smart]\n{TARGETS}\n")
        thinks: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}
        anthropic.next(Behaviour(thinking="Hmm.", text="north"))
        first = ask(nexus, "messages", **thinks)
        turns = [*HELLO, {"role": "assistant", "content": first.json["content"]}, {"role": "user", "content": "Go on."}]
        anthropic.default = Behaviour(status=529)
        moved = ask(nexus, "messages", messages=turns, **thinks)
        assert answered_by(moved) == "v2" and "x-nexus-dropped" not in moved.headers
        assert bedrock.requests[-1].json["messages"][1]["content"] == first.json["content"]
        bedrock.default = Behaviour(status=503)
        last = ask(nexus, "messages", messages=turns, **thinks)
        assert answered_by(last) == "v3" and last.headers["x-nexus-dropped"] == "messages.reasoning"
        assert b"Hmm." not in openai.requests[-1].body
        assert [fake.violations for fake in (anthropic, bedrock, openai)] == [[], [], []]
