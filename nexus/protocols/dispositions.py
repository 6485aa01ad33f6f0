"""What becomes of a request's field, as the rows of each dialect's ``fields``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from nexus.conversation.asking import asks_for
from nexus.conversation.parts import Request
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import Body, Drops

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


def dropped_by(reads: Mapping[str, Disposition], body: Body, known: Collection[str] = ()) -> Drops:
    """The fields of a client's request that its reader drops, or does not know; ``known`` are read elsewhere.

    Raises UnsupportedFeature for what it refuses.
    """
    drops = Drops()
    for name, value in body.items():
        if name in known or not asks_for(name, value):
            continue
        disposition = reads.get(name)
        if disposition is None or disposition.kind == "dropped":
            drops.add(name)
        elif disposition.kind == "refused":
            raise UnsupportedFeature(f"{name}: {disposition.note}", param=name)
    return drops


def left_out(writes: Mapping[str, Disposition], request: Request) -> list[str]:
    """The fields that a writer drops and the request asks for something by."""
    names = (name for name, row in writes.items() if row.kind == "dropped")
    return [name for name in names if asks_for(name, getattr(request, name))]


def refused(note: str) -> Disposition:
    return Disposition("refused", note)
