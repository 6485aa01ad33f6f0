"""What becomes of a request's field, as the rows of each dialect's ``fields``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
