"""A value with an effect for every field of every client's request, and of every neutral request."""

from collections.abc import Collection, Mapping
from typing import Any

from nexus.conversation.parts import Message, OutputFormat, Text, Thinking, Tool, ToolChoice
from nexus.models import claude
from nexus.models.bedrock import ConverseModel
from nexus.models.chat_server import ChatServer
from nexus.models.gemini import Gemini
from nexus.models.gpt import GPT
from nexus.protocols.codec import Target
from nexus.wire import Json, encode

HI = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CHAT_TOOLS = [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]
CLAUDE_TOOLS = [{"name": "f", "input_schema": SCHEMA}]
OPENAI_TOOLS = [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": False}]
JSON_FORMAT = {"type": "json_schema", "schema": SCHEMA}

PLAIN: Mapping[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": HI},
    "responses": {"model": "m", "input": HI},
    "messages": {"model": "m", "messages": HI, "max_tokens": 9000},
    "converse": {"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 9000}},
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {"maxOutputTokens": 9000},
    },
}

SENT: Mapping[str, Mapping[str, Any]] = {
    "chat": {
        "audio": {"voice": "alloy", "format": "wav"},
        "extra_body": {"google": {"thinking_config": {"thinking_level": "low"}}},
        "frequency_penalty": 1.0,
        "function_call": "auto",
        "functions": [{"name": "f"}],
        "google": {"thinking_config": {"thinking_level": "low"}},
        "logit_bias": {"1": 2},
        "logprobs": True,
        "max_completion_tokens": 50,
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "other"}],
        "metadata": {"a": "b"},
        "modalities": ["text", "image"],
        "model": "n",
        "moderation": {"model": "x"},
        "n": 1,
        "parallel_tool_calls": False,
        "prediction": {"type": "content", "content": "x"},
        "presence_penalty": 1.0,
        "prompt_cache_key": "k",
        "prompt_cache_options": {"mode": "explicit"},
        "prompt_cache_retention": "24h",
        "reasoning": {"effort": "low"},
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        "safety_identifier": "s",
        "seed": 3,
        "service_tier": "default",
        "stop": "x",
        "store": True,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "thinking": {"type": "enabled", "budget_tokens": 4096},
        "tool_choice": "required",
        "tools": CHAT_TOOLS,
        "top_k": 5,
        "top_logprobs": 3,
        "top_p": 0.5,
        "user": "u",
        "verbosity": "low",
        "web_search_options": {},
    },
    "responses": {
        "access_programs": [{"type": "x"}],
        "background": True,
        "background_options": {"a": 1},
        "client_metadata": {"a": "b"},
        "context_management": [{"type": "compaction"}],
        "conversation": "conv_1",
        "frequency_penalty": 1.0,
        "image": {"a": 1},
        "include": ["reasoning.encrypted_content"],
        "input": "other",
        "instructions": "s",
        "max_output_tokens": 50,
        "max_tool_calls": 2,
        "metadata": {"a": "b"},
        "model": "n",
        "moderation": {"model": "x"},
        "parallel_tool_calls": False,
        "presence_penalty": 1.0,
        "previous_response_id": "resp_1",
        "prompt": {"id": "pmpt_1"},
        "prompt_cache_key": "k",
        "prompt_cache_options": {"mode": "explicit"},
        "prompt_cache_retention": "24h",
        "reasoning": {"effort": "low"},
        "safety_identifier": "s",
        "service_tier": "default",
        "store": True,
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "temperature": 0.5,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        "tool_choice": "required",
        "tools": OPENAI_TOOLS,
        "top_logprobs": 3,
        "top_p": 0.5,
        "truncation": "auto",
        "user": "u",
    },
    "messages": {
        "anthropic_beta": ["x-1"],
        "anthropic_version": "2023-06-01",
        "betas": ["x-1"],
        "billing_policy": {"type": "x"},
        "cache_control": {"type": "ephemeral"},
        "compaction": {"type": "x"},
        "container": "c",
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "diagnostics": {"type": "x"},
        "fallback_credit_token": "t",
        "fallbacks": [{"model": "x"}],
        "inference_geo": "eu",
        "max_tokens": 50,
        "mcp_servers": [{"type": "url", "url": "https://x.test", "name": "x"}],
        "messages": [{"role": "user", "content": "other"}],
        "metadata": {"user_id": "u"},
        "model": "n",
        "output_config": {"format": JSON_FORMAT},
        "output_format": JSON_FORMAT,
        "service_tier": "standard_only",
        "speed": "fast",
        "stop_sequences": ["x"],
        "stream": True,
        "system": "s",
        "temperature": 0.5,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "thread": {"id": "x"},
        "tool_choice": {"type": "any"},
        "tools": CLAUDE_TOOLS,
        "top_k": 5,
        "top_p": 0.5,
        "user_profile_id": "x",
        "workspace_id": "x",
    },
    "converse": {
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "inferenceConfig": {"maxTokens": 50},
        "messages": [{"role": "user", "content": [{"text": "other"}]}],
        "outputConfig": {
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"name": "n", "schema": encode(SCHEMA).decode()}},
            }
        },
        "performanceConfig": {"latency": "optimized"},
        "projectIdentifier": "p",
        "promptVariables": {"a": {"text": "b"}},
        "requestMetadata": {"a": "b"},
        "serviceTier": {"type": "default"},
        "system": [{"text": "s"}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": SCHEMA}}}]},
    },
    "gemini": {
        "cachedContent": "cachedContents/x",
        "contents": [{"role": "user", "parts": [{"text": "other"}]}],
        "generationConfig": {"maxOutputTokens": 50},
        "labels": {"a": "b"},
        "modelArmorConfig": {"promptTemplateName": "x"},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "serviceTier": "standard",
        "store": True,
        "systemInstruction": {"parts": [{"text": "s"}]},
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}],
    },
}
BESIDE: Mapping[str, dict[str, Any]] = {
    "toolConfig": {"gemini": {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}]}},
    "tool_choice": {
        "chat": {"tools": CHAT_TOOLS},
        "responses": {"tools": OPENAI_TOOLS},
        "messages": {"tools": CLAUDE_TOOLS},
    },
    "parallel_tool_calls": {"chat": {"tools": CHAT_TOOLS}, "responses": {"tools": OPENAI_TOOLS}},
    "stream_options": {"chat": {"stream": True}},
    "top_logprobs": {"chat": {"logprobs": True}},
}
"""The fields that a field needs to have an effect."""

