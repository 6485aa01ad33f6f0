"""What clients of Google's and Amazon's dialects cannot send to other vendors, and which field the error names."""

from typing import Any

import pytest

from nexus.errors import ClientError
from nexus.protocols import loader

HI = {"parts": [{"text": "Hi"}], "role": "user"}
NAMED = {"functionDeclarations": [{"name": "f"}]}


def _gemini(**members: Any) -> dict[str, Any]:
    return {"contents": [HI], **members}


def _configured(**members: Any) -> dict[str, Any]:
    return _gemini(generationConfig=members)


def _converse(*blocks: Any, role: str = "user", **members: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(blocks)}], **members}


def _parted(part: Any) -> dict[str, Any]:
    return _gemini(contents=[{"role": "user", "parts": [part]}])


GEMINI: list[tuple[str, dict[str, Any]]] = [
    ("generationConfig.seed", _configured(seed=True)),
    ("generationConfig.topK", _configured(topK=-1)),
    ("generationConfig.stopSequences.0", _configured(stopSequences=[1])),
    ("generationConfig.responseModalities", _configured(responseModalities=["SMELL"])),
    ("generationConfig.responseMimeType", _configured(responseMimeType="text/x.enum")),
    (
        "tools.0.functionDeclarations.0.parametersJsonSchema",
        _gemini(tools=[{"functionDeclarations": [{"name": "f", "parameters": {}, "parametersJsonSchema": {}}]}]),
    ),
    (
        "toolConfig.functionCallingConfig.mode",
        _gemini(tools=[NAMED], toolConfig={"functionCallingConfig": {"mode": "MAYBE"}}),
    ),
    ("contents.0.parts.0", _parted({"functionCall": {"name": "f"}})),
    ("contents.0.parts.0.text", _parted({"text": 1})),
    ("contents.0.parts.0.inlineData.data", _parted({"inlineData": {"mimeType": "image/png", "data": "?"}})),
    ("cachedContent", _gemini(cachedContent="cachedContents/x")),
    ("tools.0", _gemini(tools=[{"codeExecution": {}}])),
    ("generationConfig.candidateCount", _configured(candidateCount=2)),
    ("generationConfig.responseModalities", _configured(responseModalities=["AUDIO"])),
    ("contents.0.role", _gemini(contents=[{"role": "tool", "parts": []}])),
    ("contents.0.parts.0", _parted({})),
    ("contents.0.parts.0", _parted({"executableCode": {"code": "1"}})),
    ("contents.0.parts.0.fileData.fileUri", _parted({"fileData": {"fileUri": "https://[x", "mimeType": "image/png"}})),
    (
        "contents.0.parts.0.fileData",
        _parted({"fileData": {"fileUri": "https://example.com/a", "mimeType": "audio/mp3"}}),
    ),
    (
        "contents.0.parts.0.functionResponse.parts.0",
        _parted(
            {"functionResponse": {"name": "f", "parts": [{"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}}]}}
        ),
    ),
    (
        "contents.0.parts.0",
        _gemini(contents=[{"role": "model", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}]),
    ),
    (
        "toolConfig.functionCallingConfig.allowedFunctionNames.0",
        _gemini(tools=[NAMED], toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}}),
    ),
    ("contents.0.parts.0.inlineData", _parted({"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}})),
    (
        "contents.0.parts.0.fileData",
        _parted({"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}}),
    ),
]

CONVERSE: list[tuple[str, dict[str, Any]]] = [
    ("messages.0.content.0", _converse({"toolUse": {"toolUseId": "t", "name": "f", "input": {}}})),
    ("messages.0.content.0.image.source.bytes", _converse({"image": {"format": "png", "source": {"bytes": "?"}}})),
    ("messages.0.content.0.audio.source.bytes", _converse({"audio": {"format": "mp3", "source": {"bytes": "é"}}})),
    (
        "messages.0.content.0.toolResult.status",
        _converse({"toolResult": {"toolUseId": "t", "content": [], "status": "maybe"}}),
    ),
    (
        "messages.0.content.1.cachePoint.ttl",
        _converse({"text": "Hi"}, {"cachePoint": {"type": "default", "ttl": "1d"}}),
    ),
    (
        "toolConfig.toolChoice",
        _converse(
            {"text": "Hi"},
            toolConfig={
                "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}],
                "toolChoice": {"some": {}},
            },
        ),
    ),
    ("guardrailConfig", _converse(guardrailConfig={"guardrailIdentifier": "g", "guardrailVersion": "1"})),
    ("toolConfig.tools.0", _converse(toolConfig={"tools": [{"systemTool": {"name": "nova_grounding"}}]})),
    (
        "messages.0.content.0.image.source",
        _converse({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k"}}}}),
    ),
    ("system.0", _converse({"text": "Hi"}, system=[{"image": {}}])),
    ("messages.0.role", _converse(role="tool")),
    ("messages.0.content.0", _converse({"text": "a", "image": {}})),
    ("messages.0.content.0", _converse({"guardContent": {}})),
    ("messages.0.content.0.text", _converse({"text": 1})),
    (
        "messages.0.content.0.document.source.bytes",
        _converse({"document": {"name": "n", "format": "txt", "source": {"bytes": "/w=="}}}),
    ),
    (
        "messages.0.content.0.document.citations",
        _converse({"document": {"name": "n", "source": {"text": "a"}, "citations": {"enabled": True}}}),
    ),
    (
        "messages.0.content.0.toolUse",
        _converse({"toolUse": {"toolUseId": "t", "name": "f", "type": "server_tool_use"}}, role="assistant"),
    ),
    ("messages.0.content.0.reasoningContent", _converse({"reasoningContent": {"other": 1}}, role="assistant")),
    ("outputConfig.effort", _converse({"text": "Hi"}, outputConfig={"effort": "huge"})),
    (
        "outputConfig.textFormat.structure.jsonSchema.schema",
        _converse(
            {"text": "Hi"},
            outputConfig={"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}},
        ),
    ),
]
CASES = [*(("gemini", *case) for case in GEMINI), *(("converse", *case) for case in CONVERSE)]


@pytest.mark.parametrize(("dialect", "param", "body"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
def test_requests_are_rejected_with_the_clients_field(dialect: str, param: str, body: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refusal:
        loader.client(dialect).read_request(body)
    assert refusal.value.param == param
