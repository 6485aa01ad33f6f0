"""The test suite's secret detection works: leaks planted on purpose in each place are detected."""

import base64
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from tornado.iostream import BaseIOStream

from nexus.auth.keys import make_key
from nexus.errors import InvalidRequest
from nexus.settings.problems import Problem, SettingsError
from tests.auth.kit import ALICE, ec_key, token
from tests.conftest import pytest_runtest_teardown
from tests.leaks import LEAKS, allowed_to_say, fail_on
from tests.providers.google.fakes import private_key
from tests.secrets import MARK, cut, found_in, is_known
from tests.serving import KEY, Nexus, openai_config
from tools.fake_upstream import SECRET_KEY

OWN, FOREIGN = logging.getLogger("nexus.test"), logging.getLogger("some.library")

SECRETS = {
    "configured key": KEY,
    "gateway key": ALICE,
    "new gateway key": make_key(),
    "token": token(ec_key()),
    "secret key of AWS": SECRET_KEY,
    "the same in a URL": quote(SECRET_KEY, safe=""),
    "private key": private_key(),
    "private key without its PEM lines": private_key().split("\n")[1],
    "access token": "ya29.fake-1-2",
    "password in a URL": f"redis://me:{MARK}-1@127.0.0.1/0",
    **{f"basic, {len(user)}": base64.b64encode(f"{user}:{MARK}!".encode()).decode() for user in ("a", "bb", "ccc")},
}
INNOCENT = ("req_0123456789abcdef0123456789abcdef", 'Bearer realm="nexus"', "x-nexus-key: [redacted]", "nx-")


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_every_kind_of_secret_is_recognized_and_cut(secret: str) -> None:
    assert is_known(secret)
    assert not list(found_in(cut(f"said {secret!r}, twice: {secret}").encode()))


@pytest.mark.parametrize("text", INNOCENT)
def test_harmless_text_is_not_taken_for_a_secret(text: str) -> None:
    assert not list(found_in(text.encode()))


def _traceback() -> None:
    try:
        raise KeyError(KEY)
    except KeyError:
        FOREIGN.exception("failed")


def _console() -> None:
    subprocess.run([sys.executable, "-c", f"print({KEY!r})", "nexus"], capture_output=True, check=True)


class Wire(BaseIOStream):
    """A connection that goes nowhere."""

    def __init__(self) -> None:
        """Ignores writes, as if it were closed: only the watch sees them."""


def _reply(*pieces: bytes) -> None:
    wire = Wire()
    for piece in pieces:
        with pytest.raises(AttributeError):
            wire.write(piece)


HALVES = (KEY[:9].encode(), KEY[9:].encode())
PLANTED: dict[str, tuple[str, Callable[[], object]]] = {
    "argument": ("log", lambda: OWN.debug("key %r", {"a": [KEY]})),
    "field": ("log", lambda: OWN.info("call", extra={"fields": {"headers": {"x-api-key": KEY}}})),
    "traceback": ("log", _traceback),
    "message": ("error", lambda: InvalidRequest(f"bad key {KEY}")),
    "param": ("error", lambda: InvalidRequest("bad", param=KEY)),
    "settings": ("error", lambda: SettingsError([Problem(("a", KEY), 1, "is wrong", "nexus.toml")])),
    "printed": ("console", _console),
    "in one write": ("reply", lambda: _reply(b"x" * 100_000 + KEY.encode())),
    "in two writes": ("reply", lambda: _reply(*HALVES)),
    "letter by letter": ("reply", lambda: _reply(*(bytes([letter]) for letter in KEY.encode()))),
    "in two chunks": ("reply", lambda: _reply(*(b"%x\r\n%b\r\n" % (len(half), half) for half in HALVES))),
}


@pytest.mark.parametrize(("place", "plant"), PLANTED.values(), ids=PLANTED.keys())
def test_a_leak_fails_the_test_and_is_not_repeated(place: str, plant: Callable[[], object]) -> None:
    plant()
    with pytest.raises(pytest.fail.Exception, match=rf"invented secret in {place} \(") as caught:
        fail_on(LEAKS.take())
    assert MARK not in str(caught.value)


def test_leaks_during_fixture_teardown_are_detected() -> None:
    looking = pytest_runtest_teardown()
    next(looking)
    OWN.info(KEY)
    with pytest.raises(pytest.fail.Exception, match="invented secret in log"):
        next(looking)


def test_an_exception_for_one_secret_and_place_covers_nothing_else() -> None:
    with allowed_to_say("log", KEY):
        OWN.info(KEY)
        assert not LEAKS.take()
        OWN.info(ALICE)
        InvalidRequest(KEY)
        assert {leak.partition(" in ")[2].split()[0] for leak in LEAKS.take()} == {"log", "error"}


def test_a_server_does_not_start_with_an_unrecognizable_secret(tmp_path: Path) -> None:
    text = openai_config("http://127.0.0.1:9").replace(KEY, "sk-unheard-of")
    with pytest.raises(AssertionError, match="would not be recognised"):
        Nexus.of(text, tmp_path).__enter__()
