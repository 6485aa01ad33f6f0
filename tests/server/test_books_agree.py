"""All accounts of the same calls agree: the ledger, metrics, reply headers, budgets, and the usage that the fake
vendors report, to the token and the nano-dollar.

Law: nothing is compared with what the test planned. Each side counts for itself.
"""

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest

from nexus.conversation.usage import PARTS
from tests.scraped import Scraped
from tests.server.books import (
    ALL_LANES,
    CLIENTS,
    KINDS,
    LIMIT,
    NANO,
    OF_STREAMS,
    World,
    body_of,
    config,
    ended,
    other_operations,
)
from tests.server.test_usage import rows
from tests.serving import Nexus, Reply, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream, SeenRequest

# tests/server/test_usage.py records some of these calls.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All calls have been made and are over."""
    folder = tmp_path_factory.mktemp("books")
    with ExitStack() as stack:
        fakes = {name: stack.enter_context(FakeUpstream(lane.vendor)) for name, lane in ALL_LANES.items()}
        nexus = stack.enter_context(Nexus.of(config(fakes, folder), folder))
        world = World(nexus, fakes, random.Random(14))
        clients = itertools.cycle(CLIENTS)
        for name in ALL_LANES:
            # Not a multiple of the number of clients, so that the next lane has another client for each kind.
            for stream, (kind, call) in itertools.product((False, True), KINDS.items()):
                if stream or kind not in OF_STREAMS:
                    call(world, name, next(clients), stream)
        other_operations(world)
        wait_until(lambda: ended(nexus) >= world.sent)
        wait_until(lambda: not any(behaviour.hold for fake in fakes.values() for _, behaviour in fake.answered))
        yield world


# The accounts.

COLUMNS = (
    *("call_id", "attempt", "is_last", "protocol", "operation", "model", "route", "request_model", "status", "error"),
    *("outcome", "call_outcome", "tokens_known", "cost_nano", *(f"{part}_tokens" for part in PARTS)),
)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def ledger(world: World) -> list[Row]:
    found = rows(world.nexus, ", ".join(COLUMNS), calls=world.sent)
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


@pytest.fixture(scope="module")
def metrics(world: World, ledger: list[Row]) -> Scraped:
    return Scraped.of(world.nexus)


def sums(rows: list[Row], *by: str, of: str = "") -> dict[tuple[str, ...], int]:
    """Counts the rows, or sums them, grouped by the values of columns."""
    found: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        found[tuple(row[name] for name in by)] += row[of] if of else 1
    return {key: value for key, value in found.items() if value}


def measured(metrics: Scraped, name: str, *by: str, unit: int = 1) -> dict[tuple[str, ...], int]:
    found: Counter[tuple[str, ...]] = Counter()
    for sample in metrics.find(name):
        found[tuple(sample.labels[label] for label in by)] += round(sample.value * unit)
    return {key: value for key, value in found.items() if value}


def attempts(ledger: list[Row]) -> list[Row]:
    return [row for row in ledger if row["attempt"]]


def billed(request: SeenRequest, behaviour: Behaviour) -> dict[str, int]:
    """The usage that a fake reported for an answer, output including reasoning; empty if it reported none."""
    path = request.route
    if (
        request.method != "POST"
        or "count" in path.lower()
        or path.endswith(("input_tokens", "/moderations", "/speech"))
    ):
        return {}
    if path.endswith("/embeddings"):
        return {"input": behaviour.input_tokens}
    if path.endswith(("/completions", "/generations")) and not path.endswith("chat/completions"):
        return {"input": behaviour.input_tokens, "output": behaviour.output_tokens}
    return {
        "input": behaviour.input_tokens,
        "cache_read": behaviour.cached_tokens,
        "cache_write_5m": behaviour.cache_write_tokens,
        "output": behaviour.output_tokens,
    }


def test_hundreds_of_calls_of_every_kind_were_made(world: World, ledger: list[Row]) -> None:
    assert world.sent > 200
    assert len({row["call_id"] for row in ledger}) == world.sent
    assert {row["call_outcome"] for row in ledger} == {
        *("ok", "refused", "vendor_error", "in_band_error", "cut", "cancelled")
    }
    assert {row["operation"] for row in ledger} >= {"generate", "count_tokens", "stored", "embeddings", "images", ""}
    assert {row["tokens_known"] for row in ledger} == {"yes", "partly", "no"}
    moved = [row for row in ledger if row["model"].startswith("from-") and row["route"] not in ("", first_of(row))]
    assert len(moved) > 2, "calls went on to another target"


def first_of(row: Row) -> str:
    """The target that answers for a virtual model if everything works."""
    return f"{row['model'].removeprefix('from-')}/m"


