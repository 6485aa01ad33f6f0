"""Thinking in a history that its model does not accept back. Claude's was made in another conversation, because the
client changed the system prompt, the tools or an earlier message, or in another account; OpenAI's and xAI's was made in
another organization; GPT's and Grok's on Bedrock was made by another model, or in another region, which a cross-region
profile chooses anew for every call.

A client of another protocol cannot know that this is checked, and a client of a model with several targets cannot know
where an answer came from, so the answer is requested without that thinking, on every host. Sources:
platform.claude.com, "Prefix checks on thinking blocks" (from Fable 5.1, Opus 5.5, Sonnet 5.5 and Haiku 5.5 on, November
2026); the 400 in opencode #48637; Bedrock's in hermes-agent #115865; OpenAI's in codex #8100 and #17541, xAI's in
sub2api #4535, OpenCode Zen's in oh-my-pi #11928.
"""

from __future__ import annotations

from nexus.dataclasses import replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern
from nexus.protocols.codec import Target
from nexus.provider.request import ProviderRequest, Without

_REFUSALS = {
    "messages": pattern("[Ii]nvalid .?signature.? in .?(redacted_)?thinking.? block"),
    "responses": pattern(
        r"[Ee]ncrypted content\b.{1,200} could not be verified|not decrypt\b.{1,20}\bencrypted_content\b"
        r"|encrypted_content\W{1,2}was not issued"
    ),
    "converse": pattern(r"[Ee]ncrypted (content|reasoning)\b.{1,40} different (region|model)"),
}


def without_bound(refused: VendorFailure, request: ProviderRequest) -> Without | None:
    words = _REFUSALS.get(request.dialect)
    if words is None or refused.status != 400 or not words.search(refused.message):
        return None
    return Without("thinking of another conversation", _change, moved=request.dialect != "converse")


def _change(target: Target) -> Target:
    claude, converse = replace(target.claude, takes_thinking=False), replace(target.converse, reasoning=None)
    return replace(target, claude=claude, converse=converse, takes_reasoning=False)
