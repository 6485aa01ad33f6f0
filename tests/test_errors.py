"""The tree of errors; ``tests/protocols/test_errors.py`` tests how clients read each error."""

from collections.abc import Iterator

import pytest

from nexus.errors import Cancelled, ClientError, InternalError, NexusError, UpstreamError, VendorError
from nexus.errors.failure import VendorFailure
from nexus.headers import own


def below(kind: type[NexusError]) -> Iterator[type[NexusError]]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


@pytest.mark.parametrize("kind", list(below(NexusError)), ids=lambda kind: kind.__name__)
def test_every_error_has_one_known_origin(kind: type[NexusError]) -> None:
    """The client, the vendor, a cancellation or a bug: limits, metrics and logs depend on it."""
    assert issubclass(kind, ClientError | UpstreamError | Cancelled | InternalError)
    assert 400 <= kind.status < 600
    if issubclass(kind, ClientError):
        assert kind.status < 500 or kind.status == 503, "a call that we refuse is not a vendor failure"


@pytest.mark.parametrize(("given", "header"), [("r\n1", {own.UPSTREAM_REQUEST_ID: "r1"}), (None, {}), ("\n", {})])
def test_a_vendors_request_id_has_a_header_if_there_is_one(given: str | None, header: dict[str, str]) -> None:
    failure = VendorFailure("no", "upstream", 500, request_id=given)
    assert VendorError(failure).reply_headers("chat") == header
