"""Fixtures: fake upstreams without a gateway in front."""

from collections.abc import Iterator

import pytest

from tools.fake_upstream import FakeUpstream


@pytest.fixture(params=["openai", "anthropic"])
def upstream(request: pytest.FixtureRequest) -> Iterator[FakeUpstream]:
    with FakeUpstream(request.param) as fake:
        yield fake


@pytest.fixture
def chat() -> Iterator[FakeUpstream]:
    with FakeUpstream("openai") as fake:
        yield fake


@pytest.fixture
def claude() -> Iterator[FakeUpstream]:
    with FakeUpstream("anthropic") as fake:
        yield fake
