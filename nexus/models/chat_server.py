"""What a server that speaks OpenAI's chat dialect accepts, independent of its model.

Facts about servers, by their names in the ``quirks`` setting of ``type = "openai"``: operators of compatible servers
configure what no model name reveals. Sources are next to the facts, November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nexus.dataclasses import dataclass, field, fields
from nexus.wire import Json


def _fact(about: str) -> Any:
    return field(default=False, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class ChatServer:
    """By default a server accepts what the API's types define, in its oldest spelling."""

    max_completion_tokens: bool = _fact("the output limit is spelled max_completion_tokens")
    developer_role: bool = _fact("system text is sent with the role developer")
    system_first: bool = _fact("a system message is accepted only at the start; later ones become marked user messages")
    string_content: bool = _fact(
        "content must be a string wherever it is text alone; blocks are joined by a blank line"
    )
    no_stream_usage: bool = _fact("stream_options is refused")
    no_reasoning_effort: bool = _fact("reasoning_effort is refused")
    no_effort_none: bool = _fact("reasoning_effort has no `none`: off becomes `low`, reported as dropped")
    thinking_type: bool = _fact(
        "thinking, on by default, is switched off by thinking.type, also if a tool is forced (DeepSeek, Kimi)"
    )
    enable_thinking: bool = _fact("as thinking_type, but by enable_thinking (Qwen's models at Alibaba)")
    no_whole_thinking: bool = _fact("thinking is refused in answers that are not streamed (Qwen3 at Alibaba)")
    always_thinks: bool = _fact(
        "thinking cannot be switched off (Kimi K2.7 Code): off becomes `low`, reported as dropped"
    )
    no_reasoning_history: bool = _fact(
        "reasoning_content, _details, thinking_blocks and extra_content in history are refused"
    )
    json_arguments: bool = _fact(
        "arguments of calls in a history that passes through must be JSON objects (vLLM, llama.cpp)"
    )
    no_sampling: bool = _fact("temperature, top_p, penalties and logit_bias are refused")
    no_stop: bool = _fact("stop is refused (xAI's reasoning models): Nexus cuts the answer itself")
    no_metadata: bool = _fact("metadata is refused")
    no_user: bool = _fact("user, which Claude Code always names, is refused (Mistral)")
    no_seed: bool = _fact("seed is refused (Mistral)")
    no_strict: bool = _fact("strict on tools is refused, or refused on only some of them (Cohere, Cerebras)")
    typed_schemas: bool = _fact(
        "every part of a schema must have one type, without references, and a tool's name begin with a letter (Kimi)"
    )
    plain_tools: bool = _fact("patterns and lengths in tools' schemas are refused (llama.cpp, LM Studio)")
    listed_required: bool = _fact("each object in a tool's schema must have required (servers of DeepSeek's models)")
    no_json_schema: bool = _fact("response_format does not support json_schema")
    cache_control: bool = _fact("Anthropic's cache_control is understood on content parts and tools")
    cache_breakpoint: bool = _fact("OpenAI's prompt_cache_breakpoint is understood on content parts")
    prompt_cache_key: bool = _fact("prompt_cache_key is understood (Mistral, Fireworks), which cached input depends on")
    reasoning_with_calls: bool = _fact(
        "in a history with tools each answer must have reasoning_content (DeepSeek, Kimi)"
    )
    output_images: bool = _fact(
        "images of models are accepted in assistant messages (OpenRouter); otherwise a text replaces them"
    )
    think_tags: bool = _fact(
        "an answer's content that begins with <think>...</think> begins with thinking, and is sent back so"
    )
    thinking_parts: bool = _fact("thinking that came as a part of the content is sent back as one (Mistral)")
    no_user_after_tool: bool = _fact(
        "a user message must not follow tool messages at once (Mistral), so that an answer comes between, nor another, "
        "so that they become one"
    )
    mistral_tool_ids: bool = _fact("tool call ids are nine letters or digits")

    @property
    def off_switch(self) -> dict[str, Json] | None:
        """What switches off thinking that is on by default, if anything does."""
        if self.always_thinks:
            return None
        if self.thinking_type:
            return {"thinking": {"type": "disabled"}}
        return {"enable_thinking": False} if self.enable_thinking else None


PLAIN = ChatServer()

FACTS: Mapping[str, str] = {fact.name: fact.metadata["about"] for fact in fields(ChatServer)}
"""Every name and its meaning."""
