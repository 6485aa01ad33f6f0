"""Files and batches of the fake OpenAI and Anthropic; a batch runs when a test calls ``run``.

Strict: only the key that created an object can access it, a batch may name only the vendor's own models in requests
that the vendor would accept one by one, and all answers validate against the SDKs' types.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.endpoints import form_of
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.vendors import Answer, Refusal, Rules, Vendor, bearer_token, body_problem, compact

LINES = "application/x-jsonl"
CREATED = 1_700_000_000
WHEN = "2026-11-28T18:00:00+00:00"
LATER = "2099-01-01T00:00:00+00:00"


@dataclass(slots=True)
class Thing:
    """A file or batch. ``requests`` are a batch's, each with its name; ``content`` is the file or the results."""

    key: str
    public: dict[str, Any]
    content: bytes = b""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


class Form(Protocol):
    """A vendor's format for files and batches."""

    def route(self, request: SeenRequest) -> tuple[str, str, str] | None:
        """Kind, id and the rest of the path; None for any other path."""

    def problems(self, store: FileStore, request: SeenRequest, kind: str) -> tuple[str, ...]: ...

    def create(self, store: FileStore, request: SeenRequest, kind: str) -> Thing: ...

    def deleted(self, kind: str, id: str) -> dict[str, Any]: ...

    def finish(self, store: FileStore, batch: Thing, answers: Iterator[tuple[str, int, Any]]) -> None: ...


