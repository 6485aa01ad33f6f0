"""Images and citations of recorded answers over real sockets, by the official SDKs: one lane for each client dialect.

The vendors' bytes are recorded; the fakes check the requests they get.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.conftest import Serve
from tests.serving import Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

from .vendors import providers

FIXTURES = Path(__file__).parents[1] / "fixtures"
PNG = "aGVsbG8="


def recorded(name: str, *, stream: bool) -> Behaviour:
    """The vendor's answer, in its original frames."""
    path = FIXTURES / name
    if not stream:
        return Behaviour(body=(path / "upstream.json").read_bytes())
    frames = (path / "upstream.sse").read_bytes().split(b"\n\n")
    return Behaviour(events=tuple(frame + b"\n\n" for frame in frames if frame.strip()))


class House:
    """One server in front of three vendors."""

    def __init__(self, nexus: Nexus, upstreams: dict[str, FakeUpstream]) -> None:
        self.nexus = nexus
        self.upstreams = upstreams
        self.openai = openai.OpenAI(base_url=nexus.openai, api_key="any", max_retries=0)
        self.claude = anthropic.Anthropic(base_url=nexus.anthropic, api_key="any", max_retries=0)


@pytest.fixture
def house(serve: Serve) -> Iterator[House]:
    with FakeUpstream("gemini") as gemini, FakeUpstream("anthropic") as claude, FakeUpstream("openai") as compatible:
        tables = (
            ("g", "google", gemini, "", "gemini-3-pro-image"),
            ("a", "anthropic", claude, "", "claude-sonnet-4-5"),
            ("o", "openai", compatible, 'quirks = ["think_tags"]', "any"),
        )
        house = House(serve(providers(*tables)), {"g": gemini, "a": claude, "o": compatible})
        with house.openai, house.claude:
            yield house
        assert [upstream.violations for upstream in house.upstreams.values()] == [[], [], []]


STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def chat_message(house: House, model: str, messages: list[Any], *, stream: bool, modalities: Any = None) -> Any:
    asked: dict[str, Any] = {"model": model, "messages": messages}
    if modalities is not None:
        asked["modalities"] = modalities
    if not stream:
        return house.openai.chat.completions.create(**asked).choices[0].message
    with house.openai.chat.completions.stream(**asked) as chunks:
        return chunks.get_final_completion().choices[0].message


@STREAMS
def test_chat_gets_geminis_image_and_sends_it_back(house: House, stream: bool) -> None:
    house.upstreams["g"].next(recorded("gemini/image_output", stream=stream))
    question = {"role": "user", "content": "draw"}
    message = chat_message(house, "g/m", [question], stream=stream, modalities=["image", "text"])
    asked = house.upstreams["g"].requests[-1].json["generationConfig"]
    assert asked == {"responseModalities": ["TEXT", "IMAGE"]}
    echo = message.model_dump(exclude_none=True)
    assert [image["image_url"]["url"] for image in echo["images"]] == [f"data:image/png;base64,{PNG}"]
    chat_message(house, "g/m", [question, echo, {"role": "user", "content": "bluer"}], stream=False)
    sent = house.upstreams["g"].requests[-1].json["contents"][1]
    assert sent["parts"][1] == {
        "inlineData": {"mimeType": "image/png", "data": PNG},
        "thoughtSignature": base64.b64encode(b"\n$\x01\xd1\xed\x8aofake-signature-two").decode(),
    }


@STREAMS
def test_responses_gets_geminis_image_and_sends_it_back(house: House, stream: bool) -> None:
    house.upstreams["g"].next(recorded("gemini/image_output", stream=stream))
    question: list[Any] = [{"role": "user", "content": "draw"}]
    if stream:
        with house.openai.responses.stream(model="g/m", input=question) as events:
            kinds = [event.type for event in events]
            answer: Any = events.get_final_response()
        assert "response.image_generation_call.completed" in kinds
    else:
        answer = house.openai.responses.create(model="g/m", input=question)
    (made,) = [item for item in answer.output if item.type == "image_generation_call"]
    assert (made.status, made.result) == ("completed", PNG)
    echo = [item.model_dump(exclude_none=True) for item in answer.output]
    house.openai.responses.create(model="g/m", input=[*question, *echo, {"role": "user", "content": "bluer"}])
    model = house.upstreams["g"].requests[-1].json["contents"][1]
    assert [part.get("inlineData") for part in model["parts"]][-1] == {"mimeType": "image/png", "data": PNG}


@STREAMS
def test_messages_reports_an_image_that_it_cannot_contain(house: House, stream: bool) -> None:
    house.upstreams["g"].next(recorded("gemini/image_output", stream=stream))
    asked: dict[str, Any] = {"model": "g/m", "max_tokens": 9, "messages": [{"role": "user", "content": "draw"}]}
    if stream:
        with house.claude.messages.stream(**asked) as events:
            blocks = events.get_final_message().content
    else:
        reply = house.claude.messages.with_raw_response.create(**asked)
        assert "images" in reply.headers["x-nexus-dropped"]
        blocks = reply.parse().content
    assert "image/png" in "".join(block.text for block in blocks if block.type == "text")


@STREAMS
def test_chat_gets_claudes_citations(house: House, stream: bool) -> None:
    house.upstreams["a"].next(recorded("messages/citations", stream=stream))
    message = chat_message(house, "a/m", [{"role": "user", "content": "how high?"}], stream=stream)
    cited = [entry["url_citation"] for entry in message.model_dump()["annotations"]]
    assert [message.content[one["start_index"] : one["end_index"]] for one in cited] == ["5 m 🎈."] * 2
    assert [one["url"] for one in cited] == ["https://e.org/a", "https://e.org/s"]


@STREAMS
def test_responses_gets_a_chat_servers_citations(house: House, stream: bool) -> None:
    house.upstreams["o"].next(recorded("chat/url-citations", stream=stream))
    if stream:
        with house.openai.responses.stream(model="o/m", input="how high?") as events:
            kinds = [event.type for event in events]
            answer: Any = events.get_final_response()
        assert kinds.count("response.output_text.annotation.added") == 2
    else:
        answer = house.openai.responses.create(model="o/m", input="how high?")
    (part,) = answer.output[0].content
    assert [part.text[one.start_index : one.end_index] for one in part.annotations] == ["Größe 5", "🎈 ist B"]


@STREAMS
def test_messages_gets_geminis_grounding_sources(house: House, stream: bool) -> None:
    house.upstreams["g"].next(recorded("gemini/grounding", stream=stream))
    asked: dict[str, Any] = {"model": "g/m", "max_tokens": 9, "messages": [{"role": "user", "content": "how high?"}]}
    if stream:
        with house.claude.messages.stream(**asked) as events:
            told = [event.type for event in events]
            answer = events.get_final_message()
        assert told.count("citation") == 3
    else:
        answer = house.claude.messages.create(**asked)
    (block,) = [block for block in answer.content if block.type == "text"]
    assert [one.url for one in block.citations or ()] == ["https://e.org/a", "https://e.org/b", "https://e.org/b"]  # type: ignore[union-attr]


@STREAMS
def test_messages_gets_thinking_written_between_tags(house: House, stream: bool) -> None:
    house.upstreams["o"].next(Behaviour(text="<think>\nhm\n</think>\n\nso"))
    asked: dict[str, Any] = {"model": "o/m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    if stream:
        with house.claude.messages.stream(**asked) as events:
            answer = events.get_final_message()
    else:
        answer = house.claude.messages.create(**asked)
    assert [json.loads(block.to_json()).get(block.type) for block in answer.content] == ["hm", "so"]
