"""Recognizes quirks that are not configured, by the error messages of servers that reject what a translation sends.

Each pattern matches wording that no other rejection has. Sources: Ollama (claude-code-router #972, cherry-studio
#18744), xAI (hermes-agent #23088, litellm #16265, NativeTavern #83), Azure (litellm #13432, Pulse #1867), llama.cpp and
vLLM with Qwen's templates (llama.cpp #20733, #27107), Mistral (avante.nvim #2695, crush #1590, eca #231; its templates:
openclaude #241, opencode #5034; its 422 for ``user``: openai-compatible-conversation #26), Groq's and Cerebras' "is
unsupported" (livekit/agents #1274), DeepSeek's and Kimi's thinking mode (hermes-agent #17455; with a forced tool
DeepSeek-V3 #1376, oh-my-pi #1077, cc-switch #6367; switched off Kimi-K2 #141), Alibaba's (eino #994, agentscope #1608,
with Qwen 3.8 in September 2026; in whole answers langchain4j #3974, spring-ai-alibaba #867, claude-code-router #948),
NVIDIA's (picoclaw #1019, CLIProxyAPI #4149); thinking in a history: Databricks (litellm #36931, #36944), MiniMax
(gemini-cli-pro #33), which also rejects a second system message (oh-my-pi #954, CodexPlusPlus #267); Kimi, of names of
tools (openclaw #79179); DeepSeek, of missing ``required`` (hermes-agent #95524, Reasonix #4086, dsh-llm-agentrouter
#2); llama.cpp, of patterns and lengths (opencodex #2135, llama.cpp #25746, hermes-agent #20052); earlier arguments that
are broken (vllm #43995, llama.cpp #22948, autolith #56); ``user`` and ``metadata`` on Responses (CLIProxyAPI #1119,
claude-code-router #1730); lists of levels of thinking: Mistral (mistral-vibe #1117), Groq (pi #1745), SGLang, Kimi and
CLIProxyAPI (CLIProxyAPI #1572 and #1307, quotio #287), vLLM (sparkring #184), Copilot (copilot-cli #3080); OpenRouter's
thinking that cannot be off (claude-code-router #1215; with Gemini 3.7 in August 2026 rakazo #114); ``strict`` on tools:
Cerebras (Roo-Code #10334, livekit/agents #3134), Cohere (openrouter-examples #71); thinking beside tools: OpenAI's own
words (litellm #34569), of Azure's chat completions too (oh-my-pi #11052); models of one API only: Copilot's
(ericc-ch/copilot-api #274, 9router #1536), Bedrock Mantle's (big-AGI #1167), OpenAI's own.
"""

from __future__ import annotations

import re

from nexus.dataclasses import dataclass, replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern
from nexus.models import gpt
from nexus.models.efforts import LEVELS
from nexus.protocols.codec import Target
from nexus.provider.rejected import NOT_ENABLED, UNKNOWN, Rejectable, rejected_by, with_rejected
from nexus.wire import decode, mapping

SUMMARY = "reasoning.summary"
"""The parameter that OpenAI names if an organization is not verified."""

EFFORT, HISTORY, NEW_LIMIT = "no_reasoning_effort", "no_reasoning_history", "max_completion_tokens"
ARGUMENTS, STRICT = "json_arguments", "no_strict"
RULES, REQUIRED, WHOLE = "plain_tools", "listed_required", "no_whole_thinking"

_IN_PASSTHROUGH = frozenset(
    {HISTORY, ARGUMENTS, NEW_LIMIT, STRICT, RULES, REQUIRED, WHOLE, "no_stream_usage", "no_user", "no_metadata"}
)

_IN_BOTH = (EFFORT, "no_effort_none", ARGUMENTS, "thinking_type", "enable_thinking", "no_user", "no_metadata", RULES)
"""The quirks that also apply to Responses."""

_OPTIONAL = ("user", "seed", "metadata")
"""Members of the body that Mistral and others do not know."""

_SAMPLING = r"(temperature|top_?p|(presence|frequency)_?penalty)"
_XAI = r"(support parameter|argument not supported on this model:)"
_STATUSES = (400, 422, 500)
"""500 is llama.cpp's status for what a model's template rejects."""

_VALUE = pattern(r"\bvalues?\b|\bone of\b|\bshould be\b|\bmust be\b|\bvalid levels\b", re.IGNORECASE)
_LEVEL = pattern(rf"(?<![\w.-])(?:{'|'.join(LEVELS)})(?![\w-])")
"""A level as a whole word: names of models may end in one."""
_EXCLUSIVE = "thinking beside tools"
"""Not a fact of ChatServer: the model is one of OpenAI's newer ones, which on chat completions cannot do both."""

_LISTED = "levels of thinking: "
"""Begins a quirk that is not a fact of ChatServer: the levels that a model has, as the server listed them."""

