"""The scalar types of settings, and ``Table``, the base class of all settings models.

No parser here repeats its input in a message, because any text of a settings file can be a secret.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic import FilePath as ExistingFile
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import no_info_plain_validator_function

from nexus import DISTRIBUTION
from nexus.late import pattern

MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
SCALES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
DAY = 86_400.0
MOST_PROCESSES = 256

_TERM = pattern(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h|d|w)\s*")
_BARE = pattern(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_TERMS = pattern(rf"(?:{_TERM.pattern})+")
_SIZE = pattern(r"([0-9]{1,15})\s*([KMG]?I?B)?", re.IGNORECASE)
_PATH = pattern(r"(?:/[A-Za-z0-9._~-]+)+")


def _read_file_path(value: object, inner: ValidatorFunctionWrapHandler) -> object:
    """Also rejects the content of a certificate or a key in place of its path, and a folder that may not be read."""
    content = "must be the path of a file, not its content"
    if isinstance(value, str) and "-----BEGIN" in value:
        raise ValueError(content)
    try:
        # Path.is_file, which pydantic calls, hides these errors since Python 3.14.
        with suppress(FileNotFoundError, NotADirectoryError, ValueError):
            if isinstance(value, str):
                os.stat(value)
    except OSError as error:
        why = f"cannot be read: {os.strerror(error.errno or 0).lower()}"
        raise ValueError(content if error.errno == errno.ENAMETOOLONG else why) from None
    return inner(value)


FilePath = Annotated[ExistingFile, WrapValidator(_read_file_path)]
"""The path of a file that exists."""


KeyPath = tuple[str | int, ...]
"""The keys and indices that lead to a setting."""

Location = tuple[KeyPath, str]
"""A path inside a table, and the message of the problem there."""


class Table(BaseModel):
    """A table of the settings file: rejects unknown keys, is frozen, and keeps its values out of error messages.

    Law: a default that is a table comes from ``model_construct``. Validators are built lazily, so only for tables that
    the file has; any other default would build one at import.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        """As a field of another table, the schema is a call of ``inner``, so that no validator is built yet."""
        if handler.field_name is None:
            return handler(source)
        return no_info_plain_validator_function(cls.inner, ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}")

    @classmethod
    def inner(cls, value: object) -> Table:
        """Reads the value of a field of this type in another table."""
        return value if isinstance(value, cls) else cls.model_validate(value)

    @classmethod
    def variant(cls, data: object) -> type[Table]:
        """The class that reads this table; ``Tagged`` chooses it by a key of ``data``."""
        return cls

    def problems(self) -> Iterable[Location]:
        """Conflicts between the keys of the table. Those that a base class finds are reported first, without the
        subclass's."""
        return ()

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for table in reversed(type(self).__mro__):
            if "problems" in vars(table) and (locations := [*vars(table)["problems"](self)]):
                fail_at(*locations)
        return self


def fail_at(*locations: Location) -> NoReturn:
    """Rejects a table with messages for paths inside it, so that each is reported on its own line. Raises
    ValidationError."""
    raise ValidationError.from_exception_data(
        "settings",
        [
            InitErrorDetails(type=PydanticCustomError("rule", "{text}", {"text": text}), loc=path, input=None)
            for path, text in locations
        ],
        hide_input=True,
    )


Read = TypeVar("Read")


def each(values: Sequence[Any], read: Callable[[Any], Read]) -> tuple[Read, ...]:
    """Reads all values of an array; an invalid one is reported at its index."""
    found: list[Read] = []
    for index, value in enumerate(values):
        try:
            found.append(read(value))
        except ValueError as error:
            fail_at(((index,), str(error)))
    return tuple(found)


def no_longer_than(most: int, what: str) -> AfterValidator:
    """A validator of a name's length; ``what`` is the subject of the error message."""

    def check(value: str) -> str:
        if len(value) > most:
            raise ValueError(f"{what} must have at most {most} characters")
        return value

    return AfterValidator(check)


