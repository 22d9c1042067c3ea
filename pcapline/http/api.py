"""The JSON API's way through the door to HTTP."""

from collections.abc import AsyncIterator, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from exporter.api.exchange import PREFIX, Answered, Asked, Parts
from exporter.api.problems import BUSY, NOT_ALLOWED, NOT_OPEN, TOO_LARGE, UNAUTHORIZED, Kind, ProblemError, refusal

# All of them come in: which are taken, and where, is the API's own matter.
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_REMEDIES = {
    BUSY: "ask again in a few seconds",
    UNAUTHORIZED: "send `Authorization` with a user or token of the file that --web.config.file names",
    NOT_ALLOWED: "use a user or token that may operate, from no other site's page",
    NOT_OPEN: "give the exporter users or tokens (--web.config.file), or ask from its own machine, by its loopback address",
    TOO_LARGE: "send no body",
}


def api_routes(answer: Callable[[Asked], Answered]) -> list[Route]:
    """The prefix, and every path under it; answers are made in a thread."""

    def endpoint(request: Request) -> Response:
        answered = answer(
            Asked(
                method=request.method,
                path="/" + request.path_params.get("path", "").rstrip("/"),
                parameters=request.query_params.multi_items(),
                headers={name.lower(): value for name, value in request.headers.items()},
            )
        )
        return _response(answered)

    return [Route(path, endpoint, methods=_METHODS) for path in (PREFIX, PREFIX + "/{path:path}")]


def problem_response(kind: Kind, detail: str, headers: Mapping[str, str]) -> Response:
    """A refusal at the door, as the API tells it."""
    return _response(refusal(ProblemError(kind, detail, _REMEDIES[kind]), headers))


def _response(answered: Answered) -> Response:
    if isinstance(answered.body, bytes):
        return Response(answered.body, status_code=answered.status, headers=dict(answered.headers))
    return _Streamed(answered.body, answered)


class _Streamed(StreamingResponse):
    """Parts as they come; they are closed however it ends, even where nobody has taken one."""

    def __init__(self, parts: Parts, answered: Answered) -> None:
        super().__init__(_taken(parts), status_code=answered.status, headers=dict(answered.headers))
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._parts.close()


async def _taken(parts: Parts) -> AsyncIterator[bytes]:
    while (part := await run_in_threadpool(parts.next)) is not None:
        if part:
            yield part
