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


GEMINI = {
    "generationConfig.seed": _configured(seed=True),
    "generationConfig.topK": _configured(topK=-1),
    "generationConfig.stopSequences.0": _configured(stopSequences=[1]),
    "generationConfig.responseModalities": _configured(responseModalities=["SMELL"]),
    "generationConfig.responseMimeType": _configured(responseMimeType="text/x.enum"),
    "tools.0.functionDeclarations.0.parametersJsonSchema": _gemini(
        tools=[{"functionDeclarations": [{"name": "f", "parameters": {}, "parametersJsonSchema": {}}]}]
    ),
    "toolConfig.functionCallingConfig.mode": _gemini(
        tools=[NAMED], toolConfig={"functionCallingConfig": {"mode": "MAYBE"}}
    ),
    "contents.0.parts.0": _gemini(contents=[{"role": "user", "parts": [{"functionCall": {"name": "f"}}]}]),
    "contents.0.parts.0.text": _gemini(contents=[{"role": "user", "parts": [{"text": 1}]}]),
    "contents.0.parts.0.inlineData.data": _gemini(
        contents=[{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "?"}}]}]
    ),
}

CONVERSE = {
    "messages.0.content.0": _converse({"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}),
    "messages.0.content.0.image.source.bytes": _converse({"image": {"format": "png", "source": {"bytes": "?"}}}),
    "messages.0.content.0.audio.source.bytes": _converse({"audio": {"format": "mp3", "source": {"bytes": "é"}}}),
    "messages.0.content.0.toolResult.status": _converse(
        {"toolResult": {"toolUseId": "t", "content": [], "status": "maybe"}}
    ),
    "messages.0.content.1.cachePoint.ttl": _converse({"text": "Hi"}, {"cachePoint": {"type": "default", "ttl": "1d"}}),
    "toolConfig.toolChoice": _converse(
        {"text": "Hi"},
        toolConfig={"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}], "toolChoice": {"some": {}}},
    ),
}


@pytest.mark.parametrize(("param", "body"), GEMINI.items(), ids=GEMINI.keys())
def test_gemini_requests_are_rejected_with_the_clients_field(param: str, body: dict[str, Any]) -> None:
    _refused("gemini", param, body)


@pytest.mark.parametrize(("param", "body"), CONVERSE.items(), ids=CONVERSE.keys())
def test_converse_requests_are_rejected_with_the_clients_field(param: str, body: dict[str, Any]) -> None:
    _refused("converse", param, body)


def _refused(dialect: str, param: str, body: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refusal:
        loader.client(dialect).read_request(body)
    assert refusal.value.param == param
