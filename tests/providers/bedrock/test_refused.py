"""What a model does not accept through Converse is learned from the service's refusal, whichever the client's dialect:
opaque ARNs name no model, and new models are not in the table of facts.

The messages are the service's: dify-official-plugins #1767, hermes-agent #111043 and #111438, vercel/ai #4396, pi
#3739, litellm #42470.
"""

from typing import Any

import pytest

from nexus.models.bedrock import PLAIN
from nexus.protocols.codec import Target
from nexus.protocols.converse.read_error import read_error
from nexus.providers.bedrock.refused import quirk_of, with_quirks
from nexus.wire import encode
from tests.server.vendors import Lane, Stand
from tools.fake_upstream import Behaviour

ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456"
TOOL: dict[str, Any] = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
ASKED: dict[str, Any] = {
    "model": "v/m",
    "max_tokens": 8,
    "temperature": 0.5,
    "stop": ["END"],
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    "tools": [{"type": "function", "function": TOOL}],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
}
FIELD = "This model doesn't support the {0} field. Remove {0} and try again."
BELOW = '{"error":{"message":"Expected a value >= 16, but got 8 instead.","code":"integer_below_min_value"}}'
FACTS: dict[str, tuple[str, str, object]] = {
    # The service's message, the fact it reveals, and where the request then differs.
    FIELD.format("stopSequences"): ("stop", "stopSequences", None),
    FIELD.format("temperature"): ("sampling", "temperature", None),
    FIELD.format("topP"): ("sampling", "temperature", None),
    "`temperature` is deprecated for this model.": ("sampling", "temperature", None),
    FIELD.format("toolConfig.toolChoice.tool"): ("tool_choice", "toolChoice", {"any": {}}),
    "This model doesn't support system messages. Try again without a system message.": ("system", "system", None),
    "This model doesn't support tool use in streaming mode.": ("streams_tools", "url", "converse"),
    f"The model returned the following errors: {BELOW}": ("least_output", "maxTokens", 16),
}
OTHERS = (FIELD.format("audio"), "The provided model identifier is invalid.", "Expected a value >= 1")


def _sent(request: Any) -> dict[str, Any]:
    body = request.json
    url = {"url": request.path.rsplit("/", 1)[-1]}
    return {"system": body.get("system"), **body["inferenceConfig"], **body["toolConfig"], **url}


@pytest.mark.parametrize("message", FACTS)
def test_the_request_is_adapted_from_then_on(stand: Stand, message: str) -> None:
    fact, where, value = FACTS[message]
    house = stand(Lane(fact + message, "bedrock", ARN, None))
    house.upstream.next(Behaviour(status=400, message=message))
    answers = [house.nexus.chat(ASKED | {"stream": True}), house.nexus.chat(ASKED | {"stream": True})]
    assert [answer.status for answer in answers] == [200, 200]
    refused, *adapted = (_sent(request) for request in house.upstream.requests)
    assert refused[where] != value
    assert [sent.get(where) for sent in adapted] == [value, value]


@pytest.mark.parametrize("message", ["output_config.format: Extra inputs are not permitted"])
def test_structured_output_that_claude_rejects_is_forced_by_a_tool(stand: Stand, message: str) -> None:
    """Regions and accounts differ in Haiku 4.5 (hindsight #3300)."""
    house = stand(Lane(message, "bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0", None))
    house.upstream.next(Behaviour(status=400, message=message))
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "properties": {}}}}
    asked = {"model": "v/m", "messages": [{"role": "user", "content": "Hi"}], "response_format": schema}
    answers = [house.nexus.chat(asked), house.nexus.chat(asked)]
    assert [answer.status for answer in answers] == [200, 200]
    sent = [request.json for request in house.upstream.requests]
    assert ["output_config" in body for body in sent] == [True, False, False]
    assert [body.get("tool_choice", {}).get("type") for body in sent] == [None, "tool", "tool"]


def test_other_refusals_reveal_nothing() -> None:
    failures = [read_error(400, {}, encode({"message": message})) for message in OTHERS]
    assert [quirk_of(failure, "converse") for failure in failures] == [None] * len(OTHERS)
    rejected = read_error(400, {}, encode({"message": FIELD.format("outputConfig.textFormat")}))
    assert (quirk := quirk_of(rejected, "converse")) is not None
    assert with_quirks(Target("m", converse=PLAIN), frozenset({quirk})).converse == PLAIN
