"""A client's content parts, read into neutral parts, and annotations of an answer.

Every part type is read, or refused by its name; files stored at OpenAI (``file_id``) are refused. Empty text is not a
part, unless it is the first and has a hint. Text files become plain-text documents. Of an answer's annotations only web
pages have an equivalent; ``end_index`` is after the last character. Sources: openai.types.responses input and output
content params, ResponseOutputText.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from nexus.conversation.parts import Citation, Document, Image, Inline, Part, Refusal, Text, placed
from nexus.dataclasses import replace
from nexus.protocols.checks import Body, Drops, a_name, a_string, an_object, maybe_string, wrong
from nexus.protocols.media import as_data_url, file_part, read_url
from nexus.protocols.openai_request import known_type, read_audio, read_breakpoint, refuse_stored
from nexus.wire import Json, count, mapping, sequence, text

USER = frozenset({"input_text", "input_image", "input_file", "input_audio"})
SYSTEM = frozenset({"input_text"})
ASSISTANT = frozenset({"output_text", "refusal", "input_text"})
RESULT = frozenset({"input_text", "input_image", "input_file"})

AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg"}


def read_parts(value: Json, path: str, allowed: frozenset[str], drops: Drops) -> list[Part]:
    """A message's ``content`` or a call's ``output``: a string or a list of parts."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [Text(value, at=path)]
    if not isinstance(value, list):
        raise wrong(path, "a string or an array of content parts")
    parts: list[Part] = []
    for at, entry in enumerate(value):
        _add(parts, _read_part(entry, f"{path}.{at}", allowed, drops))
    return parts


def _add(parts: list[Part], part: Part) -> None:
    """Adds a part. A hint on empty text moves to the part before it, where it ends the same prefix."""
    if not isinstance(part, Text) or part.text:
        parts.append(part)
    elif part.cache is not None and parts and isinstance(last := parts[-1], Text | Image | Document):
        parts[-1] = replace(last, cache=last.cache or part.cache)
    elif part.cache is not None:
        parts.append(part)


def _read_part(entry: Json, path: str, allowed: frozenset[str], drops: Drops) -> Part:
    wire = an_object(entry, path)
    reader, fields = _READERS[known_type(wire, path, allowed)]
    drops.unknown(wire, ("type", "prompt_cache_breakpoint", *fields), "input.content")
    part = reader(wire, path)
    if isinstance(part, Image) and wire.get("filename"):
        drops.add("input.content.filename")
    return placed(part, path)


def _read_text(wire: Body, path: str) -> Part:
    return Text(a_string(wire, "text", path), read_breakpoint(wire, path))


def _read_refusal(wire: Body, path: str) -> Part:
    return Refusal(a_string(wire, "refusal", path))


def _read_image(wire: Body, path: str) -> Part:
    refuse_stored(wire, path, "image_url")
    source = read_url(a_name(wire, "image_url", path), param=f"{path}.image_url")
    cache = read_breakpoint(wire, path)
    if isinstance(source, Inline) and not source.media_type.startswith("image/"):
        return file_part(source, None, cache, f"{path}.image_url")
    return Image(source, maybe_string(wire, "detail", path), cache)


def _read_file(wire: Body, path: str) -> Part:
    refuse_stored(wire, path, "file_data or file_url")
    title, cache = maybe_string(wire, "filename", path), read_breakpoint(wire, path)
    if (url := maybe_string(wire, "file_url", path)) is not None:
        return file_part(read_url(url, param=f"{path}.file_url"), title, cache, f"{path}.file_url")
    data = a_name(wire, "file_data", path)
    return file_part(read_url(as_data_url(data, title), param=f"{path}.file_data"), title, cache, f"{path}.file_data")


def _read_audio(wire: Body, path: str) -> Part:
    return read_audio(wire, path, AUDIO_TYPES)


_READERS: Mapping[str, tuple[Callable[[Body, str], Part], tuple[str, ...]]] = {
    "input_text": (_read_text, ("text",)),
    "output_text": (_read_text, ("text", "logprobs")),
    "refusal": (_read_refusal, ("refusal",)),
    "input_image": (_read_image, ("image_url", "detail")),
    "input_file": (_read_file, ("file_data", "file_url", "filename")),
    "input_audio": (_read_audio, ("input_audio",)),
}
"""How each type is read, and its fields; others are dropped by name. An answer's logprobs are not content."""


def read_annotation(entry: Mapping[str, Json]) -> Citation | str:
    """A vendor's annotation; for anything but a web page, its name."""
    if url := text(entry.get("url")):
        return Citation(count(entry.get("start_index")), count(entry.get("end_index")), url, text(entry.get("title")))
    kind = text(entry.get("type"))
    return f"annotations.{kind}" if kind else "annotations"


def _annotations(part: Mapping[str, Json]) -> Iterator[Citation | str]:
    return (read_annotation(mapping(entry)) for entry in sequence(part.get("annotations")))


_ANSWER_TYPES = frozenset({"output_text", "refusal", "text", "reasoning_text"})


def _content_parts(item: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """The content parts of an item of a vendor's answer; compatible servers also send a string."""
    content = item.get("content")
    return map(mapping, [{"type": "output_text", "text": content}] if isinstance(content, str) else sequence(content))


def read_answer(item: Mapping[str, Json]) -> Iterator[Text | Refusal]:
    """The content of a message of a vendor's answer."""
    for part in _content_parts(item):
        if words := text(part.get("text")):
            yield Text(words, citations=tuple(one for one in _annotations(part) if isinstance(one, Citation)))
        elif words := text(part.get("refusal")):
            yield Refusal(words)


def lost(items: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    """The names of the content and annotations in a vendor's items that have no equivalent."""
    for item in items:
        for part in _content_parts(item):
            if (kind := text(part.get("type"))) not in _ANSWER_TYPES:
                yield f"output.content.{kind}"
            yield from (one for one in _annotations(part) if isinstance(one, str))
