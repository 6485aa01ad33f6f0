"""What requests and answers of OpenAI's two dialects have in common, read and written in one place.

Sources: openai.types.chat.completion_create_params, openai.types.responses.response_create_params.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from nexus.conversation.parts import (
    IN_WORDS,
    Audio,
    CacheHint,
    Citation,
    Document,
    Effort,
    Image,
    Inline,
    Link,
    OutputFormat,
    Part,
    Request,
    Text,
    Thinking,
)
from nexus.errors import UnsupportedFeature
from nexus.models import efforts
from nexus.models.chat_server import ChatServer
from nexus.protocols.checks import Body, Drops, a_name, an_object, maybe_bool, maybe_string, one_of, wrong
from nexus.protocols.codec import Target
from nexus.protocols.dispositions import effort_level, fields_for
from nexus.protocols.media import data_url, is_textual, read_text_file, web_url
from nexus.wire import Json, digest, only

_EFFORTS: Mapping[str, Effort] = {effort: effort for effort in get_args(Effort)}

TIERS: Mapping[str, str] = {
    **{name: name for name in ("auto", "default", "flex", "scale", "priority", "fast")},
    "standard_only": "default",
}
"""OpenAI's names of service tiers, by the neutral ones."""


_LIFETIMES: Mapping[str | None, CacheHint] = {None: "5m", "30m": "1h", "12h": "1h"}


def read_breakpoint(holder: Body, path: str) -> CacheHint | None:
    """The ``prompt_cache_breakpoint`` on a part, its lifetime as the shortest neutral one that is not shorter."""
    if (value := holder.get("prompt_cache_breakpoint")) is None:
        return None
    path = f"{path}.prompt_cache_breakpoint"
    ttl = maybe_string(an_object(value, path), "ttl", path)
    if ttl not in _LIFETIMES:
        raise wrong(f"{path}.ttl", '"30m" or "12h"')
    return _LIFETIMES[ttl]


def read_effort(value: Json, path: str, *, visible: bool = True) -> Thinking | None:
    match value:
        case None:
            return None
        case "none":
            return Thinking(False)
        case str(word) if word in _EFFORTS:
            return Thinking(True, effort=_EFFORTS[word], visible=visible)
        case _:
            raise wrong(path, one_of(["none", *_EFFORTS]))


def offered_efforts(target: Target) -> tuple[str, ...]:
    """The levels of thinking that can be requested, lowest first."""
    if target.chat.no_reasoning_effort:
        return ()
    if target.efforts is not None:
        return target.efforts
    if target.gpt is not None:
        return target.gpt.efforts
    never_off = target.chat.no_effort_none or target.chat.always_thinks or target.claude.off == "never"
    return efforts.PLAIN if never_off else efforts.LEVELS


def is_off(thinking: Thinking | None, body: Body, drops: Drops) -> bool:
    """Whether to turn thinking off, at a server that thinks by default and cannot together with a forced tool."""
    forced = body.get("tool_choice") not in (None, "auto", "none")
    if forced and thinking is not None and thinking.enabled:
        drops.add("thinking")
    return forced or (thinking is not None and not thinking.enabled)


def write_effort(thinking: Thinking, target: Target, drops: Drops) -> str | None:
    """The effort to request, if any; what the model cannot do as requested is added to ``drops``."""
    if offered := offered_efforts(target):
        return effort_level(thinking, offered, drops)
    # The client cannot decide whether it thinks; a model that never does is already off.
    if thinking.enabled or target.gpt is None or target.gpt.reasons:
        drops.add("thinking")
    return None


LONGEST_USER = 64
"""Maximum characters that OpenAI accepts."""


def write_owner(request: Request, server: ChatServer, drops: Drops) -> dict[str, Json]:
    """``user`` (a long one is replaced by its hash) and ``metadata``, unless the server refuses them."""
    owner = fields_for(request, {"user": "user"}, not server.no_user, drops)
    owner |= fields_for(request, {"metadata": "metadata"}, not server.no_metadata, drops)
    if len(owner.get("user", "")) > LONGEST_USER:
        owner["user"] = digest(owner["user"])
    return owner


