"""The complete list of fields in translated answers that are not in the client's published types, for the documentation
and for a law: everything else that is sent to a client is in the types of its own SDK, names and values alike
(tests/laws/published.py checks both).

Sources: DeepSeek's reasoning_content; OpenRouter's reasoning_details, images and native_finish_reason; Google's
extra_content; vLLM's stop_reason; the Open Responses specification (openresponses.org), ``ResponseResource``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExtraField:
    """``holders`` are paths of what holds it in the answer and in the events of a stream, [] for each entry of a list,
    "" for the answer or the event itself."""

    name: str
    holders: tuple[str, ...]
    note: str

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(f"{holder}.{self.name}" if holder else self.name for holder in self.holders)


_MESSAGE = ("choices[].message", "choices[].delta")
_CHOICE = ("choices[]",)
_RESPONSE = ("", "response")
"""The response itself, and the one inside an event."""


EXTRA_FIELDS: dict[str, tuple[ExtraField, ...]] = {
    "chat": (
        ExtraField("reasoning_content", _MESSAGE, "the thinking, as DeepSeek returns it"),
        ExtraField(
            "reasoning_details",
            _MESSAGE,
            "the thinking in parts with their signatures, as OpenRouter returns it; a client that echoes the message "
            "sends it back",
        ),
        ExtraField(
            "extra_content",
            (*_MESSAGE, *(f"{message}.tool_calls[]" for message in _MESSAGE)),
            "the signature of a text or a tool call, in Google's own form if it is from Google",
        ),
        ExtraField(
            "images",
            _MESSAGE,
            "images made by the model, as OpenRouter returns them; a client that echoes the message sends them back",
        ),
        ExtraField(
            "annotations",
            ("choices[].delta",),
            "the sources of the text in a stream; only complete answers have a published type for them",
        ),
        ExtraField(
            "custom",
            ("choices[].delta.tool_calls[]",),
            "a call of a custom tool in a stream, and the `type` of that name, for clients that sent such a tool; only "
            "complete answers have a published type for them",
        ),
        ExtraField("stop_reason", _CHOICE, "the stop sequence that ended the answer, as in vLLM"),
        ExtraField(
            "native_finish_reason", _CHOICE, "the vendor's own reason, if `finish_reason` has no exact equivalent"
        ),
    ),
    "responses": (
        ExtraField(
            "native_finish_reason",
            _RESPONSE,
            "the vendor's own reason, if `incomplete_details.reason` has no exact equivalent",
        ),
        ExtraField("store", _RESPONSE, "false; required by Open Responses"),
        ExtraField("presence_penalty", _RESPONSE, "as requested; required by Open Responses"),
        ExtraField("frequency_penalty", _RESPONSE, "as requested; required by Open Responses"),
        ExtraField("keepalive", (), "an event, only for Codex, which treats a stream without events as dead"),
    ),
    "messages": (
        ExtraField(
            "native_finish_reason", ("", "delta"), "the vendor's own reason, if `stop_reason` has no exact equivalent"
        ),
    ),
}
"""By client dialect."""
