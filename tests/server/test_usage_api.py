"""Reading usage through /usage/v1 and ``nexus usage``: callers see their own, readers see everyone's."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.cli import main as cli
from nexus.protocols.checks import MOST_PARAMETERS
from tests.conftest import Serve
from tests.server.test_usage import rows
from tests.serving import CHAT, Nexus, Reply, openai_config
from tools.fake_upstream import Behaviour, FakeUpstream

ALICE, BOSS = "nx-hushhush-alice-0123456789abcdef", "nx-hushhush-bobby-0123456789abcdef"
KEYS = f"""
[usage]
tags = ["project", "feature"]
readers = ["finance"]
[server.keys.alice]
key = "{ALICE}"
group = "dev"
[server.keys.boss]
key = "{BOSS}"
group = "finance"
"""


def bearer(key: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in more.items()}}


def ask(nexus: Nexus, path: str, key: str = "") -> Reply:
    return nexus.request("GET", f"/usage/v1/{path}", headers=bearer(key) if key else {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("used")


@pytest.fixture(scope="module")
def used(folder: Path) -> Iterator[Nexus]:
    """Two calls of alice, one of them rejected by the vendor, and one of boss; tests only read."""
    with FakeUpstream("openai") as upstream, Nexus.of(KEYS + openai_config(upstream.base_url), folder) as nexus:
        upstream.next(Behaviour(input_tokens=100), Behaviour(status=400), Behaviour(input_tokens=7))
        assert nexus.chat(CHAT, bearer(ALICE, x_nexus_tags="project=web, feature=chat")).status == 200
        assert nexus.chat(CHAT, bearer(ALICE, x_nexus_tags="project=web")).status == 400
        assert nexus.chat({**CHAT, "model": "openai/smart"}, bearer(BOSS)).status == 200
        rows(nexus, "1", calls=3)
        yield nexus


def names(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200
    assert reply.headers["cache-control"] == "no-store"
    by = reply.json["by"]
    return {row[by]: (row["calls"], row["failed"], row["input"]) for row in reply.json["rows"]}


def test_a_caller_sees_its_own_usage_and_a_reader_everyones(used: Nexus) -> None:
    assert names(ask(used, "report?by=user", ALICE)) == {"alice": (2, 1, 100)}
    assert names(ask(used, "report?by=user", BOSS)) == {"alice": (2, 1, 100), "boss": (1, 0, 7)}
    assert names(ask(used, "report?by=user&user=boss", ALICE)) == {}
    assert len(ask(used, "calls", ALICE).json["calls"]) == 2
    assert len(ask(used, "calls", BOSS).json["calls"]) == 3
    assert len(ask(used, "calls?user=boss", ALICE).json["calls"]) == 0


BY: dict[str, dict[str, Any]] = {
    "model": {"openai/gpt-4": (2, 1, 100), "openai/smart": (1, 0, 7)},
    "route": {"openai/gpt-4": (2, 1, 100), "openai/smart": (1, 0, 7)},
    "provider": {"openai": (3, 1, 107)},
    "group": {"dev": (2, 1, 100), "finance": (1, 0, 7)},
    "key": {"alice": (2, 1, 100), "boss": (1, 0, 7)},
    "session": {"": (3, 1, 107)},
    "tag": {"project=web": (2, 1, 100), "feature=chat": (1, 0, 100), "": (1, 0, 7)},
    "tag:project": {"web": (2, 1, 100), "": (1, 0, 7)},
    "tag:feature": {"chat": (1, 0, 100), "": (2, 1, 7)},
}


@pytest.mark.parametrize("since", ["24h", "30d", "month"])
@pytest.mark.parametrize("by", BY)
def test_sums_can_be_grouped(used: Nexus, by: str, since: str) -> None:
    """Exact reports of the last days and those of whole days agree."""
    reply = ask(used, f"report?by={by}&since={since}", BOSS)
    assert names(reply) == BY[by]
    total = reply.json["total"]
    assert (total["calls"], total["failed"], total["input"], total["unknown_cost"]) == (3, 1, 107, 2)


def test_calls_are_listed_in_pages_newest_first(used: Nexus) -> None:
    first = ask(used, "calls?limit=2", BOSS).json
    second = ask(used, f"calls?limit=2&behind={first['next']}", BOSS).json
    assert [call["caller"] for call in first["calls"] + second["calls"]] == ["boss", "alice", "alice"]
    assert second["next"] is None
    (refused,) = ask(used, "calls?user=alice&limit=1", BOSS).json["calls"]
    assert (refused["outcome"], refused["tags"], refused["model"]) == (
        "vendor_error",
        {"project": "web"},
        "openai/gpt-4",
    )
    (attempt,) = refused["attempts"]
    assert (attempt["status"], attempt["tokens"]["input"], attempt["tokens_known"]) == (400, 0, "yes")


def test_a_rejected_call_has_no_attempt(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(KEYS + openai_config(openai_upstream.base_url))
    assert nexus.chat({**CHAT, "model": "none"}, bearer(ALICE)).status == 404
    rows(nexus, "1")
    (call,) = ask(nexus, "calls", ALICE).json["calls"]
    assert (call["outcome"], call["status"], call["error"], call["attempts"]) == ("refused", 404, "model_not_found", [])


WRONG: dict[str, tuple[str, int]] = {
    "report?by=nothing": ("choose from user, group", 400),
    "report?by=tag:": ("choose from user, group", 400),
    "report?since=yesterday": ("since: expected a duration", 400),
    "report?since=0001-01-01T00:00:00%2B14:00": ("since: expected a duration", 400),
    "report?since=9999-12-31T23:59:59-14:00": ("since: expected a duration", 400),
    "report?what=1": ("unknown parameter", 400),
    "calls?limit=0": ("limit: expected a whole number from 1 to", 400),
    "calls?limit=201": ("limit: expected a whole number from 1 to", 400),
    "calls?behind=x": ("behind: expected the value of next", 400),
}


@pytest.mark.parametrize("path", WRONG)
def test_invalid_parameters_are_rejected(used: Nexus, path: str) -> None:
    words, status = WRONG[path]
    reply = ask(used, path, BOSS)
    assert reply.status == status
    assert words in reply.json["error"]["message"]


def test_a_query_of_too_many_parameters_is_rejected(nexus: Nexus) -> None:
    query = "&".join(f"name[]={number}" for number in range(MOST_PARAMETERS + 1))
    for path in ("/usage/v1/report", "/dashboard/data", "/metrics", "/llm/openai/v1/models"):
        reply = nexus.request("GET", f"{path}?{query}")
        assert (reply.status, "more than 200 parameters" in reply.json["error"]["message"]) == (400, True), path


def test_a_key_is_required_if_calls_require_one(serve: Serve) -> None:
    nexus = serve(KEYS + openai_config("http://127.0.0.1:1"))
    assert ask(nexus, "report").status == 401
    assert nexus.request("POST", "/usage/v1/report", headers=bearer(BOSS)).status == 405


def test_without_a_store_reports_are_not_found(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve('[usage]\nstore = "none"\n' + openai_config(openai_upstream.base_url))
    assert nexus.chat(CHAT).status == 200
    reply = ask(nexus, "report")
    assert (reply.status, 'store is "none"' in reply.json["error"]["message"]) == (404, True)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
        code = cli.main(["usage", "-c", str(folder / "nexus.toml"), *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_the_command_works_while_the_gateway_runs(used: Nexus, folder: Path, run: Run) -> None:
    code, text, _ = run(folder, "--by", "user", "--since", "400d")
    assert code == 0
    lines = text.splitlines()
    assert re.fullmatch(r"usage since \d{4}-\d\d-\d\dT00:00:00Z", lines[0])
    assert lines[1].startswith("USER   CALLS  FAILED  INPUT  CACHE READ")
    assert lines[2].split() == ["alice", "2", "1", "100", "0", "0", "6", "0", "unknown"]
    assert lines[4].split() == ["total", "3", "1", "107", "0", "0", "12", "0", "unknown"]
    assert lines[5].startswith("attempts without a known cost: 2 ")


def test_the_command_says_that_a_tag_is_not_in_the_settings(used: Nexus, folder: Path, run: Run) -> None:
    code, text, told = run(folder, "--by", "tag:prject")
    assert (code, told) == (0, "nexus usage: usage.tags does not list prject, so new calls cannot have it\n") and text


def test_the_command_works_when_the_gateway_is_stopped(run: Run, openai_upstream: FakeUpstream, tmp_path: Path) -> None:
    with Nexus.of(openai_config(openai_upstream.base_url), tmp_path) as nexus:
        assert nexus.chat(CHAT).status == 200
    # Everything else was written when it stopped.
    code, text, _ = run(tmp_path, "--format", "json")
    assert code == 0
    document = json.loads(text)
    assert (document["by"], [row["model"] for row in document["rows"]]) == ("model", ["openai/gpt-4"])
    assert document["total"]["cost_usd"] == 0
    code, text, _ = run(tmp_path, "--format", "csv", "--by", "day")
    (head, day, *rest) = csv.reader(io.StringIO(text))
    assert (code, head[0], head[-1], day[1], rest) == (0, "day", "cost_usd", "1", [])


def test_the_command_reports_a_missing_store(run: Run, openai_upstream: FakeUpstream, tmp_path: Path) -> None:
    for store, words in (("", "does not exist"), ('store = "none"', '"none"'), ('store = "memory"', "GET /usage/v1")):
        (tmp_path / "nexus.toml").write_text(f"[usage]\n{store}\n{openai_config(openai_upstream.base_url)}")
        code, text, told = run(tmp_path)
        assert (code, text) == (1, "")
        assert words in told


@pytest.mark.parametrize("flags", [["--since", "yesterday"], ["--by", "colour"], ["--format", "xml"]])
def test_invalid_flags_are_rejected(run: Run, tmp_path: Path, flags: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        run(tmp_path, *flags)
    assert refused.value.code == 2


def test_callers_whose_long_ids_begin_alike_are_told_apart(serve: Serve, openai_upstream: FakeUpstream) -> None:
    by_header = '[server.client_identification]\nenabled = true\nclient_id = { http_header = "x-user" }\n'
    nexus = serve(by_header + openai_config(openai_upstream.base_url))
    ids = ["n" * 250 + last for last in "ab"]
    for id in (*ids, ids[1]):
        assert nexus.chat(CHAT, {"X-User": id}).status == 200
    rows(nexus, "1", calls=3)
    reports = [nexus.request("GET", "/usage/v1/report?by=user", headers={"X-User": id}).json for id in ids]
    assert [report["total"]["calls"] for report in reports] == [1, 2]
