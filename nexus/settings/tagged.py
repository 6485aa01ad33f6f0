"""Tables of which one key names the class that reads the others: storages, header rules, providers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from nexus.settings.types import Table, fail_at


class Tagged(Table):
    """The base class of all variants; a field of it has the type ``Annotated[Base, WrapValidator(Base.read)]``."""

    tag: ClassVar[str] = "type"
    """The key that names the variant."""

    @classmethod
    def variants(cls) -> Mapping[str, type[Table]]:
        """The values that the key can have, each with its class."""
        raise NotImplementedError

    @classmethod
    def kinds(cls) -> Collection[str]:
        """The values that the key can have."""
        return cls.variants()

    @classmethod
    def is_kind(cls, name: str) -> bool:
        """Whether it is one of ``kinds``."""
        return name in cls.kinds()

    @classmethod
    def of_kind(cls, kind: str) -> type[Table]:
        """The class for one of ``kinds``."""
        return cls.variants()[kind]

    @classmethod
    def variant(cls, data: object) -> type[Table]:
        kind = data.get(cls.tag) if isinstance(data, dict) else None
        return cls.of_kind(kind) if isinstance(kind, str) and cls.is_kind(kind) else cls

    @classmethod
    def wrong_kind(cls, table: Mapping[str, Any]) -> str:
        """What is wrong with the key of a table that names no variant."""
        *first, last = (f'"{kind}"' for kind in cls.kinds())
        return f"{'must be' if cls.tag in table else 'is missing; it is'} {', '.join(first)} or {last}"

    @classmethod
    def read(cls, value: Any, handler: ValidatorFunctionWrapHandler, defaults: Mapping[str, Any] | None = None) -> Self:
        """A table as its variant; ``defaults`` stand in for keys that it does not have."""
        if not isinstance(value, dict):
            return handler(value)  # type: ignore[no-any-return]
        found = cls.variant(value)
        if found is cls:
            fail_at(((cls.tag,), cls.wrong_kind(value)))
        return found.model_validate({**(defaults or {}), **value})  # type: ignore[return-value]
