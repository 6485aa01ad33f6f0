"""The memory of many connections is released when they are closed, that of a configuration when it is replaced."""

import pytest

from nexus.server import memory
from nexus.server.runtime import build
from tests.conftest import Serve
from tests.serving import openai_config, wait_until


def test_memory_is_released_after_many_connections(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "TRIM_CLOSED", 3)
    trimmed: list[bool] = []
    monkeypatch.setattr(memory, "trim", lambda: trimmed.append(True))
    nexus = serve(openai_config("http://127.0.0.1:1"))
    running = nexus.running
    assert running is not None
    for number in range(1, 4):
        nexus.loop.call_soon_threadsafe(running._reap)
        nexus.request("GET", "/health")
        wait_until(lambda number=number: running.http.closed == number)  # type: ignore[misc]
        assert not trimmed
    nexus.loop.call_soon_threadsafe(running._reap)
    wait_until(lambda: trimmed == [True])
    assert running.http.closed == 0


def test_memory_is_released_after_a_reload(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[bool] = []
    monkeypatch.setattr(memory, "collect", lambda: collected.append(True))
    nexus = serve(openai_config("http://127.0.0.1:1"))
    assert nexus.running is not None
    nexus.loop.call_soon_threadsafe(nexus.running.adopt, build(nexus.settings, nexus.server.kept))
    wait_until(lambda: collected == [True])
