"""Answers on an address until told to stop."""

import logging
import os
import socket
import threading
from asyncio import Server
from collections.abc import Callable
from ipaddress import ip_address
from typing import cast

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from pcapline.http.answers import Answers
from pcapline.http.connections import BoundedProtocol, Listener
from pcapline.http.face import HttpFace, routes_of
from pcapline.http.guard import Guard
from schema.errors import SettingsError

_LOG = logging.getLogger(__name__)
# Requests in flight at the end get so long; a scrape takes about a second at most.
_GRACE_S = 3
_BACKLOG = 128


def serve(listen: str, face: HttpFace, stop: threading.Event, bound: Callable[[str, int], None] | None = None) -> None:
    """Answer on `listen` (HOST:PORT, port 0: any free one; fd:N, a socket that listens already) until `stop` is set, then
    finish what is in flight.

    `bound` is told host and port before the first answer. Raises `SettingsError` where the address cannot be had.
    """
    with _listening(listen) as listener:
        host, port = listener.getsockname()[:2]
        if face.gate.config.lets_anyone_in and not ip_address(host.partition("%")[0]).is_loopback:
            _LOG.warning("%s: whoever reaches %s may read; --web.config.file FILE says who may, and by TLS", face.name, listen)
        if bound is not None:
            bound(host, port)
        server = _Server(face)
        thread = threading.Thread(target=_run, args=(server, listener, stop), name=f"http {port}", daemon=True)
        thread.start()
        stop.wait()
        server.should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    """uvicorn, but for how connections come in."""

    def __init__(self, face: HttpFace) -> None:
        self._face = face
        configuration = uvicorn.Config(
            _application(face),
            http=BoundedProtocol,
            ws="none",
            log_config=None,
            log_level="error",  # not a line for each request that is none
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=face.bounds.idle_s,
            timeout_graceful_shutdown=_GRACE_S,
        )
        super().__init__(configuration)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the sockets that `run` was given."""
        await self.lifespan.startup()

        def connection() -> BoundedProtocol:
            made = BoundedProtocol(self.config, self.server_state, self.lifespan.state)
            made.counts, made.bounds = self._face.gate.counts, self._face.bounds
            return made

        listeners = [Listener(each, self._face, connection, self.server_state.connections) for each in sockets or ()]
        self.servers = cast("list[Server]", listeners)  # all that is asked of them: close, wait_closed
        self.started = True


def _run(server: uvicorn.Server, listener: socket.socket, stop: threading.Event) -> None:
    try:
        server.run(sockets=[listener])
    finally:
        stop.set()  # a server that fails must not leave its process waiting for ever


def _listening(listen: str) -> socket.socket:
    host, separator, port = listen.rpartition(":")
    if host == "fd" and port.isdecimal():
        return _handed_over(int(port))
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not port.isdecimal() or int(port) > 65_535:
        raise SettingsError(f"cannot listen on {listen!r}: give HOST:PORT, such as 127.0.0.1:10110")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise SettingsError(
            f"cannot listen on {listen}: {why}; choose another by --web.listen-address HOST:PORT, or end what holds it"
        ) from error


def _handed_over(number: int) -> socket.socket:
    try:
        listener = socket.socket(fileno=number)
        listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise SettingsError(f"cannot listen on fd:{number}: {error.strerror}") from error
    if not listening:
        listener.detach()  # another's, whatever it is
        raise SettingsError(f"cannot listen on fd:{number}: it is no socket that listens")
    return listener


def _application(face: HttpFace) -> Answers:
    routes = routes_of(face)
    middleware = [Middleware(Guard, gate=face.gate, bounds=face.bounds), Middleware(GZipMiddleware, compresslevel=1)]
    return Answers(
        Starlette(routes=routes, middleware=middleware),
        face.gate,
        [route.path for route in routes if not route.param_convertors],
    )
