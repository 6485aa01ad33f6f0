"""Protected resource metadata (RFC 9728), and the ``WWW-Authenticate`` of a 401."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from nexus.auth.identity import Unidentified
from nexus.settings.oauth import ProtectedResource
from nexus.wire import Json

PATH = "/.well-known/oauth-protected-resource"
"""Path of the metadata document."""


def document(resource: ProtectedResource) -> dict[str, Json]:
    return {"resource": resource.resource, "authorization_servers": list(resource.authorization_servers)}


def challenge(error: Exception, resource: ProtectedResource | None) -> str | None:
    """The ``WWW-Authenticate`` header of an error reply; None if the error is not about the credential."""
    if not isinstance(error, Unidentified):
        return None
    parameters = []
    if resource is not None:
        parts = urlsplit(resource.resource)
        parameters.append(f'resource_metadata="{urlunsplit(parts._replace(path=PATH, query=""))}"')
    if error.token:
        parameters.append('error="invalid_token"')
    return f"Bearer {', '.join(parameters)}" if parameters else 'Bearer realm="nexus"'
