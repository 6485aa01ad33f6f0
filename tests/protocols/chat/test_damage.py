"""For any body, the codec returns a value or raises one of its own errors."""

import copy
import random
from contextlib import suppress

import pytest

from nexus.conversation.events import Order
from nexus.errors import ClientError, VendorError
from nexus.protocols.chat.read_request import read_request
from nexus.protocols.chat.read_stream import StreamReader
from nexus.protocols.chat.write_request import write_request
from nexus.protocols.codec import Target
from nexus.protocols.sse import FrameDecoder
from nexus.wire import Json, decode, encode
from tests.protocols.kit import origin

from .kit import RECORDED
from .test_read_messages import MESSAGES
from .test_read_request import OPTIONS

JUNK: list[Json] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "{}",
    "data:",
    [],
    [None],
    [[]],
    ["x"],
    [{}],
    {},
    {"a": {}},
]
STREAMS: list[list[Json]] = [
    [
        decode(frame.data)
        for frame in FrameDecoder().feed(RECORDED.stream(case))
        if frame.data is not None and frame.data != "[DONE]"
    ]
    for case in RECORDED.streams
]
WHOLE: list[Json] = [RECORDED.answer(case) for case in RECORDED.answers]
REQUESTS: list[Json] = [{"model": "m", "messages": wire} for wire, _ in MESSAGES.values()] + [
    {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields} for fields, *_ in OPTIONS.values()
]


def paths(value: Json, before: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[str | int, ...]] = []
    for key, entry in entries:
        found += [(*before, key), *paths(entry, (*before, key))]
    return found


def damaged(bodies: list[Json], seed: int) -> Json:
    """One of ``bodies`` with junk in one or two places."""
    dice = random.Random(seed)
    body = copy.deepcopy(dice.choice(bodies))
    for _ in range(dice.randint(1, 2)):
        *way, last = dice.choice(paths(body))
        holder = body
        for step in way:
            holder = holder[step]
        holder[last] = copy.deepcopy(dice.choice(JUNK))
    return body


@pytest.mark.parametrize("tenth", range(10))
def test_damaged_requests_raise_only_the_codecs_errors(tenth: int) -> None:
    for seed in range(tenth * 200, tenth * 200 + 200):
        try:
            write_request(read_request(damaged(REQUESTS, seed)).request, Target("m"))
        except ClientError as error:
            assert error.param and error.message


@pytest.mark.parametrize("tenth", range(10))
def test_damaged_answers_raise_only_the_codecs_errors(tenth: int) -> None:
    for seed in range(tenth * 200, tenth * 200 + 200):
        with suppress(VendorError, ValueError):
            StreamReader(origin()).read_whole(damaged(WHOLE, seed))


@pytest.mark.parametrize("tenth", range(10))
def test_damaged_streams_raise_only_the_codecs_errors(tenth: int) -> None:
    for seed in range(tenth * 200, tenth * 200 + 200):
        reader, order = StreamReader(origin()), Order()
        with suppress(VendorError, ValueError):
            for chunk in damaged(STREAMS, seed):
                for event in reader.feed(None, encode(chunk).decode()):
                    order.check(event)
            for event in reader.finish():
                order.check(event)
