"""What OpenAI's own models accept and reject, by family, on api.openai.com and on other servers that have its APIs.

Pure; facts about a model live here and nowhere else, and unknown models are not assumed to have more: a name without a
row has no effort above ``high``. For other compatible servers see chat_server.py. Sources, all read November 2026:

- effort levels, tools on chat, sampling: OpenAI's guides "Deployment checklist" and "Using GPT-6"; the SDK's
  ReasoningEffort; the service's own 400s in openai-openapi #541 (gpt-5.4), litellm #34569 and livekit/agents #7169
  (gpt-5.6), Aether #1026 (gpt-5.5); `max` of gpt-5.6: big-AGI #1159, which tested each model, opencode #36135 and
  #48195, AntSeed #1040 by its pages; `xhigh` since gpt-5.2: its announcement (stdapi.ai #8), pr-agent #3271, ChatMock
  #101 (5.2 and 5.3 with Codex's), the capability table of meerkat-core 0.6 (5.3-codex)
- GPT-6.1 Terra, as GPT-6 Sol and Luna: the model catalogue and the page of @ai-sdk/openai 4.0.118
- efforts of the pro models: models.dev #2296 and #2351, from their pages; the chat models of GPT-5.1 and later, which
  think at a fixed level, without sampling: pydantic-ai's profiles, tested in July 2026, and the service's 400 in
  chatwise-releases #1257; ``none`` as the default of GPT-5.1 to 5.4: the same profiles and the SDK's ReasoningEffort
- models that chat completions do not serve: ``openai.types.shared.ResponsesModel`` of the Python SDK 3.57, those that
  are not in ``ChatModel``; Codex's by their own pages
- ``verbosity`` other than medium, which every model accepts: the guide "Using GPT-5"; all levels tested with the models
  up to GPT-5.6 in big-AGI #947, #930 and llmgateway #2989; rejected by Codex's older models, according to its cookbook
  and codex #9035; by gpt-4o in concordia #164. Undocumented for GPT-6, which is assumed to accept it as GPT-5.6 does
- ``stop``: the SDK's completion_create_params (o3, o4-mini); the service's 400s in smolagents #1671, #1868, #1893
- a minimum of 16 tokens: the service's 400 ``integer_below_min_value`` (hindsight #58, pi #6265)
- breakpoints of the prompt cache, from GPT-5.6 on: ``openai.types.responses.ResponseCreateParams``, the guide "Prompt
  caching"
- ``phase`` of the assistant's messages, from gpt-5.3-codex on: ``openai.types.responses.ResponseOutputMessageParam``
- ``minimal``, and models without ``none``: the reasoning guide's notes that the SDKs of 2025 and Azure's reference
  repeat
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final, Literal

from nexus.dataclasses import dataclass, replace
from nexus.late import pattern
from nexus.models.chat_server import PLAIN, ChatServer
from nexus.models.efforts import OFF
from nexus.models.names import model_name
from nexus.models.tool_rules import NameRule
from nexus.wire import Json, mapping, sequence

TOOL_NAMES: Final = NameRule("a-zA-Z0-9_-", 64)
"""openai.types.shared_params.FunctionDefinition; compatible servers adopted it."""

LEAST_OUTPUT: Final = 16
"""The minimum ``max_output_tokens`` of the Responses API."""

MOST_STOPS: Final = 4
"""The maximum number of ``stop`` sequences in chat completions."""


@dataclass(frozen=True, slots=True)
class GPT:
    """``efforts`` are the thinking levels, lowest first; empty if none can be requested.

    ``thinks_unasked`` says whether the model thinks by default, ``chat`` which requests chat completions accept: with
    tools ("tools"); with tools unless an effort other than ``none`` is set ("without_effort"); with tools only if the
    effort is ``none`` ("with_none"); without tools only; or never. ``sampling`` says whether temperature etc. are
    accepted, ``verbosity`` whether a verbosity is. ``phases``: whether the request should mark which of its earlier
    messages were commentary and which the final answer. ``breakpoints``: whether the request can mark where the cached
    prompt ends.
    """

    efforts: tuple[str, ...] = ("low", "medium", "high")
    reasons: bool = True
    thinks_unasked: bool = True
    chat: Literal["tools", "without_effort", "with_none", "without_tools", "never"] = "tools"
    stop: bool = True
    sampling: Literal["always", "with_none", "never"] = "with_none"
    verbosity: bool = True
    phases: bool = False
    breakpoints: bool = False

    def takes_sampling(self, effort: object) -> bool:
        """Whether temperature etc. are accepted with this effort."""
        is_off = effort == OFF or (effort is None and not self.thinks_unasked)
        return self.sampling == "always" or (self.sampling == "with_none" and is_off)


_THREE = ("low", "medium", "high")
_FOUR = (*_THREE, "xhigh")
_FIVE = (*_FOUR, "max")

_PLAIN = GPT(efforts=(), reasons=False, sampling="always", verbosity=False)
_O = GPT(_THREE, stop=False, sampling="never", verbosity=False)
_GPT_5 = GPT(("minimal", *_THREE), stop=False, sampling="never")
_GPT_5_1 = GPT((OFF, *_THREE), thinks_unasked=False, stop=False)
_GPT_5_2 = replace(_GPT_5_1, efforts=(OFF, *_FOUR))
_GPT_5_4 = replace(_GPT_5_2, chat="without_effort", phases=True)
_GPT_5_5 = replace(_GPT_5_4, thinks_unasked=True, stop=True)
_GPT_5_6 = replace(_GPT_5_5, efforts=(OFF, *_FIVE), chat="with_none", breakpoints=True)
_GPT_6 = GPT((OFF, *_FIVE), chat="with_none", phases=True, breakpoints=True)
_ALWAYS = GPT(_FIVE, chat="without_tools", phases=True, breakpoints=True)
_RESPONSES_ONLY = GPT(_THREE, chat="never", stop=False, sampling="never", verbosity=False)

LATER: Final = GPT(_THREE, chat="with_none", phases=True, breakpoints=True)
"""A model that is newer than the table."""

UNKNOWN: Final = GPT(_THREE, reasons=False, sampling="always", verbosity=False)
"""An OpenAI model without a row."""

_ROWS: Mapping[str, GPT] = {
    r"gpt-(3|4|35)(?!\d).*|gpt-4o.*|chatgpt-.*|gpt-(audio|realtime|image|search).*": _PLAIN,
    r"gpt-5-chat.*": _PLAIN,
    r"gpt-5\.\d+-chat.*": GPT(("medium",), stop=False, sampling="never"),
    r"o1-(mini|preview).*": replace(_O, efforts=()),
    r"o\d(-mini)?-(pro|deep-research).*|codex-mini.*": _RESPONSES_ONLY,
    r"computer-use-preview.*": replace(_RESPONSES_ONLY, efforts=()),
    r"o\d.*": _O,
    r"gpt-5-pro.*": replace(_RESPONSES_ONLY, efforts=("high",), verbosity=True),
    r"gpt-5\.\d+-pro.*": replace(_RESPONSES_ONLY, efforts=("medium", "high", "xhigh"), verbosity=True),
    r"gpt-5\.1-codex-max.*": replace(_RESPONSES_ONLY, efforts=_FOUR),
    r"gpt-5\.3-codex.*": replace(_RESPONSES_ONLY, efforts=_FOUR, verbosity=True, phases=True),
    r"gpt-5\.2-codex.*": replace(_RESPONSES_ONLY, efforts=_FOUR),
    r"gpt-5(\.\d+)?-codex.*": _RESPONSES_ONLY,
    r"gpt-.*-(cyber|rosalind|law).*|gpt-(rosalind|daybreak).*": _RESPONSES_ONLY,
    r"gpt-5(-.*)?": _GPT_5,
    r"gpt-5\.1(-.*)?": _GPT_5_1,
    r"gpt-5\.[23](-.*)?": _GPT_5_2,
    r"gpt-5\.4(-.*)?": _GPT_5_4,
    r"gpt-5\.5(-.*)?": _GPT_5_5,
    r"gpt-5\.6(-.*)?": _GPT_5_6,
    r"gpt-6\.1-terra.*": _GPT_6,
    r"gpt-6-astra.*|gpt-6\.[12](-.*)?": _ALWAYS,
    r"gpt-6(-.*)?": _GPT_6,
    r"gpt-\d.*": LATER,
}
"""The first pattern that matches the whole name applies."""

_COMPILED = tuple((pattern(names), row) for names, row in _ROWS.items())


@functools.lru_cache(maxsize=1024)
def known(model: str) -> GPT | None:
    """The row for a model's name, with or without a host's or a fine-tuning prefix; None if it is not OpenAI's."""
    name = model_name(model).name
    return next((row for pattern, row in _COMPILED if pattern.fullmatch(name)), None)


