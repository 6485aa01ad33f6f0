"""Every vendor lane of Nexus, each with its fake behind the real server.

One line per lane; tests written once run on all of them.
"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.serving import KEY, Nexus, wait_until
from tools.fake_upstream import ACCESS_KEY, SECRET_KEY, Behaviour, FakeUpstream, service_account


@dataclass(frozen=True)
class Lane:
    """``passes`` is the client dialect whose bytes pass through; None if both are translated. ``more`` are settings of
    the provider, ``behind`` tables that follow it; ``text``, in which ``{url}`` is the vendor, replaces all of that.
    """

    name: str
    vendor: str
    model: str
    passes: str | None
    more: str = ""
    behind: str = ""
    text: str = ""

    def config(self, upstream: FakeUpstream, folder: Path) -> str:
        if self.text:
            return self.text.replace("{url}", upstream.base_url)
        return CONFIGS[self.vendor](upstream, folder) + f'{self.more}models.m.rename = "{self.model}"\n{self.behind}'


def _keyed(kind: str, upstream: FakeUpstream, folder: Path) -> str:
    return f'[llm.providers.v]\ntype = "{kind}"\napi_key = "{KEY}"\nbase_url = "{upstream.base_url}"\n'


def _vertex(upstream: FakeUpstream, folder: Path) -> str:
    file = folder / "service-account.json"
    file.write_text(json.dumps(service_account(upstream.origin)))
    place = f'project = "fake-project"\nlocation = "us-central1"\ncredentials = "{file}"\n'
    return f'[llm.providers.v]\ntype = "google"\nbase_url = "{upstream.base_url}"\n{place}'


def _bedrock(upstream: FakeUpstream, folder: Path) -> str:
    keys = f'access_key_id = "{ACCESS_KEY}"\nsecret_access_key = "{SECRET_KEY}"\nregion = "us-east-1"\n'
    return f'[llm.providers.v]\ntype = "bedrock"\nbase_url = "{upstream.base_url}"\n{keys}'


CONFIGS = {
    "openai": lambda upstream, folder: _keyed("openai", upstream, folder),
    "anthropic": lambda upstream, folder: _keyed("anthropic", upstream, folder),
    "gemini": lambda upstream, folder: _keyed("google", upstream, folder),
    "vertex": _vertex,
    "bedrock": _bedrock,
}

_PROVIDER = """
[llm.providers.{name}]
type = "{kind}"
api_key = "{key}"
base_url = "{url}"
{more}
[llm.providers.{name}.models.m]
rename = "{model}"
"""


def providers(*tables: tuple[str, str, FakeUpstream, str, str]) -> str:
    """Several providers in one file, each with a model ``m``: name, type, address, more settings, the
    vendor's model.
    """
    return "".join(
        _PROVIDER.format(name=name, kind=kind, key=KEY, url=upstream.base_url, more=more, model=model)
        for name, kind, upstream, more, model in tables
    )


HELLO = Behaviour().text
PIXEL = base64.b64encode(bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de")).decode()
CALLS = (("weather", '{"city": "Paris"}'), ("weather", '{"city": "Rome"}'))
"""Two parallel calls of a tool."""

LANES = [
    Lane("openai", "openai", "gpt-4.1", "chat"),
    Lane("anthropic", "anthropic", "claude-sonnet-4-5", "messages"),
    Lane("gemini", "gemini", "gemini-2.5-flash", None),
    Lane("vertex gemini", "vertex", "gemini-2.5-flash", None),
    Lane("vertex claude", "vertex", "claude-sonnet-4-5", "messages"),
    Lane("bedrock claude", "bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "messages"),
    Lane("bedrock converse", "bedrock", "us.amazon.nova-pro-v1:0", None),
]

RESPONSES = Lane("openai responses", "openai", "gpt-6-astra", "chat", "responses = true\n")
"""The lane on which Messages, and chat requests with tools, are translated to OpenAI's other dialect."""

DISTINCT = [lane for lane in LANES if lane.vendor != "vertex"]
"""Each dialect in each framing once: Vertex AI sends Anthropic's and Google's own."""

DIALECTS = [*DISTINCT, RESPONSES]
"""Every dialect of vendors."""


@dataclass
class Standing:
    """A lane that stays up for several tests."""

    lane: Lane
    upstream: FakeUpstream
    nexus: Nexus

    def anew(self) -> None:
        """Resets the lane: no call is in flight, and neither side remembers another test."""
        wait_until(lambda: not self.nexus.server.calls)
        # A failure on a reused connection does not count as a failed attempt.
        self.upstream.hang_up()
        self.upstream.clear()
        self.upstream.default = Behaviour()
        self.nexus.server.kept.router.retry_budgets._left.clear()


Stand = Callable[[Lane], Standing]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """Lanes are started for the first test of a module that needs them, and stay up until the module ends."""
    standing: dict[Lane, Standing] = {}
    with ExitStack() as stack:

        def stand(lane: Lane) -> Standing:
            if lane not in standing:
                folder = tmp_path_factory.mktemp("lane")
                upstream = stack.enter_context(FakeUpstream(lane.vendor))
                nexus = stack.enter_context(Nexus.of(lane.config(upstream, folder), folder))
                standing[lane] = Standing(lane, upstream, nexus)
            standing[lane].anew()
            return standing[lane]

        yield stand


def on(*names: str) -> pytest.MarkDecorator:
    """The fixture ``vendor`` of a test is each of these lanes."""
    lanes = [lane for lane in LANES if lane.name in names]
    return pytest.mark.parametrize("vendor", lanes, ids=lambda lane: lane.name, indirect=True)


@pytest.fixture
def claude() -> Iterator[FakeUpstream]:
    """Anthropic's fake, which must have reported no violation."""
    with FakeUpstream("anthropic") as upstream:
        yield upstream
    assert upstream.violations == []
