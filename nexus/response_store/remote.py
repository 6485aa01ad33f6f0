"""Answers stored in the supervisor, shared by all its worker processes.

Worker threads only. While the supervisor does not reply nothing is stored, and a client that refers to an earlier
answer gets a 503.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from nexus.errors import Overloaded
from nexus.processes.hub import Function
from nexus.processes.link import NoResult, SupervisorLink
from nexus.response_store.local import LocalStore
from nexus.response_store.script import OVERHEAD
from nexus.response_store.store import Bounds

log = logging.getLogger("nexus.response_store")


class RemoteStore:
    """``name`` distinguishes the stores."""

    def __init__(self, link: SupervisorLink, bounds: Bounds, name: str) -> None:
        self._link = link
        self.bounds = bounds
        self._name = name

    def keep(self, key: str, payer: str, data: bytes) -> None:
        if len(data) + OVERHEAD > self.bounds.most_each:
            return
        try:
            self._link.call(f"{self._name}.keep", key, payer, data)
        except NoResult as error:
            log.warning("an answer could not be stored", extra={"fields": {"why": str(error)}})

    def find(self, keys: Collection[str]) -> Mapping[str, bytes]:
        found: Mapping[str, bytes] = self._answer_of("find", list(keys))
        return found

    def forget(self, key: str) -> bool:
        return bool(self._answer_of("forget", key))

    def close(self) -> None:
        return None

    def _answer_of(self, verb: str, argument: object) -> Any:
        try:
            return self._link.call(f"{self._name}.{verb}", argument)
        except NoResult as error:
            raise Overloaded("stored answers are temporarily unavailable; retry in a moment", retry_after=1) from error


def services(store: LocalStore, name: str) -> Mapping[str, Function]:
    return {f"{name}.keep": store.keep, f"{name}.find": store.find, f"{name}.forget": store.forget}