_MEMBERS = Rejectable(
    (
        *("access_programs", "client_metadata", "safety_identifier", "stream_options"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
        *(f"input.*.{name}" for name in ("internal_chat_message_metadata_passthrough", "metadata", "status")),
        *(f"messages.*.{name}" for name in ("annotations", "metadata", "provider_specific_fields", "refusal")),
    )
)
_STATE = Rejectable(("store", "include"))
"""Codex' ``access_programs`` (opencodex #4853, codex #46398), ``client_metadata`` (Semoss #2532) and what it adds to
items (codex #30161 and #29469); ``prompt_cache_key``, which OpenCode and Kimi Code send to every server (zed #36215,
kimi-code #3660, opencode #45113), ``prompt_cache_options`` (rust-genai #274), ``safety_identifier`` (codex-lb #130),
``status`` of items (codex-proxy-rs #194); what answers have and clients send back (holmesgpt #1943, litellm #30882).
``_STATE`` is what other servers than OpenAI's need not be told, because they neither store nor encrypt (opencode
#32108)."""


@dataclass(frozen=True, slots=True)
class _Row:
    """``quirk`` is the name of a fact in ChatServer, ``words`` matches the error message, ``sent`` must be in the body
    for the message to mean this quirk.
    """

    quirk: str
    words: re.Pattern[str]
    sent: bytes = b""


def _row(quirk: str, words: str, sent: bytes = b"") -> _Row:
    return _Row(quirk, pattern(words, re.IGNORECASE | re.DOTALL), sent)


_ROWS = (
    _row(
        _EXCLUSIVE,
        r"function tools with reasoning_effort are not supported\b.{0,200}\bset reasoning_effort",
        b'"tools"',
    ),
    _row(EFFORT, r"reasoning[ _.]?effort|reasoning value|support (thinking|reasoning)\b|valid levels", b'effort"'),
    _row("no_effort_none", r"reasoning is mandatory", b'effort":"none"'),
    _row(NEW_LIMIT, r"use \W?max_completion_tokens", b'"max_tokens"'),
    _row(
        "system_first",
        r"system message must be (at the beginning|the first|first)|invalid (message role: system|chat setting)|"
        r"roles are supported, got system",
        b'"system"',
    ),
    _row(
        "string_content",
        r"content\b.{0,60}(invalid type: sequence|value must be a string|expected a string\b(?!.{0,20}null)|"
        r"should be a valid string|str type expected|must be a string|type should be .?str\b)",
        b'"content":[{"type":"text"',
    ),
    _row(
        "no_user_after_tool",
        r"unexpected role \W?user\W? after role \W?tool|roles must alternate user\b",
        b'"role":"user"',
    ),
    _row("mistral_tool_ids", r"tool call id .{1,80} length of 9", b'"tool_call'),
    _row("reasoning_with_calls", r"reasoning_content\W.{0,60}(missing|must be passed)|missing \W?reasoning_content"),
    _row("thinking_type", r"support this tool_choice|tool_choice\b.{0,30}incompatible with thinking", b'"tool_choice"'),
    _row("always_thinks", r"only type=enabled is allowed", b'"type":"disabled"'),
    _row(WHOLE, r"enable.thinking\b.{1,60}(non-streaming|stream=False)|enable_thinking.{1,20}非流式"),
    _row("enable_thinking", r"tool_choice\b.{0,20}not support.{0,60}\bin thinking mode", b'"tool_choice"'),
    # The last words are those of Python's JSON parsers, which vLLM and SGLang return.
    _row(
        ARGUMENTS,
        r"parse tool call arguments|arguments must be (valid|a) JSON|: line \d+ column \d+ \(char \d+\)",
        b'"arguments"',
    ),
    *(
        _row(HISTORY, rf"{name}\W{{0,3}}((is|was) |: )?{UNKNOWN}|{UNKNOWN}\W.{{0,60}}{name}", f'"{name}"'.encode())
        for name in ("reasoning_content", "reasoning_details", "thinking_blocks", "extra_content", "thoughtSignature")
    ),
    _row(HISTORY, r"mismatch type \S*reasoningdetail", b'"reasoning_details"'),
    _row(HISTORY, rf"messages?\b.{{0,80}}\breasoning\W{{0,3}}((is|was) |: )?{UNKNOWN}", b'"reasoning":"'),
    _row(HISTORY, rf"{UNKNOWN}\W.{{0,60}}messages?\b.{{0,60}}\breasoning\b", b'"reasoning":"'),
    _row("no_stop", rf"{_XAI} \W?stop\b", b'"stop"'),
    _row("no_sampling", rf"{_XAI} \W?{_SAMPLING}\b"),
    _row("no_sampling", rf"invalid {_SAMPLING}: only \S+ is allowed"),
    _row("no_sampling", rf"\W{_SAMPLING}\W (is|does) not support"),
    _row("no_stream_usage", rf"{UNKNOWN}\W.{{0,60}}stream_options|stream_options\W.{{0,40}}{UNKNOWN}", b"stream_opt"),
    *(
        _row(
            f"no_{name}",
            rf"(^ ?|\bbody\W{{1,6}}|\bproperty \W?|\(\W){name}\W{{0,6}}((is|was) |msg\W{{1,4}})?{UNKNOWN}|"
            rf"{UNKNOWN}.{{0,40}}: \W?{name}\b",
            f'"{name}":'.encode(),
        )
        for name in _OPTIONAL
    ),
    _row(
        STRICT,
        r"tools with (mixed values for \W?strict|strict=true)|parameter \W?strict\W is not a valid",
        b'"strict":',
    ),
    _row(RULES, r"\bpars(e|ing) grammar\b", b'"tools"'),
    _row(REQUIRED, r"null is not of type \W{1,2}array", b'"tools"'),
    _row("typed_schemas", r"valid moonshot flavored json schema|name is invalid, must start with a letter"),
    _row("no_json_schema", r"response_format type is unavailable|json_schema\W.{0,40}not support", b'"json_schema"'),
)


ONLY = "only "
"""Begins a quirk that is not a fact of ChatServer: the only one of OpenAI's dialects in which the model answers."""

_OTHER = r"\bmodel\b.{0,120}\b(not accessible via the|not support( the)?|only supported in) \W?"
_DIALECTS = {
    "chat": ("responses", pattern(_OTHER + r"((/v1)?/chat/completions|v1/responses)", re.IGNORECASE)),
    "responses": ("chat", pattern(_OTHER + r"((/v1)?/responses|responses api)", re.IGNORECASE)),
}


def other_dialect(refused: VendorFailure, dialect: str) -> str | None:
    """The dialect in which the model answers, if the error says that it does not in this one."""
    other, words = _DIALECTS[dialect]
    return other if refused.status in (400, 404) and words.search(refused.message) else None


_FUNCTIONS = pattern(
    r"only \W?type\W{1,4}function\W{1,3}tools are supported|invalid value: \W?(custom|namespace)\b"
    r"|\btype\W{1,2} of tool must be \W?function\b",
    re.IGNORECASE,
)


def takes_functions_only(refused: VendorFailure, dialect: str) -> bool:
    """Whether a server of Responses rejects other tools than functions, which they become for its chat completions.
    CommandCode's words (command-code #885), Copilot's (gh-aw-firewall #8350) and llama.cpp's (unsloth #5141)."""
    return dialect == "responses" and refused.status == 400 and _FUNCTIONS.search(refused.message) is not None


def only_dialect(quirks: frozenset[str]) -> str | None:
    return next((quirk.removeprefix(ONLY) for quirk in quirks if quirk.startswith(ONLY)), None)


def refuses_summary(refused: VendorFailure) -> bool:
    return refused.status == 400 and refused.vendor_param == SUMMARY


def quirk_of(refused: VendorFailure, dialect: str, body: bytes, *, is_openai: bool = False) -> str | None:
    """The quirk that the error reveals, or None."""
    words = f"{refused.vendor_param} {refused.message}"
    if refused.status not in _STATUSES:
        return None
    found = (row.quirk for row in _ROWS if row.sent in body and row.words.search(words))
    quirk = next((quirk for quirk in found if dialect == "chat" or quirk in _IN_BOTH), None)
    if quirk is None:
        return _MEMBERS.quirk_of(refused, body) or (None if is_openai else _STATE.quirk_of(refused, body))
    return (_listed(refused.message, body) or quirk) if quirk == EFFORT else quirk


def adapts_passthrough(quirk: str) -> bool:
    """Whether requests that pass through are adapted to the quirk, too."""
    return quirk in _IN_PASSTHROUGH or bool(rejected_by(quirk))


def _listed(message: str, body: bytes) -> str | None:
    """The quirk of a model whose levels of thinking the message lists, except the rejected one."""
    if not _VALUE.search(message):
        return None
    asked = mapping(decode(body))
    named = {*_LEVEL.findall(message)} - {asked.get("reasoning_effort"), mapping(asked.get("reasoning")).get("effort")}
    return _LISTED + ", ".join(level for level in LEVELS if level in named) if named else None


def holds_always(quirk: str, refused: VendorFailure) -> bool:
    """False if an effort was rejected as a value, so that other values may work; or a member for one organization."""
    return NOT_ENABLED not in refused.message and (quirk != EFFORT or _VALUE.search(refused.message) is None)


def without_summary(target: Target) -> Target:
    return replace(target, summary="off")


def with_quirks(target: Target, quirks: frozenset[str]) -> Target:
    if not quirks:
        return target
    facts, efforts = [], target.efforts
    for quirk in quirks:
        if quirk.startswith(_LISTED):
            listed = quirk.removeprefix(_LISTED).split(", ")
            efforts = tuple(level for level in (LEVELS if efforts is None else efforts) if level in listed)
        elif quirk == _EXCLUSIVE:
            target = replace(target, gpt=replace(gpt.known(target.model) or gpt.LATER, chat="with_none"))
        elif not quirk.startswith(ONLY) and not rejected_by(quirk):
            facts.append(quirk)
    return replace(
        with_rejected(target, quirks), efforts=efforts, chat=replace(target.chat, **dict.fromkeys(facts, True))
    )
