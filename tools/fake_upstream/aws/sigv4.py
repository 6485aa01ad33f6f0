"""Checks a request's signature as AWS does: computes it again with botocore from the received request.

Uses only the headers that the request lists as signed, as received. Imports botocore at the first check. Not imitated:
presigned URLs, unsigned payloads, SigV4a.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.vendors import Refusal, Rules

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
SERVICE = "bedrock"
CLOCK_SKEW = timedelta(minutes=5)
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


def signature_refusal(request: SeenRequest, rules: Rules) -> Refusal | None:
    match = AUTHORIZATION.fullmatch(request.header("authorization") or "")
    if match is None:
        return _refused("IncompleteSignatureException", "authorization: neither a SigV4 signature nor a bearer token")
    stamp = request.header("x-amz-date") or ""
    signed = match["signed"].split(";")
    if problem := _scope_problem(request, match, stamp, signed, rules):
        return problem
    if match["key"] != rules.access_key:
        return _refused("UnrecognizedClientException", "The security token included in the request is invalid.")
    if (request.header("x-amz-security-token") or None) != rules.session_token:
        return _refused("UnrecognizedClientException", "The security token included in the request is invalid.")
    if not hmac.compare_digest(_signature(request, signed, stamp, match["region"], rules), match["signature"]):
        return _refused("InvalidSignatureException", MISMATCH)
    return None


def _scope_problem(
    request: SeenRequest, match: re.Match[str], stamp: str, signed: list[str], rules: Rules
) -> Refusal | None:
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return _refused("IncompleteSignatureException", f"x-amz-date: {stamp!r} is not a date")
    if abs(datetime.now(UTC) - at) > CLOCK_SKEW:
        return _refused("InvalidSignatureException", f"Signature expired or not yet current: {stamp}")
    if match["date"] != stamp[:8]:
        return _refused("InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601")
    if match["service"] != SERVICE or rules.region not in (None, match["region"]):
        scope = f"{match['region']}/{match['service']}"
        return _refused("InvalidSignatureException", f"Credential should be scoped to another region/service: {scope}")
    needed = {"host"} | {name.lower() for name, _ in request.headers if name.lower().startswith("x-amz-")}
    if unsigned := sorted(needed - set(signed)):
        return _refused("InvalidSignatureException", f"headers that must be signed are not: {', '.join(unsigned)}")
    if signed != sorted(signed):
        return _refused("IncompleteSignatureException", "SignedHeaders are not sorted")
    announced = request.header("x-amz-content-sha256")
    if announced is not None and announced != hashlib.sha256(request.body).hexdigest():
        return _refused("InvalidSignatureException", "x-amz-content-sha256: is not the body's")
    return None


def _signature(request: SeenRequest, signed: list[str], stamp: str, region: str, rules: Rules) -> str:
    from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
    from botocore.compat import HTTPHeaders  # type: ignore[import-untyped]
    from botocore.credentials import Credentials  # type: ignore[import-untyped]

    headers = HTTPHeaders()
    for name, value in request.headers:
        if name.lower() in signed:
            headers.add_header(name.lower(), value)
    again = AWSRequest(request.method, f"http://{request.header('host')}{request.path}", data=request.body)
    again.context["timestamp"] = stamp
    signer = SigV4Auth(Credentials(rules.access_key, rules.secret_key, rules.session_token), SERVICE, region)
    # botocore does not sign headers that proxies change, but other clients may.
    signer.headers_to_sign = lambda _: headers
    found: str = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    return found


def _refused(kind: str, problem: str) -> Refusal:
    return Refusal(403, (f"signature: {problem}",), error_type=kind)
