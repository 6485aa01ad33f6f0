"""The Converse API for clients: boto3 in front of every vendor lane, streams, tools, media, thinking and errors."""

import base64
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError  # type: ignore[import-untyped]

from tests.conftest import Serve
from tests.protocols.converse.test_client import gathered
from tests.server.test_bedrock_format import MODEL, SCHEMA, signing
from tests.server.test_bedrock_format import closed_clients as closed_clients
from tests.server.vendors import CALLS, DIALECTS, HELLO, LANES, PIXEL, Lane, Stand, Standing
from tests.server.vendors import claude as claude
from tests.serving import anthropic_config
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.fake_upstream.aws import bedrock

USER: list[Any] = [{"role": "user", "content": [{"text": "Hi"}]}]
TOOLS: Any = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]}


@dataclass
class Vendor(Standing):
    client: Any


@pytest.fixture(params=DIALECTS, ids=lambda lane: lane.name)
def vendor(request: pytest.FixtureRequest, stand: Stand) -> Iterator[Vendor]:
    standing = stand(request.param)
    yield Vendor(standing.lane, standing.upstream, standing.nexus, signing(standing.nexus))
    assert standing.upstream.violations == []


def events_of(answer: Any) -> list[tuple[str, Any]]:
    with closing(answer["stream"]) as stream:
        return [(name, payload) for event in stream for name, payload in event.items()]


def assembled(answer: Any) -> dict[str, Any]:
    """Assembles a stream into a whole answer, like LangChain and Strands do."""
    events = events_of(answer)
    ends = [event for name, event in events if name in ("messageStop", "metadata")]
    return {"output": {"message": gathered(events)}} | dict(pair for end in ends for pair in end.items())


def ask(vendor: Vendor, streaming: bool, **asked: Any) -> dict[str, Any]:
    if streaming:
        return assembled(vendor.client.converse_stream(modelId="v/m", **asked))
    answer: dict[str, Any] = vendor.client.converse(modelId="v/m", **asked)
    return answer


streaming = pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])


@streaming
class TestEveryVendor:
    def test_a_text_answer_has_its_usage(self, vendor: Vendor, streaming: bool) -> None:
        config = (
            {"maxTokens": 64, "temperature": 0.5, "topP": 0.9}
            if "claude" not in vendor.lane.model
            else {"maxTokens": 64}
        )
        answer = ask(vendor, streaming, messages=USER, system=[{"text": "Be kind."}], inferenceConfig=config)
        assert answer["output"]["message"] == {"role": "assistant", "content": [{"text": HELLO}]}
        assert answer["stopReason"] == "end_turn"
        usage = {name: answer["usage"][name] for name in ("inputTokens", "outputTokens", "totalTokens")}
        assert usage == {"inputTokens": 11, "outputTokens": 6, "totalTokens": 17}

    def test_calls_and_results_go_both_ways(self, vendor: Vendor, streaming: bool) -> None:
        vendor.upstream.next(Behaviour(tool_calls=CALLS))
        first = ask(vendor, streaming, messages=USER, toolConfig=TOOLS)
        assert first["stopReason"] == "tool_use"
        said = first["output"]["message"]
        calls = [block["toolUse"] for block in said["content"] if "toolUse" in block]
        assert [call["input"] for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
        results = [
            {
                "toolResult": {
                    "toolUseId": calls[1]["toolUseId"],
                    "content": [{"text": "no such place"}],
                    "status": "error",
                }
            },
            {"toolResult": {"toolUseId": calls[0]["toolUseId"], "content": [{"json": {"sky": "blue"}}, image()]}},
        ]
        if vendor.lane.name == "bedrock converse":
            results[1]["toolResult"]["content"] = [{"json": {"sky": "blue"}}]
        again = [*USER, said, {"role": "user", "content": results}]
        answer = ask(vendor, streaming, messages=again, toolConfig=TOOLS)
        assert answer["output"]["message"]["content"][-1] == {"text": HELLO}

    def test_a_vendors_429_has_bedrocks_code_and_its_pause(self, vendor: Vendor, streaming: bool) -> None:
        # Longer than Nexus waits itself (``retries.max_delay``).
        wait = (("retry-after", "70"),)
        vendor.upstream.default = Behaviour(status=429, message="so the vendor said", headers=wait)
        with pytest.raises(ClientError, match="so the vendor said") as caught:
            ask(vendor, streaming, messages=USER)
        assert caught.value.response["Error"]["Code"] == "ThrottlingException"
        sent = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
        assert (sent["retry-after"], sent["x-amz-retry-after"]) == ("70", "70000")


def image() -> dict[str, Any]:
    return {"image": {"format": "png", "source": {"bytes": base64.b64decode(PIXEL)}}}


def test_tokens_are_counted(vendor: Vendor) -> None:
    counted = vendor.client.count_tokens(modelId="v/m", input={"converse": {"messages": USER}})
    assert counted["inputTokens"] > 0


def test_a_broken_stream_ends_with_an_error(vendor: Vendor) -> None:
    vendor.upstream.default = Behaviour(cut_after=4)
    with pytest.raises((EventStreamError, ClientError)):
        events_of(vendor.client.converse_stream(modelId="v/m", messages=USER))


CONVERSING = [lane for lane in LANES if lane.vendor == "bedrock"]


@pytest.mark.parametrize("lane", CONVERSING, ids=lambda lane: lane.name)
@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(tool_calls=CALLS)], ids=["text", "tools"])
def test_bytes_pass_to_and_from_bedrock_unchanged(
    lane: Lane, behaviour: Behaviour, serve: Serve, tmp_path: Path
) -> None:
    with FakeUpstream("bedrock") as upstream:
        upstream.default = behaviour
        nexus = serve(lane.config(upstream, tmp_path))
        body = b'{ "messages": [ {"role":"user", "content":[{"text":"H\\u0069"}]} ], "inferenceConfig": {} }'
        for number, verb in enumerate(("converse", "converse-stream"), 1):
            reply = nexus.post(f"{MODEL}/v%2Fm/{verb}", body)
            answer = bedrock.answer(upstream.requests[-1], behaviour, number)
            assert reply.body == (b"".join(answer.frames) if answer.frames else answer.body)
            assert upstream.requests[-1].body == body
            assert upstream.requests[-1].route.endswith(f"/{verb}")
        assert upstream.violations == []


def test_boto3_ignores_the_pings_sent_while_the_vendor_is_silent(claude: FakeUpstream, serve: Serve) -> None:
    nexus = serve(anthropic_config(claude.base_url, '[server]\nping_interval = "20ms"\nearly_ping = "20ms"\n'))
    claude.default = Behaviour(delay=0.15)
    names = [name for name, _ in events_of(signing(nexus).converse_stream(modelId="claude", messages=USER))]
    assert names[0] == "messageStart" and names[-2:] == ["messageStop", "metadata"]
