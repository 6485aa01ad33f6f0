"""Undoes the Content-Encoding of a request body, within bounds.

Pure; call it on a worker thread. The output of each layer is limited to the maximum body size. Data after the last
member of a layer counts towards the received bytes and is dropped.
Source: RFC 9110 section 8.4, RFC 1952, RFC 7932, RFC 8878; RFC 9659 for the window of zstd.
"""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from nexus import DISTRIBUTION
from nexus.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType


def _installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_brotli = _installed("brotli")
_zstandard = _installed("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

_INSTALL = {"br": f"pip install '{DISTRIBUTION}[brotli]'", "zstd": "pip install backports.zstd"}

MOST_LAYERS = 3
MOST_MEMBERS = 1000
"""Maximum members of one layer; each costs a new decoder and a copy of the data read past its end."""

_WINDOW = 64 * 1024
_ZSTD_WINDOW_LOG = 23
"""8 MiB: the maximum that RFC 9659 allows in HTTP."""

_ZSTD_MAGIC = (b"\x28\xb5\x2f\xfd", *(bytes((0x50 + low, 0x2A, 0x4D, 0x18)) for low in range(16)))


class Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: Any, max_length: int, /) -> bytes: ...


class _Brotli:
    """Brotli's decoder with the standard library's interface. Trailing data is an error."""

    unused_data = b""

    def __init__(self) -> None:
        self._decoder = _brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decoder.is_finished())

    def decompress(self, data: Any, max_length: int, /) -> bytes:
        pieces = [self._decoder.process(bytes(data), output_buffer_limit=max_length)]
        size = len(pieces[0])
        while size < max_length and not self._decoder.can_accept_more_data():
            pieces.append(self._decoder.process(b"", output_buffer_limit=max_length - size))
            size += len(pieces[-1])
        return b"".join(pieces)


def _zstd(raw: bytes) -> Decompressor:
    window = _zstandard.DecompressionParameter.window_log_max
    decoder: Decompressor = _zstandard.ZstdDecompressor(options={window: _ZSTD_WINDOW_LOG})
    return decoder


def _deflate(raw: bytes) -> Decompressor:
    """Accepts data with the zlib header, as RFC 9110 requires, and without, as some clients send it."""
    has_header = len(raw) > 1 and raw[0] & 0x0F == 8 and int.from_bytes(raw[:2]) % 31 == 0
    return zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


_DECODERS: dict[str, tuple[Callable[[bytes], Decompressor], tuple[bytes, ...]]] = {
    "gzip": (lambda raw: zlib.decompressobj(16 + zlib.MAX_WBITS), (b"\x1f\x8b",)),
    "deflate": (_deflate, ()),
    **({"zstd": (_zstd, _ZSTD_MAGIC)} if _zstandard is not None else {}),
    **({"br": (lambda raw: _Brotli(), ())} if _brotli is not None else {}),
}
"""For each encoding: the decoder, and the magic numbers of a further member, if there can be one."""

_ERRORS: tuple[type[Exception], ...] = (
    zlib.error,
    *((_zstandard.ZstdError,) if _zstandard is not None else ()),
    *((_brotli.error,) if _brotli is not None else ()),
)


def read_encodings(header: str) -> tuple[str, ...]:
    """Returns the encodings in the order in which they were applied. Raises UnsupportedMediaType."""
    named = [part.strip().lower().removeprefix("x-") for part in header.split(",")]
    layers = tuple(name for name in named if name not in ("", "identity"))
    supported = ", ".join(_DECODERS)
    for name in layers:
        if name not in _DECODERS:
            remedy = f"; the gateway needs {_INSTALL[name]}" if name in _INSTALL else ""
            raise UnsupportedMediaType(
                f"content-encoding {name[:40]!r} is not supported{remedy}; supported: {supported}"
            )
    if len(layers) > MOST_LAYERS:
        raise UnsupportedMediaType(f"more than {MOST_LAYERS} content-encodings are not supported")
    return layers


def unpacked(raw: bytes, layers: Sequence[str], limit: int) -> bytes:
    """Returns the decoded body. Raises InvalidRequest, and RequestTooLarge above ``limit`` bytes."""
    for name in reversed(layers):
        raw = _without(name, raw, limit)
    return raw


def _without(name: str, raw: bytes, limit: int) -> bytes:
    new, magic = _DECODERS[name]
    view, offset, size = memoryview(raw), 0, 0
    pieces: list[bytes] = []
    for _ in range(MOST_MEMBERS):
        decoder = new(raw)
        while not decoder.eof:
            window = view[offset : offset + _WINDOW]
            if not window:
                raise InvalidRequest(f"the {name} body is truncated")
            try:
                # One byte over the limit is enough to detect an excess.
                piece = decoder.decompress(window, limit - size + 1)
            except _ERRORS as error:
                raise InvalidRequest(f"the body is not valid {name}") from error
            offset += len(window) - len(decoder.unused_data)
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            pieces.append(piece)
        if not bytes(view[offset : offset + 4]).startswith(magic or (b"\0none",)):
            return b"".join(pieces)
    raise InvalidRequest(f"the {name} body has more than {MOST_MEMBERS} members")


def too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"the request body is larger than {limit} bytes")
