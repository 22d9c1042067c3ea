"""Connections, each within its deadlines and all of them within a bound, whatever comes over them."""

import asyncio
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pcapline.http.bounds import Bounds
from pcapline.http.face import HttpFace
from pcapline.http.telemetry import WebCounts

_AGAIN_S = 0.1  # after the system had no room for a connection


class BoundedProtocol(H11Protocol):
    """One connection. uvicorn waits for ever for a request's end, and for its answer to be read."""

    waits_since: float | None = None  # loop time since when it owes us a request
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    counts: WebCounts
    bounds: Bounds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From here on a request is owed."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is owed any more."""
        self._request_is_there()
        self._goes_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Perhaps the rest of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """The next request is owed."""
        super().on_response_complete()
        self._watch(may_lie_idle=not self.conn.trailing_data[0])

    def pause_writing(self) -> None:
        """Whoever asked does not read."""
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(self.bounds.answer_s, self.abort, "slow")

    def resume_writing(self) -> None:
        """They do again."""
        super().resume_writing()
        self._goes_on()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing has come behind an answer."""
        if self.transport.get_write_buffer_size():
            self.abort("slow")  # closing would wait until it is read
        else:
            super().timeout_keep_alive_handler()

    @property
    def is_ending(self) -> bool:
        """Whether nothing more comes of it."""
        return self.transport.is_closing()

    def abort(self, reason: str) -> None:
        """End it at once."""
        self.counts.dropped(reason)
        self.transport.abort()

    def _watch(self, *, may_lie_idle: bool = False) -> None:
        """Whether a request is owed, behind whatever has happened."""
        state = self.conn.their_state
        if state not in (h11.IDLE, h11.SEND_BODY):
            self._request_is_there()
            return
        self.waits_since = self.waits_since or self.loop.time()
        is_owed = state is h11.SEND_BODY or not may_lie_idle
        if is_owed and self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.bounds.request_s, self.abort, "slow")

    def _request_is_there(self) -> None:
        self.waits_since = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _goes_on(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


class Listener:
    """Takes connections as long as there is room. Stands where uvicorn has an asyncio server."""

    def __init__(
        self, listening: socket.socket, face: HttpFace, protocol: Callable[[], BoundedProtocol], open_now: Collection[Any]
    ) -> None:
        """`open_now`: the connections that are past their handshake, kept by their protocols."""
        self._socket, self._protocol, self._open = listening, protocol, open_now
        self._gate, self._bounds = face.gate, face.bounds
        self._tls = face.gate.tls()
        self._greeting: dict[asyncio.Task[None], float] = {}  # connections in their handshake -> since
        self._loop = asyncio.get_running_loop()
        listening.setblocking(False)
        self._taking = self._loop.create_task(self._take())

    def close(self) -> None:
        """Take no more."""
        self._taking.cancel()
        for task in self._greeting:
            task.cancel()

    async def wait_closed(self) -> None:
        """Until none is taken any more."""
        with suppress(asyncio.CancelledError):
            await self._taking

    async def _take(self) -> None:
        while True:
            try:
                connection, _ = await self._loop.sock_accept(self._socket)
                # an answer is written in parts, and each would wait 40 ms for the other side to acknowledge the one before
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:  # no file descriptors, or whoever came has gone again
                await asyncio.sleep(_AGAIN_S)
                continue
            if self._tls is not None and self._gate.is_due:
                await asyncio.to_thread(self._gate.look)
            if not self._make_room():
                self._gate.counts.dropped("no_room")
                connection.close()
                continue
            task = self._loop.create_task(self._greet(connection))
            self._greeting[task] = self._loop.time()
            task.add_done_callback(partial(self._greeted, connection))
            await asyncio.sleep(0)  # more may have come already: those that are here go on as well

    async def _greet(self, connection: socket.socket) -> None:
        timeout = self._bounds.request_s if self._tls else None
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection, ssl=self._tls, ssl_handshake_timeout=timeout)
        except OSError:  # TLS' own errors among them
            self._gate.counts.dropped("handshake")

    def _greeted(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        self._greeting.pop(task, None)
        if task.cancelled():
            self._gate.counts.dropped("no_room")
            connection.close()

    def _make_room(self) -> bool:
        in_handshake = sum(not task.cancelling() for task in self._greeting)
        if in_handshake + sum(not connection.is_ending for connection in self._open) < self._bounds.connections:
            return True
        waiting = min(self._waiting(), key=lambda one: one[0], default=None)
        if waiting is not None:
            waiting[1]()
        return waiting is not None

    def _waiting(self) -> Iterator[tuple[float, Callable[[], object]]]:
        """Since when, and how to end it."""
        for task, since in self._greeting.items():
            if not task.cancelling():
                yield since, task.cancel
        for connection in self._open:
            if connection.waits_since is not None and not connection.is_ending:
                yield connection.waits_since, partial(connection.abort, "no_room")
