"""Compaction of conversations by any model: a summary in an item of type ``compaction``.

OpenAI's own items are encrypted, and only OpenAI can read them; ours contain their text, tagged like the signatures of
signatures.py, and become text again for every vendor, including OpenAI. An incomplete summary is not used, because the
client would lose its conversation. Sources: openai.types.responses, ResponseCompactionItem, CompactionTrigger,
CompactedResponse and ResponseCompactionCompactingEvent; openai/codex, which requests it with a trigger at the end of
its input.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Signature, Stop, StreamPart, SummaryWanted, Text
from nexus.errors import VendorError
from nexus.errors.failure import VendorFailure
from nexus.protocols.codec import Envelope
from nexus.protocols.responses.compose import Composer
from nexus.protocols.responses.items import ItemComposer, ResponseEvent
from nexus.protocols.responses.signatures import OWN
from nexus.protocols.signatures import pack_signature, unpack_signature
from nexus.wire import Json, mapping, sequence, text

_TAG = "summary"
MAY_HOLD_SUMMARY = f'"nexus.{_TAG}.'.encode()
"""Bytes without which JSON contains no summary of ours."""

ASK = (
    "Write a summary of this conversation, from which somebody who sees nothing else of it can go on. Say what the "
    "user wants, in the user's own words where they matter; what was decided and why; which files, commands, names, "
    "values and errors are still needed, exactly; what is done, what is not, and what comes next. Call no tools. Write "
    "the summary and nothing else."
)
TOLD = "This is a summary of the conversation up to here:\n\n"
UNREADABLE = "[Here stood a summary of the conversation up to here, which only OpenAI's models can read.]"


def wanted(at: str) -> SummaryWanted:
    return SummaryWanted("user", (Text(ASK, at=at),), at=at)


def read_compaction(item: Mapping[str, Json]) -> str | None:
    """The text of a ``compaction`` item; None if it is encrypted."""
    signature = unpack_signature(text(item.get("encrypted_content")), OWN)
    return TOLD + signature.value if signature.dialect == _TAG else None


def make_composer(envelope: Envelope) -> Composer:
    """A composer of the summary if the request asks for one, else of an ordinary answer."""
    last = envelope.request.messages[-1:]
    return SummaryComposer(envelope) if last and isinstance(last[0], SummaryWanted) else Composer(envelope)


class _Item(ItemComposer):
    prefix = "cmp"

    def empty(self) -> dict[str, Json]:
        return {"type": "compaction", "encrypted_content": ""}

    def begin(self, index: int) -> list[ResponseEvent]:
        return [*super().begin(index), self.event("response.compaction.compacting")]

    def end(self, signature: Signature | None, *, whole: bool) -> list[ResponseEvent]:
        return [self.done(encrypted_content=pack_signature(Signature(_TAG, self.words), OWN))]


class SummaryComposer(Composer):
    """All text of the answer becomes one item; everything else from the model is left out."""

    def __init__(self, envelope: Envelope) -> None:
        super().__init__(envelope)
        self._item = _Item("", self._id_suffix)
        self._is_text = False

    def _open(self, index: int, part: StreamPart) -> list[ResponseEvent]:
        self._is_text = isinstance(part, Text)
        return self._extend(index, part.text) if isinstance(part, Text) else []

    def _extend(self, index: int, words: str) -> list[ResponseEvent]:
        if not words or not self._is_text:
            return []
        begun = [] if self._item.begun else self._item.begin(0)
        return begun + self._item.extend(words)

    def _close(self, index: int, late: Signature | None) -> list[ResponseEvent]:
        self._is_text = False
        return []

    def _release(self, *, whole: bool) -> list[ResponseEvent]:
        return self._done(self._item, self._item.end(None, whole=True)) if whole and self._item.begun else []

    def _finish(self, stop: Stop) -> list[ResponseEvent]:
        return super()._finish(stop if self._item.words.strip() else Stop("max_tokens"))


def write_compacted(document: Mapping[str, Json], answer: Mapping[str, Json]) -> dict[str, Json]:
    """The answer to ``/responses/compact``: the user's messages, then the summary. Raises VendorError."""
    if not answer.get("output"):
        raise VendorError(VendorFailure("the model returned no complete summary", "upstream", 502))
    asked = document.get("input")
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else map(mapping, sequence(asked))
    user_turns = [{"type": "message", **item} for item in items if item.get("role") == "user"]
    shared = {name: answer.get(name) for name in ("id", "created_at", "usage")}
    return shared | {"object": "response.compaction", "output": [*user_turns, *sequence(answer.get("output"))]}
