"""What a process shows of itself: landing page, metrics, liveness, readiness, reload."""

import asyncio
import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter.api.exchange import Answered, Asked
from pcapline.http.api import api_routes
from pcapline.http.bounds import Bounds
from pcapline.http.gate import WebGate
from schema.errors import PcaplineError

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


def _nothing_to_reload() -> None:
    """Of a process all of whose settings are fixed at its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFace:
    """What a process shows of itself. Callables are called from other threads."""

    name: str
    version: str
    metrics: Callable[[str], tuple[bytes, str]]  # `Accept` header -> exposition, its content type
    ready: Callable[[], str | None]  # None: ready; else why not, in one line
    telemetry_path: str = "/metrics"
    pages: Mapping[str, Callable[[], tuple[bytes, str] | None]] = field(default_factory=dict)  # path -> as metrics; None: 503
    links: Mapping[str, str] = field(default_factory=dict)  # further paths of the landing page -> what they are
    api: Callable[[Asked], Answered] | None = None  # what answers under its prefix
    reload: Callable[[], None] = _nothing_to_reload  # of its own; raises `PcaplineError`: then all is as before
    gate: WebGate = field(default_factory=WebGate)  # whom it is shown to
    bounds: Bounds = field(default_factory=Bounds)


def routes_of(face: HttpFace) -> list[Route]:
    """The paths that every process answers."""

    def landing(_request: Request) -> Response:
        return HTMLResponse(_landing_page(face), headers=_HEADERS)

    room = asyncio.Semaphore(face.bounds.pages)

    async def metrics(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        async with room:
            page = await run_in_threadpool(face.metrics, accept)
        body, content_type = face.gate.counts.added_to(page, accept)
        return Response(body, headers={"Content-Type": content_type, **_HEADERS})

    def healthy(_request: Request) -> Response:
        return PlainTextResponse(f"{face.name} is running\n", headers=_HEADERS)

    def ready(request: Request) -> Response:
        reason = face.ready()
        told = reason if request.state.access else "not ready"  # why not is for those who may read
        text = f"{face.name} is ready" if reason is None else " ".join(str(told).split())
        return PlainTextResponse(f"{text}\n", status_code=200 if reason is None else 503, headers=_HEADERS)

    def reload(_request: Request) -> Response:
        faults = [fault for part in (face.gate.reload, face.reload) if (fault := _fault(part))]
        text = "\n".join(faults or ["reloaded"])
        return PlainTextResponse(f"{text}\n", status_code=422 if faults else 200, headers=_HEADERS)

    return [
        *(Route(path, _page_route(page)) for path, page in face.pages.items()),
        Route("/", landing),
        Route(face.telemetry_path, metrics),
        Route("/-/healthy", healthy),
        Route("/-/ready", ready),
        Route("/-/reload", reload, methods=["POST"]),
        *(api_routes(face.api) if face.api is not None else []),
    ]


def _fault(reload: Callable[[], None]) -> str:
    """What is wrong, in which case all of this part is as before; "" for nothing."""
    try:
        reload()
    except PcaplineError as error:
        return str(error)
    return ""


def _page_route(page: Callable[[], tuple[bytes, str] | None]) -> Callable[[Request], Response]:
    def answer(_request: Request) -> Response:
        found = page()
        if found is None:
            return PlainTextResponse("not ready\n", status_code=503, headers=_HEADERS)
        return Response(found[0], headers={"Content-Type": found[1], **_HEADERS})

    return answer


def _landing_page(face: HttpFace) -> str:
    links = {
        face.telemetry_path: "Metrics",
        "/-/healthy": "Healthy: the process runs",
        "/-/ready": "Ready: the store answers and all is current",
        **face.links,
    }
    items = (f'<li><a href="{html.escape(path)}">{html.escape(text)}</a></li>' for path, text in links.items())
    return _PAGE.format(name=html.escape(face.name), version=html.escape(face.version), links="\n".join(items))