HELD = ("messages", "input", "contents", "model", "max_tokens")
"""Fields that every request has; SENT holds different values for them."""

ASKED: Mapping[str, Any] = {
    "messages": (Message("user", (Text("other"),)),),
    "system": (Text("s"),),
    "tools": (Tool("f"),),
    "tool_choice": ToolChoice("required"),
    "parallel_tools": False,
    "thinking": Thinking(True, effort="low"),
    "output_format": OutputFormat({"type": "object"}),
    "max_tokens": 50,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "seed": 5,
    "stop": ("x",),
    "logprobs": True,
    "top_logprobs": 2,
    "logit_bias": {"1": 2.0},
    "user": "u",
    "metadata": {"a": "b"},
    "service_tier": "default",
    "safety_identifier": "s",
    "image_output": True,
    "prompt_cache_key": "k",
    "cached_content": "cachedContents/c",
    "safety_settings": ({"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"},),
    "verbosity": "low",
    "stream": True,
    "include_usage": True,
}
"""Values by neutral field."""

BEST: Mapping[str, Target] = {
    "chat": Target("gpt", chat=ChatServer(cache_breakpoint=True)),
    "responses": Target("gpt", gpt=GPT(sampling="always", breakpoints=True)),
    "messages": Target("claude-sonnet-4-5", claude=claude.profile("claude-sonnet-4-5")),
    "gemini": Target("gemini", gemini=Gemini(levels=("LOW", "HIGH"), image_output=True)),
    "converse": Target(
        "best", converse=ConverseModel(top_k=True, thinking="effort", structured_output=True, cache=True)
    ),
}
"""A model of each vendor that supports every field of the table."""


def kept(ids: Collection[str]) -> dict[str, Mapping[str, Json]]:
    """An earlier answer."""
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Before."}]}
    return {id: {"answer": {"output": [said]}, "input": "Well?", "previous": None} for id in ids}
