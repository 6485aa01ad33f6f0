"""Tables whose class depends on the value of one key: storages, header rules, providers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from nexus.settings.types import Table, did_you_mean, fail_at


class Tagged(Table):
    """Base class of all variants. A field for it has the type ``Annotated[Base, WrapValidator(Base.read)]``."""

    tag: ClassVar[str] = "type"
    """The key that names the variant."""

    @classmethod
    def variants(cls) -> Mapping[str, type[Table]]:
        """Valid values of the key, each with its class."""
        raise NotImplementedError

    @classmethod
    def variant(cls, data: object) -> type[Table]:
        kind = data.get(cls.tag) if isinstance(data, dict) else None
        variants = cls.variants()
        return variants[kind] if isinstance(kind, str) and kind in variants else cls

    @classmethod
    def wrong_kind(cls, table: Mapping[str, Any]) -> str:
        """The message for a table whose key is missing or unknown."""
        *first, last = (f'"{kind}"' for kind in cls.variants())
        return f"{'must be' if cls.tag in table else 'is missing; set it to'} {', '.join(first)} or {last}"

    @classmethod
    def read(cls, value: Any, handler: ValidatorFunctionWrapHandler, defaults: Mapping[str, Any] | None = None) -> Self:
        """Reads a table as its variant; ``defaults`` apply to the keys that it lacks."""
        if not isinstance(value, dict):
            return handler(value)  # type: ignore[no-any-return]
        found = cls.variant(value)
        if found is cls:
            near = {key: did_you_mean(key, (cls.tag,)) for key in value if cls.tag not in value}
            typos = [((key,), f"unknown key{hint}") for key, hint in near.items() if hint]
            fail_at(*(typos or [((cls.tag,), cls.wrong_kind(value))]))
        return found.model_validate({**(defaults or {}), **value})  # type: ignore[return-value]
