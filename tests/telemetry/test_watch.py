"""The watch over secrets can fail: at each place a leak is planted on purpose, and seen.

Law: what is planted is taken out again, so that only a leak that nobody planted fails a test of this file.
"""

from __future__ import annotations

import ast
import base64
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from tornado.iostream import BaseIOStream

from nexus.auth.keys import make_key
from nexus.errors import InvalidRequest, MethodNotAllowed, VendorError
from nexus.settings.problems import Problem, SettingsError
from nexus.telemetry import logs
from tests.auth.kit import ALICE, ec_key, rsa_key, token
from tests.conftest import Serve
from tests.providers.google.fakes import private_key
from tests.secrets import MARK, SHORTEST, cut, found_in, is_known
from tests.serving import CHAT, KEY, Nexus, openai_config
from tests.watch import WATCH, Watch, allowed_to_say, judge
from tools.fake_upstream import SECRET_KEY, Behaviour, FakeUpstream, service_account

ROOT = Path(__file__).parents[2]
OWN, FOREIGN = logging.getLogger("nexus.test"), logging.getLogger("some.library")


def leaks_seen(place: str, *secrets: str) -> list[str]:
    """What was planted, taken out again; each report names the place and none the secret."""
    leaks = WATCH.take()
    for leak in leaks:
        assert f" in {place} (" in leak, leak
        assert not any(secret in leak for secret in (KEY, MARK, *secrets)), "a report shows what it is about"
    return leaks


# -- what a secret is ----------------------------------------------------------------------------------------------

