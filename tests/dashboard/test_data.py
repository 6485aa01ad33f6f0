"""The dashboard's data over raw HTTP: who may see what, and the activity of the last minutes."""

import base64
import hashlib
import json
import os
import random
import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nexus.accounting.activity import MOST_CALLERS, MOST_ROUTES, Activity
from nexus.accounting.calendar import forecast
from nexus.accounting.days import DAY
from nexus.accounting.record import CallRecord
from nexus.accounting.recorder import Recorder
from nexus.auth.identity import Identity
from nexus.protocols.operation import GENERATE
from nexus.server.endpoints.dashboard.page import page
from tests.auth.kit import ALICE, BOB
from tests.conftest import Serve
from tests.dashboard.kit import call
from tests.server.fleet import Fleet
from tests.server.fleet import fleet as fleet
from tests.serving import CHAT, KEY, MESSAGES, Nexus, anthropic_config, bearer, openai_config, wait_until
from tools.fake_upstream import FakeUpstream

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

TEAM = f"""
[server.keys.alice]
key = "{ALICE}"
group = "finance"
[server.keys.bob]
key = "{BOB}"
group = "web"
[server.client_identification]
enabled = true
client_id.gateway_key = true
group_id.gateway_key = true
validation.group_values = ["finance", "web"]
[usage]
readers = ["finance"]
"""


def data(nexus: Nexus, headers: Mapping[str, str] | None = None) -> Any:
    reply = nexus.request("GET", "/dashboard/data", headers=headers)
    assert reply.status == 200, reply.body
    assert reply.headers["cache-control"] == "no-store"
    return reply.json


CLOCK = {"why": "", "at": 0, "first_ms": 0}
"""What a ledger keeps in its own words, or from another moment on."""


def flushed(nexus: Nexus) -> None:
    """Waits until every call so far is in the ledger."""
    wait_until(lambda: not nexus.server.calls)
    books = nexus.server.books
    assert books.ledger is not None and books.ledger.flush(60)


def added(chart: Any) -> dict[str, dict[str, float]]:
    """The sums of a chart over all its minutes."""
    return {kind: {name: sum(values) for name, values in chart[kind].items()} for kind in ("outcomes", "attempts")}


class TestPage:
    def test_browsers_get_the_page_and_programs_a_short_text(self, nexus: Nexus) -> None:
        for_browsers, for_curl = nexus.request("GET", "/", headers=BROWSER), nexus.request("GET", "/")
        assert b'id="login"' in for_browsers.body
        assert b"<script" not in for_curl.body and b"/llm/openai/v1" in for_curl.body
        assert for_browsers.headers["vary"] == for_curl.headers["vary"] == "Accept"

    def test_its_content_security_policy_allows_only_its_own_script_and_style(self, nexus: Nexus) -> None:
        reply = nexus.request("GET", "/", headers=BROWSER)
        policy = reply.headers["content-security-policy"]
        for tag in ("script", "style"):
            (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), reply.body, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}';" in policy
        assert policy.startswith("default-src 'none'; ")
        for said in ("connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"):
            assert said in policy
        assert "unsafe" not in policy and "*" not in policy
        assert reply.headers["x-frame-options"] == "DENY"

    def test_the_page_inserts_no_markup_and_has_no_external_links(self) -> None:
        text = page().template
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text)
        assert not re.search(r"\son\w+=|<style[^>]|style=\"|<script[^>]|javascript:", text)
        links = set(re.findall(r"https?://[^\s'\"]+", text))
        assert links == {"http://www.w3.org/2000/svg"}

    def test_the_page_needs_no_key_and_contains_no_protected_data(self, serve: Serve) -> None:
        reply = serve(TEAM + openai_config("http://127.0.0.1:9")).request("GET", "/", headers=BROWSER)
        assert reply.status == 200
        for word in (ALICE, "alice", "finance", KEY, "gpt-4", "smart"):
            assert word.encode() not in reply.body

    def test_markup_in_the_host_header_does_not_get_into_the_page(self, nexus: Nexus) -> None:
        reply = nexus.request("GET", "/", headers={**BROWSER, "Host": 'a"><img src=x>'})
        assert b"<img" not in reply.body

    def test_the_path_can_be_changed(self, serve: Serve) -> None:
        nexus = serve('[server]\ndashboard.path = "/ops/ui"\n' + openai_config("http://127.0.0.1:9"))
        assert b'id="login"' not in nexus.request("GET", "/", headers=BROWSER).body
        shown = nexus.request("GET", "/ops/ui", headers=BROWSER)
        assert b'name="nexus-root" content="../"' in shown.body
        assert nexus.request("GET", "/ops/dashboard/data").status == 200

    def test_the_page_contains_the_csrf_header_name(self, serve: Serve) -> None:
        own = '[server.csrf]\nenabled = true\nheader_name = "x-mine"\n'
        nexus = serve(own + openai_config("http://127.0.0.1:9"))
        assert b'name="nexus-csrf" content="x-mine"' in nexus.request("GET", "/", headers=BROWSER).body
        assert nexus.request("GET", "/dashboard/data").status == 403
        assert nexus.request("GET", "/dashboard/data", headers={"x-mine": "1"}).status == 200

    OFF: Mapping[str, str] = {
        "said so": "[server]\ndashboard.enabled = false\n",
        "others could reach it": f'[server]\nlisten_address = "0.0.0.0:0"\n[server.keys.alice]\nkey = "{ALICE}"\n',
    }

    @pytest.mark.parametrize("config", OFF.values(), ids=OFF)
    def test_it_can_be_disabled(self, serve: Serve, config: str) -> None:
        nexus = serve(config + openai_config("http://127.0.0.1:9"))
        assert b'id="login"' not in nexus.request("GET", "/", headers=BROWSER).body
        assert nexus.request("GET", "/dashboard/data", headers=bearer(ALICE)).status == 404


