"""The tree of errors; ``tests/protocols/test_errors.py`` tests how clients read each error."""

from collections.abc import Iterator

import pytest

from nexus.errors import Cancelled, ClientError, InternalError, NexusError, UpstreamError


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
