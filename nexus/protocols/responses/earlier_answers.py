"""Earlier answers that a request refers to: single items of them, or the conversation up to one.

Only this module knows the content of a record: ``answer``, the complete response object; ``previous``, the answer that
its request continued; and ``input``, what that request added, unless the client keeps it itself: clients that refer to
single items send the whole conversation every time. An item's id contains that of its answer. Sources: OpenAI's guide
to conversation state; vercel/ai, convert-to-openai-responses-input.ts, which refers to the text and the reasoning of
earlier turns and repeats their calls. The ids in what a vendor stores are here too: OpenAI's API reference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from nexus.conversation.parts import Request
from nexus.dataclasses import dataclass, fields
from nexus.errors import InvalidRequest
from nexus.late import pattern
from nexus.protocols.answer_relay import SEALED
from nexus.protocols.checks import Body, maybe_string
from nexus.protocols.codec import Find
from nexus.protocols.signatures import is_tagged
from nexus.wire import Json, mapping, sequence, text


@dataclass(frozen=True, slots=True)
class Continued(Request):
    """A request that continues the answer ``previous``, whose conversation precedes it."""

    previous: str = ""

    @classmethod
    def of(cls, request: Request, previous: str) -> Request:
        given = {field.name: getattr(request, field.name) for field in fields(Request)}
        return cls(**given, previous=previous) if previous else request


LONGEST_CHAIN = 1000
"""Maximum number of earlier answers in a conversation."""

_CURE = "it does not exist, is not yours or has expired; send `store: false` and the items themselves"
_CALLS = ("function_call", "custom_tool_call")


def is_reference(item: Body) -> bool:
    """Whether an item refers to an earlier one; the type may be left out."""
    kind = item.get("type")
    return kind == "item_reference" or (kind is None and item.keys() <= {"id", "type"} and text(item.get("id")) != "")


def refers(body: Body) -> bool:
    items = sequence(body.get("input"))
    return bool(body.get("previous_response_id")) or any(is_reference(mapping(item)) for item in items)


class Earlier:
    """Resolves a request's references. ``find`` is None if nothing is stored."""

    def __init__(self, body: Body, find: Find | None) -> None:
        self._find = find
        self._records: dict[str, Body] = {}
        self._items: dict[str, Body] = {}
        self.previous = maybe_string(body, "previous_response_id") or ""
        self.before: list[Json] = list(self._conversation()) if self.previous else []
        self._known = {text(item.get("id")) for item in map(mapping, self.before)} - {""}
        self._calls = {text(item.get("call_id")) for item in map(mapping, self.before) if item.get("type") in _CALLS}
        self._read_items(body)

    def item(self, id: str, path: str) -> Body:
        """The item of a reference. Raises InvalidRequest."""
        if self._find is None:
            raise InvalidRequest.about(
                path,
                "items cannot be referred to by id, because server.response_store is off; "
                "send `store: false` and the items themselves",
            )
        if id not in self._items:
            raise InvalidRequest.about(path, f"the item {id[:100]} cannot be found: {_CURE}")
        return self._items[id]

    def repeats(self, item: Body) -> bool:
        """Whether an item repeats one of the conversation before it."""
        if is_reference(item):
            return text(item.get("id")) in self._known
        return text(item.get("type")) in _CALLS and text(item.get("call_id")) in self._calls

    def kept(self, body: Body) -> dict[str, Json] | None:
        """The request's part of a record; None if its answer is not stored."""
        if body.get("store") is False or self._find is None:
            return None
        items = body.get("input")
        if not isinstance(items, list):
            return {"input": items, "previous": self.previous or None}
        refers = any(is_reference(mapping(item)) for item in items)
        if refers and not self.previous:
            return {"previous": None}
        added = (item for item in items if not self.repeats(mapping(item)))
        whole = [self._whole(item) for item in added]
        return {"input": whole, "previous": self.previous or None}

    def _whole(self, item: Json) -> Json:
        return self._items.get(text(mapping(item).get("id")), item) if is_reference(mapping(item)) else item

    def _conversation(self) -> Iterator[Json]:
        """All items up to the previous answer. Raises InvalidRequest."""
        chain: list[Body] = []
        id: str | None = self.previous
        while id:
            record = self._record(id)
            if record is None or "input" not in record or len(chain) == LONGEST_CHAIN:
                raise InvalidRequest.about(
                    "previous_response_id", f"the conversation of {self.previous[:100]} cannot be found: {_CURE}"
                )
            chain.append(record)
            id = text(record.get("previous"))
        for record in reversed(chain):
            items = record["input"]
            yield from ([{"role": "user", "content": items}] if isinstance(items, str) else sequence(items))
            yield from sequence(mapping(record.get("answer")).get("output"))

    def _record(self, id: str) -> Body | None:
        if id not in self._records and self._find is not None:
            self._records |= self._find([id])
        return self._records.get(id)

    def _read_items(self, body: Body) -> None:
        items = map(mapping, sequence(body.get("input")))
        wanted = {text(item.get("id")) for item in items if is_reference(item)}
        answers = {answer for id in wanted if (answer := _answer_of(id))} - self._records.keys()
        if answers and self._find is not None:
            self._records |= self._find(answers)
        for record in self._records.values():
            for item in map(mapping, sequence(mapping(record.get("answer")).get("output"))):
                self._items[text(item.get("id"))] = item


