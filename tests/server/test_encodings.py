"""Compressed bodies: every encoding, alone and stacked, and hostile input."""

import gzip
import importlib
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nexus.errors import InvalidRequest, NexusError, RequestTooLarge, UnsupportedMediaType
from nexus.server.http import encodings
from nexus.server.http.body import Body
from nexus.server.http.encodings import MOST_MEMBERS, read_encodings, unpacked
from nexus.server.in_flight import BytesInFlight, Load, default_limit
from tests.serving import CHAT, Nexus

LIMIT = 100_000
BODY = json.dumps(CHAT).encode() * 20


def installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


zstd = installed("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
brotli = installed("brotli")
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate, raw": lambda raw: zlib.compress(raw, wbits=-15),
    **({"zstd": zstd.compress} if zstd else {}),
    **({"br": brotli.compress} if brotli else {}),
}


def opened(packed: bytes, header: str, limit: int = LIMIT) -> bytes:
    return unpacked(packed, read_encodings(header.partition(", raw")[0]), limit)


@pytest.mark.parametrize("name", PACKERS)
class TestEachEncoding:
    def test_it_is_decoded(self, name: str) -> None:
        assert opened(PACKERS[name](BODY), name) == BODY

    def test_a_truncated_body_is_rejected(self, name: str) -> None:
        with pytest.raises(InvalidRequest, match=r"truncated|not valid"):
            opened(PACKERS[name](BODY)[:-5], name)

    def test_an_invalid_body_is_rejected(self, name: str) -> None:
        with pytest.raises(NexusError) as caught:
            opened(b"\xfe\xfe no such thing", name)
        assert caught.value.status == 400

    def test_the_decoded_size_is_bounded(self, name: str) -> None:
        bomb = PACKERS[name](b"\0" * 10_000_000)
        assert len(bomb) < LIMIT
        with pytest.raises(RequestTooLarge):
            opened(bomb, name)

    def test_the_decoded_body_may_be_empty(self, name: str) -> None:
        assert opened(PACKERS[name](b""), name) == b""


MEMBERS = [name for name in ("gzip", "zstd") if name in PACKERS]


@pytest.mark.parametrize("name", MEMBERS)
class TestMembers:
    def test_members_are_joined(self, name: str) -> None:
        pack = PACKERS[name]
        assert opened(pack(b"one ") + pack(b"two ") + pack(b"three"), name) == b"one two three"

    def test_trailing_bytes_are_dropped(self, name: str) -> None:
        """It was counted with the received bytes."""
        assert opened(PACKERS[name](b"one") + b"\0" * 50_000, name) == b"one"

    def test_too_many_members_are_rejected(self, name: str) -> None:
        with pytest.raises(InvalidRequest, match="members"):
            opened(PACKERS[name](b"") * (MOST_MEMBERS + 1), name)

    def test_the_total_size_of_members_is_bounded(self, name: str) -> None:
        with pytest.raises(RequestTooLarge):
            opened(PACKERS[name](b"\0" * 30_000) * 4, name)


def test_layers_are_decoded_from_the_last() -> None:
    assert opened(zlib.compress(gzip.compress(BODY)), "gzip, identity, deflate") == BODY


@pytest.mark.parametrize("header", ["rot13", "gzip, rot13", "gzip, gzip, gzip, gzip"])
def test_unsupported_encodings_are_rejected(header: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        read_encodings(header)


@pytest.mark.parametrize(("name", "cure"), encodings._INSTALL.items())
def test_a_missing_package_is_named(name: str, cure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(encodings._DECODERS, name, raising=False)
    with pytest.raises(UnsupportedMediaType) as caught:
        read_encodings(name)
    assert cure in caught.value.message


def test_a_large_zstd_window_is_rejected() -> None:
    """The decoder would allocate that much memory immediately."""
    if zstd is None:
        pytest.skip("backports.zstd is not installed")
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.enable_long_distance_matching: 1}
    with pytest.raises(InvalidRequest):
        compressor = zstd.ZstdCompressor(options=options)
        opened(compressor.compress(b"\0" * 1000) + compressor.flush(), "zstd")


class TestBody:
    def body(self, header: str = "", limit: int = LIMIT) -> tuple[Body, BytesInFlight]:
        flight = BytesInFlight(10 * LIMIT)
        return Body(limit, header, None, Load(flight)), flight

    def test_a_byte_order_mark_is_removed(self) -> None:
        body, _ = self.body()
        body.feed(b"\xef\xbb\xbf{}")
        assert body.open() == b"{}"

    def test_trailing_bytes_count_towards_the_size(self) -> None:
        body, _ = self.body("gzip")
        body.feed(gzip.compress(b"{}"))
        with pytest.raises(RequestTooLarge):
            for _ in range(20):
                body.feed(b"\0" * 10_000)

    def test_both_the_received_and_the_decoded_size_count(self) -> None:
        body, flight = self.body("gzip")
        packed = gzip.compress(BODY)
        body.feed(packed)
        assert flight.used == len(packed)
        body.open()
        assert flight.used == len(BODY)
        body.drop()
        assert flight.used == 0


MEMORY: dict[str, tuple[dict[str, str], int]] = {
    "version 2": ({"sys/fs/cgroup/memory.max": "900663296\n"}, 100_000_000),
    "version 2, no limit": ({"sys/fs/cgroup/memory.max": "max\n"}, 499_417_088),
    "version 1": ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "900663296\n"}, 100_000_000),
    "version 1, no limit": ({"sys/fs/cgroup/memory/memory.limit_in_bytes": str((1 << 63) - 4096)}, 499_417_088),
    "no container": ({}, 499_417_088),
    "as small as they are made": ({"sys/fs/cgroup/memory.max": str(256 << 20)}, 20 << 20),
    "less than Nexus takes": ({"sys/fs/cgroup/memory.max": str(64 << 20)}, 2 << 20),
}


@pytest.mark.parametrize(("files", "expected"), MEMORY.values(), ids=MEMORY.keys())
def test_bodies_in_flight_may_use_a_share_of_the_memory(files: dict[str, str], expected: int, tmp_path: Path) -> None:
    for name, text in {"proc/meminfo": "MemTotal: 4000000 kB\n", **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert default_limit(tmp_path) == expected


@pytest.mark.parametrize("name", [name for name in PACKERS if "," not in name])
def test_the_server_reads_every_encoding(nexus: Nexus, name: str) -> None:
    raw = b"\xef\xbb\xbf" + json.dumps(CHAT).encode()
    assert nexus.chat(PACKERS[name](raw), {"Content-Encoding": name}).status == 200
