"""Labels that attribute a call to its caller in a cloud's bill.

Law: fails closed. If a value is missing or invalid for the cloud, the call is rejected.
"""

from __future__ import annotations

from nexus.call import Call
from nexus.errors import PermissionDenied
from nexus.headers import own
from nexus.headers.tags import TAG
from nexus.provider import Labels
from nexus.settings.attribution import CLAIM
from nexus.settings.cloud import CloudSettings
from nexus.settings.provider import ProviderSettings

_WORDS = {"user": "a client id", "key": "a gateway key", "group": "a group"}


def labels_of(call: Call, provider: str, settings: ProviderSettings) -> Labels:
    """The labels of a call for the cloud's bill. Raises PermissionDenied."""
    if not isinstance(settings, CloudSettings) or not call.operation.spends:
        return ()
    rules = settings.attribution_rules
    found: list[tuple[str, str]] = []
    for name, source in settings.attribution.items():
        value = _value(call, source)
        if not value:
            text = f"provider {provider!r} attributes cost by {name!r}: every call needs {_in_words(source)}"
            raise PermissionDenied(text)
        if not rules.value.fullmatch(value):
            where = f"provider {provider!r} attributes cost by {name!r}"
            text = f"{where}, and {_in_words(source)} is not valid there: {rules.words}"
            raise PermissionDenied(text)
        found.append((name, value))
    return tuple(found)


def _value(call: Call, source: str) -> str | None:
    identity = call.identity
    match source:
        case "user":
            return identity.client_id
        case "key":
            return identity.key
        case "group":
            return identity.group
        case _ if source.startswith(CLAIM):
            return dict(identity.claims).get(source.removeprefix(CLAIM))
        case _:
            return dict(call.tags.given).get(source.removeprefix(TAG))


def _in_words(source: str) -> str:
    if source.startswith(CLAIM):
        return f"the claim {source.removeprefix(CLAIM)!r} in its token"
    if source.startswith(TAG):
        return f"the header {own.TAGS}: {source.removeprefix(TAG)}=..."
    return _WORDS[source]