@functools.lru_cache(maxsize=256)
def on_chat(gpt: GPT, server: ChatServer = PLAIN) -> ChatServer:
    """The server's facts for such a model: how to write a chat request."""
    developer = server.developer_role or gpt.reasons
    return replace(
        server,
        max_completion_tokens=True,
        no_reasoning_history=True,
        developer_role=developer,
        cache_breakpoint=server.cache_breakpoint or gpt.breakpoints,
    )


def refused_on_chat(gpt: GPT, *, tools: bool, effort: str | None) -> bool:
    """Whether OpenAI rejects such a request on chat completions and accepts it on Responses."""
    match gpt.chat:
        case "tools":
            return False
        case "without_effort":
            return tools and effort not in (None, OFF)
        case "with_none":
            return tools and effort != OFF
        case "without_tools":
            return tools
        case "never":
            return True


_NO_SAMPLING: Mapping[str, float] = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
"""The neutral values."""


def chat_uses_rejected_options(gpt: GPT, document: Mapping[str, Json]) -> bool:
    """Whether a chat request uses options of other models that this one rejects, or other servers' thinking options."""
    if document.get("reasoning") or document.get("thinking"):
        return True
    return _rejects(gpt, document, document.get("reasoning_effort"), document.get("verbosity"))


def responses_uses_rejected_options(gpt: GPT, document: Mapping[str, Json]) -> bool:
    """The same for a Responses request, in which clients request encrypted thinking."""
    asks_thinking = "reasoning.encrypted_content" in sequence(document.get("include"))
    if asks_thinking and not (gpt.reasons or gpt.efforts):
        return True
    effort, verbosity = mapping(document.get("reasoning")).get("effort"), mapping(document.get("text")).get("verbosity")
    return _rejects(gpt, document, effort, verbosity)


def _rejects(gpt: GPT, document: Mapping[str, Json], effort: Json, verbosity: Json) -> bool:
    if effort is not None and effort not in gpt.efforts and gpt not in (LATER, UNKNOWN):
        return True
    if verbosity not in (None, "medium") and not gpt.verbosity:
        return True
    sampled = any(document.get(name) not in (None, nothing) for name, nothing in _NO_SAMPLING.items())
    return gpt.reasons and sampled and not gpt.takes_sampling(effort)
