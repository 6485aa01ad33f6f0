"""What codecs take and give beside the neutral form.

Law: a codec is made of pure functions; it reads its own dialect into neutral values and writes neutral values as its
own dialect, and never knows which dialect stands on the other side. *Content or tools that cannot be expressed* raise
UnsupportedFeature naming the field; *tuning knobs without a counterpart* are left out and named in ``dropped``, by the
neutral name of the Request field (a reader: by the wire name).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from typing import Literal

from nexus.conversation.parts import NOTHING_ASKED, Request, Response
from nexus.dataclasses import dataclass
from nexus.models import bedrock, chat_server, gemini
from nexus.models.bedrock import ConverseModel
from nexus.models.chat_server import ChatServer
from nexus.models.claude import CLASSIC, Claude
from nexus.models.gemini import Gemini
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
    chat: ChatServer = chat_server.PLAIN
    claude: Claude = CLASSIC
    gemini: Gemini = gemini.PLAIN
    converse: ConverseModel = bedrock.PLAIN
    gpt: GPT | None = None
    summary: Literal["auto", "concise", "detailed", "off"] = "auto"
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


NewId = Callable[[], str]
"""Makes fresh ids; handed in by the relay so that codecs stay pure and tests repeatable."""

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
    is the content. ``wants_thinking`` says that the vendor will not think on after a tool's result without the thinking
    that came before the call. ``renaming`` tells the client's own names of what had to be called otherwise.
    ``answer_call`` is the tool, by the vendor's name, whose arguments the text of the answer is.
    """

    body: dict[str, Json]
    dropped: tuple[str, ...] = ()
    answer_tool: str | None = None
    wants_thinking: bool = False
    cut: Cut = Cut()
    renaming: Renaming = field(default_factory=Renaming)
    answer_call: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerOrigin:
    """What a reader of an answer may have to know of its question; ``response_id`` and the ids of ``new_id`` are the
    gateway's own, ``server`` is the target's.
    """

    request: Request
    response_id: str
    model: str
    new_id: NewId
    server: ChatServer = chat_server.PLAIN


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a client's answer says beside its content: the gateway's own ``id``, the ``model`` as the client named it,
    when it was ``created`` (Unix seconds) and what it answers. ``now`` is the clock by which it is completed; without
    one it is complete when it was created.
    """

    id: str
    model: str
    created: int
    request: Request = NOTHING_ASKED
    now: Callable[[], int] | None = None


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """A vendor's whole answer; ``dropped`` names content without a counterpart, in the vendor's words."""

    response: Response
    dropped: tuple[str, ...] = ()
