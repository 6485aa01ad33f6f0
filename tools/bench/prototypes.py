"""Minimal gateways to compare with: no limits, no log, no error handling, no cancellation.

``floor`` relays as Nexus does: Tornado in front, and a thread that calls ``HTTPAdapter.send`` of requests. ``bare`` is
Tornado alone, which answers without a vendor.

    python -m tools.bench.prototypes floor|bare PORT VENDOR_URL
"""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from tools.bench.answers import ANSWERS

_THREADS = 2048
_PIECE = 65536


class Floor(RequestHandler):
    vendor: ClassVar[str] = ""
    pool: ClassVar[ThreadPoolExecutor]
    adapter: ClassVar[HTTPAdapter]

    async def post(self, path: str) -> None:
        body = self.request.body
        asked = json.loads(body)
        body = body.replace(asked["model"].encode(), asked["model"].rpartition("/")[2].encode(), 1)
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

        def work() -> None:
            response = self.adapter.send(_prepared(self.vendor + path, body), stream=True, timeout=60)
            raw: Any = response.raw
            self.set_header("Content-Type", response.headers["Content-Type"])
            if asked.get("stream"):
                while piece := raw.read1(_PIECE):
                    loop.call_soon_threadsafe(pieces.put_nowait, piece)
            else:
                loop.call_soon_threadsafe(pieces.put_nowait, raw.read())
            raw.release_conn()
            loop.call_soon_threadsafe(pieces.put_nowait, None)

        self.pool.submit(work)
        while (piece := await pieces.get()) is not None:
            self.write(piece)
            if asked.get("stream"):
                await self.flush()


def _prepared(url: str, body: bytes) -> requests.PreparedRequest:
    prepared = requests.PreparedRequest()
    prepared.method, prepared.url, prepared.body = "POST", url, body
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Authorization": "Bearer nobody"}
    prepared.headers = CaseInsensitiveDict(fields)
    return prepared


class Bare(RequestHandler):
    def post(self, path: str) -> None:
        json.loads(self.request.body)
        self.set_header("Content-Type", "application/json")
        self.finish(ANSWERS["chat"].whole)


async def _serve(kind: str, port: int, vendor: str) -> None:
    Floor.vendor = vendor
    Floor.pool = ThreadPoolExecutor(_THREADS)
    Floor.adapter = HTTPAdapter(pool_maxsize=_THREADS)
    handler = {"floor": Floor, "bare": Bare}[kind]
    server = HTTPServer(Application([(r"(/.*)", handler)]), max_buffer_size=64 * 2**20)
    server.listen(port, "127.0.0.1", backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
