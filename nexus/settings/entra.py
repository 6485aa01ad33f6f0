"""``[llm.providers.NAME.entra]``: the gateway's identity at Microsoft Entra ID.

An application shows its secret, or a token that its platform gives it in a file; without either the machine's own
identity is asked for (managed identity).
"""

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, SecretStr, field_validator

from nexus.settings.types import Label, Location, Table
from nexus.settings.urls import BaseUrl

_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")


def read_tenant(value: str) -> str:
    """A directory's id or domain; it becomes a segment of a URL."""
    if not _TENANT.fullmatch(value) or ".." in value:
        raise ValueError("is neither a tenant id nor a domain")
    return value


class EntraSettings(Table):
    """Client credentials with ``client_secret`` or ``token_file``, else a managed identity."""

    tenant_id: Annotated[str, AfterValidator(read_tenant)] | None = None
    """The directory (tenant) of the application; none for a managed identity."""

    client_id: Label | None = None
    """The application's id; of a managed identity only where it is a user-assigned one."""

    client_secret: SecretStr | None = None
    """The application's secret."""

    token_file: str | None = None
    """A file with a token of the platform, such as "{{ env.AZURE_FEDERATED_TOKEN_FILE }}" on AKS, in place of a secret.
    Read again for every token, for the platform renews it."""

    scope: Label = "https://cognitiveservices.azure.com/.default"
    """What the token is for."""

    authority: BaseUrl = "https://login.microsoftonline.com"
    """Where tokens are issued; another one in the clouds of governments."""

    @property
    def is_application(self) -> bool:
        """Whether an application shows a credential of its own; else it is a managed identity."""
        return self.client_secret is not None or self.token_file is not None

    @field_validator("client_secret")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value().strip() if value is not None else ""
        return SecretStr(text) if text else None

    def problems(self) -> Iterator[Location]:
        if self.client_secret is not None and self.token_file is not None:
            yield ("token_file",), "excludes client_secret; set only one of them"
        for name in ("tenant_id", "client_id") if self.is_application else ():
            if getattr(self, name) is None:
                yield (name,), "is missing: it belongs to the application's secret or token_file"
        if self.tenant_id is not None and not self.is_application:
            yield ("tenant_id",), "needs client_secret or token_file too; a managed identity has no tenant_id"
