"""``[llm.providers.NAME.entra]``: the gateway's identity at Microsoft Entra ID.

An application authenticates with its secret, or with a token that its platform writes to a file. Without either,
Nexus uses the managed identity of the machine.
"""

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, SecretStr, field_validator

from nexus.settings.types import Label, Location, Table
from nexus.settings.urls import BaseUrl

_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")


def read_tenant(value: str) -> str:
    """A tenant's id or domain, safe as a URL segment. Raises ValueError."""
    if not _TENANT.fullmatch(value) or ".." in value:
        raise ValueError("is not a tenant; write its id or its domain")
    return value


class EntraSettings(Table):
    """Client credentials (``client_secret`` or ``token_file``), else a managed identity."""

    tenant_id: Annotated[str, AfterValidator(read_tenant)] | None = None
    """Tenant (directory) of the application. Not for a managed identity."""

    client_id: Label | None = None
    """Application (client) id. For a managed identity: only if it is user-assigned."""

    client_secret: SecretStr | None = None
    """Client secret of the application."""

    token_file: str | None = None
    """File with the platform's token, such as "{{ env.AZURE_FEDERATED_TOKEN_FILE }}" on AKS, in place of
    client_secret. Read again for every token, because the platform renews it."""

    scope: Label = "https://cognitiveservices.azure.com/.default"
    """OAuth scope of the token."""

    authority: BaseUrl = "https://login.microsoftonline.com"
    """Microsoft Entra ID endpoint that issues the tokens; government clouds have their own."""

    @property
    def is_application(self) -> bool:
        """Whether there are client credentials; otherwise a managed identity is used."""
        return self.client_secret is not None or self.token_file is not None

    @field_validator("client_secret")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value().strip() if value is not None else ""
        return SecretStr(text) if text else None

    def problems(self) -> Iterator[Location]:
        if self.client_secret is not None and self.token_file is not None:
            yield ("token_file",), "cannot be combined with client_secret; set only one of them"
        for name in ("tenant_id", "client_id") if self.is_application else ():
            if getattr(self, name) is None:
                yield (name,), "is missing; client_secret and token_file need it"
        if self.tenant_id is not None and not self.is_application:
            yield ("tenant_id",), "has no effect without client_secret or token_file; a managed identity has no tenant"
