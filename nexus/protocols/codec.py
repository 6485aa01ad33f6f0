"""What every codec gives and takes: the small values around the neutral form, and the helpers all share.

Law: pure functions of their arguments. A codec reads its own dialect into neutral values and writes neutral
values as its own dialect; it never knows which dialect stands on the other side. Loss is said aloud: *content or
tools that cannot be expressed* raise UnsupportedFeature naming the field; *tuning knobs without a counterpart* are
left out and named in ``dropped``, by the neutral name of the Request field (a reader: by the wire name).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from nexus.conversation.parts import Inline, Link, Request, Response, Signature
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.models.claude import CLASSIC, Claude
from nexus.models.gpt import GPT
from nexus.protocols.renaming import Renaming
from nexus.wire import Json

DEFAULT_MAX_TOKENS = 4096
"""For an answer of a model about which nothing is known."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a request is written for: the facts about its server and model, by the family that a writer asks of.

    Where the client set no limit, an answer gets ``max_tokens`` and its thinking comes on top; or ``max_output`` for
    both, where nobody configured the former and the model is known. With ``searches`` the vendor may search the web.
    ``gpt`` is None for a model that is not known to be OpenAI's, ``summary`` the kind of summary of reasoning that may
    be asked for. ``host`` is who serves the model, in words.
    """

    model: str
    max_tokens: int = DEFAULT_MAX_TOKENS
    max_output: int | None = None
    searches: bool = False
    quirks: frozenset[str] = frozenset()
    claude: Claude = CLASSIC
    gpt: GPT | None = None
    summary: str = "auto"
    host: str = ""

    @property
    def named(self) -> str:
        """The model and its host, for an error."""
        return f"{self.model} on {self.host}" if self.host else self.model


@dataclass(frozen=True, slots=True)
class Cut:
    """What the relay does in the vendor's place: ends the answer before the first of ``stop``, or after so many tokens
    as the client wants where the vendor's least is more."""

    stop: tuple[str, ...] = ()
    max_tokens: int | None = None


Find = Callable[[Collection[str]], Mapping[str, Mapping[str, Json]]]
"""Finds records of earlier answers by their ids, those that are kept."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A client's request in neutral form; ``dropped`` names the wire fields that the neutral form has no place for.

    ``kept`` is the request's share of the record that its answer is kept in, None where it is not to be kept.
    """

    request: Request
    dropped: tuple[str, ...] = ()
    kept: dict[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class VendorRequest:
    """A vendor's request body.

    ``answer_tool`` is the name of a tool that was forced in place of structured output: its call in the answer
    is the content. ``headers`` are extra ones that the body needs (betas). ``wants_thinking`` says that the vendor will
    not think on after a tool's result without the thinking that came before the call. ``renaming`` tells the client's
    own names of what had to be called otherwise. ``answer_call`` is the tool, by the vendor's name, whose arguments the
    text of the answer is.
    """

    body: dict[str, Json]
    dropped: tuple[str, ...] = ()
    answer_tool: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    wants_thinking: bool = False
    cut: Cut = Cut()
    renaming: Renaming = field(default_factory=Renaming)
    answer_call: str | None = None


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """A vendor's whole answer; ``dropped`` names content without a counterpart, in the vendor's words."""

    response: Response
    dropped: tuple[str, ...] = ()


DispositionKind = Literal["carried", "converted", "dropped", "refused"]


@dataclass(frozen=True, slots=True)
class Disposition:
    """What becomes of a field's usual value; ``note`` tells the rest.

    ``field`` is the neutral Request field that a client's field becomes: "" where it is used up otherwise, None where
    there is none.
    """

    kind: DispositionKind
    note: str = ""
    field: str | None = None


def carried(field: str, note: str = "") -> Disposition:
    return Disposition("carried", note, field)


def converted(field: str, note: str) -> Disposition:
    return Disposition("converted", note, field)


def dropped(note: str) -> Disposition:
    return Disposition("dropped", note)


def refused(note: str) -> Disposition:
    return Disposition("refused", note)


_TAG = "nexus."


def pack_signature(signature: Signature, own: str) -> str:
    """A signature as the one string that a client of dialect ``own`` carries for us; its own signatures stay as they
    are."""
    return signature.value if signature.dialect == own else f"{_TAG}{signature.dialect}.{signature.value}"


def unpack_signature(text: str, own: str) -> Signature:
    """Inverse of pack_signature."""
    if text.startswith(_TAG):
        dialect, dot, value = text[len(_TAG) :].partition(".")
        if dot and dialect.isalpha():
            return Signature(dialect, value)
    return Signature(own, text)


def is_tagged(value: Json) -> bool:
    """Whether a client carries this string for us: a signature of a dialect that is not its own."""
    return isinstance(value, str) and value.startswith(_TAG)


MAY_BE_TAGGED = f'"{_TAG}'.encode()
"""Without these bytes no JSON holds a string that is."""

_WEB = ("https://", "http://")
_DATA_URL = re.compile(r"data:([^;,\s]+)((?:;[^;,\s]*)*),", re.IGNORECASE)


def read_url(url: str, *, param: str) -> Inline | Link:
    """A data URL's content or a link, on the web or in a cloud's store, which its writer judges.

    Raises InvalidRequest for anything else.
    """
    if url[:5].lower() == "data:":
        match = _DATA_URL.match(url)
        if match is None or not match.group(2).lower().endswith(";base64"):
            raise InvalidRequest("a data URL must have a media type and be base64-encoded", param=param)
        return Inline(match.group(1).lower(), url[match.end() :])
    if url.lower().startswith((*_WEB, "gs://", "s3://")):
        return Link(url)
    raise InvalidRequest("expected an https URL or a data URL", param=param)


def web_url(link: Link, path: str) -> str:
    """For vendors that fetch from the web alone. Raises UnsupportedFeature for an address in a cloud's store."""
    if not is_web(link.url):
        raise UnsupportedFeature(
            f"{path}: this vendor reads no {link.url.partition(':')[0]}:// address; send the content inline", param=path
        )
    return link.url


def is_web(url: str) -> bool:
    return url.lower().startswith(_WEB)


def data_url(source: Inline) -> str:
    return f"data:{source.media_type};base64,{source.data}"


class ToolIds:
    """Gives every tool call id of one request a form that a vendor accepts; the same id always gets the same form.

    ``valid`` is the vendor's full-match pattern; ids that do not fit, or collide, become ``prefix`` + a hash.
    """

    def __init__(self, valid: re.Pattern[str], prefix: str = "call_") -> None:
        self._valid = valid
        self._prefix = prefix
        self._forms: dict[str, str] = {}

    def __getitem__(self, original: str) -> str:
        if original not in self._forms:
            fits = self._valid.fullmatch(original) is not None
            digest = hashlib.sha256(original.encode()).hexdigest()[:24]
            self._forms[original] = original if fits else f"{self._prefix}{digest}"
        return self._forms[original]


NewId = Callable[[], str]
"""Makes fresh ids; handed in by the relay so that codecs stay pure and tests repeatable."""
