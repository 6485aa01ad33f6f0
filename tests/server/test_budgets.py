"""Budgets over sockets: what callers of each protocol see, on whole answers and streams; fallbacks; callers'
own keys.
"""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from nexus.accounting.database import DatabaseError
from nexus.accounting.spent import spent_in
from nexus.server.process import running
from nexus.server.process.reload import Adopter
from nexus.settings import load
from tests.conftest import Serve
from tests.serving import PATHS, Nexus, Reply, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

PRICED = "{ input = 10, output = 30 }"
ONE_CALL = 11 * 10_000 + 6 * 30_000
"""Nano-dollars of the fake's answer: 11 tokens in, 6 out."""

BUDGET = """
[budgets.people]
per = "user"
limit_usd = "{limit}"
period = "month"
"""
CHAT: dict[str, Any] = {"max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
BODIES: dict[str, dict[str, Any]] = {
    "chat": CHAT,
    "responses": {"max_output_tokens": 100, "input": "hi"},
    "messages": CHAT,
}


def config(url: str, more: str = "", limit: str = "0.01") -> str:
    text = openai_config(url, f"price = {PRICED}\n" + BUDGET.format(limit=limit) + more)
    return text.replace("[llm.providers.openai.models.gpt-4]", f"[llm.providers.openai.models.gpt-4]\nprice = {PRICED}")


TIGHT = "0.0033"
"""Fits what one call may cost (100 tokens of output and a short prompt), and not what is left after one."""


@pytest.fixture
def spent(serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
    """With a tight budget and one call made."""
    nexus = serve(config(openai_upstream.base_url, limit=TIGHT))
    found = nexus.records()
    assert ask(nexus, "chat").status == 200
    wait_until(lambda: bool(found))
    return nexus


def ask(nexus: Nexus, dialect: str, model: str = "openai/gpt-4", *, stream: bool = False, **headers: str) -> Reply:
    body = {**BODIES[dialect], "model": model, "stream": stream}
    return nexus.post(PATHS[dialect], body, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_every_answer_reports_the_remaining_budget(
    serve: Serve, openai_upstream: FakeUpstream, dialect: str, stream: bool
) -> None:
    nexus = serve(config(openai_upstream.base_url))
    found = nexus.records()
    left = ask(nexus, dialect, stream=stream).headers["x-nexus-budget-remaining-usd"]
    assert (float(left) == 0.01 - ONE_CALL / 10**9) is not stream, "a stream's head comes before its cost"
    assert float(left) >= 0.01 - 0.02
    wait_until(lambda: bool(found))
    (charge,), (attempt,) = found[0].charges, found[0].attempts
    assert (attempt.cost, attempt.price_source) == (charge.nano, "settings") == (ONE_CALL, "settings")
    again = ask(nexus, dialect)
    assert again.headers["x-nexus-budget-remaining-usd"] == f"{0.01 - 2 * ONE_CALL / 10**9:g}"


REFUSED: dict[str, tuple[Any, ...]] = {
    "chat": ("insufficient_quota", "insufficient_quota"),
    "responses": ("insufficient_quota", "insufficient_quota"),
    "messages": ("rate_limit_error", None),
}


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_exhausted_budget_is_reported_in_the_callers_dialect(spent: Nexus, dialect: str, stream: bool) -> None:
    reply = ask(spent, dialect, stream=stream)
    error = reply.json["error"]
    assert reply.status == 429 and (error["type"], error.get("code")) == REFUSED[dialect]
    assert "budget 'people' ($0.0033 a month for each user)" in error["message"]
    assert "it resets at 2" in error["message"]
    assert int(reply.headers["retry-after"]) <= 31 * 86_400 and reply.headers["x-nexus-limit"] == "own"
    assert reply.headers["x-should-retry"] == "false" and reply.headers["x-nexus-budget-remaining-usd"] == "0.00301"


def test_calls_with_the_callers_own_key_are_priced_but_not_charged(serve: Serve, openai_upstream: FakeUpstream) -> None:
    text = config(openai_upstream.base_url, limit="0.000001").replace("base_url", "forward_token = true\nbase_url")
    nexus = serve(text)
    found = nexus.records()
    own = ask(nexus, "chat", x_provider_api_key="sk-hushhush-callers-0123")
    assert own.status == 200 and "x-nexus-budget-remaining-usd" not in own.headers
    wait_until(lambda: bool(found))
    assert ask(nexus, "chat").status == 429
    (attempt,) = found[0].attempts
    assert (attempt.key, attempt.cost, found[0].charges) == ("caller", ONE_CALL, ())


VIRTUAL = """
[llm.providers.openai.retries]
base_delay = "1ms"
max_delay = "1ms"
[llm.models.both]
targets = ["openai/free", "openai/gpt-4"]
[llm.models.saving]
targets = ["openai/gpt-4", "openai/smart"]
on_budget = "openai/free"
[llm.providers.openai.models.free]
rename = "gpt-free"
price = { input = 0, output = 0 }
"""


def test_a_fallback_from_a_free_model_is_checked_and_charged(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(config(openai_upstream.base_url, VIRTUAL, limit=TIGHT))
    found = nexus.records()
    openai_upstream.next(*[Behaviour(status=503)] * 2)
    first = ask(nexus, "chat", "both")
    assert (first.status, first.headers["x-nexus-route"]) == (200, "openai/gpt-4")
    wait_until(lambda: bool(found))
    assert [attempt.cost for attempt in found[0].attempts] == [0, 0, ONE_CALL]
    assert [charge.nano for charge in found[0].charges] == [ONE_CALL]
    openai_upstream.next(*[Behaviour(status=503)] * 2)
    second = ask(nexus, "chat", "both")
    assert "openai/gpt-4=limit" in second.headers["x-nexus-tried"]
    assert second.status in (429, 503)
    assert ask(nexus, "chat", "both").headers["x-nexus-route"] == "openai/gpt-free"


def test_the_on_budget_target_answers_when_the_budget_is_exhausted(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(config(openai_upstream.base_url, VIRTUAL, limit=TIGHT))
    first, second = ask(nexus, "chat", "saving"), ask(nexus, "chat", "saving")
    assert first.headers["x-nexus-route"] == "openai/gpt-4"
    assert (second.status, second.headers["x-nexus-route"]) == (200, "openai/gpt-free")
    assert second.headers["x-nexus-tried"].startswith("openai/gpt-4=limit, openai/smart=limit")


TAGGED = """
[usage]
tags = ["project"]
[budgets.projects]
per = "tag:project"
limit_usd = "0.0033"
period = "day"
"""


def test_a_budget_per_tag_requires_the_tag(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(config(openai_upstream.base_url, TAGGED, limit="1"))
    bare = ask(nexus, "messages")
    assert bare.status == 400 and "x-nexus-tags: expected project=..." in bare.json["error"]["message"]
    assert ask(nexus, "chat", x_nexus_tags="project=web").status == 200
    assert ask(nexus, "chat", x_nexus_tags="project=web").status == 429
    assert ask(nexus, "chat", x_nexus_tags="project=shop").status == 200


def test_each_session_has_its_own_budget_and_so_do_calls_without_one(
    serve: Serve, openai_upstream: FakeUpstream
) -> None:
    session = BUDGET.format(limit=TIGHT).replace('"user"', '"session"').replace("people", "runaway")
    nexus = serve(config(openai_upstream.base_url, session, limit="1"))
    for session_id in ("a", "b"):
        assert [ask(nexus, "chat", session_id=session_id).status for _ in range(2)] == [200, 429]
    assert [ask(nexus, "chat").status for _ in range(2)] == [200, 429]


def test_a_report_of_no_tokens_is_no_report(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(config(openai_upstream.base_url))
    found = nexus.records()
    openai_upstream.next(Behaviour(input_tokens=0, output_tokens=0))
    assert ask(nexus, "chat").status == 200
    wait_until(lambda: bool(found))
    # The reserved 100 tokens of output, and the prompt.
    assert found[0].charges[0].nano > 100 * 30_000
    assert (found[0].attempts[0].tokens_known, found[0].attempts[0].cost) == ("no", None)


def test_the_dashboard_shows_how_much_is_used(spent: Nexus) -> None:
    (gauge,) = spent.request("GET", "/dashboard/data").json["gauges"]
    assert (gauge["name"], gauge["unit"], gauge["limit"]) == ("budget people", "usd", 0.0033)
    assert gauge["used"] == pytest.approx(ONE_CALL / 10**9)


def test_a_restart_does_not_reset_the_budget(openai_upstream: FakeUpstream, tmp_path: Path) -> None:
    toml = config(openai_upstream.base_url, limit=TIGHT)
    for expected in (200, 429):
        with Nexus.of(toml, tmp_path) as nexus:
            assert ask(nexus, "chat").status == expected


def test_a_budget_is_restored_once_its_store_can_be_read(
    openai_upstream: FakeUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was spent meanwhile, and may not be written yet, comes on top."""
    toml, is_down = config(openai_upstream.base_url, limit="1"), threading.Event()
    with Nexus.of(toml, tmp_path) as nexus:
        assert ask(nexus, "chat").status == 200

    def read(*question: Any) -> Any:
        if is_down.is_set():
            raise DatabaseError("down")
        return spent_in(*question)

    monkeypatch.setattr(running, "spent_in", read)
    monkeypatch.setattr(running, "REAP", 0.01)
    is_down.set()
    with Nexus.of(toml, tmp_path) as nexus:
        assert nexus.running is not None and not nexus.running.restored
        assert ask(nexus, "chat").status == 200
        # The client has its answer before the call is recorded.
        wait_until(lambda: not nexus.server.calls)
        is_down.clear()
        wait_until(lambda: nexus.running is not None and nexus.running.restored)
        left = ask(nexus, "chat").headers["x-nexus-budget-remaining-usd"]
        assert float(left) == pytest.approx(1 - 3 * ONE_CALL / 10**9)


def test_a_budget_restored_by_a_reload_includes_past_spending(openai_upstream: FakeUpstream, tmp_path: Path) -> None:
    toml = config(openai_upstream.base_url, limit=TIGHT)
    with Nexus.of(toml, tmp_path) as nexus:
        assert ask(nexus, "chat").status == 200
    with Nexus.of(toml.partition("[budgets.people]")[0], tmp_path) as nexus:
        assert ask(nexus, "chat").status == 200
        (tmp_path / "nexus.toml").write_text(toml)
        assert nexus.running is not None
        adopter = Adopter(nexus.running)
        refused = asyncio.run_coroutine_threadsafe(
            adopter.adopt(load(tmp_path / "nexus.toml", {"XDG_STATE_HOME": str(tmp_path / "state")})), nexus.loop
        ).result(60)
        assert refused is None and ask(nexus, "chat").status == 429
        nexus.loop.call_soon_threadsafe(adopter.thread.stop)
