"""The HTTP face of every long-running process: landing page, metrics, liveness, readiness.

The only door to starlette and uvicorn.
"""

import html
import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from schema.errors import SettingsError

# Requests in flight at the end get so long; a scrape takes about a second at most.
_GRACE_S = 3
_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{name}</title></head>
<body>
<main>
<h1>{name}</h1>
<p>Version {version}</p>
<ul>
{links}
</ul>
</main>
</body>
</html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFace:
    """What a process shows of itself. Callables are called from other threads."""

    name: str
    version: str
    metrics: Callable[[str], tuple[bytes, str]]  # `Accept` header -> exposition, its content type
    ready: Callable[[], str | None]  # None: ready; else why not, in one line
    telemetry_path: str = "/metrics"
    links: Mapping[str, str] = field(default_factory=dict)  # further paths of the landing page -> what they are


def serve(listen: str, face: HttpFace, stop: threading.Event, bound: Callable[[str, int], None] | None = None) -> None:
    """Answer on `listen` (HOST:PORT, port 0: any free one) until `stop` is set, then finish what is in flight.

    `bound` is told host and port before the first answer. Raises `SettingsError` where the address cannot be had.
    """
    with _listening(listen) as listener:
        host, port = listener.getsockname()[:2]
        if bound is not None:
            bound(host, port)
        server = uvicorn.Server(_configuration(face))
        thread = threading.Thread(target=_run, args=(server, listener, stop), name=f"http {port}", daemon=True)
        thread.start()
        stop.wait()
        server.should_exit = True
        thread.join()


def _configuration(face: HttpFace) -> uvicorn.Config:
    return uvicorn.Config(
        _application(face),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_S,
    )


def _run(server: uvicorn.Server, listener: socket.socket, stop: threading.Event) -> None:
    try:
        server.run(sockets=[listener])
    finally:
        stop.set()  # a server that fails must not leave its process waiting for ever


def _listening(listen: str) -> socket.socket:
    host, separator, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not port.isdecimal() or int(port) > 65_535:
        raise SettingsError(f"cannot listen on {listen!r}: give HOST:PORT, such as 127.0.0.1:10110")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise SettingsError(f"cannot listen on {listen}: {why}; choose another address, or end what holds it") from error


def _application(face: HttpFace) -> Starlette:
    def landing(_request: Request) -> Response:
        return HTMLResponse(_landing_page(face), headers=_HEADERS)

    def metrics(request: Request) -> Response:
        body, content_type = face.metrics(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type, **_HEADERS})

    def healthy(_request: Request) -> Response:
        return PlainTextResponse(f"{face.name} is running\n", headers=_HEADERS)

    def ready(_request: Request) -> Response:
        reason = face.ready()
        text = f"{face.name} is ready" if reason is None else " ".join(reason.split())
        return PlainTextResponse(f"{text}\n", status_code=200 if reason is None else 503, headers=_HEADERS)

    routes = [
        Route("/", landing),
        Route(face.telemetry_path, metrics),
        Route("/-/healthy", healthy),
        Route("/-/ready", ready),
    ]
    return Starlette(routes=routes, middleware=[Middleware(GZipMiddleware)])


def _landing_page(face: HttpFace) -> str:
    links = {
        face.telemetry_path: "Metrics",
        "/-/healthy": "Healthy: the process runs",
        "/-/ready": "Ready: the store answers and all is current",
        **face.links,
    }
    items = (f'<li><a href="{html.escape(path)}">{html.escape(text)}</a></li>' for path, text in links.items())
    return _PAGE.format(name=html.escape(face.name), version=html.escape(face.version), links="\n".join(items))
