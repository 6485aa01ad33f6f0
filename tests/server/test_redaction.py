"""A vendor that echoes its request: no credential is returned to the client, wherever an error may contain it."""

import http.client
import json
import socket
from typing import Any

import pytest

from nexus.headers.redaction import FEW, PART, SHORTEST, Redactor
from tests.conftest import Serve
from tests.secrets import MARK, found_in
from tests.serving import CHAT, KEY, MESSAGES, Nexus, openai_config, rest
from tools.fake_upstream import Behaviour, FakeUpstream

INSERTED, OWN = f"{MARK}-inserted", f"{MARK}-callers/own"
RULES = f"""
[[llm.providers.openai.headers]]
rule = "insert"
name = "x-acme-secret"
value = "{INSERTED}"
allow_secret = true
[llm.providers.openai.models.gpt-4]
[[llm.providers.openai.models.gpt-4.headers]]
rule = "insert"
name = "x-env"
value = "production"
"""


@pytest.fixture
def house(serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
    text = openai_config(openai_upstream.base_url)
    text = text.replace(f'api_key = "{KEY}"', f'api_key = "{KEY}"\nforward_token = true')
    return serve(text.replace("[llm.providers.openai.models.gpt-4]\n", RULES))


def error(secret: str) -> bytes:
    said = {"message": f"bad {secret} in production", "type": "t", "param": None, "code": None}
    return json.dumps({"error": said}).replace("/", "\\/").encode()


BEGUN = (
    b'data: {"id":"x","object":"chat.completion.chunk","model":"gpt-4",'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}]}\n\n'
)


def behaviours(secret: str) -> dict[str, Behaviour]:
    frame = b"data: " + error(secret) + b"\n\n"
    return {
        "status": Behaviour(status=401, body=error(secret)),
        "status, plain text": Behaviour(status=401, body=secret.encode()),
        "header of an error": Behaviour(status=400, body=error("x"), headers=(("x-request-id", secret),)),
        "header": Behaviour(headers=(("x-request-id", secret), ("x-ratelimit-key", secret))),
        "first event": Behaviour(events=(frame,)),
        "later event": Behaviour(events=(BEGUN, frame)),
        "later event, cut in two": Behaviour(events=(BEGUN, frame), piece_size=7),
        "body that says 200": Behaviour(body=error(secret)),
        "body that is not JSON": Behaviour(body=secret.encode()),
    }


def everything(nexus: Nexus, path: str, body: dict[str, Any], headers: dict[str, str]) -> str:
    """Head and body, also of a truncated reply."""
    connection = http.client.HTTPConnection("127.0.0.1", nexus.port, timeout=30)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return f"{response.status} {response.getheaders()} {rest(response)[0].decode()}"
    finally:
        connection.close()


ASKED = {
    "passes": ("/llm/openai/v1/chat/completions", CHAT),
    "translates": ("/llm/anthropic/v1/messages", {**MESSAGES, "model": "openai/gpt-4"}),
}


@pytest.mark.parametrize("secret", [KEY, INSERTED, OWN], ids=["house key", "inserted", "caller's own"])
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("path", "body"), ASKED.values(), ids=ASKED.keys())
def test_no_credential_is_returned(
    house: Nexus, openai_upstream: FakeUpstream, path: str, body: dict[str, Any], streams: bool, secret: str
) -> None:
    own = {"x-provider-api-key": OWN} if secret == OWN else {}
    for how, behaviour in behaviours(secret).items():
        openai_upstream.clear()
        openai_upstream.default = behaviour
        said = everything(house, path, {**body, "stream": streams}, own)
        sent = {name.lower(): value for name, value in openai_upstream.requests[0].headers}
        assert (sent["authorization"], sent["x-acme-secret"]) == (f"Bearer {OWN if own else KEY}", INSERTED), how
        assert not list(found_in(said.encode())), how
        if how == "status":
            assert "bad [redacted] in production" in said, "text that is not secret stays"


def test_successful_answers_are_not_redacted(house: Nexus, openai_upstream: FakeUpstream) -> None:
    """A key may be an ordinary word, such as "production" here; it is only redacted in errors."""
    openai_upstream.default = Behaviour(text="in production")
    assert "in production" in house.chat(CHAT, {"x-provider-api-key": f"{MARK}-x"}).body.decode()


@pytest.mark.parametrize("spelled", ['"error":{', '"error" : "', '"error":\n{'])
def test_errors_are_recognised(spelled: str) -> None:
    echoes = Redactor.of(["secret-1"])
    assert echoes.cut_error(f"{spelled} secret-1".encode()) == f"{spelled} [redacted]".encode()


@pytest.mark.parametrize("words", ['"content": "the \\"error\\": {secret-1"', '"error":null, "text":"secret-1"'])
def test_other_content_is_not_an_error(words: str) -> None:
    raw = words.encode()
    assert Redactor.of(["secret-1"]).cut_error(raw) is raw


def test_a_secret_that_starts_with_another_is_redacted_whole() -> None:
    assert Redactor.of(["secret", "secret-long", "none"]).cut(b"secret-long none") == b"[redacted] none"


def test_secrets_are_redacted_in_their_json_spelling() -> None:
    assert Redactor.of(['a/b"c\\d']).cut(rb'{"a":"a\/b\"c\\d"}') == b'{"a":"[redacted]"}'
    assert "a/b" not in repr(Redactor.of(["a/b/c/d"]))


UNREADABLE = {
    "value": "Authorization: Bearer {}\0",
    "name": "Authoriza tion: Bearer {}",
    "no colon": "Authorization Bearer {}",
    "length": "Content-Length: {}",
    "host": "Host: {} x",
}


@pytest.mark.parametrize("line", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_credential_in_an_unreadable_head_is_not_revealed(nexus: Nexus, line: str) -> None:
    """The log is checked for secrets, as in every test."""
    with socket.create_connection(("127.0.0.1", nexus.port), timeout=60) as sock:
        sock.sendall(f"GET /llm/openai/v1/models HTTP/1.1\r\nHost: localhost\r\n{line.format(OWN)}\r\n\r\n".encode())
        sock.shutdown(socket.SHUT_WR)
        said = b""
        while piece := sock.recv(65536):
            said += piece
    assert said.startswith(b"HTTP/1.1 400 ") or not said
    assert not list(found_in(said))


@pytest.mark.parametrize("length", [SHORTEST, 2 * PART - 1, 2 * PART, 40])
def test_one_of_many_secrets_is_found_at_every_place(length: int) -> None:
    many = [f"{number:04}{'abcdefghij' * 4}"[:length] for number in range(2 * FEW)]
    redactor = Redactor.of(many)
    for place in range(3 * PART):
        text = "." * place + many[-1] + "."
        assert redactor.cut_text(text) == "." * place + "[redacted]."