SECRETS = {
    "house key": KEY,
    "gateway key": ALICE,
    "fresh gateway key": make_key(),
    "token, ES256": token(ec_key()),
    "token, RS256": token(rsa_key()),
    "secret key of AWS": SECRET_KEY,
    "the same in a URL": quote(SECRET_KEY, safe=""),
    "private key": private_key(),
    "private key without its frame": private_key().split("\n")[1],
    "private key of the fake": service_account("")["private_key"],
    "access token": "ya29.fake-1-2",
    "password in a URL": f"redis://me:{MARK}-1@127.0.0.1/0",
    **{
        f"basic authentication, {len(user)}": base64.b64encode(f"{user}:{MARK}!".encode()).decode()
        for user in ("a", "bb", "ccc")
    },
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_every_kind_of_secret_is_known(secret: str) -> None:
    assert is_known(secret)
    assert not is_known(cut(secret)) or len(cut(secret)) < SHORTEST or "SECRET" in cut(secret)
    assert not list(found_in(cut(f"said {secret!r}, twice: {secret}").encode()))


INNOCENT = (
    "req_0123456789abcdef0123456789abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    'Bearer realm="nexus"',
    "x-nexus-key: [redacted]",
    "nx-",
    base64.b64encode(b'{"a": 1}').decode(),
    "-----BEGIN PUBLIC KEY-----",
)


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_secret(text: str) -> None:
    assert not list(found_in(text.encode()))


# -- logs ----------------------------------------------------------------------------------------------------------


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = object.__repr__


def _message() -> None:
    OWN.log(logs.TRACE, f"key {KEY}")


def _argument() -> None:
    OWN.debug("key %r", {"a": [KEY]})


def _field() -> None:
    OWN.info("call", extra={"fields": {"headers": {"x-api-key": KEY}}})


def _traceback() -> None:
    try:
        raise KeyError(KEY)
    except KeyError:
        OWN.exception("failed")


def _cause() -> None:
    try:
        try:
            raise KeyError(KEY)
        except KeyError as error:
            raise ValueError("x") from error
    except ValueError as error:
        FOREIGN.debug("failed", exc_info=error)


def _foreign() -> None:
    FOREIGN.log(logs.TRACE, "GET /?key=%s", KEY)


def _unwritable() -> None:
    OWN.debug("%s and " + KEY, _Unprintable())


PLANTED = (_message, _argument, _field, _traceback, _cause, _foreign, _unwritable)


@pytest.mark.parametrize("plant", PLANTED)
def test_a_leak_into_a_log_is_seen(plant: object) -> None:
    assert callable(plant)
    plant()
    assert leaks_seen("log")


def test_a_client_of_the_tests_may_log_what_it_sends() -> None:
    logging.getLogger("httpx.test").debug(KEY)
    assert not WATCH.take()


# -- errors --------------------------------------------------------------------------------------------------------


def test_a_leak_into_an_error_is_seen() -> None:
    InvalidRequest(f"bad key {KEY}")
    InvalidRequest("bad", param=KEY)
    MethodNotAllowed(KEY, allow=())
    VendorError(KEY, kind="quota", status=400)
    SettingsError([Problem(("a", KEY), 1, "is wrong", "nexus.toml")])
    assert len(leaks_seen("error")) == 5


# -- replies -------------------------------------------------------------------------------------------------------


@pytest.fixture
def echo(serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
    """The house key is none that the vendor repeats, so that its answer passes as it is."""
    return serve(openai_config(openai_upstream.base_url))


def said(*pieces: str) -> Behaviour:
    frames = [f'data: {{"choices":[{{"index":0,"delta":{{"content":"{piece}"}}}}]}}\n\n'.encode() for piece in pieces]
    return Behaviour(events=(*frames, b"data: [DONE]\n\n"))


def test_a_leak_into_a_reply_is_seen(echo: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(Behaviour(text=f"my {KEY}"), said("my", KEY))
    assert echo.chat(CHAT).status == 200
    assert len(leaks_seen("reply")) == 1
    assert KEY.encode() in echo.chat({**CHAT, "stream": True}).body
    assert leaks_seen("reply")


class Wire(BaseIOStream):
    """A connection to nowhere."""

    def __init__(self) -> None:
        """Takes what is written as if it were closed: only who listens in gets it."""


def write(wire: Wire, *pieces: bytes) -> None:
    for piece in pieces:
        with pytest.raises(AttributeError):
            wire.write(piece)


HALVES = (KEY[:9].encode(), KEY[9:].encode())
CUT = {
    "in one": (KEY.encode(),),
    "view": (b"x", memoryview(KEY.encode())),
    "in two writes": HALVES,
    "letter by letter": tuple(bytes([letter]) for letter in KEY.encode()),
    "in two chunks": tuple(b"%x\r\n%b\r\n" % (len(half), half) for half in HALVES),
    "in two chunks of many": (b"2\r\nab\r\n", *(b"%x\r\n%b\r\n" % (len(half), half) for half in HALVES)),
    "after much": (b"a" * 100_000 + HALVES[0], HALVES[1]),
}


@pytest.mark.parametrize("pieces", CUT.values(), ids=CUT.keys())
def test_a_secret_that_is_cut_is_seen(pieces: tuple[bytes, ...]) -> None:
    write(Wire(), *pieces)
    assert leaks_seen("reply")


def test_connections_are_not_mixed_up() -> None:
    write(Wire(), HALVES[0])
    write(Wire(), HALVES[1])
    assert not WATCH.take()


# -- consoles ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_leak_onto_a_console_is_seen(stream: str) -> None:
    program = f"import sys; sys.{stream}.write({KEY!r})"
    subprocess.run([sys.executable, "-c", program, "nexus"], capture_output=True, check=True)
    assert leaks_seen("console") and f"({stream})" in stream.join("()")
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert not WATCH.take(), "this was no process of ours"


# -- the watch itself ----------------------------------------------------------------------------------------------


def test_a_leak_fails_the_test() -> None:
    watch = Watch()
    watch.test = "tests/x.py::test_y"
    watch.look("log", "nexus, log.py:1", f"one {KEY} two")
    with pytest.raises(pytest.fail.Exception) as caught:
        judge(watch.take())
    assert str(caught.value) == (
        "a secret was said:\na made-up secret in log (nexus, log.py:1): ...one [SECRET] two... [tests/x.py::test_y]"
    )
    judge(watch.take())


def test_every_test_is_watched_and_the_watch_looks_last(request: pytest.FixtureRequest) -> None:
    first, second, *_ = request.fixturenames
    assert (first, second) == ("ears", "nothing_leaks")
    assert WATCH.test == request.node.nodeid
    assert OWN.isEnabledFor(logs.TRACE) and FOREIGN.isEnabledFor(logs.TRACE)


def test_allowing_is_narrow() -> None:
    with allowed_to_say("log", KEY):
        OWN.info(KEY)
        assert not WATCH.take()
        OWN.info(ALICE)
        InvalidRequest(KEY)
        assert {leak.partition(" in ")[2].split()[0] for leak in WATCH.take()} == {"log", "error"}
    OWN.info(KEY)
    assert leaks_seen("log")


def test_a_report_under_a_failed_test_is_cut() -> None:
    assert KEY not in cut(f"DEBUG {KEY} {ALICE}\n") and ALICE not in cut(f"DEBUG {KEY} {ALICE}\n")


# -- that tests make up only what the watch knows ------------------------------------------------------------------

NAMES = (
    "api_key|secret_access_key|access_key_id|session_token|aws_secret_access_key|password|client_secret|refresh_token|"
    "access_token|x-api-key|x-goog-api-key|x-provider-api-key|x-nexus-key|proxy-authorization|authorization|"
    "[A-Z]+_API_KEY|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|AWS_ACCESS_KEY_ID"
)
IS_NAME = re.compile(NAMES, re.IGNORECASE)
IN_TOML = re.compile(rf"""^\s*(?:{NAMES}|key)\s*=\s*["']([^"'{{}}]*)["']""", re.MULTILINE)
IN_URL = re.compile(r"\w+://[^/@:\s]*:([^/@\s{}]+)@")
SCHEME = re.compile(r"^(?:Bearer|Basic)\b\s*", re.IGNORECASE)

LEFT_OUT = ("tests/tools", "tests/programs")
"""Fakes without a gateway in front, and programs that print what they like."""


def made_up(path: Path) -> Iterator[str]:
    """Every literal that stands where a secret stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Dict(keys=keys, values=values):
                named = [(key.value, value) for key, value in zip(keys, values, strict=True) if is_text(key)]  # type: ignore[union-attr]
            case ast.Call(keywords=keywords):
                named = [(keyword.arg or "", keyword.value) for keyword in keywords]
            case ast.Constant(value=str(text)):
                named = []
                yield from IN_TOML.findall(text)
                yield from IN_URL.findall(text)
            case _:
                named = []
        yield from (value.value for name, value in named if IS_NAME.fullmatch(name) and is_text(value))  # type: ignore[attr-defined]


def is_text(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


TESTS = [
    path
    for path in sorted((ROOT / "tests").rglob("*.py"))
    if not path.relative_to(ROOT).as_posix().startswith(LEFT_OUT)
]


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_tests_make_up_is_known(path: Path) -> None:
    secrets = {SCHEME.sub("", text).strip() for text in made_up(path)}
    # What has a blank in it is a sentence about a secret.
    unknown = {secret for secret in secrets if " " not in secret and not is_known(secret)}
    assert not unknown, f"put {MARK!r} into what is secret here, or the word into WORDS"


def test_the_law_about_literals_can_fail(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        'A = {"api_key": "sk-0123456", "Authorization": "Bearer abcdefg"}\n'
        'f(session_token="abcdefg")\n'
        f'T = """\n[llm.providers.x]\n{"api_key"} = "sk-toml-0"\nproxy = "{"http"}://me:word-0@proxy"\n"""\n'
    )
    assert sorted(made_up(file)) == ["Bearer abcdefg", "abcdefg", "sk-0123456", "sk-toml-0", "word-0"]


def test_a_server_does_not_start_with_a_secret_that_nobody_would_recognise(tmp_path: Path) -> None:
    text = openai_config("http://127.0.0.1:9").replace(KEY, "sk-unheard-of")
    with pytest.raises(AssertionError, match="would not be recognised"):
        Nexus.of(text, tmp_path).__enter__()