class FileStore:
    """A vendor that also stores files and batches; everything else is the wrapped vendor's."""

    def __init__(self, vendor: Vendor, form: Form) -> None:
        self.vendor = vendor
        self.form = form
        self.things: dict[str, Thing] = {}
        self.numbers = itertools.count(1)
        self.lock = threading.RLock()
        self.default = Behaviour()
        self.REQUEST_ID_HEADER = vendor.REQUEST_ID_HEADER
        self.BASE_PATH = vendor.BASE_PATH
        self.TOKEN_PATHS = vendor.TOKEN_PATHS
        self.warm_up = vendor.warm_up
        self.request_id = vendor.request_id
        self.error = vendor.error
        self.error_frame = vendor.error_frame

    def check(self, request: SeenRequest, rules: Rules) -> Refusal | None:
        found = self.form.route(request)
        if found is None:
            return self.vendor.check(request, rules)
        kind, id, _ = found
        key = key_of(request)
        if not key or (rules.api_key is not None and key != rules.api_key):
            return Refusal(401, ("not the expected key",))
        if id and (id not in self.things or self.things[id].key != key):
            return Refusal(404, (f"No such {kind} object: {id}",))
        if not id and request.method == "POST" and (problems := self.form.problems(self, request, kind)):
            return Refusal(400, problems)
        if request.method == "GET" and (request.body or request.header("content-type")):
            return Refusal(400, ("a GET with a body",))
        return None

    def answer(self, request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer:
        found = self.form.route(request)
        if found is None:
            return self.vendor.answer(request, behaviour, serial)
        kind, id, suffix = found
        with self.lock:
            return self._answer(request, kind, id, suffix)

    def _answer(self, request: SeenRequest, kind: str, id: str, suffix: str) -> Answer:
        if not id and request.method == "POST":
            made = self.form.create(self, request, kind)
            self.things[made.public["id"]] = made
            return Answer(compact(made.public))
        if not id:
            raise AssertionError("Nexus never lists a vendor's files or batches")
        thing = self.things[id]
        if request.method == "DELETE":
            del self.things[id]
            return Answer(compact(self.form.deleted(kind, id)))
        if suffix in ("content", "results"):
            return Answer(thing.content, media_type=LINES if thing.requests or suffix == "results" else "text/plain")
        if suffix == "cancel":
            name = "status" if "status" in thing.public else "processing_status"
            thing.public[name] = "cancelling" if name == "status" else "canceling"
        return Answer(compact(thing.public))

    def next_id(self, prefix: str) -> str:
        return f"{prefix}{next(self.numbers):06d}abcdef"

    def run(self, id: str, *behaviours: Behaviour) -> None:
        """Answers every request of a batch: the first ones with ``behaviours``, the rest with ``default``."""
        with self.lock:
            batch = self.things[id]
            planned = [*behaviours, *([self.default] * len(batch.requests))]
            self.form.finish(self, batch, self._answers(batch, planned))

    def _answers(self, batch: Thing, planned: list[Behaviour]) -> Iterator[tuple[str, int, Any]]:
        for number, ((name, body), behaviour) in enumerate(zip(batch.requests, planned, strict=False), 1):
            request = request_of(self.form, batch, body)
            if behaviour.status >= 400:
                answer = self.vendor.error(request, behaviour, f"req_{number}")
            else:
                answer = self.vendor.answer(request, behaviour, number)
            yield name, behaviour.status, json.loads(answer.body)


def key_of(request: SeenRequest) -> str:
    return request.header("x-api-key") or bearer_token(request) or ""


def request_of(form: Form, batch: Thing, body: dict[str, Any]) -> SeenRequest:
    path = batch.public.get("endpoint") or "/v1/messages"
    headers = [
        ("content-type", "application/json"),
        ("authorization", f"Bearer {batch.key}"),
        ("x-api-key", batch.key),
        ("anthropic-version", "2023-06-01"),
    ]
    return SeenRequest("POST", path, headers, compact(body), body, 0.0, 0)


def batch_problems(store: FileStore, batch: Thing) -> Iterator[str]:
    """Problems of a batch's requests, checked one by one; the vendor has no model whose name contains a slash."""
    for name, body in batch.requests:
        request = request_of(store.form, batch, body)
        if "/" in str(body.get("model")):
            yield f"{name}: The model `{body['model']}` does not exist"
        elif (found := store.vendor.check(request, Rules())) is not None:
            yield f"{name}: {'; '.join(found.problems)}"


class OpenAIForm:
    def route(self, request: SeenRequest) -> tuple[str, str, str] | None:
        return _route(request, {"/v1/files": "files", "/v1/batches": "batches"})

    def problems(self, store: FileStore, request: SeenRequest, kind: str) -> tuple[str, ...]:
        if kind == "files":
            missing = {"file", "purpose"} - set(form_of(request))
            return tuple(f"{name}: missing" for name in sorted(missing))
        if problem := body_problem(request):
            return (problem,)
        body = request.json
        file = store.things.get(body.get("input_file_id"))
        if file is None or file.key != key_of(request) or file.public["purpose"] != "batch":
            return ("input_file_id: no such file",)
        batch = Thing(file.key, {"endpoint": body.get("endpoint")}, requests=_lines(file.content))
        urls = {json.loads(line)["url"] for line in file.content.splitlines() if line.strip()}
        if urls != {body.get("endpoint")}:
            return (f"endpoint: {body.get('endpoint')} is not {urls}",)
        return tuple(batch_problems(store, batch))

    def create(self, store: FileStore, request: SeenRequest, kind: str) -> Thing:
        key = key_of(request)
        if kind == "files":
            form = form_of(request)
            return store_file(store, key, form["file"], form["purpose"].decode())
        body = request.json
        file = store.things[body["input_file_id"]]
        public = {
            "id": store.next_id("batch_"),
            "object": "batch",
            "endpoint": body["endpoint"],
            "completion_window": body["completion_window"],
            "created_at": CREATED,
            "input_file_id": body["input_file_id"],
            "status": "validating",
            "model": _lines(file.content)[0][1]["model"],
            "output_file_id": None,
            "error_file_id": None,
        }
        return Thing(key, public, requests=_lines(file.content))

    def deleted(self, kind: str, id: str) -> dict[str, Any]:
        return {"id": id, "object": "file", "deleted": True}

    def finish(self, store: FileStore, batch: Thing, answers: Iterator[tuple[str, int, Any]]) -> None:
        good: list[bytes] = []
        bad: list[bytes] = []
        for number, (name, status, body) in enumerate(answers):
            response = {"status_code": status, "request_id": f"req_{number}", "body": body}
            line = compact({"id": f"batch_req_{number}", "custom_id": name, "response": response, "error": None})
            (good if status < 400 else bad).append(line + b"\n")
        batch.public["status"] = "completed"
        for field_name, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                made = store_file(store, batch.key, b"".join(lines), "batch_output")
                made.requests = batch.requests
                store.things[made.public["id"]] = made
                batch.public[field_name] = made.public["id"]


def store_file(store: FileStore, key: str, content: bytes, purpose: str) -> Thing:
    public = {
        "id": store.next_id("file-"),
        "object": "file",
        "bytes": len(content),
        "created_at": CREATED,
        "filename": "a.jsonl",
        "purpose": purpose,
        "status": "processed",
    }
    return Thing(key, public, content)


class AnthropicForm:
    def route(self, request: SeenRequest) -> tuple[str, str, str] | None:
        return _route(request, {"/v1/files": "files", "/v1/messages/batches": "batches"})

    def problems(self, store: FileStore, request: SeenRequest, kind: str) -> tuple[str, ...]:
        if request.header("anthropic-version") is None:
            return ("anthropic-version: header is required",)
        if kind == "files":
            return () if set(form_of(request)) >= {"file"} else ("file: missing",)
        if problem := body_problem(request):
            return (problem,)
        requests = request.json.get("requests")
        if not isinstance(requests, list) or not requests:
            return ("requests: Field required",)
        return tuple(batch_problems(store, Thing(key_of(request), {}, requests=_params(requests))))

    def create(self, store: FileStore, request: SeenRequest, kind: str) -> Thing:
        key = key_of(request)
        if kind == "files":
            content = form_of(request)["file"]
            about = {"filename": "a.txt", "mime_type": "text/plain", "size_bytes": len(content), "created_at": WHEN}
            return Thing(key, {"id": store.next_id("file_"), "type": "file", "downloadable": True, **about}, content)
        public: dict[str, Any] = {
            "id": store.next_id("msgbatch_"),
            "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": dict.fromkeys(("canceled", "errored", "expired", "succeeded"), 0)
            | {"processing": len(request.json["requests"])},
            "created_at": WHEN,
            "expires_at": LATER,
            "ended_at": None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": None,
        }
        return Thing(key, public, requests=_params(request.json["requests"]))

    def deleted(self, kind: str, id: str) -> dict[str, Any]:
        return {"id": id, "type": "file_deleted" if kind == "files" else "message_batch_deleted"}

    def finish(self, store: FileStore, batch: Thing, answers: Iterator[tuple[str, int, Any]]) -> None:
        lines = []
        for name, status, body in answers:
            if status < 400:
                body["usage"]["service_tier"] = "batch"
                result = {"type": "succeeded", "message": body}
            else:
                result = {"type": "errored", "error": body}
            lines.append(compact({"custom_id": name, "result": result}) + b"\n")
        batch.content = b"".join(lines)
        url = f"https://api.anthropic.com/v1/messages/batches/{batch.public['id']}/results"
        batch.public |= {"processing_status": "ended", "ended_at": WHEN, "results_url": url}


def _route(request: SeenRequest, roots: dict[str, str]) -> tuple[str, str, str] | None:
    for root, kind in roots.items():
        if request.route == root or request.route.startswith(f"{root}/"):
            id, _, suffix = request.route.removeprefix(root).removeprefix("/").partition("/")
            return kind, id, suffix
    return None


def _lines(content: bytes) -> list[tuple[str, dict[str, Any]]]:
    lines = [json.loads(line) for line in content.splitlines() if line.strip()]
    return [(line["custom_id"], line["body"]) for line in lines]


def _params(requests: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(one["custom_id"], one["params"]) for one in requests]


FORMS: dict[str, type[OpenAIForm] | type[AnthropicForm]] = {"openai": OpenAIForm, "anthropic": AnthropicForm}


def with_memory(name: str, vendor: Vendor) -> Vendor:
    """The vendor, wrapped in ``FileStore`` if it has files and batches."""
    return FileStore(vendor, FORMS[name]()) if name in FORMS else vendor
