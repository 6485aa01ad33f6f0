"""What OpenAI's own models take and refuse, by family, on api.openai.com and on other servers that have its APIs.

Pure; facts about a model live here and nowhere else, and nothing is guessed upwards: a name that no row knows has
no effort above ``high``. Other compatible servers are chat_server.py's. Sources, all read November 2026:

- effort levels, tools on chat, sampling: OpenAI's guides "Deployment checklist" and "Using GPT-6"; the SDK's
  ReasoningEffort; the service's own 400s in openai-openapi #541 (gpt-5.4), litellm #34569 and livekit/agents #7169
  (gpt-5.6), Aether #1026 (gpt-5.5); `max` of gpt-5.6: big-AGI #1159, which asked each model, opencode #36135 and
  #48195, AntSeed #1040 by its pages; `xhigh` since gpt-5.2: its announcement (stdapi.ai #8), pr-agent #3271, ChatMock
  #101 (5.2 and 5.3 with Codex's), the capability table of meerkat-core 0.6 (5.3-codex)
- models that chat completions do not serve: ``openai.types.shared.ResponsesModel`` of the Python SDK 3.57, those that
  are not in ``ChatModel``; Codex's by their own pages
- ``verbosity`` other than medium, which is every model's: the guide "Using GPT-5"; all levels were asked of the models
  up to GPT-5.6 in big-AGI #947, #930 and llmgateway #2989; refused by Codex's older models, says its cookbook, and in
  codex #9035; by gpt-4o in concordia #164. Of GPT-6 nobody tells: taken as GPT-5.6 takes it
- ``stop``: the SDK's completion_create_params (o3, o4-mini); the service's 400s in smolagents #1671, #1868, #1893
- 16 tokens at least: the service's 400 ``integer_below_min_value`` (hindsight #58, pi #6265)
- breakpoints of the prompt cache, from GPT-5.6 on: ``openai.types.responses.ResponseCreateParams``, the guide "Prompt
  caching"
- ``phase`` of the assistant's messages, from gpt-5.3-codex on: ``openai.types.responses.ResponseOutputMessageParam``
- ``minimal``, and what has no ``none``: the reasoning guide's notes that the SDKs of 2025 and Azure's reference repeat
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from nexus.dataclasses import dataclass
from nexus.late import pattern
from nexus.models.chat_server import PLAIN, ChatServer
from nexus.models.efforts import OFF
from nexus.models.names import model_name
from nexus.models.tool_rules import NameRule

TOOL_NAMES: Final = NameRule("a-zA-Z0-9_-", 64)
"""openai.types.shared_params.FunctionDefinition; compatible servers took it over."""

LEAST_OUTPUT: Final = 16
"""The smallest ``max_output_tokens`` of the Responses API."""

MOST_STOPS: Final = 4
"""How many ``stop`` sequences chat completions take."""


@dataclass(frozen=True, slots=True)
class GPT:
    """``efforts`` are the levels of thinking, least first; empty: none can be asked for.

    ``chat`` says which requests chat completions take: those with tools too, "without_effort" (but ``none``), only with
    effort ``none``, those without tools, or none at all. ``sampling`` says whether temperature and its like are taken,
    ``verbosity`` whether it may be asked to say much or little, ``phases`` whether it wants to be told which of its
    words were said on the way and which were the answer, ``breakpoints`` whether its prompt cache is told where to end.
    ``verified`` is false where no document says so: then the row is what is refused nowhere.
    """

    efforts: tuple[str, ...] = ("low", "medium", "high")
    reasons: bool = True
    chat: Literal["tools", "without_effort", "with_none", "without_tools", "never"] = "tools"
    stop: bool = True
    sampling: Literal["always", "with_none", "never"] = "with_none"
    verbosity: bool = True
    phases: bool = False
    breakpoints: bool = False
    verified: bool = True

    def takes_sampling(self, effort: object) -> bool:
        """Whether temperature and its like may stand beside this effort."""
        return self.sampling == "always" or (self.sampling == "with_none" and effort == OFF)


_THREE = ("low", "medium", "high")
_FOUR = (*_THREE, "xhigh")
_FIVE = (*_FOUR, "max")

_PLAIN = GPT(efforts=(), reasons=False, sampling="always", verbosity=False)
_O = GPT(_THREE, stop=False, sampling="never", verbosity=False)
_GPT_5 = GPT(("minimal", *_THREE), stop=False, sampling="never")
_GPT_5_1 = GPT((OFF, *_THREE), stop=False)
_GPT_5_4 = GPT((OFF, *_FOUR), stop=False, chat="without_effort", phases=True)
_GPT_5_5 = replace(_GPT_5_4, stop=True)
_GPT_5_2 = replace(_GPT_5_1, efforts=(OFF, *_FOUR))
_GPT_5_6 = replace(_GPT_5_5, efforts=(OFF, *_FIVE), chat="with_none", breakpoints=True)
_GPT_6 = GPT((OFF, *_FIVE), chat="with_none", phases=True, breakpoints=True)
_ALWAYS = GPT(_FIVE, chat="without_tools", phases=True, breakpoints=True)
_LATER = GPT(_THREE, chat="with_none", phases=True, breakpoints=True, verified=False)
_RESPONSES_ONLY = GPT(_THREE, chat="never", stop=False, sampling="never", verbosity=False, verified=False)

UNKNOWN: Final = GPT(_THREE, reasons=False, sampling="always", verbosity=False, verified=False)
"""A model of OpenAI's that no row knows."""

