"""Loads Google credentials: from a file, or the Application Default Credentials.

A file is read according to its ``type``, without network calls; google-auth's own loader would look up a project, which
Nexus does not need. Takes nothing from the environment except the default credentials.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import google.auth
from google.auth import (
    aws,
    external_account_authorized_user,
    identity_pool,
    impersonated_credentials,
    pluggable,
    transport,
)
from google.oauth2 import credentials, service_account

from nexus.wire import decode, mapping

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_AWS = "urn:ietf:params:aws:token-type:aws4_request"


def load(file: Path | None, request: transport.Request) -> Any:
    """Credentials without a token yet. Raises GoogleAuthError, OSError, ValueError."""
    named = file or os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if named:
        return _read(mapping(decode(Path(named).read_bytes())))
    # google-auth would warn on stderr, outside the log, that a gcloud login has a smaller quota. Here, because
    # ``catch_warnings`` is not thread-safe.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"google\.auth\.")
    return google.auth.default(scopes=[SCOPE], request=request)[0]


def _read(info: Mapping[str, Any]) -> Any:
    match info.get("type"):
        case "service_account":
            read: Any = service_account.Credentials.from_service_account_info
        case "external_account":
            read = _external(info).Credentials.from_info
        case "impersonated_service_account":
            read = impersonated_credentials.Credentials.from_impersonated_service_account_info
        case "authorized_user":
            # This type and the next one have the scopes that they were granted.
            return credentials.Credentials.from_authorized_user_info(info)  # type: ignore[no-untyped-call]
        case "external_account_authorized_user":
            return external_account_authorized_user.Credentials.from_info(info)  # type: ignore[no-untyped-call]
        case _:
            raise ValueError("unknown type of credentials")
    return read(info, scopes=[SCOPE])


def _external(info: Mapping[str, Any]) -> Any:
    """The module for the source of an external account's own token."""
    if info.get("subject_token_type") == _AWS:
        return aws
    return pluggable if mapping(info.get("credential_source")).get("executable") else identity_pool
