"""A vendor's error in this dialect, read into neutral terms. Source: openai.types.responses.ResponseError and
ResponseErrorEvent.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors.failure import FailureKind, VendorFailure
from nexus.protocols import openai_failures
from nexus.protocols.error_words import by_code
from nexus.protocols.openai_failures import CODES
from nexus.wire import Json, text

_INVALID = by_code(
    {
        "invalid_request": "invalid_request_error invalid_image invalid_image_format invalid_base64_image "
        "invalid_image_url image_too_large image_too_small image_parse_error invalid_image_mode image_file_too_large "
        "unsupported_image_media_type empty_image_file failed_to_download_image image_file_not_found "
        "data_residency_mismatch"
    }
)
_CODES: Mapping[str, FailureKind] = {**CODES, **_INVALID}


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> VendorFailure:
    return openai_failures.read_error(status, headers, body, _CODES)


def is_answer(body: Mapping[str, Json]) -> bool:
    """Whether a 200 contains an answer; a failed response is one too, and has the reason."""
    return isinstance(body.get("output"), list) or text(body.get("object")).startswith("response")


def read_stream_error(holder: Mapping[str, Json]) -> VendorFailure:
    """An error inside a 200: a failed response, or an ``error`` event in its flat or its nested form."""
    return openai_failures.read_in_band(holder, _CODES)
