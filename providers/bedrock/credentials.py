"""Where a signature's keys come from: the settings file, or AWS's own chain through botocore.

Law: what the chain asks (files, processes, SSO, STS, metadata servers) blocks for as long as it likes, so it runs on a
thread of its own, one at a time; callers wait with a limit and are free the moment their call is cancelled. Keys that
still hold are used while the next ones are fetched. No key is in any repr, log or error.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from botocore.config import Config  # type: ignore[import-untyped]
from botocore.credentials import Credentials, RefreshableCredentials  # type: ignore[import-untyped]
from botocore.exceptions import ClientError, NoCredentialsError  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]
from botocore.utils import get_token_from_environment  # type: ignore[import-untyped]

from nexus.cancel import Cancel
from nexus.errors import NexusError, Unreachable, UpstreamTimeout
from nexus.providers.bedrock.settings import BedrockSettings

PATIENCE = 30.0
"""Seconds that a call waits for keys."""

ADVISORY = 15 * 60
"""Seconds before their end from which on keys are renewed; the same as botocore's."""

PHASE = "credentials"
"""What the log calls the part of an exchange that this is."""

SILENCE = 0.9
"""Seconds after which a chain that found nothing has waited for somebody; botocore gives instance metadata one."""

PAUSE = 60.0
"""Seconds between two tries to renew keys that still hold."""

# botocore writes canonical requests and the answers of STS, session tokens in them, into its debug log.
logging.getLogger("botocore").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """One consistent set, never shown."""

    access_key: str
    secret_key: str
    token: str | None = None

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.token, self.secret_key, self.access_key)))


@dataclass(slots=True)
class _Fetch:
    """A visit to the chain under way."""

    began: float = field(default_factory=time.monotonic)
    outcome: Future[Keys] = field(default_factory=Future)
    took: float = 0.0


class Chain:
    """AWS's chain, from its beginning or from a profile. Thread-safe."""

    def __init__(
        self,
        provider: str,
        profile: str | None,
        region: str,
        patience: float = PATIENCE,
        *,
        proxy: str | None = None,
        ca_file: str | None = None,
    ) -> None:
        self._proxy = proxy
        self._ca_file = ca_file
        self._provider = provider
        self._profile = profile
        self._region = region
        self._patience = patience
        self._lock = threading.Lock()
        self._source: Credentials | None = None
        self._keys: Keys | None = None
        self._fetch: _Fetch | None = None
        self._tried = -PAUSE

    def keys(self, cancel: Cancel) -> Keys:
        """Raises Unreachable or UpstreamTimeout when there are none, or the reason of the cancelled call."""
        cancel.check()
        with self._lock:
            keys, source = self._keys, self._source
            if keys is not None and not _ends_within(source, self._patience):
                if _ends_within(source, ADVISORY) and time.monotonic() - self._tried >= PAUSE:
                    self._fetching()
                return keys
            fetch = self._fetching()
        return self._wait(fetch, cancel)

    def forget(self, keys: Keys) -> None:
        """AWS refused these: the next call visits the chain anew, for files and roles change."""
        with self._lock:
            if self._keys == keys:
                self._keys = self._source = None

    def _fetching(self) -> _Fetch:
        """The visit under way, or a new one; one that hangs for longer than anybody waits is given up."""
        current = self._fetch
        if current is not None and time.monotonic() - current.began < 2 * self._patience:
            return current
        fetch = self._fetch = _Fetch()
        self._tried = fetch.began
        threading.Thread(target=self._visit, args=(fetch, self._source), name="aws-credentials", daemon=True).start()
        return fetch

    def _visit(self, fetch: _Fetch, source: Credentials | None) -> None:
        try:
            source = source or self._session().get_credentials()
            frozen = source.get_frozen_credentials() if source is not None else None
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            self._finish(fetch, None, None)
            fetch.outcome.set_exception(error)
            return
        keys = Keys(frozen.access_key, frozen.secret_key, frozen.token) if frozen is not None else None
        self._finish(fetch, source, keys)
        if keys is not None:
            fetch.outcome.set_result(keys)
        else:
            fetch.outcome.set_exception(NoCredentialsError())

    def _session(self) -> Session:
        session = Session(profile=self._profile)
        if self._region:
            session.set_config_variable("region", self._region)
        if self._ca_file:
            session.set_config_variable("ca_bundle", self._ca_file)
        # For STS and SSO, whose clients would wait for a minute, try five times, and ask the environment for a proxy.
        session.set_default_client_config(
            Config(
                connect_timeout=5,
                read_timeout=10,
                retries={"total_max_attempts": 2, "mode": "standard"},
                proxies={"http": self._proxy, "https": self._proxy} if self._proxy else {},
            )
        )
        return session

    def _finish(self, fetch: _Fetch, source: Credentials | None, keys: Keys | None) -> None:
        fetch.took = time.monotonic() - fetch.began
        with self._lock:
            if self._fetch is fetch:
                self._fetch = None
            if keys is not None:
                self._source, self._keys = source, keys

    def _wait(self, fetch: _Fetch, cancel: Cancel) -> Keys:
        name = self._provider
        if not cancel.wait_for(fetch.outcome, self._patience):
            silent = "AWS's chain is still waiting for a metadata server, a token endpoint or a process"
            text = f"{name}: no AWS credentials within {self._patience:g} s"
            raise UpstreamTimeout(text, provider=name).at(PHASE, silent)
        error = fetch.outcome.exception()
        if error is not None:
            raise self._failure(error, fetch.took) from error
        return fetch.outcome.result()

    def _failure(self, error: BaseException, took: float) -> NexusError:
        """Says what kind of failure it was; AWS's wording may name accounts, roles and the output of processes."""
        more = ""
        if isinstance(error, NoCredentialsError):
            why = "none are configured, neither here nor where AWS's tools look for them"
            more = f"; asking took {took:.1f} s, as where no instance metadata answers" if took > SILENCE else ""
        elif isinstance(error, ClientError):
            why = f"AWS refused them with {error.response.get('Error', {}).get('Code', 'an unknown error')}"
        else:
            why = type(error).__name__
        text = f"{self._provider}: AWS credentials cannot be had: {why}"
        return Unreachable(text, provider=self._provider).at(PHASE, why + more)


def static_keys(settings: BedrockSettings) -> Keys | None:
    """The keys that stand in the settings file."""
    key, secret, token = settings.access_key_id, settings.secret_access_key, settings.session_token
    if key is None or secret is None:
        return None
    return Keys(key.get_secret_value(), secret.get_secret_value(), token.get_secret_value() if token else None)


def environment_token() -> str | None:
    """A Bedrock API key where AWS's tools look for one."""
    token: str | None = get_token_from_environment("bedrock", os.environ)
    return token


def _ends_within(source: Credentials | None, seconds: float) -> bool:
    return isinstance(source, RefreshableCredentials) and source.refresh_needed(seconds)