_ROWS: Mapping[str, GPT] = {
    r"gpt-(3|4|35)(?!\d).*|gpt-4o.*|chatgpt-.*|gpt-(audio|realtime|image|search).*": _PLAIN,
    r"gpt-5-chat.*": _PLAIN,
    r"gpt-5\.\d+-chat.*": replace(_PLAIN, verbosity=True),
    r"o1-(mini|preview).*": replace(_O, efforts=()),
    r"o\d(-mini)?-(pro|deep-research).*|codex-mini.*": replace(_RESPONSES_ONLY, verified=True),
    r"computer-use-preview.*": replace(_RESPONSES_ONLY, efforts=()),
    r"o\d.*": _O,
    r"gpt-5-pro.*": replace(_RESPONSES_ONLY, efforts=("high",), verbosity=True, verified=True),
    r"gpt-5\.\d+-pro.*": replace(_RESPONSES_ONLY, efforts=("medium", "high"), verbosity=True),
    r"gpt-5\.1-codex-max.*": replace(_RESPONSES_ONLY, efforts=_FOUR, verified=True),
    r"gpt-5\.3-codex.*": replace(_RESPONSES_ONLY, efforts=_FOUR, verbosity=True, phases=True, verified=True),
    r"gpt-5\.2-codex.*": replace(_RESPONSES_ONLY, efforts=_FOUR, verified=True),
    r"gpt-5(\.\d+)?-codex.*": replace(_RESPONSES_ONLY, verified=True),
    r"gpt-.*-(cyber|rosalind|law).*|gpt-(rosalind|daybreak).*": _RESPONSES_ONLY,
    r"gpt-5(-.*)?": _GPT_5,
    r"gpt-5\.1(-.*)?": _GPT_5_1,
    r"gpt-5\.[23](-.*)?": _GPT_5_2,
    r"gpt-5\.4(-.*)?": _GPT_5_4,
    r"gpt-5\.5(-.*)?": _GPT_5_5,
    r"gpt-5\.6(-.*)?": _GPT_5_6,
    r"gpt-6-astra.*|gpt-6\.1-sol.*|gpt-6\.2(-.*)?": _ALWAYS,
    # Its guide tells no levels: it may know ``none`` or not, and take tools on chat with it or not.
    r"gpt-6\.1(-.*)?": replace(_ALWAYS, chat="with_none", verified=False),
    r"gpt-6(-.*)?": _GPT_6,
    r"gpt-\d.*": _LATER,
}
"""The first pattern that fits the whole name holds."""

_COMPILED = tuple((pattern(names), row) for names, row in _ROWS.items())


@functools.lru_cache(maxsize=1024)
def known(model: str) -> GPT | None:
    """The row of the model of this name, with or without a host's or a fine-tuning's prefix; None for any other's."""
    name = model_name(model).name
    return next((row for pattern, row in _COMPILED if pattern.fullmatch(name)), None)


@functools.lru_cache(maxsize=256)
def on_chat(gpt: GPT, server: ChatServer = PLAIN) -> ChatServer:
    """The server as such a model makes it: how a chat request has to be spelled."""
    developer = server.developer_role or gpt.reasons
    return replace(
        server,
        max_completion_tokens=True,
        no_reasoning_history=True,
        developer_role=developer,
        cache_breakpoint=server.cache_breakpoint or gpt.breakpoints,
    )


def refused_on_chat(gpt: GPT, *, tools: bool, effort: str | None) -> bool:
    """Whether OpenAI refuses such a request on chat completions, and takes it on Responses."""
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
"""What asks for nothing."""


def has_others_words(gpt: GPT, document: Mapping[str, object]) -> bool:
    """Whether a chat request has words of other models that such a one refuses: what other servers call thinking, the
    old name of the output limit, or sampling."""
    if document.get("reasoning") or document.get("thinking"):
        return True
    if not gpt.reasons:
        return False
    sampled = any(document.get(name) not in (None, nothing) for name, nothing in _NO_SAMPLING.items())
    return document.get("max_tokens") is not None or (
        sampled and not gpt.takes_sampling(document.get("reasoning_effort"))
    )
