"""Who calls: what a credential proves, once the keys to prove it with are there.

On the loop. Waiting is the server's to do, for other callers go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from nexus.auth.authenticator import Authenticator
from nexus.auth.credentials import HeaderLines
from nexus.auth.identity import Identity
from nexus.auth.tokens import Pending


async def identify(
    authenticator: Authenticator, lines: HeaderLines, wait: Callable[[Future[None]], Awaitable[None]]
) -> Identity:
    """Raises ClientError. Waits only where the identity provider's keys are being fetched."""
    found = authenticator.authenticate(lines)
    if isinstance(found, Pending):
        await wait(found.fetched)
        found = authenticator.authenticate(lines, last=True)
    if isinstance(found, Pending):
        raise AssertionError("an authenticator that is asked for the last time answers")
    return found