def _answer_of(item_id: str) -> str:
    """The id of the answer whose item has this id, as items.py makes them; "" for any other id."""
    id_suffix = item_id.partition("_")[2].rpartition("_")[0]
    return f"resp_{id_suffix}" if id_suffix else ""


def answer_of(id: str) -> str:
    """The id of the answer that has this id, or whose item has it."""
    return _answer_of(id) or id


NOTHING = Earlier({}, None)


def stored_answer(record: Body) -> Mapping[str, Json]:
    return mapping(record.get("answer"))


_PATH = pattern(r"/(?:responses|conversations)/([^/]+)(?:/.*)?")
_ENDPOINTS = frozenset({"input_tokens", "compact"})


def vendor_ids(path: str, document: Mapping[str, Json]) -> list[tuple[str, str]]:
    """The ids in a request of everything that a vendor would look up, each with its field; "" for the path: answers,
    conversations, single items, including reasoning whose content is not sent, and containers."""
    return [(field, id) for field, id in _named(path, document) if id]


def _named(path: str, document: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    found = _PATH.fullmatch(path)
    if found is not None and found.group(1) not in _ENDPOINTS:
        yield "", found.group(1)
    yield "previous_response_id", text(document.get("previous_response_id"))
    conversation = document.get("conversation")
    yield "conversation", text(conversation) or text(mapping(conversation).get("id"))
    for index, tool in enumerate(map(mapping, sequence(document.get("tools")))):
        yield f"tools.{index}.container", text(tool.get("container"))
        yield f"tools.{index}.environment.container_id", text(mapping(tool.get("environment")).get("container_id"))
    for field in ("input", "items"):
        for index, item in enumerate(map(mapping, sequence(document.get(field)))):
            if is_reference(item) or (item.get("type") == "reasoning" and not item.get("encrypted_content")):
                yield f"{field}.{index}", text(item.get("id"))


def sealed_ids(document: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Ids of the encrypted items of a request, which only the account that created them can read, each with its
    field. Those of translated answers are only tagged, and passthrough leaves them out."""
    items = enumerate(map(mapping, sequence(document.get("input"))))
    found = ((f"input.{index}", text(item.get("encrypted_content"))) for index, item in items)
    return [(field, sealed_id(content)) for field, content in found if content and not is_tagged(content)]


def sealed_id(content: str) -> str:
    """An id made from encrypted content, which clients send back without the item's id."""
    return SEALED + hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def given_ids(document: Mapping[str, Json]) -> dict[str, bool]:
    """The ids in an answer or event, in the form of ``Tap.ids``; containers outlive an answer that is not stored."""
    response = mapping(document.get("response"))
    holders = [document, *filter(None, (response, mapping(document.get("item"))))]
    for name in ("output", "data"):
        holders += [mapping(item) for holder in (document, response) for item in sequence(holder.get(name))]
    found = {id: False for holder in holders if (id := text(holder.get("id")))}
    found |= {id: True for holder in holders if (id := _container(holder))}
    if document.get("type") != "response.output_item.added":
        # Before an item is done, its encrypted content is not final.
        sealed = (content for holder in holders if (content := text(holder.get("encrypted_content"))))
        found |= {sealed_id(content): False for content in sealed}
    return found


def _container(item: Body) -> str:
    """The container of a code interpreter's call, or a shell's. Source: openai.types.responses."""
    return text(item.get("container_id")) or text(mapping(item.get("environment")).get("container_id"))
