"""AWS regions, and the hosts of Bedrock's runtime in each partition.

Pure; a string that does not look like a region never becomes a part of a host name. Source: botocore's partitions.json.
"""

from __future__ import annotations

from nexus.late import pattern

_REGION = pattern(r"[a-z]{2,6}(?:-[a-z]{2,12}){1,2}-[0-9]{1,2}")
_HOST = pattern(
    rf"(?:[a-z0-9-]+\.)?bedrock-runtime(?:-fips)?\.(?P<region>{_REGION.pattern})\."
    r"(?:vpce\.)?(?:amazonaws\.(?:com|com\.cn|eu)|api\.aws|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov|cloud\.adc-e\.uk)"
)
# The first match counts; every other region is in the commercial partition or in GovCloud, which share a suffix.
_SUFFIXES = (
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
)


def read_region(value: str) -> str:
    """Validates a region by its form alone: AWS opens new ones every year."""
    if not _REGION.fullmatch(value):
        raise ValueError('is not an AWS region; write it like "us-east-1" or "eu-central-1"')
    return value


def base_url_of(region: str) -> str:
    suffix = next((suffix for prefix, suffix in _SUFFIXES if region.startswith(prefix)), "amazonaws.com")
    return f"https://bedrock-runtime.{region}.{suffix}"


def is_commercial(region: str) -> bool:
    """Whether the region is in the partition that public price lists apply to."""
    return not region.startswith(("us-gov-", *(prefix for prefix, _ in _SUFFIXES)))


def region_of(host: str | None) -> str | None:
    """The region in an AWS host name; None for any other host."""
    match = _HOST.fullmatch((host or "").lower())
    return match["region"] if match else None
