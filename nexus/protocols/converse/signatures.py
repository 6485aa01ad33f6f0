"""How opaque values pass through a Converse client, which sends reasoning back unchanged.

A Reasoning part's own signature is its block's, tagged if it is from another dialect. A text or a call has no field for
one: its signature is in a reasoning block without text right before it (``next``), or right after it if it was known
only at the end (``prev``).
"""

from __future__ import annotations

import base64

from nexus.conversation.parts import Reasoning, Signature
from nexus.protocols.signatures import pack_signature, pack_thinking, unpack_signature
from nexus.wire import Json, mapping

OWN = "converse"


def write_redacted(signature: Signature | None) -> str:
    """The signature in base64, in which Bedrock's own already is."""
    if signature is None or signature.dialect == OWN:
        return "" if signature is None else signature.value
    return base64.b64encode(pack_signature(signature, OWN).encode()).decode()


def read_redacted(data: str) -> Signature:
    try:
        decoded = base64.b64decode(data, validate=True).decode()
    except ValueError:
        return Signature(OWN, data)
    tagged = unpack_signature(decoded, OWN)
    return Signature(OWN, data) if tagged.dialect == OWN else tagged


def is_foreign(block: Json) -> bool:
    """Whether a block has another vendor's reasoning, which Bedrock could not read."""
    reasoning = mapping(mapping(block).get("reasoningContent"))
    if isinstance(redacted := reasoning.get("redactedContent"), str):
        return read_redacted(redacted).dialect != OWN
    signature = mapping(reasoning.get("reasoningText")).get("signature")
    return isinstance(signature, str) and unpack_signature(signature, OWN).dialect != OWN


def reasoning_content(part: Reasoning) -> dict[str, Json]:
    if part.redacted:
        return {"redactedContent": write_redacted(part.signature)}
    return {"reasoningText": {"text": part.text, "signature": pack_thinking(part.signature, OWN)}}
