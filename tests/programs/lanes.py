"""The lanes on which the programs run, and the form in each vendor's dialect of what the tests look for.

A shape is a part that the vendor's request must contain, written by hand, so that no codec of Nexus checks another.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.server import vendors
from tools.fake_upstream import Behaviour, FakeUpstream, Thinking
from tools.fake_upstream.parts import SIGNATURES

Shape = dict[str, Any]

TOO_LONG = {
    "openai": Behaviour(
        status=400,
        error_code="context_length_exceeded",
        message="This model's maximum context length is 128000 tokens. Your messages resulted in 130000 tokens.",
    ),
    "anthropic": Behaviour(status=400, message="prompt is too long: 210000 tokens > 200000 maximum"),
    "google": Behaviour(
        status=400, message="The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    ),
    "bedrock": Behaviour(
        status=400, error_type="ValidationException", message="Input is too long for requested model."
    ),
}


@dataclass(frozen=True)
class ProgramLane(vendors.Lane):
    """``dialect`` is the vendor's dialect, ``maker`` the vendor whose error messages apply."""

    dialect: str = "messages"
    maker: str = "anthropic"
    overloaded: int = 503
    returns: bool = True
    """Whether the vendor expects its thinking to be sent back."""
    signs: bool = True
    keys: str = field(default="", repr=False)

    def config(self, upstream: FakeUpstream, folder: Path) -> str:
        return super().config(upstream, folder) + self.keys

    @property
    def too_long(self) -> Behaviour:
        return TOO_LONG[self.maker]

    def image(self, data: str) -> Shape:
        url = f"data:image/png;base64,{data}"
        shapes: dict[str, Shape] = {
            "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
            "chat": {"type": "image_url", "image_url": {"url": url}},
            "responses": {"type": "input_image", "image_url": url},
            "gemini": {"inlineData": {"mimeType": "image/png", "data": data}},
            "converse": {"image": {"format": "png", "source": {"bytes": data}}},
        }
        return shapes[self.dialect]

    def thinking(self, text: str) -> Thinking:
        """As the vendor sends it."""
        return Thinking(text, None if self.signs else "")

    def thought(self, text: str) -> Shape:
        """The same as sent back, with the vendor's own signature if it has one."""
        signature = {"signature": SIGNATURES["converse"]} if self.signs else {}
        shapes: dict[str, Shape] = {
            "messages": {"type": "thinking", "thinking": text, "signature": SIGNATURES["anthropic"]},
            "chat": {"role": "assistant", "reasoning_content": text},
            "responses": {"type": "reasoning", "encrypted_content": SIGNATURES["responses"]},
            # The signature is on the first call after the thinking, which itself is not sent back.
            "gemini": {"thoughtSignature": SIGNATURES["gemini"]},
            "converse": {"reasoningText": {"text": text, **signature}},
        }
        return shapes[self.dialect]

    @property
    def result(self) -> Shape:
        """A part of every tool result."""
        shapes: dict[str, Shape] = {
            "messages": {"type": "tool_result"},
            "chat": {"role": "tool"},
            "responses": {"type": "function_call_output"},
            "gemini": {"functionResponse": {}},
            "converse": {"toolResult": {}},
        }
        return shapes[self.dialect]


def found(body: Any, shape: Shape) -> list[str]:
    """Every object in ``body`` that contains ``shape``, as JSON."""
    return [json.dumps(value) for value in _objects(body) if _fits(value, shape)]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(inner)


def _fits(value: Any, shape: Any) -> bool:
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(key in value and _fits(value[key], shape[key]) for key in shape)
    return bool(value == shape)


def _lane(name: str, **about: Any) -> ProgramLane:
    lane = next(lane for lane in vendors.LANES if lane.name == name)
    return ProgramLane(lane.name, lane.vendor, lane.model, lane.passes, **about)


# A compatible server's model, which shows its thinking; for OpenAI's own models this depends on the name.
OPENAI = replace(_lane("openai", dialect="chat", maker="openai"), model="qwen3-coder")
RESPONSES = replace(OPENAI, name="openai responses", model="gpt-5.5", dialect="responses", keys="responses = true\n")
GPTS = [replace(RESPONSES, name=model, model=model) for model in ("gpt-5.5", "gpt-5.6-sol", "gpt-6-astra", "gpt-6-sol")]
# Claude Code sends system messages inside the conversation to unknown model names; older Claude models reject them.
ANTHROPIC = replace(_lane("anthropic", overloaded=529), model="claude-opus-4-8")
GEMINI = _lane("gemini", dialect="gemini", maker="google")
# From this generation on the vendor requires the signatures back.
GEMINI_3 = replace(GEMINI, name="gemini 3", model="gemini-3-pro-preview")
VERTEX = _lane("vertex gemini", dialect="gemini", maker="google")
VERTEX_CLAUDE = _lane("vertex claude", overloaded=529)
BEDROCK_CLAUDE = _lane("bedrock claude", maker="bedrock")
CONVERSE = _lane("bedrock converse", dialect="converse", maker="bedrock", returns=False)
GPT_OSS = replace(CONVERSE, name="bedrock gpt-oss", model="openai.gpt-oss-120b-1:0", returns=True, signs=False)

VENDORS = [OPENAI, ANTHROPIC, GEMINI, BEDROCK_CLAUDE, CONVERSE]
"""One lane for each way of translation."""

EVERY = [*VENDORS, VERTEX, VERTEX_CLAUDE]
THINKERS = [*EVERY, GEMINI_3, GPT_OSS, *GPTS]
"""The same, and the lanes that treat thinking differently."""
