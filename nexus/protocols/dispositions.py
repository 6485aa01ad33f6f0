"""What happens to each field of a request, as the rows of each dialect's ``fields``.

The tables are complete and exact: ``READS`` has every top-level field of the published request type, ``WRITES`` every
field of the neutral Request. Readers and writers use them for fields that are dropped, with a report, or refused as a
whole, with the note; unknown fields are dropped by name. A test sends each field and checks the result. Values without
effect (null, false, [], {}, a default) are never reported.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, TypeVar

from nexus.conversation.parts import Request, Thinking
from nexus.dataclasses import dataclass
from nexus.errors import UnsupportedFeature
from nexus.models.efforts import COMMON, OFF, nearest
from nexus.protocols.checks import Body, Drops, asks_for
from nexus.wire import Json

T = TypeVar("T")

DispositionKind = Literal["carried", "converted", "dropped", "refused"]
_LOST = ("dropped", "refused")


@dataclass(frozen=True, slots=True)
class Disposition:
    """What happens to the usual values of a field; ``note`` has the exceptions.

    ``field`` is the neutral Request field that a client's field becomes: "" if it is consumed otherwise, None if there
    is none.
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


def dropped_by(reads: Mapping[str, Disposition], body: Body, known: Collection[str] = ()) -> Drops:
    """The fields of a client's request that its reader drops or does not know; ``known`` ones are read elsewhere.

    Raises UnsupportedFeature for refused fields.
    """
    drops = Drops()
    for name, value in body.items():
        if name in known or not asks_for(name, value):
            continue
        disposition = reads.get(name)
        if disposition is None or disposition.kind == "dropped":
            drops.add(name)
        elif disposition.kind == "refused":
            raise UnsupportedFeature.about(name, disposition.note)
    return drops


def left_out(writes: Mapping[str, Disposition], request: Request) -> list[str]:
    """The fields that a writer drops and that have an effect in this request.

    Raises UnsupportedFeature for refused fields.
    """
    values = {name: getattr(request, name) for name, row in writes.items() if row.kind in _LOST}
    lost = [name for name, value in values.items() if value is not None and asks_for(name, value)]
    for name in lost:
        if writes[name].kind == "refused":
            raise UnsupportedFeature.about(name, writes[name].note)
    return lost


def tier_for(request: Request, tiers: Mapping[str, T], drops: Drops) -> T | None:
    """The vendor's name of the service tier; a tier without one is reported as dropped."""
    if request.service_tier is not None and request.service_tier not in tiers:
        drops.add("service_tier")
    return tiers.get(request.service_tier or "")


def fields_for(request: Request, keys: Mapping[str, str], takes: bool, drops: Drops) -> dict[str, Json]:
    """The request's fields under the vendor's ``keys``; for a vendor that does not take them they are left out, and
    those with an effect are reported."""
    fields: dict[str, Json] = {}
    for name, key in keys.items():
        value = getattr(request, name)
        if value in (None, {}):
            continue
        if takes:
            fields[key] = value
        elif asks_for(name, value):
            drops.add(name)
    return fields


def effort_level(thinking: Thinking, offered: Sequence[str], drops: Drops) -> str | None:
    """The level of thinking to request from a model that has the levels ``offered``; None if the model decides. What it
    cannot do as requested is reported as dropped; disabled thinking becomes its off, or else its lowest level."""
    if not thinking.enabled:
        if OFF in offered:
            return OFF
        drops.add("thinking")
        return nearest("minimal", offered)
    if (asked := COMMON.effort(thinking)) is None:
        return None
    if OFF in offered and len(offered) == 1:
        # Groq's Qwen thinks as much as it likes, or not at all.
        drops.add("thinking.effort")
        return None
    level = nearest(asked, offered)
    if level != asked and thinking.effort is not None:
        drops.add("thinking.effort")
    return level
