"""The state of a call about files or batches: which objects, who owns them, and what became of them.

The owner of an object is stored before its id reaches the client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nexus.accounting.file_owners import FileOwners, Owned
from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass, field
from nexus.protocols.files import FilesCodec, FilesRequest
from nexus.relay.candidate import Candidate
from nexus.upstream.upload import Upload
from nexus.wire import Json, text

FieldNames = Mapping[str, tuple[str, str]]
BatchCost = Callable[[str, Usage], int | None]
"""Cost in nano-dollars, by a model's alias; None if unknown."""


@dataclass(frozen=True, slots=True)
class Used:
    """The usage of one line of results. ``alias`` is None for a model that the batch does not name."""

    alias: str | None
    model: str
    parts: tuple[int, ...]
    cost: int | None


@dataclass(frozen=True, slots=True)
class Booked:
    """Usage of one model that was read from a stored answer or from the results of a batch, as charged. ``route`` is
    the model's configured name, ``cost`` in nano-dollars; ``raw`` is for the ledger, where it is already if
    ``in_ledger``."""

    route: str
    model: str
    usage: Usage
    cost: int | None
    price_source: str
    raw: Mapping[str, Json]
    in_ledger: bool = False


@dataclass(slots=True)
class FileCall:
    """A call about files or batches. ``object`` is the one it is about, ``rows`` are those of a list; ``base`` is
    the URL at which its client reaches the protocol. A created object has ``models`` and a ``purpose``; ``body`` and
    ``upload`` are sent, with the vendor's model names. ``lines`` are the result lines that passed."""

    request: FilesRequest
    codec: FilesCodec
    owners: FileOwners = field(repr=False)
    owner: str
    base: str = ""
    object: Owned | None = None
    rows: list[Owned] = field(default_factory=list)
    more: bool = False
    candidates: Sequence[Candidate] = ()
    models: FieldNames = field(default_factory=dict)
    purpose: str = ""
    body: bytes = field(default=b"", repr=False)
    upload: Upload | None = field(default=None, repr=False)
    cost: BatchCost = field(default=lambda alias, usage: None, repr=False)
    lines: list[Used | None] = field(default_factory=list, repr=False)

    def forget(self) -> None:
        """Frees what was sent."""
        self.body, self.upload = b"", None

    @property
    def results(self) -> Owned | None:
        """The object whose results are requested, or None."""
        if self.request.verb != "content" or self.object is None:
            return None
        return self.object if self.object.kind == "batches" or self.object.parent else None

    def learn(self, keeper: str, provider: str, document: Mapping[str, Json], owned: Owned | None) -> None:
        """Records a vendor's object and its children. Raises ValueError for an object without an id, Overloaded if it
        cannot be stored."""
        if owned is None:
            id = text(document.get("id"))
            if not id:
                raise ValueError("an object without an id")
            owned = Owned(
                provider, id, self.request.kind, self.owner, keeper, self.purpose, state=document, models=self.models
            )
            self.owners.add(owned)
        else:
            owned = self.owners.note(owned, document)
        for child in self.codec.children(document) if owned.kind == "batches" else ():
            output = Owned(provider, child, "files", owned.owner, keeper, "batch_output", owned.id, models=owned.models)
            self.owners.add(output)

    def shown(self, raw: bytes, document: Mapping[str, Json], models: FieldNames) -> bytes:
        """A vendor's object as the client sees it."""
        known = model_name_of(models, text(document.get("model")))
        return self.codec.edited(raw, document, self.base, None if known is None else known[0])


def model_name_of(models: FieldNames, answered: str) -> tuple[str, str] | None:
    """The client's name of the model that a vendor reports, and its alias: by the exact id, by the longest id that it
    begins with (a dated version), or the only model there is."""
    if answered in models:
        return models[answered]
    begun = [model for model in models if answered.startswith(model)]
    if begun:
        return models[max(begun, key=len)]
    return next(iter(models.values())) if len(models) == 1 else None
