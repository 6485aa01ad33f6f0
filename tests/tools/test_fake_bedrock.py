"""What the fake Bedrock rejects: signatures, shapes, and what the models do not accept.

Every violation is reported twice: to the client as an error, to the test in ``violations``.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests
from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]

from tools.fake_upstream import ACCESS_KEY, SECRET_KEY, FakeUpstream
from tools.fake_upstream.parts import SIGNATURES

NOVA = "amazon.nova-lite-v1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = {"role": "user", "content": [{"text": "Hello!"}]}
USE = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Paris"}}}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "22 C"}], "status": "success"}}
DEFINING = {"type": "object", "$defs": {}}
SPEC = {
    "name": "weather",
    "description": "x",
    "inputSchema": {"json": {"type": "object", "properties": {"x": {"any": [1]}}}},
}
TOOLS = {"tools": [{"toolSpec": SPEC}]}
DOCUMENT = {"document": {"name": "a-1", "format": "pdf", "source": {"bytes": "aGk="}}}
TALK: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 16,
    "messages": [{"role": "user", "content": "Hello!"}],
}


@pytest.fixture
def bedrock() -> Iterator[FakeUpstream]:
    with FakeUpstream("bedrock") as fake:
        yield fake


def post(fake: FakeUpstream, body: Any, operation: str = "converse", model: str = NOVA) -> requests.Response:
    url = f"{fake.base_url}/model/{quote(model, safe='')}/{operation}"
    return requests.post(url, json=body, headers={"authorization": "Bearer k"}, timeout=60)


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def talk(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages)} | more


def thought(signature: str) -> dict[str, Any]:
    return {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": signature}}}


NAME, BYTES = "toolConfig.tools.0.toolSpec.name", "messages.0.content.0.image.source.bytes"


@pytest.mark.parametrize(
    ("body", "violation"),
    [
        (talk(HELLO, frobnicate=1), "frobnicate: no such member"),
        (talk(HELLO, modelId=NOVA), "modelId: no such member"),
        (talk(user({"text": "x", "cache": 1})), "messages.0.content.0.cache: no such member"),
        (talk(user({"text": "x", "cachePoint": {"type": "default"}})), "messages.0.content.0: a union must have"),
        (talk(user({})), "messages.0.content.0: a union must have"),
        (talk({"role": "tool", "content": []}), "messages.0.role: 'tool' is not one of"),
        (talk({"role": "user", "content": "x"}), "messages.0.content: str where list is due"),
        (talk({"role": "user"}), "messages.0.content: is required"),
        (talk(user({"text": 1})), "messages.0.content.0.text: int where string is due"),
        (talk(HELLO, inferenceConfig={"maxTokens": 0}), "inferenceConfig.maxTokens: 0 is less than 1"),
        (talk(HELLO, inferenceConfig={"maxTokens": True}), "inferenceConfig.maxTokens: bool where integer"),
        (talk(HELLO, inferenceConfig={"temperature": 1.1}), "inferenceConfig.temperature: 1.1 is more than 1"),
        (talk(HELLO, inferenceConfig={"stopSequences": [""]}), "inferenceConfig.stopSequences.0: 0 is less than 1"),
        (talk(HELLO, toolConfig={"tools": []}), "toolConfig.tools: 0 is less than 1"),
        (talk(HELLO, toolConfig={"tools": [{"toolSpec": SPEC | {"name": "a b"}}]}), f"{NAME}: "),
        (talk(HELLO, toolConfig={"tools": [{"toolSpec": SPEC | {"name": "a" * 65}}]}), NAME),
        (talk(user({"image": {"format": "bmp", "source": {"bytes": "aGk="}}})), "messages.0.content.0.image.format: "),
        (talk(user({"image": {"format": "png", "source": {"bytes": "!"}}})), f"{BYTES}: not"),
        (talk(user({"image": {"format": "png", "source": {"bytes": ""}}})), f"{BYTES}: 0"),
        (talk(HELLO, requestMetadata={"k": "ü"}), "requestMetadata.k: 'ü' does not satisfy"),
        (talk(), "messages: A conversation must start"),
        ({}, "messages: A conversation must start"),
        (talk(assistant({"text": "x"})), "messages.0: A conversation must start"),
        (talk(HELLO, HELLO), "messages.1: A conversation must alternate"),
        (talk({"role": "system", "content": [{"text": "x"}]}), "messages.0.role: this model takes no"),
        (talk(user()), "messages.0.content: The content field in the Message object is empty"),
        (talk(user({"text": " "})), "messages.0.content.0: The text field in the ContentBlock object is blank"),
        (talk(HELLO, system=[{"text": " "}]), "system.0: The text field"),
        (talk(HELLO, assistant(USE), user(RESULT)), "toolConfig: The toolConfig field must be defined"),
        (talk(HELLO, assistant(USE), HELLO, toolConfig=TOOLS), "messages.2.content: Expected toolResult blocks"),
        (talk(user(RESULT), toolConfig=TOOLS), "messages.0.content: The number of toolResult blocks exceeds"),
        (talk(HELLO, assistant(USE, USE), user(RESULT), toolConfig=TOOLS), "messages.1.content: two toolUse blocks"),
        (talk(user(USE), toolConfig=TOOLS), "messages.0.content.0.toolUse: belongs into a message of the assistant"),
        (talk(HELLO, assistant(RESULT), toolConfig=TOOLS), "messages.1.content.0.toolResult: belongs into"),
        (
            talk(HELLO, assistant({"toolUse": {"toolUseId": "t", "name": "f", "input": "{}"}}), toolConfig=TOOLS),
            "messages.1.content.0.toolUse.input: ",
        ),
        (
            talk(HELLO, toolConfig=TOOLS | {"toolChoice": {"tool": {"name": "x"}}}),
            "toolConfig.toolChoice.tool.name: 'x'",
        ),
        (talk(HELLO, toolConfig={"tools": [{"toolSpec": SPEC}] * 2}), "toolConfig.tools: two tools have the same"),
        (
            talk(HELLO, toolConfig={"tools": [{"cachePoint": {"type": "default"}}]}),
            "toolConfig.tools: there is no tool",
        ),
        (
            talk(HELLO, toolConfig={"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]}),
            "toolConfig.tools.0.toolSpec.inputSchema.json.type: must be object",
        ),
        (
            talk(HELLO, toolConfig={"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": DEFINING}}}]}),
            "#/toolConfig/tools/0/toolSpec/inputSchema/json: extraneous key [$defs] is not permitted",
        ),
        (talk(user(DOCUMENT)), "messages.0.content: a text block must go with a document"),
        (talk(user(DOCUMENT, DOCUMENT, {"text": "x"})), "messages.0.content: two documents have the same name"),
        (
            talk(user({"document": DOCUMENT["document"] | {"name": "a.pdf"}}, {"text": "x"})),
            "messages.0.content: The document file name",
        ),
        (talk(HELLO, assistant(thought(SIGNATURES["gemini"]))), "messages.1.content.0.reasoningContent: Invalid"),
    ],
)
def test_violations_of_converse_are_rejected(bedrock: FakeUpstream, body: dict[str, Any], violation: str) -> None:
    reply = post(bedrock, body, "converse-stream")
    assert reply.status_code == 400
    assert reply.headers["x-amzn-errortype"].startswith("ValidationException")
    assert reply.headers["x-amzn-requestid"]
    assert any(found.startswith(violation) for found in bedrock.violations), bedrock.violations
    assert bedrock.violations[0] in reply.json()["message"]


def test_only_ids_and_arns_name_a_model(bedrock: FakeUpstream) -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    for model, status in ((NOVA, 200), (CLAUDE, 200), (arn, 200), ("a b", 400), ("x" * 2049, 400)):
        assert post(bedrock, talk(HELLO), model=model).status_code == status, model
    assert post(bedrock, TALK, "invoke", arn).status_code == 200
    assert [seen.model for seen in bedrock.requests[:3]] == [NOVA, CLAUDE, arn]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in TALK.items() if name != key}


LINKED = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}


@pytest.mark.parametrize(
    ("body", "violation"),
    [
        (TALK | {"model": "m"}, "model: Extra"),
        (TALK | {"stream": True}, "stream: Extra"),
        (TALK | {"service_tier": "auto"}, "service_tier: Extra"),
        (TALK | {"frobnicate": 1}, "frobnicate: Extra"),
        (without("anthropic_version"), "anthropic_version: None"),
        (TALK | {"anthropic_version": "2023-06-01"}, "anthropic_version: '2023"),
        (without("max_tokens"), "max_tokens: Field required"),
        (TALK | {"anthropic_beta": "x"}, "anthropic_beta: Input should be a list"),
        (TALK | {"anthropic_beta": ["nonsense-2025-01-01"]}, "anthropic_beta: invalid beta flag nonsense"),
        (TALK | {"context_management": {"edits": []}}, "context_management: Extra"),
        (TALK | {"messages": [{"role": "user", "content": [LINKED]}]}, "messages.0.content.0.source.type: url sources"),
    ],
)
def test_violations_of_invoke_are_rejected(bedrock: FakeUpstream, body: dict[str, Any], violation: str) -> None:
    assert post(bedrock, body, "invoke", CLAUDE).status_code == 400
    assert any(found.startswith(violation) for found in bedrock.violations), bedrock.violations


def test_a_beta_permits_its_field_for_claude_only(bedrock: FakeUpstream) -> None:
    edited = TALK | {"context_management": {"edits": []}, "anthropic_beta": ["context-management-2025-06-27"]}
    assert post(bedrock, edited, "invoke", CLAUDE).status_code == 200
    assert post(bedrock, TALK, "invoke", NOVA).status_code == 400


def test_invalid_counts_are_rejected(bedrock: FakeUpstream) -> None:
    inner = base64.b64encode(json.dumps(TALK).encode()).decode()
    broken = base64.b64encode(b"[]").decode()
    for value in (
        {"converse": talk(HELLO, HELLO)},
        {"converse": talk(HELLO), "invokeModel": {"body": inner}},
        {"invokeModel": {"body": broken}},
    ):
        assert post(bedrock, {"input": value}, "count-tokens", CLAUDE.removeprefix("us.")).status_code == 400


def signed(
    fake: FakeUpstream,
    *,
    key: str = ACCESS_KEY,
    secret: str = SECRET_KEY,
    token: str | None = None,
    region: str = "eu-1",
    name: str = "bedrock",
) -> requests.PreparedRequest:
    url = f"{fake.base_url}/model/{quote(NOVA, safe='')}/converse"
    body = json.dumps(talk(HELLO)).encode()
    request = AWSRequest("POST", url, {"content-type": "application/json"}, body)
    SigV4Auth(Credentials(key, secret, token), name, region).add_auth(request)
    return requests.Request("POST", url, dict(request.headers.items()), data=body).prepare()


def send(request: requests.PreparedRequest) -> tuple[int, str]:
    with requests.Session() as session:
        reply = session.send(request, timeout=60)
    return reply.status_code, reply.headers.get("x-amzn-errortype", "").partition(":")[0]


def test_only_the_expected_signature_is_accepted(bedrock: FakeUpstream) -> None:
    assert send(signed(bedrock)) == (200, "")
    assert send(signed(bedrock, secret="wrong")) == (403, "InvalidSignatureException")
    assert send(signed(bedrock, key="AKIAOTHER")) == (403, "UnrecognizedClientException")
    assert send(signed(bedrock, token="session")) == (403, "UnrecognizedClientException")
    assert send(signed(bedrock, name="s3")) == (403, "InvalidSignatureException")
    with FakeUpstream("bedrock", session_token="session", region="us-east-1") as fake:
        assert send(signed(fake, token="session", region="us-east-1")) == (200, "")
        assert send(signed(fake, region="us-east-1")) == (403, "UnrecognizedClientException")
        assert send(signed(fake, token="session", region="eu-1")) == (403, "InvalidSignatureException")


def changed_body(request: requests.PreparedRequest) -> None:
    request.body = json.dumps(talk(user({"text": "Goodbye!"}))).encode()
    request.headers["content-length"] = str(len(request.body))


def changed_path(request: requests.PreparedRequest) -> None:
    request.url = str(request.url).replace("lite", "pro")


def old(request: requests.PreparedRequest) -> None:
    request.headers["x-amz-date"] = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y%m%dT%H%M%SZ")


def unsigned_header(request: requests.PreparedRequest) -> None:
    request.headers["x-amz-extra"] = "1"


def unsigned_payload(request: requests.PreparedRequest) -> None:
    request.headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"


@pytest.mark.parametrize("tamper", [changed_body, changed_path, old, unsigned_header, unsigned_payload])
def test_changes_after_signing_are_rejected(bedrock: FakeUpstream, tamper: Any) -> None:
    request = signed(bedrock)
    tamper(request)
    assert send(request) == (403, "InvalidSignatureException")
    assert bedrock.violations[0].startswith("signature: ")


def test_malformed_signatures_are_rejected(bedrock: FakeUpstream) -> None:
    request = signed(bedrock)
    request.headers["authorization"] = "AWS4-HMAC-SHA256 Credential=x"
    assert send(request) == (403, "IncompleteSignatureException")
    del request.headers["authorization"]
    assert send(request) == (403, "IncompleteSignatureException")