def test_metrics_are_the_sums_of_the_ledger(ledger: list[Row], metrics: Scraped) -> None:
    calls = [row for row in ledger if row["is_last"] and row["operation"]]
    refused = [row for row in ledger if not row["operation"]]
    assert measured(metrics, "calls_total", "protocol", "operation", "outcome") == sums(
        calls, "protocol", "operation", "call_outcome"
    )
    assert measured(metrics, "refused_requests_total", "reason") == sums(refused, "error")
    tried = attempts(ledger)
    assert measured(metrics, "attempts_total", "route", "outcome") == sums(tried, "route", "outcome")
    for part in PARTS:
        found = {
            key[:1]: value
            for key, value in measured(metrics, "tokens_total", "route", "part").items()
            if key[1] == part
        }
        assert found == sums(tried, "route", of=f"{part}_tokens"), part
    known = [row | {"cost_nano": row["cost_nano"] or 0} for row in tried]
    assert measured(metrics, "cost_usd_total", "route", unit=10**9) == sums(known, "route", of="cost_nano")
    spends = [row for row in tried if row["operation"] not in ("count_tokens", "stored")]
    assert measured(metrics, "usage_reports_total", "route", "known") == sums(spends, "route", "tokens_known")
    assert metrics.sum("token_mismatches_total") == 0


def test_reply_headers_agree_with_the_ledger(world: World, ledger: list[Row]) -> None:
    compared = 0
    for id, reply in world.replies.items():
        found = [row for row in ledger if row["call_id"] == id]
        tried = attempts(found)
        assert found, id
        if not tried:
            assert found[0]["status"] == reply.status
            continue
        headers, last = reply.headers, tried[-1]
        if "x-nexus-attempts" in headers:
            assert int(headers["x-nexus-attempts"]) == len(tried)
            assert headers["x-nexus-route"] == f"{last['route'].split('/')[0]}/{last['request_model']}"
            compared += 1
        answered = ("ok", "vendor_error", "in_band_error")
        told = [f"{row['route']}={row['status'] if row['outcome'] in answered else row['outcome']}" for row in tried]
        if "x-nexus-tried" in headers and reply.whole and reply.status < 300:
            assert headers["x-nexus-tried"].split(", ")[: len(told)] == told
    assert compared > 100


def test_the_usage_in_answers_agrees_with_the_ledger(world: World, ledger: list[Row]) -> None:
    """The usage in the body of each complete answer."""
    compared = 0
    for row in ledger:
        reply = world.replies.get(row["call_id"])
        if reply is None or row["operation"] != "generate" or row["outcome"] != "ok" or not reply.whole:
            continue
        read = (
            row["input_tokens"] + row["cache_read_tokens"] + row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"]
        )
        assert told(row["protocol"], reply) == (read, row["output_tokens"] + row["reasoning_tokens"]), row
        compared += 1
    assert compared > 50


def told(protocol: str, reply: Reply) -> tuple[int, int]:
    """Input and output tokens, as a client reads them."""
    events = [json.loads(line[6:]) for line in reply.body.decode().splitlines() if line.startswith("data: {")]
    documents = events or [json.loads(reply.body)]
    found: dict[str, Any] = {}
    for document in documents:
        for holder in (document, document.get("message"), document.get("response")):
            if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
                found |= {name: value for name, value in holder["usage"].items() if value is not None}
    if protocol == "chat":
        return found["prompt_tokens"], found["completion_tokens"]
    beside = ("cache_creation_input_tokens", "cache_read_input_tokens") if protocol == "messages" else ()
    return found["input_tokens"] + sum(found.get(name, 0) for name in beside), found["output_tokens"]


@pytest.mark.parametrize("name", ALL_LANES)
def test_the_vendors_usage_agrees_with_the_ledger(world: World, ledger: list[Row], name: str) -> None:
    """To the token, wherever the vendor reported usage; the rest is counted separately and adds nothing to that."""
    answers = [used for answer in world.fakes[name].answered if (used := billed(*answer))]
    mine = [row for row in attempts(ledger) if row["route"] == f"{name}/m"]
    known = [row for row in mine if row["tokens_known"] == "yes" and any(row[f"{part}_tokens"] for part in PARTS)]
    assert len(known) == len(answers)
    for part in ("input", "cache_read", "cache_write_5m"):
        assert sum(row[f"{part}_tokens"] for row in known) == sum(used.get(part, 0) for used in answers), part
    output = sum(row["output_tokens"] + row["reasoning_tokens"] for row in known)
    assert output == sum(used.get("output", 0) for used in answers)
    assert not any(row["cache_write_1h_tokens"] for row in known)


def test_every_cost_is_its_tokens_times_the_price(ledger: list[Row]) -> None:
    for row in attempts(ledger):
        tokens = sum(row[f"{part}_tokens"] * nano for part, nano in NANO.items())
        if row["route"] == "free/m":
            assert row["cost_nano"] == 0
        elif row["tokens_known"] == "yes" or tokens:
            assert row["cost_nano"] == tokens, row
        else:
            assert row["cost_nano"] is None, row


def test_the_budgets_charges_agree_with_the_ledger(world: World, ledger: list[Row]) -> None:
    """A call whose usage the vendor did not report is charged by an estimate, which does not appear as cost in the
    ledger.
    """
    books = world.nexus.server.books
    assert books.ledger is not None and books.ledger.flush(60)
    with books.reading() as database, database.transaction(write=False) as transaction:
        ((charged,),) = transaction.query("SELECT SUM(spent_nano) FROM budgets")
    cost = sum(row["cost_nano"] or 0 for row in attempts(ledger))
    guessed = [row for row in attempts(ledger) if row["tokens_known"] != "yes"]
    assert charged >= cost and guessed
    last = world.ask(*body_of("chat", "free/m", False))
    left = Decimal(last.headers["x-nexus-budget-remaining-usd"]) * 10**9
    assert int(left) == LIMIT * 10**9 - charged
