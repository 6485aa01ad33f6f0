"""The fake upstream as a context manager: a listening socket, a thread that accepts, a thread per connection.

Law: everything shared is guarded by one condition, which is notified on every change, so that nobody has to sleep
to see one; ``stop`` returns when every thread has ended and every socket is closed.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.reply import send_reply
from tools.fake_upstream.request import BadRequest, SeenRequest, read_request
from tools.fake_upstream.vendors import Answer, Refusal, Rules, load
from tools.fake_upstream.wire import PeerGone, Wire

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The peer of ``connection`` left while an answer was due; ``at`` is ``time.monotonic()``."""

    connection: int
    at: float
    reset: bool


class FakeUpstream:
    """``strict=False`` skips the check against the SDK's types, ``extra_fields`` lets named top-level keys pass it.

    ``keep=False`` counts requests without storing them, for long runs.
    """

    def __init__(
        self,
        vendor: str,
        *,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        strict: bool = True,
        extra_fields: tuple[str, ...] = (),
        keep: bool = True,
        on_request: Callable[[SeenRequest], None] | None = None,
    ) -> None:
        self.vendor = vendor
        self.default = Behaviour()
        self.requests: list[SeenRequest] = []
        self.violations: list[str] = []
        self.disconnects: list[Disconnect] = []
        self.bytes_sent = 0
        self._vendor = load(vendor)
        self._rules = Rules(api_key, strict, extra_fields)
        self._address = (host, port)
        self._keep = keep
        self._on_request = on_request
        self._queue: deque[Behaviour] = deque()
        self._seen = 0
        self._serial = 0
        self._changed = threading.Condition()
        self._wires: dict[int, Wire] = {}
        self._threads: list[threading.Thread] = []
        self._accepted = 0
        self._stopping = False
        self._listener: socket.socket | None = None

    # -- life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        if self._rules.strict:
            self._vendor.warm_up()
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._listener = socket.create_server(self._address, family=family, backlog=BACKLOG)
        self._address = self._listener.getsockname()[:2]
        # A connection may be gone again between poll and accept; blocking there would outlast ``stop``.
        self._listener.setblocking(False)
        self._stopping = False
        self._alarm, self._wake = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener,), name=f"fake-{self.vendor}")
        self._acceptor.start()

    def stop(self) -> None:
        if self._listener is None:
            return
        with self._changed:
            self._stopping = True
        self._wake.send(b"x")
        self._acceptor.join()
        self._listener.close()
        self._listener = None
        self._alarm.close()
        self._wake.close()
        with self._changed:
            wires = list(self._wires.values())
        for wire in wires:
            wire.interrupt()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- telling it what to do ---------------------------------------------------------------------------------

    def next(self, *behaviours: Behaviour) -> None:
        """One for each of the next POST requests that fit; ``default`` serves when none is left, and every GET."""
        with self._changed:
            self._queue.extend(behaviours)

    def clear(self) -> None:
        """Forget what was seen and what was queued; open connections stay."""
        with self._changed:
            for seen in (self.requests, self.violations, self.disconnects, self._queue):
                seen.clear()
            self._seen = 0
            self.bytes_sent = 0

    # -- seeing what happened ----------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        return self._address[1]

    @property
    def origin(self) -> str:
        """Scheme, host and port: the ``base_url`` of Anthropic's SDK."""
        host = f"[{self._address[0]}]" if ":" in self._address[0] else self._address[0]
        return f"http://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def open_connections(self) -> int:
        with self._changed:
            return len(self._wires)

    @property
    def accepted_connections(self) -> int:
        with self._changed:
            return self._accepted

    def wait_until(self, condition: Callable[[], bool], timeout: float = 5.0, what: str = "condition") -> None:
        """``condition`` is looked at after every change, with the state locked."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise TimeoutError(f"fake {self.vendor}: no {what} within {timeout} s; {self._summary()}")

    def wait_for_requests(self, count: int, timeout: float = 5.0) -> list[SeenRequest]:
        """Until ``count`` requests have been received whole, those that do not fit included."""
        self.wait_until(lambda: self._seen >= count, timeout, f"{count} requests")
        return list(self.requests)

    def wait_for_disconnects(self, count: int, timeout: float = 5.0) -> list[Disconnect]:
        """Until ``count`` peers have left while their answer was pending or being written."""
        self.wait_until(lambda: len(self.disconnects) >= count, timeout, f"{count} disconnects")
        return list(self.disconnects)

    def wait_for_open_connections(self, count: int, timeout: float = 5.0) -> None:
        """Until exactly ``count`` sockets are open."""
        self.wait_until(lambda: len(self._wires) == count, timeout, f"{count} open connections")

    def wait_for_stall(self, quiet: float = 0.25, timeout: float = 5.0) -> None:
        """Until some peer has not taken a byte for ``quiet`` seconds although there are bytes to send."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                now = time.monotonic()
                since = [at for wire in self._wires.values() if (at := wire.blocked_since) is not None]
                if since and now - min(since) >= quiet:
                    return
                if now >= end:
                    raise TimeoutError(f"fake {self.vendor}: no stall within {timeout} s; {self._summary()}")
                self._changed.wait(min(end, min(since, default=end) + quiet) - now)

    def _summary(self) -> str:
        return (
            f"{self._seen} requests, {len(self.disconnects)} disconnects, {len(self._wires)} open connections, "
            f"{self.bytes_sent} bytes sent, violations {self.violations}"
        )

    # -- threads -----------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(self._alarm, select.POLLIN)
        while not self._stopping:
            poll.poll()
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            with self._changed:
                self._accepted += 1
                wire = Wire(sock, self._accepted, on_sent=self._count_sent, on_blocked=self._notify)
                self._wires[wire.number] = wire
                self._changed.notify_all()
            thread = threading.Thread(target=self._serve, args=(wire,), name=f"fake-{self.vendor}-{wire.number}")
            self._threads = [other for other in self._threads if other.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _serve(self, wire: Wire) -> None:
        try:
            while self._serve_one(wire):
                pass
        finally:
            wire.close()
            with self._changed:
                del self._wires[wire.number]
                self._changed.notify_all()

    def _serve_one(self, wire: Wire) -> bool:
        try:
            request = read_request(wire)
        except PeerGone:  # between requests anybody may leave
            return False
        except BadRequest as error:
            # Where such a request ends is unknown, so there is no answer either.
            with self._changed:
                self.violations.append(f"not HTTP: {error}")
                self._changed.notify_all()
            return False
        refusal = self._vendor.check(request, self._rules)
        behaviour, serial = self._record(request, refusal)
        identity = (self._vendor.REQUEST_ID_HEADER, self._vendor.request_id(serial))
        if behaviour.body is not None:
            answer = Answer(behaviour.body)
        elif behaviour.status >= 400:
            answer = Answer(self._vendor.error_body(behaviour, identity[1]))
        else:
            answer = self._vendor.answer(request, behaviour, serial)
        interruption = self._vendor.error_frame(behaviour, identity[1])
        try:
            return send_reply(wire, request, behaviour, answer, identity, interruption)
        except PeerGone as gone:
            with self._changed:
                if not self._stopping:
                    self.disconnects.append(Disconnect(wire.number, time.monotonic(), gone.reset))
                    self._changed.notify_all()
            return False

    def _record(self, request: SeenRequest, refusal: Refusal | None) -> tuple[Behaviour, int]:
        with self._changed:
            self._serial += 1
            self._seen += 1
            if self._keep:
                self.requests.append(request)
            if refusal is not None:
                self.violations.extend(refusal.problems)
                behaviour = Behaviour(
                    status=refusal.status,
                    headers=refusal.headers,
                    message="; ".join(refusal.problems),
                    error_type=refusal.error_type,
                    error_code=refusal.error_code,
                )
            elif request.method == "POST" and self._queue:
                behaviour = self._queue.popleft()
            else:
                behaviour = self.default
            serial = self._serial
            self._changed.notify_all()
        if self._on_request is not None:
            self._on_request(request)
        return behaviour, serial

    def _count_sent(self, count: int) -> None:
        with self._changed:
            self.bytes_sent += count
            # Waking every waiter for every write would slow an endless stream down.

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
