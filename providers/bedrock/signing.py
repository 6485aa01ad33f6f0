"""AWS Signature Version 4 over a finished request.

Signs only what no proxy or library changes: host, content-type and AWS's own headers, including those added by header
rules, because AWS rejects an unsigned one. The signer is botocore's, so that path, host and time are encoded as AWS
does.
"""

from __future__ import annotations

from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import ReadOnlyCredentials  # type: ignore[import-untyped]

from nexus.dataclasses import replace
from nexus.providers.bedrock.credentials import Keys
from nexus.upstream.request import UpstreamRequest

SERVICE = "bedrock"
_SIGNED = ("content-type", "x-amz-")


def sign(request: UpstreamRequest, keys: Keys, region: str) -> UpstreamRequest:
    """The same request with its signature, which is valid for about five minutes."""
    signed = AWSRequest(
        method=request.method,
        url=request.url,
        data=request.body,
        headers={name: value for name, value in request.headers.items() if name.startswith(_SIGNED)},
    )
    SigV4Auth(ReadOnlyCredentials(keys.access_key, keys.secret_key, keys.token), SERVICE, region).add_auth(signed)
    added = {name.lower(): str(value) for name, value in signed.headers.items()}
    return replace(request, headers={**request.headers, **added})
