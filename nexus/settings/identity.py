"""``[server.client_identification]``: who calls, for limits and usage accounting."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from nexus.headers.names import is_denied, is_secret, read_header_name
from nexus.settings.types import Location, Table

LONGEST_ID = 256
"""Maximum characters of a client or group id."""

MOST_STEPS = 16

NO_IDENTIFICATION = (
    "is missing, and nothing else identifies callers; set it, issue keys (nexus key new NAME), or add [server.oauth]"
)


def read_id(value: str) -> str:
    """The id of a client or a group. Raises ValueError that completes the sentence "the id ..."."""
    text = value.strip()
    if not text:
        raise ValueError("is empty")
    if len(text) > LONGEST_ID:
        raise ValueError(f"has more than {LONGEST_ID} characters")
    if not text.isprintable():
        raise ValueError("contains control characters")
    return text


def read_claim_path(value: str) -> str:
    """The dotted path of a claim, such as "sub" or "realm_access.roles". Raises ValueError."""
    if not value or not value.isprintable() or any(not step for step in value.split(".")):
        raise ValueError('is not a claim path; write it like "sub" or "realm_access.roles"')
    if value.count(".") >= MOST_STEPS:
        raise ValueError(f"has more than {MOST_STEPS} steps")
    return value


def read_id_header(value: str) -> str:
    """A header that may carry an id; one that carries credentials would put them into logs. Raises ValueError."""
    name = read_header_name(value)
    if is_denied(name) or is_secret(name):
        raise ValueError("is a connection header or carries credentials; choose another one")
    return name


Id = Annotated[str, AfterValidator(read_id)]
ClaimPath = Annotated[str, AfterValidator(read_claim_path)]
IdHeader = Annotated[str, AfterValidator(read_id_header)]


class IdSource(Table):
    """The source of an id: a header, or a token claim, the gateway key, or both of these."""

    http_header: IdHeader | None = None
    """Header with the id. Any client can send it, so a proxy in front must set it."""

    jwt_claim: ClaimPath | None = None
    """Dotted path of a token claim; needs [server.oauth]."""

    gateway_key: bool = False
    """Use the name of the caller's gateway key, or the key's group; needs [server.keys]."""

    def problems(self) -> Iterator[Location]:
        if self.http_header is None and self.jwt_claim is None and not self.gateway_key:
            yield (), "names no source; set gateway_key = true, jwt_claim, or http_header behind a proxy that sets it"
        if self.http_header is not None and (self.jwt_claim is not None or self.gateway_key):
            yield (("http_header",), "cannot be combined with another source, which it could contradict; set only one")


class IdValidation(Table):
    """``[server.client_identification.validation]``: which ids are valid."""

    group_values: tuple[Id, ...] = ()
    """All groups; Nexus rejects any other one. An empty list accepts any group."""


class ClientIdentification(Table):
    """Identifies the caller of each call."""

    enabled: bool = False
    """Reject calls without a client id."""

    client_id: IdSource | None = None
    """Source of the client id. Default: the claim "sub" of the token, or the name of the gateway key."""

    group_id: IdSource | None = None
    """Source of the caller's group. Without it all callers have the default limits."""

    validation: IdValidation = IdValidation.model_construct()
    """Which ids are valid."""
