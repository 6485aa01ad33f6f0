"""The Bedrock protocol: boto3 and Anthropic's Bedrock SDK in front of every vendor lane."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from anthropic import AnthropicBedrock
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError, EventStreamError  # type: ignore[import-untyped]

from tests.auth.kit import ALICE
from tests.conftest import Serve
from tests.server.vendors import CALLS, DIALECTS, HELLO, LANES, Stand, Standing
from tests.server.vendors import claude as claude
from tests.serving import Nexus, anthropic_config
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.fake_upstream.aws import bedrock

MODEL = "/llm/bedrock/model"
USER: list[Any] = [{"role": "user", "content": "Hi"}]
BODY: dict[str, Any] = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": USER}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def sdk(nexus: Nexus, key: str = "any") -> AnthropicBedrock:
    return AnthropicBedrock(api_key=key, aws_region="eu-west-1", base_url=f"{nexus.base}/llm/bedrock", max_retries=0)


OPENED: list[tuple[Nexus, Any]] = []
"""AWS's clients, which take longer to create than a call."""


@pytest.fixture(scope="module", autouse=True)
def closed_clients() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop()[1].close()


def signing(nexus: Nexus) -> Any:
    """AWS's own client, whose parser checks the CRCs of every frame."""
    for known, client in OPENED:
        if known is nexus:
            return client
    client = boto3.client(
        "bedrock-runtime",
        region_name="eu-west-1",
        endpoint_url=f"{nexus.base}/llm/bedrock",
        aws_access_key_id="somebody",
        aws_secret_access_key="something",
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )
    OPENED.append((nexus, client))
    return client


@pytest.fixture(params=DIALECTS, ids=lambda lane: lane.name)
def vendor(request: pytest.FixtureRequest, stand: Stand) -> Iterator[Standing]:
    standing = stand(request.param)
    yield standing
    assert standing.upstream.violations == []


def chunks(answer: Any) -> list[Any]:
    with closing(answer["body"]) as events:
        return [json.loads(event["chunk"]["bytes"]) for event in events]


class TestInvoke:
    def test_a_whole_answer_is_a_message(self, vendor: Standing) -> None:
        answer = signing(vendor.nexus).invoke_model(modelId="v/m", body=json.dumps(BODY))
        said = json.loads(answer["body"].read())
        assert [block["text"] for block in said["content"]] == [HELLO]
        assert (said["usage"]["input_tokens"], said["usage"]["output_tokens"]) == (11, 6)
        assert answer["ResponseMetadata"]["RequestId"].startswith("req_")

    def test_a_stream_has_the_events_of_a_message(self, vendor: Standing) -> None:
        answer = signing(vendor.nexus).invoke_model_with_response_stream(modelId="v/m", body=json.dumps(BODY))
        events = chunks(answer)
        assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
        assert "".join(e["delta"].get("text", "") for e in events if e["type"] == "content_block_delta") == HELLO

    def test_tokens_are_counted(self, vendor: Standing) -> None:
        asked = {"invokeModel": {"body": json.dumps(BODY)}}
        assert signing(vendor.nexus).count_tokens(modelId="v/m", input=asked)["inputTokens"] > 0

    def test_a_vendors_error_has_bedrocks_code(self, vendor: Standing) -> None:
        client = signing(vendor.nexus)
        whole, stream = client.invoke_model, client.invoke_model_with_response_stream
        for call, status, code in (
            (whole, 400, "ValidationException"),
            (stream, 429, "ThrottlingException"),
            (whole, 503, "ServiceUnavailableException"),
        ):
            vendor.upstream.default = Behaviour(status=status, message="so the vendor said")
            with pytest.raises(ClientError, match="so the vendor said") as caught:
                call(modelId="v/m", body=json.dumps(BODY))
            assert caught.value.response["Error"]["Code"] == code
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status

    def test_a_broken_stream_ends_with_an_error(self, vendor: Standing) -> None:
        vendor.upstream.default = Behaviour(cut_after=4)
        # Before the first content it is an error reply, afterwards the end of the stream.
        with pytest.raises((EventStreamError, ClientError)):
            chunks(signing(vendor.nexus).invoke_model_with_response_stream(modelId="v/m", body=json.dumps(BODY)))


ARN = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3A"
NAMED = {
    "provider and alias": "anthropic%2Fclaude",
    "plain": "anthropic/claude",
    "alias": "claude",
    "Bedrock's id": "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
    "an ARN": f"{ARN}inference-profile%2Fus.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
    "an ARN of an alias": f"{ARN}application-inference-profile%2Fclaude",
}


@pytest.mark.parametrize("name", NAMED.values(), ids=NAMED)
def test_every_name_of_a_model_finds_it(name: str, claude: FakeUpstream, serve: Serve) -> None:
    reply = serve(anthropic_config(claude.base_url)).post(f"{MODEL}/{name}/invoke", BODY)
    assert reply.status == 200, reply.body


def test_an_unknown_model_gets_awss_error(claude: FakeUpstream, serve: Serve) -> None:
    with pytest.raises(ClientError, match="did you mean 'anthropic/claude'") as caught:
        signing(serve(anthropic_config(claude.base_url))).invoke_model(modelId="clod", body=json.dumps(BODY))
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


