"""An image that a model made and thinking between tags over real sockets, by the official SDKs.

``tests/protocols/test_made_content.py`` has the images and citations of every vendor for every client.
"""

import base64
import json
from typing import Any

import anthropic
import openai
import pytest

from tests.conftest import Serve
from tests.laws.test_fixtures import FIXTURES
from tools.fake_upstream import Behaviour, FakeUpstream

from .vendors import providers

PNG = "aGVsbG8="
DRAWN = FIXTURES / "gemini/image_output"
STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@STREAMS
def test_chat_gets_geminis_image_and_sends_it_back(serve: Serve, stream: bool) -> None:
    frames = (DRAWN / "upstream.sse").read_bytes().split(b"\n\n")
    streamed = Behaviour(events=tuple(frame + b"\n\n" for frame in frames if frame.strip()))
    question: Any = {"role": "user", "content": "draw"}
    asked: Any = {"model": "g/m", "messages": [question], "modalities": ["image", "text"]}
    with FakeUpstream("gemini") as gemini:
        nexus = serve(providers(("g", "google", gemini, "", "gemini-3-pro-image")))
        gemini.next(streamed if stream else Behaviour(body=(DRAWN / "upstream.json").read_bytes()))
        with openai.OpenAI(base_url=nexus.openai, api_key="any", max_retries=0) as client:
            if stream:
                with client.chat.completions.stream(**asked) as chunks:
                    message: Any = chunks.get_final_completion().choices[0].message
            else:
                message = client.chat.completions.create(**asked).choices[0].message
            assert gemini.requests[-1].json["generationConfig"] == {"responseModalities": ["TEXT", "IMAGE"]}
            echo = message.model_dump(exclude_none=True)
            assert [image["image_url"]["url"] for image in echo["images"]] == [f"data:image/png;base64,{PNG}"]
            more: Any = [question, echo, {"role": "user", "content": "bluer"}]
            client.chat.completions.create(model="g/m", messages=more)
        assert gemini.requests[-1].json["contents"][1]["parts"][1] == {
            "inlineData": {"mimeType": "image/png", "data": PNG},
            "thoughtSignature": base64.b64encode(b"\n$\x01\xd1\xed\x8aofake-signature-two").decode(),
        }
        assert gemini.violations == []


@STREAMS
def test_messages_gets_thinking_written_between_tags(serve: Serve, openai_upstream: FakeUpstream, stream: bool) -> None:
    nexus = serve(providers(("o", "openai", openai_upstream, 'quirks = ["think_tags"]', "any")))
    openai_upstream.next(Behaviour(text="<think>\nhm\n</think>\n\nso"))
    asked: dict[str, Any] = {"model": "o/m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    with anthropic.Anthropic(base_url=nexus.anthropic, api_key="any", max_retries=0) as client:
        if stream:
            with client.messages.stream(**asked) as events:
                answer = events.get_final_message()
        else:
            answer = client.messages.create(**asked)
    assert [json.loads(block.to_json()).get(block.type) for block in answer.content] == ["hm", "so"]
    assert openai_upstream.violations == []
