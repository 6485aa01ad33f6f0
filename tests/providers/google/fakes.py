"""A fake of Google's token endpoint and APIs, and credentials files that point to it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.web import Answer, WebServer
from tests.web import Received as Received
from tests.web import Reply as Reply
from tests.web import of_json as of_json


def token(value: str = "ya29.hushhush-token", seconds: int = 3600) -> Reply:
    return of_json({"access_token": value, "expires_in": seconds, "token_type": "Bearer"})


class FakeGoogle(WebServer):
    def __init__(self, answer: Answer = lambda _: token()) -> None:
        super().__init__(answer)


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pem = serialization.Encoding.PEM
    return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def service_account(url: str) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "key-1",
        "private_key": private_key(),
        "client_email": "gateway@my-project.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
    }


def authorized_user(url: str) -> dict[str, str]:
    """google-auth accepts no ``token_uri`` in such a file; see ``test_credentials.google``."""
    return {
        "type": "authorized_user",
        "client_id": "client-1",
        "client_secret": "hushhush-client-secret",
        "refresh_token": "hushhush-refresh-token",
        "quota_project_id": "quota-project",
    }


def external_account(url: str, subject: Path) -> dict[str, Any]:
    subject.write_text("hushhush-subject-token")
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/token",
        "credential_source": {"file": str(subject)},
    }


def written(folder: Path, content: Any, name: str = "credentials.json") -> Path:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file
