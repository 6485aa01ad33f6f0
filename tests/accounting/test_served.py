"""A real PostgreSQL behind the real server: rows are written and read, and calls succeed while it is unreachable."""

import socket
from typing import Any

import pytest

from tests.accounting.postgres_server import PostgresServer
from tests.conftest import Serve
from tests.serving import CHAT, Nexus, openai_config, wait_until
from tools.fake_upstream import FakeUpstream

CLOSE_OTHERS = (
    "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


def total(nexus: Nexus) -> Any:
    reply = nexus.request("GET", "/usage/v1/report?by=tag:project&since=7d")
    return reply.json["total"] if reply.status == 200 else {}


@pytest.mark.slow
def test_calls_are_recorded_in_postgres(serve: Serve, postgres: PostgresServer, openai_upstream: FakeUpstream) -> None:
    nexus = serve(f'[usage]\nstore = "{postgres.fresh()}"\n' + openai_config(openai_upstream.base_url))
    empty = nexus.request("GET", "/usage/v1/calls")
    assert (empty.status, empty.json) == (200, {"calls": [], "next": None})
    for _ in range(3):
        assert nexus.chat(CHAT).status == 200
    wait_until(lambda: total(nexus).get("calls") == 3)
    assert total(nexus)["input"] == 33
    (call, *_) = nexus.request("GET", "/usage/v1/calls?limit=2").json["calls"]
    assert [attempt["route"] for attempt in call["attempts"]] == ["openai/gpt-4"]


@pytest.mark.slow
def test_options_in_the_url_hold(postgres: PostgresServer) -> None:
    from nexus.accounting.postgres import PostgresDatabase

    database = PostgresDatabase(f"{postgres.fresh()}&options=-c%20search_path%3Dusage")
    with database.transaction(write=False) as transaction:
        assert transaction.query("SHOW search_path") == [("usage",)]
        assert transaction.query("SHOW statement_timeout") == [("1min",)]
    database.close()


@pytest.mark.slow
def test_a_connection_that_the_server_closed_while_idle_is_replaced(postgres: PostgresServer) -> None:
    from nexus.accounting.postgres import PostgresDatabase

    url = postgres.fresh()
    idle, other = PostgresDatabase(url), PostgresDatabase(url)
    for database, query in ((idle, "SELECT 1"), (other, CLOSE_OTHERS), (idle, "SELECT 1")):
        with database.transaction(write=False) as transaction:
            assert transaction.query(query)
    idle.close()
    other.close()


@pytest.mark.slow
def test_calls_succeed_while_postgres_is_unreachable(
    serve: Serve, openai_upstream: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        store = f"postgresql://nexus:hushhush-database@127.0.0.1:{nobody.getsockname()[1]}/usage"
        nexus = serve(f'[usage]\nstore = "{store}"\n' + openai_config(openai_upstream.base_url))
        assert nexus.chat(CHAT).status == 200
        reply = nexus.request("GET", "/usage/v1/report")
        assert (reply.status, reply.json["error"]["message"]) == (
            503,
            "usage is temporarily unavailable; retry in a moment",
        )
        assert "hushhush-database" not in caplog.text
        assert nexus.server.books.ledger is not None
        assert nexus.server.books.ledger.lost == 0
