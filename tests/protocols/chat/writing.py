"""Shorthand for tests that write requests."""

from nexus.conversation.parts import Inline, Message, Part, Request, Signature, Text
from nexus.models.chat_server import ChatServer
from nexus.protocols.chat.write_request import write_request
from nexus.protocols.codec import Target, VendorRequest
from nexus.wire import Json

from .kit import check_request

PDF = Inline("application/pdf", "QUJD")
PNG = Inline("image/png", "QUJD")
OWN = Signature("chat", "")
HI = Message("user", (Text("hi"),))


def user(*parts: Part) -> Message:
    return Message("user", parts)


def assistant(*parts: Part) -> Message:
    return Message("assistant", parts)


def server(*quirks: str) -> ChatServer:
    return ChatServer(**dict.fromkeys(quirks, True))


def write(request: Request, *quirks: str) -> VendorRequest:
    written = write_request(request, Target("m", chat=server(*quirks)))
    check_request(_without_extensions(written.body))
    return written


def _without_extensions(body: dict[str, Json]) -> dict[str, Json]:
    """Removes the members that compatible servers have beyond OpenAI's types."""
    odd = {"reasoning", "reasoning_content", "reasoning_details"}
    return body | {"messages": [{k: v for k, v in one.items() if k not in odd} for one in body["messages"]]}


def messages(request: Request, *quirks: str) -> list[Json]:
    found = write(request, *quirks).body["messages"]
    assert isinstance(found, list)
    return found


def tool(call_id: str, content: Json) -> dict[str, Json]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def function(name: str, call_id: str, arguments: str = "{}") -> dict[str, Json]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def text(words: str) -> dict[str, Json]:
    return {"type": "text", "text": words}


SYSTEM = Request((HI,), system=(Text("one"), Text("two")))