class TestData:
    def test_before_the_first_call_it_is_empty(self, nexus: Nexus) -> None:
        found = data(nexus)
        assert (found["state"]["phase"], found["state"]["in_flight"], found["sees"]) == ("up", 0, None)
        assert found["recent"]["error_share"] is None and found["calls"] == []
        assert {name: len(found["chart"][name]["outcomes"]) for name in found["chart"]} == dict.fromkeys(
            ("hour", "day", "month"), 0
        )
        assert [route["name"] for route in found["routes"]] == ["openai/gpt-4", "openai/smart", "anthropic/claude"]

    def test_calls_of_both_protocols_unary_and_stream(self, nexus: Nexus) -> None:
        for stream in (False, True):
            # The reply arrives before the call is recorded.
            assert nexus.chat({**CHAT, "stream": stream}).status == 200
            wait_until(lambda: not nexus.server.calls)
            assert nexus.messages({**MESSAGES, "stream": stream}).status == 200
            wait_until(lambda: not nexus.server.calls)
        assert nexus.chat({**CHAT, "model": "openai/gpt-5"}).status == 404
        found = data(nexus)
        assert found["recent"]["outcomes"] == {"ok": 4, "refused": 1}
        assert (found["recent"]["failed"], found["recent"]["error_share"]) == (0, 0)
        assert all(value > 0 for value in (*found["recent"]["first_ms"], *found["recent"]["own_ms"]))
        refused, *answered = found["calls"]
        assert (refused["outcome"], refused["status"], refused["route"]) == ("refused", 404, "")
        assert "did you mean" in refused["why"]
        assert [one["route"] for one in answered] == ["anthropic/claude", "openai/gpt-4"] * 2
        routes = {route["name"]: route for route in found["routes"]}
        assert {name: routes[name]["attempts"] for name in routes} == {
            "openai/gpt-4": 2,
            "anthropic/claude": 2,
            "openai/smart": 0,
        }
        assert sum(found["spend"]["tokens"].values()) == sum(sum(one["tokens"]) for one in answered) > 0
        assert sum(map(sum, found["chart"]["hour"]["outcomes"].values())) == 5
        assert sum(found["chart"]["month"]["outcomes"]["ok"]) == 4

    def test_a_fallback_lists_all_its_attempts(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        config = openai_config(openai_upstream.base_url) + anthropic_config("http://127.0.0.1:9")
        nexus = serve(config + '[llm.models.coding]\ntargets = ["anthropic/claude", "openai/gpt-4"]\n')
        assert nexus.chat({**CHAT, "model": "coding"}).status == 200
        found = data(nexus)
        (line,) = found["calls"]
        assert (line["model"], line["route"], line["outcome"]) == ("coding", "openai/gpt-4", "ok")
        assert set(line["tried"].split(", ")) == {"anthropic/claude=cut", "openai/gpt-4=200"}
        assert found["chart"]["hour"]["attempts"].keys() == {"openai/gpt-4", "anthropic/claude"}

    def test_activity_before_a_restart_is_shown(
        self, serve: Serve, openai_upstream: FakeUpstream, tmp_path: Path
    ) -> None:
        config = TEAM + f'store = "sqlite:///{tmp_path}/usage.sqlite3"\n' + openai_config(openai_upstream.base_url)
        config += anthropic_config("http://127.0.0.1:9")
        config += '[llm.models.coding]\ntargets = ["anthropic/claude", "openai/gpt-4"]\n'
        first = serve(config)
        for key, model in ((ALICE, "openai/gpt-4"), (BOB, "coding"), (ALICE, "openai/gpt-5")):
            first.chat({**CHAT, "model": model}, bearer(key))
        views = {key: data(first, bearer(key)) for key in (ALICE, BOB)}
        flushed(first)
        again = serve(config)
        for key, before in views.items():
            found = data(again, bearer(key))
            assert len(found["calls"]) == len(before["calls"]) > 0
            for one, other in zip(found["calls"], before["calls"], strict=True):
                assert one | CLOCK == other | CLOCK
            for span in ("hour", "day"):
                assert added(found["chart"][span]) == added(before["chart"][span])
        assert again.chat(CHAT, bearer(ALICE)).status == 200
        wait_until(lambda: sum(data(again, bearer(ALICE))["chart"]["hour"]["outcomes"]["ok"]) == 3)
        assert len(data(again, bearer(ALICE))["calls"]) == 4 and len(data(again, bearer(BOB))["calls"]) == 1

    def test_routes_in_cooldown_are_shown_with_the_reason(self, nexus: Nexus) -> None:
        nexus.server.kept.router.cooldowns.start(("openai", "", ""), 60, "openai answered 503")
        routes = {route["name"]: route for route in data(nexus)["routes"]}
        assert routes["openai/gpt-4"]["state"] == "cooldown" and routes["openai/gpt-4"]["why"] == "openai answered 503"
        assert 50 < routes["openai/gpt-4"]["until"] - time.time() < 61
        assert routes["anthropic/claude"]["state"] == "up"

    def test_limits_of_the_caller_are_shown(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        limits = '[llm.providers.openai.rate_limits.per_user]\nrequest_limit = 10\ninterval = "1m"\n'
        nexus = serve(openai_config(openai_upstream.base_url, limits))
        assert nexus.chat(CHAT).status == 200
        for _ in range(3):
            (gauge,) = data(nexus)["gauges"]
            assert (gauge["name"], gauge["unit"], gauge["used"], gauge["limit"]) == (
                "provider openai",
                "requests",
                1,
                10,
            )
            assert gauge["reset"] > time.time()

    def test_budgets_of_the_caller_are_shown(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        price = "price = { input = 1000, output = 1000 }\n"
        budget = '[budgets.team]\nper = "group"\nlimit_usd = 0.1\nperiod = "month"\n'
        config = openai_config(openai_upstream.base_url).replace('rename = "gpt-4"', f'rename = "gpt-4"\n{price}')
        nexus = serve(TEAM + budget + config)
        assert nexus.chat({**CHAT, "model": "openai/smart"}, bearer(BOB)).status == 200
        spent = data(nexus, bearer(BOB))["spend"]["today_usd"]
        assert spent > 0
        (gauge,) = data(nexus, bearer(BOB))["gauges"]
        assert (gauge["name"], gauge["whose"], gauge["unit"], gauge["limit"]) == (
            "budget team",
            "group web",
            "usd",
            0.1,
        )
        assert gauge["used"] == pytest.approx(spent) and gauge["reset"] > time.time()

        def seen_by_readers() -> dict[str, float]:
            return {gauge["whose"]: gauge["used"] for gauge in data(nexus, bearer(ALICE))["gauges"]}

        flushed(nexus)
        assert seen_by_readers() == {"group web": pytest.approx(spent), "group finance": 0}

    def test_costs_survive_a_restart(self, tmp_path: Path, openai_upstream: FakeUpstream) -> None:
        price = "price = { input = 1000, output = 1000 }\n"
        config = openai_config(openai_upstream.base_url).replace('rename = "gpt-4"', f'rename = "gpt-4"\n{price}')
        with Nexus.of(config, tmp_path) as nexus:
            assert nexus.chat({**CHAT, "model": "openai/smart"}).status == 200
            before = data(nexus)
            assert before["ledger"] and before["spend"]["today_usd"] > 0
        with Nexus.of(config, tmp_path) as nexus:
            after = data(nexus)
        for part in ("today_usd", "month_usd", "tokens", "calls"):
            assert after["spend"][part] == before["spend"][part]
        assert sum(after["chart"]["month"]["outcomes"]["ok"]) == 1 and after["recent"]["calls"] == 0

    def test_settings_show_amounts_in_dollars(self, serve: Serve) -> None:
        price = 'price = { input = 3, output = 0.75 }\n[budgets.all]\nper = "user"\nlimit_usd = 50\nperiod = "day"\n'
        config = data(serve(f'[llm.providers.v]\ntype = "echo"\n[llm.providers.v.models.m]\n{price}'))["config"]
        assert "input = 3\noutput = 0.75\n" in config and "limit_usd = 50\n" in config

    def test_texts_are_sent_once(self, nexus: Nexus) -> None:
        first = data(nexus)
        again = nexus.request("GET", f"/dashboard/data?known={first['known']}").json
        assert "config" in first and "connect" in first
        assert "config" not in again and "connect" not in again

    def test_lines_to_copy_and_settings_hold_no_secret(self, nexus: Nexus) -> None:
        found = data(nexus)
        assert KEY not in json.dumps(found)
        assert 'api_key = "(hidden)"' in found["config"]
        assert {one["name"] for one in found["connect"]} == {
            "Claude Code",
            "Anthropic SDK",
            "Codex",
            "OpenAI SDK",
            "curl",
        }


class TestWhoSees:
    @pytest.fixture
    def team(self, serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
        nexus = serve(TEAM + openai_config(openai_upstream.base_url))
        assert nexus.chat(CHAT, bearer(ALICE)).status == 200
        for _ in range(2):
            assert nexus.chat(CHAT, bearer(BOB)).status == 200
        return nexus

    def test_without_a_key_nothing_is_shown(self, team: Nexus) -> None:
        assert team.request("GET", "/dashboard/data").status == 401
        assert team.request("GET", "/dashboard/data", headers=bearer(KEY)).status == 401

    def test_readers_see_all_callers(self, team: Nexus) -> None:
        found = data(team, bearer(ALICE))
        assert found["sees"] is None
        assert sorted(line["caller"] for line in found["calls"]) == ["alice", "bob", "bob"]
        assert found["recent"]["calls"] == 3 and "finance" in found["config"]

    def test_others_see_only_themselves(self, team: Nexus) -> None:
        team.server.kept.router.cooldowns.start(("openai", "", ""), 60, "openai answered 503")
        found = data(team, bearer(BOB))
        assert found["sees"] == {"user": "bob", "key": "bob"}
        assert [line["caller"] for line in found["calls"]] == ["bob", "bob"]
        assert found["recent"]["calls"] == 2
        assert sum(found["chart"]["hour"]["outcomes"]["ok"]) == 2
        assert {route["attempts"] for route in found["routes"]} == {0, 2}
        assert {route["why"] for route in found["routes"]} == {""}
        assert found["config"] is None
        assert "alice" not in json.dumps(found) and "finance" not in json.dumps(found)


@pytest.mark.slow
class TestOverWorkers:
    def test_any_worker_shows_the_data_of_all_workers(self, fleet: Any, openai_upstream: FakeUpstream) -> None:
        nexus: Fleet = fleet(openai_config(openai_upstream.base_url))
        nexus.await_workers()
        for _ in range(8):
            assert nexus.send("/llm/openai/v1/chat/completions", CHAT)[0] == 200

        def seen() -> tuple[int, ...]:
            """Calls, lines, workers and calls in flight; () for a worker whose supervisor did not answer in time."""
            found = json.loads(nexus.get("/dashboard/data"))
            if "error" in found:
                return ()
            return found["recent"]["calls"], len(found["calls"]), found["state"]["workers"], found["state"]["in_flight"]

        wait_until(lambda: {seen() for _ in range(8)} == {(8, 8, 2, 0)})
        os.kill(nexus.workers[0], signal.SIGKILL)
        nexus.await_workers()
        wait_until(lambda: len(nexus.started) == 3)
        # Data of a worker is cached for half a second.
        wait_until(lambda: {seen() for _ in range(8)} == {(8, 8, 2, 0)})


class TestActivity:
    def test_a_finished_minute_is_added_to_longer_spans(self) -> None:
        now = [1_800_000_000.0]
        activity = Activity(lambda: now[0])
        for _ in range(3):
            activity.add([call(_Dice(), now[0])])
            now[0] += 60
        view = activity.view(None)
        for span, count in (("hour", 60), ("day", 96), ("month", 31)):
            points = view["chart"][span]
            assert len(points) == count
            assert sum(sum(outcomes.values()) for _, outcomes, _ in points) == 3, span
        assert max(sum(outcomes.values()) for _, outcomes, _ in view["chart"]["hour"]) == 1
        now[0] += 3600
        view = activity.view(None)
        assert not any(outcomes for _, outcomes, _ in view["chart"]["hour"])
        assert view["recent"]["outcomes"] == {} and len(view["calls"]) == 3
        now[0] += 40 * DAY
        assert not any(outcomes for _, outcomes, _ in activity.view(None)["chart"]["month"])

    def test_a_clock_corrected_by_a_second_loses_no_call(self) -> None:
        now = [0.0]
        activity = Activity(lambda: now[0])
        for at in (0.0, 60.2, 59.8, 60.4, 120.0):
            now[0] = 1_800_000_000.0 + at
            activity.add([call(_Dice(), now[0])])
        for span, points in activity.view(None)["chart"].items():
            assert sum(sum(outcomes.values()) for _, outcomes, _ in points) == 5, span

    def test_a_wrong_future_is_forgotten(self) -> None:
        """Otherwise every minute that follows would be kept until that future comes."""
        now = [1_800_000_000.0 + 365 * DAY]
        activity = Activity(lambda: now[0])
        for minute in range(200):
            activity.add([call(_Dice(), now[0])])
            now[0] = 1_800_000_000.0 + 60 * minute
        everyone = activity._all
        assert len(everyone._minutes) <= 60
        assert len(everyone._longer["month"]) == 1
        assert sum(activity.view(None)["recent"]["outcomes"].values()) == 4

    def test_the_last_calls_of_everyone_and_of_each_caller_are_shown(self) -> None:
        def record(number: int) -> CallRecord:
            who = Identity("bob" if number % 10 == 0 else "alice", None, None, "key", None, None, frozenset())
            return CallRecord(f"call-{number}", 0.0, "", who, "chat", 200, None, 0.1, operation=GENERATE)

        recorder = Recorder(Activity(), lambda: None)
        recorder.enabled = True
        for number in range(300):
            recorder.add(record(number))
        for who, last in ((None, range(299, 279, -1)), (("bob", ""), range(290, 90, -10))):
            assert [line["id"] for line in recorder.view(who)["calls"]] == [f"call-{number}" for number in last]

    def test_activity_is_bounded(self) -> None:
        activity = Activity(lambda: 1_800_000_000.0)
        for number in range(MOST_CALLERS + 50):
            _, outcome, own, attempts, line = call(_Dice(), 0)
            activity.add(
                [((str(number), ""), outcome, own, tuple((f"p/{number}", *one[1:]) for one in attempts), line)]
            )
        assert len(activity._callers) == MOST_CALLERS
        points = activity.view(None)["chart"]["hour"]
        assert len(points[-1][2]) == MOST_ROUTES + 1
        assert sum(sums[0] for sums in points[-1][2].values()) == MOST_CALLERS + 50

    FORECASTS: Mapping[str, tuple[dict[int, int], float]] = {
        "nothing yet": ({}, 0),
        "the same every day": (dict.fromkeys(range(-20, 1), 10), 300),
        "since yesterday": ({-1: 10, 0: 5}, 15 + 10 * 15.5),
        "a quiet week after a dear one": (dict.fromkeys(range(-14, -6), 100), 800),
    }

    @pytest.mark.parametrize(("by_day", "wanted"), FORECASTS.values(), ids=FORECASTS)
    def test_a_forecast_extrapolates_the_last_week(self, by_day: dict[int, int], wanted: float) -> None:
        today = 20_773  # 16 November 2026
        noon = (today + 0.5) * DAY
        found = forecast({today + day: cost for day, cost in by_day.items()}, noon)
        assert abs(found - wanted) <= 25


class _Dice(random.Random):
    """A random generator that always gives the same value."""

    def choice(self, seq: Any) -> Any:
        return seq[0]

    def choices(self, population: Any, *_: Any, **__: Any) -> Any:
        return [population[0]]

    def random(self) -> float:
        return 0.5

    def randrange(self, *most: Any) -> int:
        return 1

    def lognormvariate(self, *_: Any, **__: Any) -> float:
        return 1.0
