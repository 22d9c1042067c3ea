"""A TCP proxy that can lose an answer: the server has done what it was asked, and the client never hears of it."""

import socket
import threading
from contextlib import suppress


class LossyProxy:
    """Forwards connections to a port of the loopback; `lose_next_answer` cuts all of them instead of forwarding one."""

    def __init__(self, target: int) -> None:
        self._target, self._listener = target, socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._request: bytes | None = None
        self._armed = False
        self._open: list[socket.socket] = []
        self.lost = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_answer_to(self, request: bytes) -> None:
        """Cut the connection where the answer to the next request that holds these bytes would come."""
        self.lost.clear()
        self._request = request

    def close(self) -> None:
        """Refuse whatever comes from now on."""
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                for source, sink, upward in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._forward, args=(source, sink, upward), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, upward: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if not upward and self._armed:
                    self._armed = False
                    self._cut()
                    self.lost.set()
                    return
                if upward and self._request is not None and self._request in data:
                    self._request, self._armed = None, True
                sink.sendall(data)
        for end in (source, sink):
            end.close()

    def _cut(self) -> None:
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()
