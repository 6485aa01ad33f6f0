"""The keys that sign requests: from the settings file, or from AWS's default chain through boto3's session.

Law: no key is in any repr, log or error.
"""

from __future__ import annotations

import logging
import os
import time
from datetime import datetime
from typing import Any

from botocore.config import Config  # type: ignore[import-untyped]
from botocore.credentials import Credentials, RefreshableCredentials  # type: ignore[import-untyped]
from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError  # type: ignore[import-untyped]
from botocore.session import Session as CoreSession  # type: ignore[import-untyped]
from botocore.utils import get_token_from_environment  # type: ignore[import-untyped]

from nexus.cancel import Cancel
from nexus.dataclasses import dataclass
from nexus.errors import Unreachable
from nexus.providers.bedrock.settings import BedrockSettings
from nexus.renewal import PATIENCE, PHASE, Grant, Renewed

ADVISORY = 15 * 60
"""Seconds before expiry at which keys are renewed; the same as botocore's."""

SILENCE = 0.9
"""If a chain that found nothing took more than these seconds, it waited for a service; botocore allows instance
metadata one second.
"""

RECHECK = 5 * 60
"""Seconds until keys are fetched again if botocore does not say when they expire."""

# botocore's debug log contains canonical requests and STS answers, with session tokens.
logging.getLogger("botocore").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """One consistent set of keys, never shown."""

    access_key: str
    secret_key: str
    token: str | None = None

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.token, self.secret_key, self.access_key)))


class Chain:
    """AWS's default chain, or a profile. Thread-safe."""

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
        self._source: Credentials | None = None
        self._renewed = Renewed(provider, self._fetch, what="AWS credentials", patience=patience)

    def keys(self, cancel: Cancel) -> Keys:
        """Raises Unreachable or UpstreamTimeout if there are none, or the reason of the cancelled call."""
        return self._renewed.get(cancel).value

    def forget(self, keys: Keys) -> None:
        """Forgets keys that AWS rejected: a later call fetches others, because files and roles change."""
        if self._renewed.reject(keys):
            self._source = None

    def _fetch(self) -> Grant[Keys]:
        began = time.monotonic()
        try:
            source = self._source or self._session().get_credentials()
            frozen = source.get_frozen_credentials() if source is not None else None
            if frozen is None:
                raise NoCredentialsError
        except Exception as error:
            raise self._failure(error, time.monotonic() - began) from error
        self._source = source
        keys = Keys(frozen.access_key, frozen.secret_key, frozen.token)
        end = getattr(source, "_expiry_time", None)
        if isinstance(end, datetime):
            return Grant(keys, expires=end.timestamp(), fetched=time.time(), early=ADVISORY)
        refresh = RECHECK if isinstance(source, RefreshableCredentials) else None
        return Grant(keys, expires=float("inf"), fetched=time.time(), refresh=refresh)

    def _session(self) -> Any:
        # Import boto3 (3 MB) only if the chain is used, and on a thread that does not hold up calls.
        from boto3.session import Session  # type: ignore[import-untyped]

        core = CoreSession()
        if self._ca_file:
            core.set_config_variable("ca_bundle", self._ca_file)
        # For STS and SSO, whose clients would wait for a minute, try five times, and take a proxy from the environment.
        core.set_default_client_config(
            Config(
                connect_timeout=5,
                read_timeout=10,
                retries={"total_max_attempts": 2, "mode": "standard"},
                proxies={"http": self._proxy, "https": self._proxy} if self._proxy else {},
            )
        )
        return Session(profile_name=self._profile, region_name=self._region or None, botocore_session=core)

    def _failure(self, error: Exception, took: float) -> Unreachable:
        """States the kind of failure; AWS's own wording may contain accounts, roles and the output of processes."""
        more = ""
        if isinstance(error, NoCredentialsError):
            why = "none are configured, neither in the settings nor where AWS's tools look for them"
            more = (
                f"; asking took {took:.1f} s, as it does without an instance metadata service" if took > SILENCE else ""
            )
        elif isinstance(error, ClientError):
            why = f"AWS rejected them with {error.response.get('Error', {}).get('Code', 'an unknown error')}"
        else:
            why = type(error).__name__
        text = f"{self._provider}: no AWS credentials available: {why}"
        # A metadata service may be slow; anything else, such as a login that ended, stays as it is.
        may_pass = isinstance(error, NoCredentialsError | HTTPClientError)
        return Unreachable(text, provider=self._provider, retryable=may_pass).at(PHASE, why + more)


def static_keys(settings: BedrockSettings) -> Keys | None:
    key, secret, token = settings.access_key_id, settings.secret_access_key, settings.session_token
    if key is None or secret is None:
        return None
    return Keys(key.get_secret_value(), secret.get_secret_value(), token.get_secret_value() if token else None)


def environment_token() -> str | None:
    """A Bedrock API key from where AWS's tools look for one."""
    token: str | None = get_token_from_environment("bedrock", os.environ)
    return token
