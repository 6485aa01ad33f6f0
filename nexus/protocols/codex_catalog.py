"""The catalog of models that Codex reads from ``/v1/models?client_version=``: context windows, efforts, tools.

A Codex version rejects the whole catalog if it contains a value that it does not know, so efforts are those that all
versions know. Source: openai/codex, protocol/src/openai_models.rs, tested with Codex 0.171.0. An entry
must have instructions; these are ours, not Codex's.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus.protocols.dialect import ModelCard
from nexus.wire import Json

WINDOW = 200_000
"""Context window in tokens of a model for which none is known."""

EFFORTS = ("minimal", "low", "medium", "high", "xhigh")

INSTRUCTIONS = """\
You are a coding agent that works in the user's terminal, on the files of the current folder.

- Work until the task is done. Read the code that you change before you change it, and keep to its style.
- Look at files and run commands with the shell tool; prefer rg to grep and find. Edit files with apply_patch.
- Change what the task needs and nothing else. Never undo changes that you did not make. Do not commit unless asked to.
- Follow the instructions of AGENTS.md files: those in a folder hold for everything below it.
- Check your work: run the tests, the linter or the program where there are any, and say what you could not check.
- For work of several steps keep a short plan, and keep it up to date.
- If a command is refused or fails, say so and find another way; never work around a sandbox.
- Answer in plain, short sentences: what you did, where (path:line), and what is left to do.
"""


def codex_catalog(cards: Sequence[ModelCard]) -> list[Json]:
    return [_entry(card, priority) for priority, card in enumerate(cards)]


def _entry(card: ModelCard, priority: int) -> dict[str, Json]:
    efforts = [effort for effort in card.efforts if effort in EFFORTS]
    levels: list[Json] = [{"effort": effort, "description": f"Thinks at level {effort}"} for effort in efforts]
    default: Json = "medium" if "medium" in efforts else None
    return {
        "slug": card.id,
        "display_name": card.display_name or card.id,
        "description": card.description,
        "default_reasoning_level": default,
        "supported_reasoning_levels": levels,
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": True,
        "priority": priority,
        "availability_nux": None,
        "upgrade": None,
        "base_instructions": INSTRUCTIONS,
        "model_messages": None,
        "supports_reasoning_summaries": bool(efforts),
        "default_reasoning_summary": "auto",
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": "freeform",
        "truncation_policy": {"mode": "tokens", "limit": 10_000},
        "supports_parallel_tool_calls": True,
        "supports_image_detail_original": False,
        "context_window": card.context or WINDOW,
        "auto_compact_token_limit": None,
        "effective_context_window_percent": 95,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"],
        "supports_search_tool": False,
    }
