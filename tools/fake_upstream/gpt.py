"""Model-specific errors of the fake OpenAI; independent of Nexus's own model facts.

The messages are those of the vendor's 400s. Unknown models are checked against the published types only. Sources:
openai-openapi #541, litellm #34569, livekit/agents #7169, big-AGI #1159 (which asked each model), smolagents #1671,
#1868 and #1893, hindsight #58, concordia #164, big-AGI #947, chatwise-releases #1257, pydantic-ai's profiles,
models.dev #2351, the guides "Deployment checklist" and "Using GPT-6", and for items the reports under vercel/ai #7543
and #12869.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LEAST_OUTPUT = 16
MOST_STOPS = 4


@dataclass(frozen=True, slots=True)
class Model:
    """``efforts`` is empty for a model without reasoning, ``default`` is the one that applies if none is set. ``tools``
    and ``sampling`` say with which effort the model accepts tools in chat, and sampling parameters; ``verbosity``,
    whether it has another than medium."""

    efforts: frozenset[str]
    tools: str = "any"
    stop: bool = True
    sampling: str = "with none"
    default: str = "medium"
    verbosity: bool = True


@dataclass(frozen=True, slots=True)
class Problem:
    message: str
    param: str
    code: str | None = "unsupported_value"


def _model(efforts: str, **more: Any) -> Model:
    return Model(frozenset(efforts.split()), **more)


MODELS = {
    r"gpt-(3\.5|4)(?!\d).*|gpt-4o.*|chatgpt-.*": _model("", sampling="always", verbosity=False),
    r"(o3|o4-mini)(-20.*)?": _model("low medium high", stop=False, sampling="never", verbosity=False),
    r"gpt-5(-mini|-nano)?(-20.*)?": _model("minimal low medium high", stop=False, sampling="never"),
    r"gpt-5\.1(-20.*)?": _model("none low medium high", stop=False, default="none"),
    r"gpt-5\.[123]-chat-latest": _model("medium", stop=False, sampling="never"),
    r"gpt-5\.[23](-20.*)?": _model("none low medium high xhigh", stop=False, default="none"),
    r"gpt-5\.4(-mini|-nano)?(-20.*)?": _model(
        "none low medium high xhigh", stop=False, tools="none or unset", default="none"
    ),
    r"gpt-5\.[245]-pro(-20.*)?": _model("medium high xhigh", stop=False, sampling="never"),
    r"gpt-5\.5(-20.*)?": _model("none low medium high xhigh", tools="none or unset"),
    r"gpt-5\.6(-sol|-terra|-luna)?": _model("none low medium high xhigh max", tools="none"),
    r"gpt-6-(sol|luna)": _model("none low medium high xhigh max", tools="none"),
    r"gpt-6-astra|gpt-6\.1-sol|gpt-6\.2-(sol|astra)": _model("low medium high xhigh max", tools="never"),
}
SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs")
DEFAULTS = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False}
NO_TOOLS = (
    "Function tools with reasoning_effort are not supported for {} in /v1/chat/completions. To use function tools, use "
    "/v1/responses or set reasoning_effort to 'none'."
)
OWN_ID = re.compile(r"rs_\d{8}_\d+")
MADE = ("message", "function_call", "custom_tool_call", "local_shell_call", "tool_search_call", "reasoning")


def known(name: Any) -> Model | None:
    return next((model for pattern, model in MODELS.items() if re.fullmatch(pattern, str(name))), None)


def chat_problems(body: dict[str, Any]) -> Iterator[Problem]:
    model, effort = known(body.get("model")), body.get("reasoning_effort")
    if model is None:
        return
    yield from _effort(model, effort, "reasoning_effort")
    unset = effort is None and model.tools == "none or unset"
    if body.get("tools") and model.tools != "any" and not unset and (effort != "none" or model.tools == "never"):
        yield Problem(NO_TOOLS.format(body["model"]), "reasoning_effort", None)
    stops = body.get("stop") or []
    if stops and not model.stop:
        yield _unsupported("stop")
    if isinstance(stops, list) and len(stops) > MOST_STOPS:
        yield Problem("Invalid 'stop': array too long. Expected an array with maximum length 4.", "stop")
    if model.efforts and body.get("max_tokens") is not None:
        yield _unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    yield from _sampling(model, effort, body)
    yield from _verbosity(model, body.get("verbosity"), "verbosity")


def responses_problems(body: dict[str, Any]) -> Iterator[Problem]:
    limit = body.get("max_output_tokens")
    if isinstance(limit, int) and limit < LEAST_OUTPUT:
        words = "Invalid 'max_output_tokens': integer below minimum value."
        words += f" Expected a value >= {LEAST_OUTPUT}, but got {limit} instead."
        yield Problem(words, "max_output_tokens", "integer_below_min_value")
    items = body["input"] if isinstance(body.get("input"), list) else []
    yield from _reasoning(items)
    model, effort = known(body.get("model")), (body.get("reasoning") or {}).get("effort")
    if model is None:
        return
    yield from _effort(model, effort, "reasoning.effort")
    if not model.efforts and "reasoning.encrypted_content" in (body.get("include") or []):
        yield Problem("Encrypted content is not supported with this model.", "include", None)
    yield from _sampling(model, effort, body)
    yield from _verbosity(model, (body.get("text") or {}).get("verbosity"), "text.verbosity")


def _unsupported(name: str, instead: str = "") -> Problem:
    words = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
    return Problem(words, name, "unsupported_parameter")


def _effort(model: Model, effort: Any, name: str) -> Iterator[Problem]:
    if effort is None or effort in model.efforts:
        return
    if not model.efforts:
        yield _unsupported(name)
        return
    named = ", ".join(f"'{level}'" for level in sorted(model.efforts))
    yield Problem(
        f"Unsupported value: '{name}' does not support '{effort}' with this model. Supported values are: {named}.", name
    )


def _sampling(model: Model, effort: Any, body: dict[str, Any]) -> Iterator[Problem]:
    if model.sampling == "always" or (model.sampling == "with none" and (effort or model.default) == "none"):
        return
    for name in SAMPLING:
        if body.get(name) not in (None, DEFAULTS.get(name)):
            yield _unsupported(name)


def _verbosity(model: Model, level: Any, name: str) -> Iterator[Problem]:
    if not model.verbosity and level not in (None, "medium"):
        words = (
            f"Unsupported value: '{name}' does not support '{level}' with this model. Supported values are: 'medium'."
        )
        yield Problem(words, name)


def _reasoning(items: list[dict[str, Any]]) -> Iterator[Problem]:
    """Problems with reasoning items: the vendor must have made the id, and the model's output must follow the item."""
    for at, item in enumerate(items):
        if item.get("type") != "reasoning":
            continue
        name = item.get("id")
        if name is not None and not OWN_ID.fullmatch(name):
            yield Problem(f"Item with id '{name}' not found.", "input", None)
        follower = items[at + 1] if at + 1 < len(items) else {}
        kind = follower.get("type", "message" if "role" in follower else None)
        if kind not in MADE or follower.get("role", "assistant") != "assistant":
            words = f"Item '{name}' of type 'reasoning' was provided without its required following item."
            yield Problem(words, "input", None)
