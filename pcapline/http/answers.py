"""What every answer has, whoever made it: the headers of the web configuration, and a place in the count."""

from collections.abc import Collection

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.api.exchange import PREFIX, is_api_path
from pcapline.http.gate import WebGate


class Answers:
    """Stands before all else, so that refusals and failures pass it too."""

    def __init__(self, app: ASGIApp, gate: WebGate, paths: Collection[str]) -> None:
        """`paths` are counted each by itself, those of the API together, and whatever else is asked for as `other`."""
        self._app, self._gate, self._paths = app, gate, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through; what comes back is counted when it begins."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                MutableHeaders(scope=message).update(self._gate.config.headers)
                self._gate.counts.answered(self._counted_as(scope["path"]), message["status"])
            await send(message)

        await self._app(scope, receive, sent)

    def _counted_as(self, path: str) -> str:
        if is_api_path(path) and path not in self._paths:
            return PREFIX
        return path if path in self._paths else "other"
