"""The fake upstream as a context manager: a listening socket, an accepting thread, and a thread per connection.

The condition of ``watch`` guards all shared state. ``stop`` returns after every thread has ended and every socket is
closed.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.file_store import FileStore, with_memory
from tools.fake_upstream.reply import send_reply
from tools.fake_upstream.request import BadRequest, SeenRequest, read_request
from tools.fake_upstream.vendors import Answer, Refusal, Rules, load
from tools.fake_upstream.watch import Disconnect, Watch
from tools.fake_upstream.wire import PeerGone, Wire

BACKLOG = 1024


class FakeUpstream(Watch):
    """One fake vendor. ``keep=False`` only counts requests, for long runs; ``rules`` are the fields of ``Rules``."""

    def __init__(
        self,
        vendor: str,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        keep: bool = True,
        on_request: Callable[[SeenRequest], None] | None = None,
        **rules: Any,
    ) -> None:
        super().__init__(vendor)
        self.default = Behaviour()
        self.token_default = Behaviour()
        self._vendor = with_memory(vendor, load(vendor))
        self._rules = Rules(**rules)
        self._address = (host, port)
        self._keep = keep
        self._on_request = on_request
        self._queue: deque[Behaviour] = deque()
        self._token_queue: deque[Behaviour] = deque()
        self._serial = 0
        self._token_serial = 0
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self._listener: socket.socket | None = None

    # -- lifecycle -------------------------------------------------------------------------------------------

    def start(self) -> None:
        if self._rules.strict:
            self._vendor.warm_up()
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._listener = socket.create_server(self._address, family=family, backlog=BACKLOG)
        self._address = self._listener.getsockname()[:2]
        # A connection may be closed between poll and accept, and a blocking accept would then block ``stop``.
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

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- control -----------------------------------------------------------------------------------------------

    def next(self, *behaviours: Behaviour) -> None:
        """Queues behaviours for the next valid POST requests; ``default`` answers all others, and every GET."""
        with self._changed:
            self._queue.extend(behaviours)

    def next_token(self, *behaviours: Behaviour) -> None:
        """Queues behaviours for the next requests for access tokens; ``token_default`` answers all others."""
        with self._changed:
            self._token_queue.extend(behaviours)

    def drop_queued(self) -> None:
        """Removes the behaviours that ``next`` queued and no request has used."""
        with self._changed:
            self._queue.clear()

    def hang_up(self) -> None:
        """Closes every connection. Call it only if no call is in flight."""
        with self._changed:
            wires = list(self._wires.values())
        for wire in wires:
            wire.interrupt()
        self.wait_until(lambda: not self._wires)

    def clear(self) -> None:
        """Clears all records and queues; open connections stay."""
        with self._changed:
            for seen in (self.requests, self.token_requests, self.answered, self.violations, self.disconnects):
                seen.clear()
            self._queue.clear()
            self._token_queue.clear()
            self._seen = 0
            self.bytes_sent = 0

    @property
    def files(self) -> FileStore:
        """The vendor's files and batches; only for a vendor that has them."""
        assert isinstance(self._vendor, FileStore)
        return self._vendor

    def answer_to(self, request: SeenRequest, behaviour: Behaviour | None = None) -> bytes:
        """The whole body of a healthy vendor's answer."""
        return self._vendor.answer(request, behaviour or Behaviour(), 1).body

    # -- address -------------------------------------------------------------------------------------------------

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
        return self.origin + self._vendor.BASE_PATH

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
        except PeerGone:  # not recorded: a client may disconnect between requests
            return False
        except BadRequest as error:
            # The end of such a request is unknown, so it gets no answer.
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
            answer = self._vendor.error(request, behaviour, identity[1])
        else:
            answer = self._vendor.answer(request, behaviour, serial)
        interruption = self._vendor.error_frame(request, behaviour, identity[1])
        try:
            return send_reply(wire, request, behaviour, answer, identity, interruption)
        except PeerGone as gone:
            with self._changed:
                self.answered = [one for one in self.answered if one[0] is not request]
                if not self._stopping:
                    self.disconnects.append(Disconnect(wire.number, time.monotonic(), gone.reset))
                    self._changed.notify_all()
            return False

    def _record(self, request: SeenRequest, refusal: Refusal | None) -> tuple[Behaviour, int]:
        for_token = request.route in self._vendor.TOKEN_PATHS
        queue, default = (self._token_queue, self.token_default) if for_token else (self._queue, self.default)
        with self._changed:
            serial = self._count(request, for_token)
            if refusal is not None:
                self.violations.extend(refusal.problems)
                behaviour = Behaviour(
                    status=refusal.status,
                    headers=refusal.headers,
                    message="; ".join(refusal.problems),
                    error_type=refusal.error_type,
                    error_code=refusal.error_code,
                    error_param=refusal.error_param,
                )
            elif request.method == "POST" and queue:
                behaviour = queue.popleft()
            else:
                behaviour = default
            if behaviour.is_whole and self._keep and not for_token:
                # Before sending, so that a client which has the answer finds it here.
                self.answered.append((request, behaviour))
            self._changed.notify_all()
        if self._on_request is not None:
            self._on_request(request)
        return behaviour, serial

    def _count(self, request: SeenRequest, for_token: bool) -> int:
        """The serial number of a request, counted separately for token requests."""
        if for_token:
            self._token_serial += 1
            self.token_requests.append(request)
            return self._token_serial
        self._serial += 1
        self._seen += 1
        if self._keep:
            self.requests.append(request)
        return self._serial
