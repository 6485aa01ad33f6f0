"""Reasoning and signatures on a wire that has official fields for neither.

What a client echoes unchanged comes back whole. Reasoning text is ``reasoning_content`` (``reasoning`` is read
too). Where any of it is signed or redacted, ``reasoning_details`` repeats it part by part, in the shape that
OpenRouter's clients already carry, with our tagged signatures:

    {"type": "reasoning.text", "text": ..., "signature": "nexus.<dialect>.<signature>", "index": n, "position": [c, t]}
    {"type": "reasoning.encrypted", "data": "nexus.<dialect>.<signature>", "index": n, "position": [c, t]}

``position`` says how many characters of content and how many tool calls came before; it is left out at [0, 0]. A tool
call's signature, and the last one of the text on the message itself, travels in ``extra_content``: Gemini's as
``google.thought_signature``, Google's own form, any other as ``nexus.seal``. A client that drops these
fields and keeps the text alone sends back unsigned reasoning, which no writer sends to a vendor.

A vendor's reasoning gets a signature of this dialect: "" or "reasoning" for bare text, else the JSON of its details
entry (or of its ``extra_content``) so that it goes back as it came. LiteLLM sends Claude's blocks as they are, in
``thinking_blocks``; in a client's history they are Claude's own. GitHub Copilot sends ``reasoning_text`` and its
signature, ``reasoning_opaque``. Sources: DeepSeek's and OpenRouter's reasoning guides, Google's thought signatures
guide, LiteLLM's page on reasoning content; opencode #8900 and gptel #1384.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nexus.conversation.parts import Part, Reasoning, Signature, Text, ToolCall
from nexus.dataclasses import replace
from nexus.protocols.signatures import is_tagged, pack_signature, unpack_signature
from nexus.wire import Json, count, decode_object, encode, mapping, only, sequence, text

OWN = "chat"
BARE = Signature(OWN, "")
"""Signature of reasoning that a vendor of this dialect sent as plain text."""

NAMED = Signature(OWN, "reasoning")
"""The same if the vendor calls it ``reasoning``, and needs it back so named: Ollama reads no other name, and Groq
rejects one."""

PART = Signature(OWN, "thinking")
"""The same if it is a part of the content (Mistral)."""

Position = tuple[int, int]
_TEXT, _SUMMARY, _ENCRYPTED = "reasoning.text", "reasoning.summary", "reasoning.encrypted"
_THINKING, _REDACTED = "thinking", "redacted_thinking"
_CLAUDE = "messages"
_BESIDE = "thoughtSignature"
_COPILOTS = ("reasoning_text", "reasoning_opaque")
_REASONING = frozenset({"reasoning", "reasoning_content", "reasoning_details", "thinking_blocks", *_COPILOTS})


def in_order(message: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    """A complete message as deltas: reasoning comes first, or where a gateway like this one says that it was."""
    calls = [{**mapping(call), "index": place} for place, call in enumerate(sequence(message.get("tool_calls")))]
    if not (entries := read_entries(message)):
        yield {**message, "tool_calls": calls}
        return
    words = text(message.get("content"))
    characters = taken = 0
    if plain := plain_reasoning(message) if not any(text(entry.get(_text_key(entry))) for entry in entries) else "":
        yield {plain_signature(message).value or "reasoning_content": plain}
    for entry in entries:
        until, before = _position(entry)
        until, before = min(max(until, characters), len(words)), max(before, taken)
        yield {"content": words[characters:until], "tool_calls": calls[taken:before]}
        yield {"reasoning_details": [entry]}
        characters, taken = until, before
    rest = {name: value for name, value in message.items() if name not in _REASONING}
    yield {**rest, "tool_calls": calls[taken:]} | ({"content": words[characters:]} if characters else {})


def joined(choices: Sequence[Mapping[str, Json]]) -> tuple[Mapping[str, Json], Sequence[Mapping[str, Json]]]:
    """The message of a complete answer, and the choices that are not part of it. Copilot gives Claude's text and its
    calls a choice each (nanobot #1555)."""
    first, *others = choices
    message = mapping(first.get("message"))
    if first.get("finish_reason") != "tool_calls" or message.get("tool_calls"):
        return message, others
    messages = (mapping(choice.get("message")) for choice in others)
    return {**message, "tool_calls": [call for one in messages for call in sequence(one.get("tool_calls"))]}, ()


def is_another(known: Mapping[str, Json], entry: Mapping[str, Json]) -> bool:
    """Whether an entry is not a continuation of the known one. A block without an index ends with its signature; in
    OpenRouter's streams of GPT and Gemini the text and the encrypted entry have one index."""
    if known.get("index") != entry.get("index") or entry.get("type") not in (None, known.get("type")):
        return True
    return is_block(entry) and bool(known.get("signature") or known.get("data"))


def plain_reasoning(message: Mapping[str, Json]) -> str:
    """The reasoning text of a message or delta; some servers send both spellings with the same text."""
    return text(message.get("reasoning_content")) or text(message.get("reasoning"))


def plain_signature(message: Mapping[str, Json]) -> Signature:
    """The signature of the plain reasoning in it, by the name that it has there."""
    return BARE if text(message.get("reasoning_content")) else NAMED


def read_entries(message: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """The reasoning of a message or delta in parts, in whichever form it is sent."""
    details = [entry for value in sequence(message.get("reasoning_details")) if (entry := mapping(value))]
    details = details or [entry for value in sequence(message.get("thinking_blocks")) if (entry := mapping(value))]
    words, opaque = (message.get(name) for name in _COPILOTS)
    return details or ([only({"text": words, _COPILOTS[1]: opaque})] if words or opaque else [])


def is_block(entry: Mapping[str, Json]) -> bool:
    """Whether an entry is one of LiteLLM's, which have no index in a stream."""
    return entry.get("type") in (_THINKING, _REDACTED)


def read_echoed(message: Mapping[str, Json], bare: Signature | None) -> list[tuple[Position, Reasoning]]:
    """The reasoning of a client's history, each part with its position; ``bare`` is the signature of text without
    details. Thinking blocks without our tag are Claude's own."""
    found = [(_position(entry), _read_entry(entry, bare)) for entry in read_entries(message)]
    plain = plain_reasoning(message)
    if plain and not any(part.text for _, part in found):
        found.insert(0, ((0, 0), Reasoning(plain, bare)))
    return found


def _read_entry(entry: Mapping[str, Json], bare: Signature | None) -> Reasoning:
    part = read_detail(entry, bare)
    if not is_block(entry):
        return part
    opaque = text(entry.get("signature")) or text(entry.get("data"))
    return replace(part, signature=unpack_signature(opaque, _CLAUDE) if opaque else None)


def read_detail(entry: Mapping[str, Json], bare: Signature | None) -> Reasoning:
    """One entry of ``reasoning_details``, ours or a vendor's."""
    words = text(entry.get(_text_key(entry)))
    redacted = not words and entry.get("type") not in (_TEXT, _SUMMARY, _THINKING)
    return Reasoning(words, detail_signature(entry, bare), redacted)


def detail_signature(entry: Mapping[str, Json], bare: Signature | None) -> Signature | None:
    """Everything except the text, so that a vendor gets back what it sent."""
    opaque = text(entry.get("signature")) or text(entry.get("data"))
    if is_tagged(opaque):
        return unpack_signature(opaque, OWN)
    left_out = (_text_key(entry), "position")
    rest = {name: value for name, value in sorted(entry.items()) if name not in left_out and value is not None}
    return bare if rest.keys() <= {"type", "index"} else Signature(OWN, encode(rest).decode())


def write_details(parts: Iterable[Part]) -> list[dict[str, Json]]:
    """``reasoning_details`` for a client; empty if the text alone is sufficient."""
    details: list[dict[str, Json]] = []
    signed = False
    characters = calls = 0
    for part in parts:
        match part:
            case Reasoning():
                signed = signed or part.signature is not None or part.redacted
                entry = _write_detail(part, len(details))
                details.append(entry | ({"position": [characters, calls]} if characters or calls else {}))
            case Text(text=words):
                characters += len(words)
            case ToolCall():
                calls += 1
    return details if signed else []


def _write_detail(part: Reasoning, index: int) -> dict[str, Json]:
    signature = None if part.signature is None else pack_signature(part.signature, "")
    if part.redacted:
        return {"type": _ENCRYPTED, "data": signature or "", "index": index}
    entry: dict[str, Json] = {"type": _TEXT, "text": part.text, "index": index}
    return entry if signature is None else entry | {"signature": signature}


def interleave(
    reasoning: Sequence[tuple[Position, Reasoning]], prose: Sequence[Part], calls: Sequence[Part]
) -> list[Part]:
    """Puts reasoning back at its positions between the text and the calls of one message."""
    parts: list[Part] = []
    # The index of the next text, how much of it is written, and how many characters and calls are.
    at = cut = characters = taken = 0
    for (until, before), part in reasoning:
        while at < len(prose) and characters < until:
            head = prose[at]
            left = len(head.text) - cut if isinstance(head, Text) else 0
            if isinstance(head, Text) and characters + left > until:
                start, cut = cut, cut + until - characters
                characters = until
                parts.append(Text(head.text[start:cut], at=head.at))
            else:
                parts.append(_behind(head, cut))
                at, cut, characters = at + 1, 0, characters + left
        parts += calls[taken:before]
        taken = max(taken, before)
        parts.append(part)
    return [*parts, *(_behind(head, cut) for head in prose[at : at + 1]), *prose[at + 1 :], *calls[taken:]]


def _behind(part: Part, cut: int) -> Part:
    return replace(part, text=part.text[cut:]) if cut and isinstance(part, Text) else part


def vendor_reasoning(parts: Sequence[Reasoning]) -> dict[str, Json]:
    """A vendor's own reasoning, to be sent back to a vendor of this dialect."""
    plain: list[str] = []
    details: list[Json] = []
    blocks: list[Json] = []
    copilots: dict[str, Json] = {}
    for part in parts:
        if part.signature is None or not (entry := decode_object(part.signature.value)):
            plain.append(part.text)
        elif _COPILOTS[1] in entry:
            copilots = {_COPILOTS[0]: f"{copilots.get(_COPILOTS[0], '')}{part.text}", **entry}
        else:
            written = entry if part.redacted else {**entry, _text_key(entry): part.text}
            (blocks if is_block(entry) else details).append(written)
    words = "".join(plain) if plain else None
    name = NAMED.value if NAMED in (part.signature for part in parts) else "reasoning_content"
    return copilots | only({name: words, "reasoning_details": details or None, "thinking_blocks": blocks or None})


def read_extra(value: Json) -> Signature | None:
    """Reads ``extra_content`` that a client sends back."""
    extra = mapping(value)
    if own := text(mapping(extra.get("nexus")).get("seal")):
        return unpack_signature(own, OWN)
    if signature := text(mapping(extra.get("google")).get("thought_signature")):
        return Signature("gemini", signature)
    return vendor_signature(extra)


def write_extra(signature: Signature | None) -> dict[str, Json]:
    """The ``extra_content`` member of a text, a call or an image for a client, {} if it has no signature."""
    if signature is None:
        return {}
    if signature.dialect == "gemini":
        return {"extra_content": {"google": {"thought_signature": signature.value}}}
    return {"extra_content": {"nexus": {"seal": pack_signature(signature, "")}}}


def vendor_signature(value: Json) -> Signature | None:
    """A vendor's complete ``extra_content``."""
    extra = mapping(value)
    return Signature(OWN, encode(extra).decode()) if extra else None


def signature_of_call(call: Mapping[str, Json]) -> Signature | None:
    """Of a vendor's call, in ``extra_content`` or as Databricks has Gemini's beside it (aaif-goose/goose #8042)."""
    return vendor_signature(call.get("extra_content") or only({_BESIDE: text(call.get(_BESIDE)) or None}))


def vendor_extra(signature: Signature | None) -> dict[str, Json]:
    """The signature of a vendor's own text or call as it came, {} for any other."""
    extra = decode_object(signature.value) if signature is not None and signature.dialect == OWN else {}
    return {"extra_content": extra} if extra and _BESIDE not in extra else extra


def _text_key(entry: Mapping[str, Json]) -> str:
    return {_SUMMARY: "summary", _THINKING: "thinking"}.get(text(entry.get("type")), "text")


def _position(entry: Mapping[str, Json]) -> Position:
    position = [count(value) for value in sequence(entry.get("position"))]
    return (position[0], position[1]) if len(position) == 2 else (0, 0)
