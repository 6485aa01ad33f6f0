"""Fixtures: the two fake vendors and a server in front of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.peers import no_leak as no_leak
from tests.peers import tls as tls
from tests.serving import Nexus, anthropic_config, openai_config
from tools.fake_upstream import FakeUpstream

Serve = Callable[..., Nexus]


@pytest.fixture
def openai_upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream("openai") as upstream:
        yield upstream


@pytest.fixture
def anthropic_upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream("anthropic") as upstream:
        yield upstream


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server for a configuration text; stops it after the test."""
    with ExitStack() as stack:
        yield lambda toml: stack.enter_context(Nexus.of(toml, tmp_path))


@pytest.fixture
def nexus(serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Nexus:
    """Both vendors behind one server with default settings."""
    return serve(openai_config(openai_upstream.base_url) + anthropic_config(anthropic_upstream.base_url))
