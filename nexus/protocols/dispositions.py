"""What becomes of a request's field, as the rows of each dialect's ``fields``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nexus.conversation.asking import asks_for
from nexus.conversation.parts import Request

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


def left_out(writes: Mapping[str, Disposition], request: Request) -> list[str]:
    """The fields that a writer drops and the request asks for something by."""
    names = (name for name, row in writes.items() if row.kind == "dropped")
    return [name for name in names if asks_for(name, getattr(request, name))]


def refused(note: str) -> Disposition:
    return Disposition("refused", note)