KEYED = f'[server.keys.alice]\nkey = "{ALICE}"\n'


class TestCallers:
    def test_a_bearer_token_is_the_gateway_key(self, claude: FakeUpstream, serve: Serve) -> None:
        with sdk(serve(anthropic_config(claude.base_url, KEYED)), ALICE) as client:
            assert client.messages.create(model="claude", max_tokens=9, messages=USER).content
        assert ALICE not in str(claude.requests[-1].headers)

    def test_boto3_sends_the_key_along_with_its_signature(self, claude: FakeUpstream, serve: Serve) -> None:
        """boto3 sends no AWS_BEARER_TOKEN_BEDROCK to an endpoint without TLS."""
        client = signing(serve(anthropic_config(claude.base_url, KEYED)))

        def with_key(request: Any, **_: object) -> None:
            request.headers["x-nexus-key"] = ALICE

        client.meta.events.register("before-sign.bedrock-runtime", with_key)
        assert client.invoke_model(modelId="claude", body=json.dumps(BODY))["body"].read()
        assert ALICE not in str(claude.requests[-1].headers)

    def test_a_signature_is_rejected_if_there_are_gateway_keys(self, claude: FakeUpstream, serve: Serve) -> None:
        client = signing(serve(anthropic_config(claude.base_url, KEYED)))
        with pytest.raises(ClientError, match="AWS_BEARER_TOKEN_BEDROCK") as caught:
            client.invoke_model(modelId="claude", body=json.dumps(BODY))
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 401
        assert claude.requests == []

    def test_a_signature_is_ignored_without_gateway_keys(self, claude: FakeUpstream, serve: Serve) -> None:
        client = signing(serve(anthropic_config(claude.base_url)))
        assert client.invoke_model(modelId="claude", body=json.dumps(BODY))["body"].read()
        sent = {name.lower(): value for name, value in claude.requests[-1].headers}
        assert "AWS4" not in str(sent) and not any(name.startswith("x-amz") for name in sent)


def test_betas_in_the_body_reach_anthropic(claude: FakeUpstream, serve: Serve) -> None:
    asked = {**BODY, "anthropic_beta": ["effort-2025-11-24"]}
    serve(anthropic_config(claude.base_url)).post(f"{MODEL}/claude/invoke", asked)
    assert claude.requests[-1].header("anthropic-beta") == "effort-2025-11-24"
    assert claude.requests[-1].json.keys() == {"model", "stream", "max_tokens", "messages"}


def test_a_body_for_another_model_family_is_rejected_by_name(claude: FakeUpstream, serve: Serve) -> None:
    reply = serve(anthropic_config(claude.base_url)).post(f"{MODEL}/claude/invoke", {"inputText": "Hi"})
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert reply.json == {"message": "messages: field required"}


COUNTS = {
    "nothing": ({}, "input: expected an object"),
    "another": ({"input": {"other": {}}}, "input.invokeModel: expected an object"),
    "invalid base64": ({"input": {"invokeModel": {"body": "?"}}}, "input.invokeModel.body: expected base64"),
    "not ASCII": ({"input": {"invokeModel": {"body": "é"}}}, "input.invokeModel.body: expected base64"),
    "invalid JSON": (
        {"input": {"invokeModel": {"body": base64.b64encode(b"x").decode()}}},
        "input.invokeModel.body: expected a JSON object",
    ),
}


@pytest.mark.parametrize(("body", "message"), COUNTS.values(), ids=COUNTS)
def test_invalid_count_requests_are_rejected(body: Any, message: str, claude: FakeUpstream, serve: Serve) -> None:
    reply = serve(anthropic_config(claude.base_url)).post(f"{MODEL}/claude/count-tokens", body)
    assert (reply.status, reply.json) == (400, {"message": message})


def test_pings_are_sent_in_chunks_while_the_vendor_is_silent(claude: FakeUpstream, serve: Serve) -> None:
    nexus = serve(anthropic_config(claude.base_url, '[server]\nping_interval = "20ms"\nearly_ping = "20ms"\n'))
    claude.default = Behaviour(delay=0.15)
    answer = signing(nexus).invoke_model_with_response_stream(modelId="claude", body=json.dumps(BODY))
    events = [event["type"] for event in chunks(answer)]
    assert events[0] == "ping" and events[-1] == "message_stop"


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(tool_calls=CALLS), Behaviour(thinking="So.")])
def test_bedrocks_frames_pass_unchanged(behaviour: Behaviour, serve: Serve, tmp_path: Path) -> None:
    lane = next(lane for lane in LANES if lane.name == "bedrock claude")
    with FakeUpstream("bedrock") as upstream:
        upstream.default = behaviour
        reply = serve(lane.config(upstream, tmp_path)).post(f"{MODEL}/v%2Fm/invoke-with-response-stream", BODY)
        assert reply.headers["content-type"] == "application/vnd.amazon.eventstream"
        assert reply.body == b"".join(bedrock.answer(upstream.requests[-1], behaviour, 1).frames or ())