def rejected_members(target: Target) -> tuple[str, ...]:
    """What a request that passes through must not have, because the server is known to reject it."""
    owner = (("user",) if target.chat.no_user else ()) + (("metadata",) if target.chat.no_metadata else ())
    return target.rejected + owner


def read_format(value: Json, path: str, drops: Drops, inner: str = "") -> OutputFormat | None:
    """``inner`` is the member with the name and the schema. Raises InvalidRequest, UnsupportedFeature."""
    if value is None:
        return None
    wire = an_object(value, path)
    match a_name(wire, "type", path):
        case "text":
            return None
        case "json_object":
            return OutputFormat()
        case "json_schema":
            at = f"{path}.{inner}" if inner else path
            named = an_object(wire.get(inner), at) if inner else wire
            schema = named.get("schema")
            if inner:
                drops.unknown(wire, ("type", inner), path)
            drops.unknown(named, ("type", "name", "description", "strict", "schema"), at)
            return OutputFormat(
                # Chat allows leaving it out, which allows any value, as {} does; None would mean any object.
                {} if schema is None and inner else an_object(schema, f"{at}.schema"),
                a_name(named, "name", at),
                maybe_string(named, "description", at),
                maybe_bool(named, "strict", at),
            )
        case kind:
            raise UnsupportedFeature.about(f"{path}.type", f"{kind} cannot be translated")


def write_schema(format: OutputFormat) -> dict[str, Json]:
    given = only({"description": format.description, "strict": format.strict})
    return {"name": format.name or "answer", "schema": format.schema, **given}


def write_citation(citation: Citation, before: int = 0) -> dict[str, Json]:
    """``before`` is the number of characters of the content before the cited part."""
    span = {"start_index": before + citation.start, "end_index": before + citation.end}
    return {**span, "title": citation.title or citation.url, "url": citation.url}


def known_type(wire: Body, path: str, allowed: frozenset[str]) -> str:
    """The type of a content part. Raises UnsupportedFeature for one that is not ``allowed``."""
    kind = a_name(wire, "type", path)
    if kind not in allowed:
        known = " or ".join(sorted(allowed))
        raise UnsupportedFeature.about(path, f"content of type {kind} cannot be translated here; use {known}")
    return kind


def read_audio(part: Body, path: str, types: Mapping[str, str]) -> Audio:
    """``input_audio``; ``types`` are the media types of the formats that the dialect names. Raises ClientError."""
    path = f"{path}.input_audio"
    audio = an_object(part.get("input_audio"), path)
    name = a_name(audio, "format", path)
    if name not in types:
        raise UnsupportedFeature.about(f"{path}.format", f"expected {one_of(types)}, not {name}")
    return Audio(Inline(types[name], a_name(audio, "data", path)))


_OTHER_NAMES = {"audio/mp3": "audio/mpeg", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav"}
"""Media types under another name, as clients of Gemini and Converse send them."""


def write_audio(source: Inline, path: str, types: Mapping[str, str]) -> dict[str, Json]:
    """The reverse of ``read_audio``. Raises UnsupportedFeature."""
    media = _OTHER_NAMES.get(source.media_type, source.media_type)
    name = next((name for name, type in types.items() if type == media), None)
    if name is None:
        raise UnsupportedFeature.about(path, f"this vendor does not accept audio of type {source.media_type}")
    return {"type": "input_audio", "input_audio": {"data": source.data, "format": name}}


def refuse_stored(wire: Body, path: str, instead: str) -> None:
    if wire.get("file_id") is not None:
        raise UnsupportedFeature.about(
            f"{path}.file_id", f"a file stored at OpenAI cannot be sent to another vendor; send {instead}"
        )


def write_image_url(image: Image, path: str) -> str:
    return web_url(image.source, path) if isinstance(image.source, Link) else data_url(image.source)


def document_words(document: Document, path: str) -> str | None:
    """A text file with its title and context; None for any other document."""
    source = document.source
    if isinstance(source, Link) or (isinstance(source, Inline) and not is_textual(source.media_type)):
        return None
    words = source.text if isinstance(source, Text) else read_text_file(source, path)
    return "\n\n".join(filter(None, (document.title, document.context, words)))


def misplaced(part: Part, path: str) -> UnsupportedFeature:
    return UnsupportedFeature.about(path, f"{IN_WORDS[type(part)]} cannot be sent here")
