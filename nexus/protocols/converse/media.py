"""Images, documents and audio as Converse blocks.

Bytes are sent as base64 in the body or as an ``s3://`` address; Bedrock fetches no other URL, and neither does Nexus. A
media type without a format at Bedrock is refused by name. Source: the bedrock-runtime service model.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Audio, Document, Image, Inline, Link, Text
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.checks import one_of, wrong
from nexus.protocols.converse.draft import Draft
from nexus.protocols.media import OFFICE, PDF, as_bytes
from nexus.wire import Json, base64_bytes

_IMAGES: Mapping[str, str] = {"image/jpg": "jpeg", **{f"image/{name}": name for name in ("png", "jpeg", "gif", "webp")}}
_DOCUMENTS: Mapping[str, str] = {
    PDF: "pdf",
    **{media_type: name for name, media_type in OFFICE.items()},
    "text/plain": "txt",
    "text/markdown": "md",
    "text/x-markdown": "md",
    "text/html": "html",
    "text/csv": "csv",
}
_AUDIO: Mapping[str, str] = {
    **{
        f"audio/{name}": name
        for name in ("mp3", "wav", "flac", "ogg", "opus", "aac", "x-aac", "mp4", "m4a", "pcm", "webm")
    },
    "audio/mpeg": "mp3",
    **dict.fromkeys(("audio/x-wav", "audio/wave"), "wav"),
    "audio/x-flac": "flac",
    "audio/x-m4a": "m4a",
    "audio/x-matroska": "mka",
}
_EXTENSIONS: Mapping[str, str] = {"jpg": "jpeg", "markdown": "md", "htm": "html", "text": "txt"}


def write_image(image: Image, path: str, draft: Draft) -> Json:
    if image.detail not in (None, "auto"):
        draft.drops.add("detail")
    kind, source = _source(image.source, _IMAGES, "image", path)
    return {"image": {"format": kind, "source": source}}


def write_document(document: Document, path: str, draft: Draft) -> list[Json]:
    """The document; before it the context as text, which only Claude accepts in the document."""
    kind, source = _source(document.source, _DOCUMENTS, "document", path)
    block = {"format": kind, "name": draft.document_name(document.title), "source": source}
    context = document.context if document.context and document.context.strip() else None
    return [*([] if context is None else [{"text": context}]), {"document": block}]


def write_audio(audio: Audio, path: str) -> Json:
    kind, source = _source(audio.source, _AUDIO, "audio", path)
    return {"audio": {"format": kind, "source": source}}


def _source(source: Inline | Link | Text, formats: Mapping[str, str], what: str, path: str) -> tuple[str, Json]:
    if isinstance(source, Link):
        return _linked(source, formats, what, path)
    source = as_bytes(source)
    media_type = source.media_type.partition(";")[0].strip().lower()
    kind = formats.get(media_type)
    if kind is None:
        takes = ", ".join(sorted(set(formats.values())))
        raise UnsupportedFeature.about(
            path, f"Bedrock does not accept {what} of type {media_type!r}; it accepts {takes}"
        )
    if (raw := base64_bytes(source.data)) is None:
        raise wrong(path, "base64")
    if not raw:
        raise InvalidRequest.about(path, f"the {what} is empty")
    return kind, {"bytes": source.data}


def _linked(link: Link, formats: Mapping[str, str], what: str, path: str) -> tuple[str, Json]:
    if not link.url.startswith("s3://"):
        raise UnsupportedFeature.about(
            path, f"Bedrock does not fetch {what} links, and Nexus fetches no client URL; send the content inline"
        )
    extension = link.url.rpartition(".")[2].lower()
    kind = _EXTENSIONS.get(extension, extension)
    if kind not in formats.values():
        raise UnsupportedFeature.about(
            path, f"expected an address that ends in {one_of(sorted(set(formats.values())))}"
        )
    return kind, {"s3Location": {"uri": link.url}}
