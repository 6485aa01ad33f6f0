"""Input and output of codecs besides the neutral form.

Law: a codec is made of pure functions. It reads its own dialect into neutral values, writes neutral values as its own
dialect, and never knows the dialect on the other side. *Unsupported content or tools* raise UnsupportedFeature with the
field; *tuning parameters without an equivalent* are left out and listed in ``dropped``, by the neutral name of the
Request field (in a reader: by the wire name).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Literal

from nexus.conversation.parts import NOTHING_ASKED, Request
from nexus.dataclasses import dataclass, field
from nexus.models import bedrock, chat_server, gemini
from nexus.models.bedrock import ConverseModel
from nexus.models.chat_server import ChatServer
from nexus.models.claude import CLASSIC, Claude
from nexus.models.gemini import Gemini
from nexus.models.gpt import GPT
from nexus.protocols.renaming import Renaming
from nexus.wire import Json

DEFAULT_MAX_TOKENS = 4096
"""Limit for answers of unknown models."""


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a request: facts about its server and model, by the model family that a writer needs.

    If the client set no limit, an answer gets ``max_tokens`` and thinking comes on top; or ``max_output`` for both, if
    ``max_tokens`` is not configured and the model is known. With ``searches`` the vendor may search the web. ``gpt`` is
    None unless the model is known to be OpenAI's, ``summary`` is the kind of reasoning summary that may be requested,
    ``efforts`` are the levels of thinking that the server listed when it rejected another, None if it never did.
    ``takes_reasoning`` says whether a Responses server accepts back the reasoning in the history, ``rejected`` are the
    paths of members that the server rejects and the answer does not depend on, ``host`` is the name of the host that
    serves the model.
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
    efforts: tuple[str, ...] | None = None
    takes_reasoning: bool = True
    rejected: tuple[str, ...] = ()
    host: str = ""

    @property
    def named(self) -> str:
        """The model and its host, for an error."""
        return f"{self.model} on {self.host}" if self.host else self.model


@dataclass(frozen=True, slots=True)
class Cut:
    """What the relay does instead of the vendor: end the answer before the first of ``stop``, or after the number of
    tokens that the client wants if the vendor's minimum is higher."""

    stop: tuple[str, ...] = ()
    max_tokens: int | None = None


NewId = Callable[[], str]
"""Makes new ids; passed in by the relay so that codecs stay pure and tests repeatable."""

Find = Callable[[Collection[str]], Mapping[str, Mapping[str, Json]]]
"""Finds stored records of earlier answers by id."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A client's request in neutral form; ``dropped`` lists the wire fields that the neutral form does not have.

    ``kept`` is the request's part of the record in which its answer is stored, None if it is not stored.
    """

    request: Request
    dropped: tuple[str, ...] = ()
    kept: dict[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class VendorRequest:
    """A vendor's request body.

    ``answer_tool`` is the name of a tool that was forced instead of structured output: its call in the answer is the
    content. ``wants_thinking`` says that the vendor will not continue thinking after a tool result without the thinking
    that came before the call. ``renaming`` has the client's own names of everything that was renamed. ``answer_call``
    is the tool, by the vendor's name, whose arguments are in the text of the answer. ``whole``: the vendor answers this
    request as a whole only.
    """

    body: dict[str, Json]
    dropped: tuple[str, ...] = ()
    answer_tool: str | None = None
    wants_thinking: bool = False
    cut: Cut = Cut()
    renaming: Renaming = field(default_factory=Renaming)
    answer_call: str | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class AnswerOrigin:
    """What the reader of an answer may need to know about the request; ``response_id`` and the ids of ``new_id`` are
    the gateway's own, ``server`` is the target's."""

    request: Request
    response_id: str
    model: str
    new_id: NewId
    server: ChatServer = chat_server.PLAIN


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a client's answer has besides its content: the gateway's own ``id``, the ``model`` as the client named it,
    when it was ``created`` (Unix seconds) and the request. ``now`` is the clock for the completion time; without it the
    answer is complete when it was created."""

    id: str
    model: str
    created: int
    request: Request = NOTHING_ASKED
    now: Callable[[], int] | None = None
