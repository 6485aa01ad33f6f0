"""What AWS publishes about the Converse operations, read from botocore's service model, as the reference for tests."""

import base64
import json
import re
from functools import cache
from typing import Any

import botocore.session  # type: ignore[import-untyped]
from botocore.validate import ParamValidator  # type: ignore[import-untyped]

from tests.protocols.kit import Recorded

RECORDED = Recorded("converse")


@cache
def service() -> Any:
    return botocore.session.get_session().get_service_model("bedrock-runtime")


def check_request(body: dict[str, Any], operation: str = "ConverseStream") -> dict[str, Any]:
    """Fails unless the body is valid by the service model: names, types, enums, patterns, lengths and unions."""
    json.dumps(body)
    shape = service().operation_model(operation).input_shape
    params: dict[str, Any] = _decoded(shape, body, operation) | {"modelId": "amazon.nova-lite-v1:0"}
    report = ParamValidator().validate(params, shape)
    assert not report.has_errors(), report.generate_report()
    return params


def check_output(name: str, wire: Any) -> None:
    """Fails unless the value has the named shape."""
    report = ParamValidator().validate(_decoded(service().shape_for(name), wire, name), service().shape_for(name))
    assert not report.has_errors(), report.generate_report()


def _decoded(shape: Any, value: Any, path: str) -> Any:
    """The value as an SDK's user would pass it (blobs as bytes), with the checks that ParamValidator leaves out."""
    enum = getattr(shape, "enum", None)
    assert not enum or value in enum, f"{path}: {value!r} is none of {enum}"
    pattern, low, high = (shape.metadata.get(name) for name in ("pattern", "min", "max"))
    if isinstance(value, str | list | dict) and shape.type_name != "blob":
        assert low is None or len(value) >= low, f"{path}: shorter than {low}"
        assert high is None or len(value) <= high, f"{path}: longer than {high}"
    if isinstance(value, int | float):
        assert low is None or value >= low, f"{path}: {value} below {low}"
        assert high is None or value <= high, f"{path}: {value} above {high}"
    assert not (pattern and isinstance(value, str)) or re.fullmatch(pattern, value), f"{path}: {value!r} {pattern}"
    if getattr(shape, "is_document_type", False):
        return value
    match shape.type_name:
        case "structure":
            assert isinstance(value, dict), path
            unknown = set(value) - set(shape.members)
            assert not unknown, f"{path}: unknown {unknown}"
            assert not shape.is_tagged_union or len(value) == 1, f"{path}: a union with {sorted(value)}"
            return {name: _decoded(shape.members[name], inner, f"{path}.{name}") for name, inner in value.items()}
        case "list":
            return [_decoded(shape.member, inner, f"{path}.{number}") for number, inner in enumerate(value)]
        case "map":
            return {
                _decoded(shape.key, name, path): _decoded(shape.value, inner, f"{path}.{name}")
                for name, inner in value.items()
            }
        case "blob":
            raw = base64.b64decode(value, validate=True)
            assert low is None or len(raw) >= low, f"{path}: an empty blob"
            return raw
        case _:
            return value


def streamed(case: str) -> list[tuple[str, dict[str, Any]]]:
    lines = (RECORDED.folder / case / "upstream.jsonl").read_text().split("\n")
    return [(line["event"], line["payload"]) for line in map(json.loads, filter(None, lines))]
