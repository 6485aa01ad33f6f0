"""What the fake Gemini API rejects.

Every violation is reported twice: to the client as an error, to the test in ``violations``.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tools.fake_upstream import FakeUpstream
from tools.fake_upstream.parts import SIGNATURES

AUTH = {"x-goog-api-key": "k"}
OLD, NEW = "gemini-2.5-flash", "gemini-3-pro-preview"
HELLO = {"role": "user", "parts": [{"text": "Hello!"}]}
FUNCTION = {"name": "weather", "parametersJsonSchema": {"type": "object", "x-any": [1]}}
TOOLS = [{"functionDeclarations": [FUNCTION]}]
CALL = {"functionCall": {"name": "weather", "args": {"city": "Paris"}}}
RESULT = {"functionResponse": {"name": "weather", "response": {"output": "22 C"}}}
IMAGE = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
LOWER_CASE = {"type": "object", "properties": {"a_city": {"type": "string"}}, "required": ["a_city"]}
SIGNATURE = {"thoughtSignature": SIGNATURES["gemini"]}
SIGNED = CALL | SIGNATURE


@pytest.fixture
def gemini() -> Iterator[FakeUpstream]:
    with FakeUpstream("gemini") as fake:
        yield fake


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def talk(*contents: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"contents": list(contents)} | more


def configured(**config: Any) -> dict[str, Any]:
    return talk(HELLO, generationConfig=config)


def post(fake: FakeUpstream, body: Any, name: str = OLD, method: str = "generateContent") -> requests.Response:
    return requests.post(f"{fake.base_url}/models/{name}:{method}", json=body, headers=AUTH, timeout=60)


@pytest.mark.parametrize(
    ("body", "violation"),
    [
        (talk(), "contents: contents is not specified"),
        ({}, "contents: contents is not specified"),
        (talk(HELLO, frobnicate=1), "frobnicate: Extra"),
        (talk(user({"text": "x", "cache": 1})), "contents.0.parts.0.cache: Extra"),
        (
            talk(user({"text": "x", "thoughtSignature": "!"})),
            "contents.0.parts.0.thoughtSignature: Data should be valid",
        ),
        (talk(HELLO, systemInstruction=user(IMAGE)), "systemInstruction.parts.0: systemInstruction takes text only"),
        (talk(HELLO, tools=[{}]), "tools.0: a tool must have"),
        (talk(HELLO, safetySettings=[{"category": "X", "threshold": "OFF"}]), "safetySettings.0.category: "),
        (talk(HELLO, safetySettings=[{"method": "SEVERITY"}]), "safetySettings.0.method: the Gemini API has no such"),
        (configured(maxOutputTokens="5"), "generationConfig.maxOutputTokens: Input should be a valid integer"),
        (configured(routingConfig={}), "generationConfig.routingConfig: the Gemini API has no such field"),
        (talk({"role": "assistant", "parts": [{"text": "x"}]}), "contents.0.role: Please use a valid role"),
        (talk(HELLO, HELLO), "contents.1.role: roles must alternate"),
        (talk(model({"text": "x"})), "contents.0.role: roles must alternate"),
        (talk(user()), "contents.0.parts: must include"),
        (talk({"role": "user"}), "contents.0.parts: must include"),
        (talk(user({})), "contents.0.parts.0: required oneof field 'data'"),
        (talk(user({"text": "x"} | IMAGE)), "contents.0.parts.0: required oneof field 'data'"),
        (talk(user({"text": ""})), "contents.0.parts.0.text: must not be empty"),
        (talk(user({"inlineData": {"data": "aGk="}})), "contents.0.parts.0.inlineData: mimeType and data"),
        (talk(user({"fileData": {"mimeType": "a/b"}})), "contents.0.parts.0.fileData.fileUri: is required"),
        (talk(user(RESULT)), "contents.0: Please ensure that function response turn comes immediately after"),
        (talk(HELLO, model(CALL), user({"text": "well?"})), "contents.2: Please ensure that the number of function"),
        (talk(HELLO, model(CALL, CALL), user(RESULT)), "contents.2: Please ensure that the number of function"),
        (
            talk(HELLO, model(CALL), user({"functionResponse": {"name": "other", "response": {}}})),
            "contents.2: the function responses' names",
        ),
        (
            talk(HELLO, model({"functionCall": {"name": "weather", "id": "1"}}), user(RESULT)),
            "contents.2: the function responses' ids",
        ),
        (talk(HELLO, model(CALL), user({"functionResponse": {"name": "weather"}})), "contents.2.parts.0.functionResp"),
        (talk(user(CALL)), "contents.0.parts.0.functionCall: belongs into a turn of model"),
        (
            talk(HELLO, model({"functionCall": {"name": "a b"}})),
            "contents.1.parts.0.functionCall.name: Invalid function",
        ),
        (talk(HELLO, tools=[{"functionDeclarations": [{"name": "1x"}]}]), "tools.0.functionDeclarations.0.name: Inv"),
        (talk(HELLO, tools=[{"functionDeclarations": [FUNCTION, FUNCTION]}]), "tools: Duplicate function declaration"),
        (
            talk(HELLO, tools=[{"functionDeclarations": [FUNCTION | {"parameters": {"type": "OBJECT"}}]}]),
            "tools.0.functionDeclarations.0: parameters and",
        ),
        (talk(HELLO, toolConfig={"functionCallingConfig": {"mode": "AUTO"}}), "toolConfig: Function calling config is"),
        (
            talk(HELLO, tools=TOOLS, toolConfig={"functionCallingConfig": {"allowedFunctionNames": ["weather"]}}),
            "toolConfig.functionCallingConfig.allowedFunctionNames: only with",
        ),
        (
            talk(
                HELLO, tools=TOOLS, toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}}
            ),
            "toolConfig.functionCallingConfig.allowedFunctionNames: 'x' is not declared",
        ),
        (
            talk(HELLO, model(CALL | {"thoughtSignature": SIGNATURES["anthropic"]})),
            "contents.1.parts.0.thoughtSignature: Corr",
        ),
        (talk(HELLO, tools=TOOLS, cachedContent="cachedContents/1"), "cachedContent: can not be used"),
        (configured(temperature=2.1), "generationConfig.temperature: 2.1 is not in the range"),
        (configured(seed=2**40), "generationConfig.seed: "),
        (configured(stopSequences=list("abcdef")), "generationConfig.stopSequences: at most 5"),
        (configured(responseJsonSchema={}), "generationConfig.responseJsonSchema: response mimetype must be"),
        (
            configured(responseMimeType="application/json", responseJsonSchema={}, responseSchema={"type": "STRING"}),
            "generationConfig: responseSchema and",
        ),
        (
            configured(thinkingConfig={"thinkingBudget": 1, "thinkingLevel": "LOW"}),
            "generationConfig.thinkingConfig: You can",
        ),
    ],
)
def test_violations_are_rejected(gemini: FakeUpstream, body: dict[str, Any], violation: str) -> None:
    reply = post(gemini, body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert any(found.startswith(violation) for found in gemini.violations), gemini.violations
    assert gemini.violations[0] in error["message"]
    assert error["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"


def test_both_alphabets_of_base64_are_accepted(gemini: FakeUpstream) -> None:
    for data in ("+/8=", "-_8="):
        assert post(gemini, talk(user({"inlineData": {"mimeType": "image/png", "data": data}}))).status_code == 200
    assert gemini.violations == []


@pytest.mark.parametrize(
    "body",
    [
        talk(HELLO, system_instruction=HELLO),
        talk(HELLO, generationConfig={"max_output_tokens": 1}),
        talk(user({"text": "see"}, {"inline_data": IMAGE["inlineData"]})),
        configured(responseMimeType="application/json", responseSchema=LOWER_CASE),
        configured(thinkingConfig={"thinkingLevel": "high"}),
    ],
)
def test_other_spellings_are_accepted_as_google_does(gemini: FakeUpstream, body: dict[str, Any]) -> None:
    assert post(gemini, body).status_code == 200
    assert gemini.violations == []


@pytest.mark.parametrize(
    ("contents", "fits"),
    [
        ([HELLO, model(CALL), user(RESULT)], False),
        ([HELLO, model(SIGNED, CALL), user(RESULT, RESULT)], True),
        ([HELLO, model(SIGNED), user(RESULT), model(CALL), user(RESULT)], False),
        ([HELLO, model(CALL), user(RESULT), model({"text": "22"}), HELLO], True),
        ([HELLO, model(CALL | {"thoughtSignature": "skip_thought_signature_validator"}), user(RESULT)], True),
    ],
)
def test_new_models_require_their_thought_signatures(gemini: FakeUpstream, contents: list[Any], fits: bool) -> None:
    assert post(gemini, talk(*contents, tools=TOOLS), NEW).status_code == (200 if fits else 400)
    assert all("missing a thought_signature" in found for found in gemini.violations)
    assert post(gemini, talk(*contents, tools=TOOLS), OLD).status_code == 200


def test_only_the_expected_key_in_its_header_is_accepted(gemini: FakeUpstream) -> None:
    url = f"{gemini.base_url}/models/{OLD}:generateContent"
    for query, headers, status in (
        ("?key=k", {}, 400),
        ("?key=k", AUTH, 400),
        ("", {}, 403),
        ("", {"authorization": "Bearer k"}, 401),
        ("?alt=sse", AUTH, 400),
    ):
        assert requests.post(url + query, json=talk(HELLO), headers=headers, timeout=60).status_code == status
    assert gemini.violations[0] == "key: is in the URL, where logs keep it"
    assert post(gemini, talk(HELLO), method="streamGenerateContent").status_code == 400
    with FakeUpstream("gemini", api_key="right") as fake:
        error = post(fake, talk(HELLO)).json()["error"]
        assert error["details"][0]["reason"] == "API_KEY_INVALID"


def test_invalid_counts_are_rejected(gemini: FakeUpstream) -> None:
    whole = {"generateContentRequest": talk(HELLO, tools=TOOLS) | {"model": f"models/{OLD}"}}
    wrong = {"generateContentRequest": talk(HELLO) | {"model": "models/other"}}
    for body in (talk(HELLO, tools=TOOLS), wrong, whole | talk(HELLO), {"generateContentRequest": 1}):
        assert post(gemini, body, method="countTokens").status_code == 400
