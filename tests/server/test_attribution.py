"""Cost attribution: the labels sent to a cloud's bill, on every lane to a cloud. The fakes enforce the
clouds' rules.
"""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nexus.settings import load
from nexus.settings.problems import SettingsError
from tests.conftest import Serve
from tests.server.vendors import LANES, Stand
from tests.serving import Nexus, Reply
from tools.fake_upstream import FakeUpstream

ALICE, BOB = "nx-hushhush0123456789abcdefghijklmnop", "nx-hushhush9876543210zyxwvutsrqponml"
CALLERS = f"""
[server.keys.alice]
key = "{ALICE}"
group = "research"
[server.keys.bob]
key = "{BOB}"
[usage]
tags = ["project"]
[llm.providers.v.attribution]
who = "key"
team = "group"
project = "tag:project"
"""
CLOUDS = [lane for lane in LANES if lane.vendor in ("bedrock", "vertex")]
LABELS = {"who": "alice", "team": "research", "project": "web-shop"}
PATHS = {"openai": "/llm/openai/v1/chat/completions", "anthropic": "/llm/anthropic/v1/messages"}


def ask(nexus: Nexus, client: str, key: str = ALICE, tags: str = "project=web-shop", **more: Any) -> Reply:
    body = {"model": "v/m", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}], **more}
    return nexus.post(PATHS[client], body, {"x-nexus-key": key, "x-nexus-tags": tags})


def told(upstream: FakeUpstream) -> Any:
    """The labels that the cloud received, in whichever header or field it reads them from."""
    request = [one for one in upstream.requests if "/token" not in one.path][-1]
    if header := request.header("x-vertex-ai-labels"):
        return json.loads(base64.b64decode(header))
    if header := request.header("x-amzn-bedrock-request-metadata"):
        return json.loads(header)
    return request.json.get("requestMetadata") or request.json.get("labels")


@pytest.fixture(params=CLOUDS, ids=lambda lane: lane.name)
def cloud(request: pytest.FixtureRequest, stand: Stand) -> tuple[Nexus, FakeUpstream]:
    standing = stand(replace(request.param, behind=CALLERS))
    return standing.nexus, standing.upstream


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_caller_is_sent_as_billing_labels(cloud: tuple[Nexus, FakeUpstream], client: str, stream: bool) -> None:
    nexus, upstream = cloud
    assert ask(nexus, client, stream=stream).status == 200
    assert told(upstream) == LABELS


REFUSED = {
    "no group": (BOB, "project=web-shop", "provider 'v' attributes cost by 'team': every call needs a group"),
    "no tag": (
        ALICE,
        "",
        "provider 'v' attributes cost by 'project': every call needs the header x-nexus-tags: project=...",
    ),
}


@pytest.mark.parametrize(("key", "tags", "message"), REFUSED.values(), ids=REFUSED)
def test_a_call_without_a_required_label_is_rejected(
    cloud: tuple[Nexus, FakeUpstream], key: str, tags: str, message: str
) -> None:
    nexus, upstream = cloud
    for client in PATHS:
        reply = ask(nexus, client, key, tags)
        assert reply.status == 403 and message in reply.json["error"]["message"]
    assert not any("/token" not in one.path for one in upstream.requests)


def test_a_label_value_that_the_cloud_does_not_accept_is_rejected(cloud: tuple[Nexus, FakeUpstream]) -> None:
    nexus, _ = cloud
    reply = ask(nexus, "openai", tags="project=(web)")
    assert reply.status == 403 and "is not valid there" in reply.json["error"]["message"]


def test_a_client_cannot_override_the_labels(serve: Serve, tmp_path: Path) -> None:
    """Not even with a header rule that forwards everything, or by sending the very value that Nexus would send."""
    lane = next(lane for lane in CLOUDS if lane.name == "bedrock claude")
    rule = '[[llm.providers.v.headers]]\nrule = "forward"\npattern = "^x-"\n'
    with FakeUpstream(lane.vendor) as upstream:
        nexus = serve(lane.config(upstream, tmp_path) + CALLERS + rule)
        for value in ('{"who":"bob"}', json.dumps(LABELS, separators=(",", ":"))):
            headers = {"x-nexus-key": ALICE, "x-nexus-tags": "project=web-shop"}
            body = {"model": "v/m", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}
            sent = {**headers, "x-amzn-bedrock-request-metadata": value}
            assert nexus.post(PATHS["anthropic"], body, sent).status == 200
            assert told(upstream) == LABELS


def test_counting_tokens_needs_no_labels(cloud: tuple[Nexus, FakeUpstream]) -> None:
    nexus, _ = cloud
    body = {"model": "v/m", "messages": [{"role": "user", "content": "hi"}]}
    assert nexus.post(PATHS["anthropic"] + "/count_tokens", body, {"x-nexus-key": BOB}).status == 200


BEDROCK = '[llm.providers.v]\ntype = "bedrock"\nregion = "us-east-1"\nmodels = ["amazon.nova-pro-v1:0"]\n'
VERTEX = '[llm.providers.v]\ntype = "google"\nproject = "p"\nmodels = ["gemini-2.5-flash"]\n'
WRONG = {
    "no keys": (BEDROCK + '[llm.providers.v.attribution]\nwho = "key"\n', "needs gateway keys"),
    "no groups": (BEDROCK + '[llm.providers.v.attribution]\nteam = "group"\n', "needs groups"),
    "no tokens": (BEDROCK + '[llm.providers.v.attribution]\ndep = "claim:department"\n', r"add \[server.oauth\]"),
    "a tag that is not configured": (BEDROCK + '[llm.providers.v.attribution]\np = "tag:p"\n', 'add "p" to usage.tags'),
    "an unknown source": (BEDROCK + '[llm.providers.v.attribution]\nx = "team"\n', 'must be "user"'),
    "a name that AWS does not take": (BEDROCK + '[llm.providers.v.attribution]\n"a!" = "user"\n', "cloud accepts"),
    "a name that Google does not take": (VERTEX + '[llm.providers.v.attribution]\nTeam = "user"\n', "cloud accepts"),
    "the Gemini API": (
        VERTEX.replace('project = "p"', 'api_key = "AIza-hushhush-0123"') + 'attribution = { a = "user" }\n',
        "belongs to Vertex AI",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_impossible_attribution_is_rejected_in_the_settings(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "nexus.toml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        load(tmp_path / "nexus.toml", {})
