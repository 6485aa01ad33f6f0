"""Reads client and group ids from headers and token claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.errors import InvalidRequest
from nexus.settings.identity import read_id
from nexus.wire import Json


def claim_at(claims: Mapping[str, Json], path: str) -> Json:
    """The value at a dotted path, or None. Names that contain dots, such as "https://example.com/groups", work too."""
    value: Json = claims
    steps = path.split(".")
    while steps:
        if not isinstance(value, Mapping):
            return None
        # Prefer the longest existing name: a namespaced name is more specific than nested levels.
        lengths = range(len(steps), 0, -1)
        length = next((count for count in lengths if ".".join(steps[:count]) in value), None)
        if length is None:
            return None
        value = value[".".join(steps[:length])]
        del steps[:length]
    return value


def values_of(claim: Json) -> list[str]:
    """The texts of a claim or of each array element; drops blank ones, and all but strings and integers."""
    items = claim if isinstance(claim, list) else [claim]
    texts = [item if isinstance(item, str) else _digits(item) for item in items]
    return [text for text in texts if text.strip()]


def _digits(item: Json) -> str:
    # str() fails for integers of thousands of digits, which are not ids.
    return str(item) if isinstance(item, int) and not isinstance(item, bool) and abs(item) < 1 << 64 else ""


def header_value(name: str, lines: Sequence[str]) -> list[str]:
    """The value of a header with an id, as a list of at most one. Raises InvalidRequest if it was sent twice."""
    if len(lines) > 1:
        raise InvalidRequest(f"the header {name} was sent more than once")
    return [line for line in lines if line.strip()]


def checked(what: str, value: str) -> str:
    """The id without surrounding whitespace. Raises InvalidRequest if it is invalid."""
    try:
        return read_id(value)
    except ValueError as error:
        raise InvalidRequest(f"the {what} {error}") from error


def choose_group(values: Sequence[str], allowed: Sequence[str]) -> str | None:
    """The first allowed group, or None if ``values`` is empty. Raises InvalidRequest if no group is allowed."""
    if not values:
        return None
    if not allowed:
        return checked("group id", values[0])
    found = next((value.strip() for value in values if value.strip() in allowed), None)
    if found is None:
        raise InvalidRequest("unknown group: it is not in server.client_identification.validation.group_values")
    return found
