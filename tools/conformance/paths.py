"""C1, C10, C11 and C13: which paths exist, and how fast they answer.

Needs no upstream. A missing optional path breaks no rule.
"""

from __future__ import annotations

import base64
from urllib.parse import quote, urljoin, urlsplit

from nexus.protocols.eventstream import CorruptMessage, Decoder, event_message
from nexus.wire import Json, mapping, sequence, text
from tools.conformance import bodies
from tools.conformance.client import Answer, Client, ExchangeFailed
from tools.conformance.findings import Findings
from tools.conformance.fixture import BETA_QUERY, MESSAGES, Fixture, new_mark
from tools.fake_upstream import Behaviour

QUICK = 3.0
"""Claude Code's timeout in seconds for its requests at startup."""

HOPS = 5
PROBES = (("HEAD", ""), ("HEAD", "/api/hello"), ("GET", "/api/hello"))
LIST = "/v1/models?limit=1000"
COUNT = "/v1/messages/count_tokens"
KEPT = ("claude", "anthropic")
EVENT_STREAM = "application/vnd.amazon.eventstream"
REDIRECTS = range(300, 400)
NOT_THERE = (404, 405, 501)


def c01(fixture: Fixture, findings: Findings) -> None:
    body, betas = bodies.question(fixture.model, new_mark())
    headers = bodies.headers(*betas)
    whole = {name: value for name, value in body.items() if name != "stream"} | {"max_tokens": 32000}
    for what, document, path in (
        ("a stream", body, MESSAGES + BETA_QUERY),
        ("a whole answer", whole, MESSAGES + BETA_QUERY),
        ("a stream", body, MESSAGES),
    ):
        answer = fixture.ask(document, headers, path)
        if findings.expect(answer.status == 200, f"POST {path}: 200", answer.brief):
            complete = b"message_stop" in answer.body if "stream" in document else _is_message(answer)
            findings.expect(complete, f"POST {path}: {what}", repr(answer.body[:80]))
    for method, path in PROBES:
        _probe(fixture.client, findings, method, path)


def _is_message(answer: Answer) -> bool:
    document = mapping(answer.json)
    return document.get("type") == "message" and isinstance(document.get("content"), list)


def _probe(client: Client, findings: Findings, method: str, path: str) -> None:
    """Checks that a path answers in time and without a redirect loop; accepts any status."""
    what, seen = f"{method} {path or 'the base path'}", [path]
    for _ in range(HOPS):
        try:
            answer = client.send(method, seen[-1], seconds=min(QUICK, client.timeout))
        except ExchangeFailed as error:
            findings.expect(False, f"{what}: any answer, at once", str(error))
            return
        target = urlsplit(urljoin(f"{client.url}{seen[-1]}", answer.headers.get("location", "")))
        if answer.status not in REDIRECTS or target.netloc != urlsplit(client.url).netloc:
            findings.expect(True, what, "")
            return
        seen.append(target.path.removeprefix(urlsplit(client.url).path))
        if seen[-1] in seen[:-1]:
            break
    findings.expect(False, f"{what}: any answer", f"redirects in circles: {' -> '.join(hop or '/' for hop in seen)}")


def c10(fixture: Fixture, findings: Findings) -> None:
    """Claude Code counts whole requests, and also plain strings, often without tools."""
    words = {"model": fixture.model, "messages": [{"role": "user", "content": "How many tokens are these?"}]}
    whole, betas = bodies.question(fixture.model, new_mark())
    full = {name: whole[name] for name in ("model", "system", "tools", "messages", "thinking")}
    for body in (words | {"tools": []}, full):
        answer = fixture.ask(body, bodies.headers(*betas, "token-counting-2024-11-01"), COUNT + BETA_QUERY)
        if answer.status == 404:
            findings.absent = "404; Claude Code estimates by characters instead"
            return
        if not findings.expect(
            answer.status == 200, f"POST {COUNT}: 200, or 404 where it is not offered", answer.brief
        ):
            return
        counted = mapping(answer.json).get("input_tokens")
        findings.expect(type(counted) is int, "input_tokens, a whole number", repr(answer.body[:80]))


def c11(fixture: Fixture, findings: Findings) -> None:
    try:
        answer = fixture.client.send("GET", LIST, more=bodies.headers(), seconds=min(QUICK, fixture.client.timeout))
    except ExchangeFailed as error:
        findings.expect(False, f"GET {LIST}: the whole list at once", str(error))
        return
    if answer.status == 404:
        findings.absent = "404; the picker shows the built-in models"
        return
    location = answer.headers.get("location", "")
    if answer.status in REDIRECTS:
        findings.expect(False, f"GET {LIST}: no redirect", f"{answer.status} to {location}")
        return
    if not findings.expect(answer.status == 200, f"GET {LIST}: 200", answer.brief):
        return
    entries = mapping(answer.json).get("data")
    if not findings.expect(isinstance(entries, list), "an object with the array data", repr(answer.body[:80])):
        return
    ids = [text(mapping(entry).get("id")) for entry in sequence(entries)]
    findings.expect(all(ids), "an id in every entry", f"{ids.count('')} of {len(ids)} have none")
    kept = sum(any(word in name.lower() for word in KEPT) for name in ids)
    none = "" if kept else "; the picker stays as it is: ids need claude or anthropic in them"
    findings.note(f"Claude Code's picker keeps {kept} of {len(ids)} ids{none}")


def c13(fixture: Fixture, findings: Findings) -> None:
    client = fixture.bedrock or fixture.client
    answer = _invoke(client, fixture.model)
    if answer.status in NOT_THERE:
        findings.absent = f"{answer.status} below this URL; --bedrock-url names another one"
        return
    if answer.status != 200:
        findings.needs(f"the answer was {answer.brief}", "a gateway that takes Bedrock's credentials from this tool")
        return
    kind = answer.headers.get("content-type", "")
    if findings.expect(kind.startswith(EVENT_STREAM), f"content-type {EVENT_STREAM}", kind or "none"):
        decoder = Decoder()
        try:
            messages = decoder.feed(answer.body)
            decoder.finish()
            findings.expect(messages, "messages of the event stream", "an empty body")
        except CorruptMessage as error:
            findings.expect(False, "whole messages of the event stream", str(error))
    clouds = [cloud for cloud in fixture.clouds if cloud.name == "Bedrock"]
    if not clouds:
        findings.needs("that its bytes are the upstream's", "a Bedrock upstream to compare with")
    for cloud in clouds:
        frames = tuple(event_message("chunk", bodies.encode({"bytes": _base64(event), "p": "abc"})) for event in EVENTS)
        cloud.upstream.next(Behaviour(events=frames))
        passed = _invoke(client, cloud.model)
        findings.expect(passed.body == b"".join(frames), "the bytes of the upstream's stream", passed.brief)


def _invoke(client: Client, model: str) -> Answer:
    body, _ = bodies.question(model, new_mark())
    request = {name: body[name] for name in ("system", "tools", "messages")} | {"max_tokens": 1024}
    request |= {"anthropic_version": "bedrock-2023-05-31"}
    more = {"content-type": "application/json", "accept": EVENT_STREAM}
    path = f"/model/{quote(model, safe='')}/invoke-with-response-stream"
    return client.send("POST", path, bodies.encode(request), more)


def _base64(event: Json) -> str:
    return base64.b64encode(bodies.encode(event)).decode()


_MESSAGE: dict[str, Json] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": []}
EVENTS: tuple[Json, ...] = (
    {"type": "message_start", "message": {**_MESSAGE, "usage": {"input_tokens": 1, "output_tokens": 0}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}},
)
