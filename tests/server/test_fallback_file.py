"""config/fallback.toml in use: the real server with this file, and fakes of its vendors.

Only the vendors' addresses in the file are replaced.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from nexus.settings import load
from tests.serving import Nexus, Reply
from tools.fake_upstream import ACCESS_KEY, SECRET_KEY, Behaviour, FakeUpstream

FILE = Path(__file__).parents[2] / "config/fallback.toml"
ENVIRON = {
    "OPENAI_API_KEY": "sk-hushhush-openai",
    "ANTHROPIC_API_KEY": "sk-ant-hushhush",
    "ANTHROPIC_API_KEY_2": "sk-ant-hushhush-2",
    "GEMINI_API_KEY": "AIza-hushhush",
}
VENDORS = {
    "anthropic": "anthropic",
    "bedrock-us": "bedrock",
    "bedrock-eu": "bedrock",
    "openai": "openai",
    "google": "gemini",
}
HELLO = [{"role": "user", "content": "Hello!"}]
DOWN = Behaviour(status=503)

Vendors = dict[str, FakeUpstream]


@pytest.fixture
def vendors() -> Iterator[Vendors]:
    with ExitStack() as stack:
        fakes = {name: stack.enter_context(FakeUpstream(kind)) for name, kind in VENDORS.items()}
        yield fakes
        for name, fake in fakes.items():
            assert fake.violations == [], name


@pytest.fixture
def nexus(vendors: Vendors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nexus]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    text = FILE.read_text()
    for name, fake in vendors.items():
        head = f"[llm.providers.{name}]\n"
        assert text.count(head) == 1
        # At another address, OpenAI is no longer recognised by its name.
        own = "responses = true\n" if name == "openai" else ""
        text = text.replace(head, f'{head}base_url = "{fake.base_url}"\n{own}')
    (tmp_path / "nexus.toml").write_text(text)
    with Nexus(load(tmp_path / "nexus.toml", ENVIRON)) as running:
        yield running


def chat(nexus: Nexus, model: str, **more: Any) -> Reply:
    return nexus.chat({"model": model, "messages": HELLO, **more})


def answered_by(reply: Reply) -> str:
    assert reply.status == 200, reply.body
    return reply.headers["x-nexus-route"].partition("/")[0]


ORDERS = {
    "smart": ["anthropic", "bedrock-us", "openai"],
    "claude-sonnet-5-5": ["anthropic", "bedrock-us", "bedrock-eu"],
    "fast": ["anthropic", "openai", "google"],
}


@pytest.mark.parametrize(("model", "order"), ORDERS.items(), ids=ORDERS.keys())
def test_each_model_stays_available(nexus: Nexus, vendors: Vendors, model: str, order: list[str]) -> None:
    """Whole and streamed in turns."""
    for down, up in zip([None, *order], order, strict=False):
        if down is not None:
            vendors[down].default = DOWN
        for path in ("/llm/openai/v1/chat/completions", "/llm/anthropic/v1/messages"):
            stream = (down is None) == ("anthropic" in path)
            body = {"model": model, "messages": HELLO, "max_tokens": 64, "stream": stream, "user": "u"}
            if "anthropic" in path:
                del body["user"]
            assert answered_by(nexus.post(path, body)) == up, (down, path)