def needs(package: str, extra: str) -> str:
    """The message for a setting that needs a package which is not installed; ``extra`` of Nexus installs it."""
    return f"needs the Python package {package}, which is not installed; pip install '{DISTRIBUTION}[{extra}]'"


def did_you_mean(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """A suggestion of the known word nearest to ``word``, as the end of a message; "" if none is near."""
    near = difflib.get_close_matches(word, [*known], 1, likeness)
    return f'; did you mean "{near[0]}"?' if near else ""


def one_of(known: Collection[str]) -> AfterValidator:
    """A validator of a name that must be among ``known``."""

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}{did_you_mean(value, known)}")
        return value

    return AfterValidator(check)


def read_duration(value: object) -> float:
    """Reads "500ms", "60s", "5m", "1h", "1d", "1w", a sum such as "1m30s", or a number of seconds, as seconds. Raises
    ValueError."""
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and _BARE.fullmatch(text.strip()):
        seconds = float(text)
    elif isinstance(text, str) and _TERMS.fullmatch(text.strip()):
        seconds = sum(float(number) * MILLISECONDS[unit] for number, unit in _TERM.findall(text)) / 1000
    else:
        raise ValueError('is not a duration; write it like "500ms", "60s", "5m", "1h", "1d", "1w" or "1m30s"')
    if seconds > 400 * DAY:
        raise ValueError("must be at most 400 days")
    return seconds


def read_timeout(value: float) -> float:
    """A valid socket timeout: sockets count milliseconds in 32 bits. Raises ValueError."""
    if not 0 < value <= DAY:
        raise ValueError("must be more than 0 and at most a day")
    return value


def read_size(value: object) -> int:
    """Reads 33554432, "32MiB" or "10MB" as bytes. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or (match[2] or "B").upper() not in SCALES:
        raise ValueError('is not a size; write bytes as a number, or a string like "32MiB" or "10MB"')
    return int(match[1]) * SCALES[(match[2] or "B").upper()]


def read_process_count(value: object) -> int | Literal["auto"]:
    """Reads a number of processes or "auto". Raises ValueError."""
    if value == "auto":
        return "auto"
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_PROCESSES:
        raise ValueError(f'is not a number of processes; write one from 1 to {MOST_PROCESSES}, or "auto"')
    return value


def read_path(value: str) -> str:
    """A URL path to match exactly, without a trailing slash. Raises ValueError."""
    value = value[:-1] if len(value) > 1 and value.endswith("/") else value
    if not _PATH.fullmatch(value) or any(part in (".", "..") for part in value.split("/")):
        raise ValueError('is not a URL path; write it like "/health", with letters, digits and ._~- between slashes')
    return value


def read_base_path(value: str) -> str:
    """A URL path prefix; "/" is the root. Raises ValueError."""
    return value if value == "/" else read_path(value)


def read_label(value: str) -> str:
    """A human-readable name without control characters or surrounding whitespace. Raises ValueError."""
    if not value or not value.isprintable() or value != value.strip():
        raise ValueError("must not be empty, contain control characters, or begin or end with a space")
    return value


Duration = Annotated[float, BeforeValidator(read_duration)]
"""Seconds; written as a string with a unit, or as a number."""

PositiveDuration = Annotated[Duration, Field(gt=0)]

Timeout = Annotated[Duration, AfterValidator(read_timeout)]

Size = Annotated[int, BeforeValidator(read_size), Field(gt=0)]
"""Bytes; written as a number or as a string with a unit."""

ProcessCount = Annotated[int | Literal["auto"], PlainValidator(read_process_count)]

UrlPath = Annotated[str, AfterValidator(read_path)]

BasePath = Annotated[str, AfterValidator(read_base_path)]

Label = Annotated[str, AfterValidator(read_label)]


Names = Annotated[
    tuple[Label, ...],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | list[str]),
]
"""One name, or several in a list."""
