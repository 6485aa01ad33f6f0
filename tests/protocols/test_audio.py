"""Audio of a neutral request, written for vendors of OpenAI's dialects."""

from collections.abc import Callable
from typing import Any

import pytest

from nexus.conversation.parts import Audio, Inline
from nexus.protocols.chat import write_parts as chat
from nexus.protocols.responses import write_parts as responses

WRITERS = {"chat": chat.write_part, "responses": responses.write_part}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize(
    ("media", "name"),
    [("audio/wav", "wav"), ("audio/x-wav", "wav"), ("audio/wave", "wav"), ("audio/mpeg", "mp3"), ("audio/mp3", "mp3")],
)
def test_audio_types_have_several_names(write: Callable[..., Any], media: str, name: str) -> None:
    written = write(Audio(Inline(media, "QQ==")), "input.0")
    assert written == [{"type": "input_audio", "input_audio": {"data": "QQ==", "format": name}}]
