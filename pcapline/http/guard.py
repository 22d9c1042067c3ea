"""Stands before every route: who asks, may they, and is there room. Pure ASGI, so that streams pass through."""

import asyncio
import ipaddress
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.api.exchange import is_api_path
from exporter.api.problems import BUSY, NOT_ALLOWED, NOT_OPEN, TOO_LARGE, UNAUTHORIZED
from pcapline.http.access import Access, Password, Role, access_of_anyone, access_of_user, claimed, is_cross_site
from pcapline.http.api import problem_response
from pcapline.http.bounds import Bounds
from pcapline.http.config import WebConfig
from pcapline.http.gate import WebGate

_LOG = logging.getLogger(__name__)
_CHANGES_NOTHING = ("GET", "HEAD", "OPTIONS")
_OPEN = ("/-/healthy", "/-/ready")  # for whoever supervises the process


class BusyError(Exception):
    """Too many want the same: this one is told to come again."""


class Guard:
    """Middleware. What it lets through finds an `Access` at `request.state.access`; on the open paths it may be None."""

    def __init__(self, app: ASGIApp, gate: WebGate, bounds: Bounds) -> None:
        self._app, self._gate, self._bounds = app, gate, bounds
        self._in_flight = 0
        self._passwords_waiting = 0
        self._computing = ThreadPoolExecutor(1, "passwords")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let through."""
        if scope["type"] != "http":
            return
        if self._in_flight >= self._bounds.in_flight:
            await self._refusal(scope, "busy", 503)(scope, receive, send)
            return
        flight = _Flight(self)
        try:
            await self._answer(scope, receive, _Sending(send, self._bounds.piece_bytes, flight).send)
        finally:
            flight.end()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if self._gate.is_due:
            await asyncio.to_thread(self._gate.look)
        config = self._gate.config  # one for all that is asked of this request: another may be taken meanwhile
        try:
            access = await self._access(scope, headers, config)
        except BusyError:
            await self._refusal(scope, "busy", 503)(scope, receive, send)
            return
        if refusal := self._refused(scope, headers, access, asks=config.asks):
            await refusal(scope, receive, send)
            return
        if scope["method"] not in _CHANGES_NOTHING:
            who = access.who if access and access.who else "somebody on this machine"
            _LOG.info("web: %s asks for %s %r", who, scope["method"], scope["path"])
        scope.setdefault("state", {})["access"] = access
        await self._app(scope, _Receiving(receive, self._bounds.body_bytes).receive, send)

    async def _access(self, scope: Scope, headers: Headers, config: WebConfig) -> Access | None:
        if not config.asks:
            return access_of_anyone(headers, loopback=_is_loopback(scope))
        found = claimed(config, headers.get("authorization", ""))
        if not isinstance(found, Password):
            return found
        right = self._gate.passwords.known(config, found)
        if right is None:
            right = await self._compute(config, found)
        return access_of_user(config, found.user) if right else None

    async def _compute(self, config: WebConfig, given: Password) -> bool:
        if self._passwords_waiting >= self._bounds.passwords_waiting:
            raise BusyError
        self._passwords_waiting += 1
        try:
            right = self._gate.passwords.right
            return await asyncio.get_running_loop().run_in_executor(self._computing, right, config, given)
        finally:
            self._passwords_waiting -= 1

    def _refused(self, scope: Scope, headers: Headers, access: Access | None, *, asks: bool) -> Response | None:
        if access is None:
            is_open = scope["path"] in _OPEN and scope["method"] in _CHANGES_NOTHING
            return None if is_open else self._refusal(scope, "unauthorized", 401)
        if _is_api(scope) and not asks and not access.may(Role.OPERATE):
            return self._refusal(scope, "closed", 403)
        if int(headers.get("content-length") or "0") > self._bounds.body_bytes:
            return self._refusal(scope, "too_large", 413)
        if scope["method"] in _CHANGES_NOTHING:
            return None
        if is_cross_site(headers):
            return self._refusal(scope, "forbidden", 403, _FOREIGN_PAGE)
        if not access.may(Role.OPERATE):
            return self._refusal(scope, "forbidden", 403)
        return None

    def _refusal(self, scope: Scope, reason: str, status: int, why: str = "") -> Response:
        self._gate.counts.refused(reason)
        text, extra = _REFUSALS[reason]
        text = why or text
        if status == 401:
            extra = {"WWW-Authenticate": 'Basic realm="pcapline"' if self._gate.config.users else "Bearer"}
        if _is_api(scope):
            return problem_response(_PROBLEMS[reason], text, extra)
        return PlainTextResponse(f"{text}\n", status_code=status, headers=extra)

    def enter(self) -> None:
        """A request is in flight."""
        self._in_flight += 1

    def leave(self) -> None:
        """It is no more."""
        self._in_flight -= 1


_FOREIGN_PAGE = "a page of another site asks for this: what changes something is asked for from a page of this address alone"
_REFUSALS: dict[str, tuple[str, Mapping[str, str]]] = {
    "busy": ("too many requests at once: come again", {"Retry-After": "1"}),
    "unauthorized": ("say who you are: a user and password, or a bearer token, of the web configuration", {}),
    "closed": ("rows tell who called whom, so whoever comes from elsewhere has to be known", {}),
    "forbidden": (
        "you may read, and this changes something: ask as one of pcapline_operators, or by a token whose role is operate; "
        "without a web configuration, from this machine itself",
        {},
    ),
    "too_large": ("the body is larger than any that is asked for", {"Connection": "close"}),
}


_PROBLEMS = {
    "busy": BUSY,
    "unauthorized": UNAUTHORIZED,
    "closed": NOT_OPEN,
    "forbidden": NOT_ALLOWED,
    "too_large": TOO_LARGE,
}


class _Flight:
    """One request's place among those in flight; given back once."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._flies = guard, True
        guard.enter()

    def end(self) -> None:
        """Give the place back."""
        if self._flies:
            self._flies = False
            self._guard.leave()


class _Sending:
    """Writes long answers in pieces, each when the one before it is on its way."""

    def __init__(self, send: Send, piece: int, flight: _Flight) -> None:
        self._send, self._piece, self._flight = send, piece, flight

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if Headers(raw=message.get("headers", [])).get("content-type", "").startswith("text/event-stream"):
                self._flight.end()  # it may last for hours; connections are bounded too
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            while len(body) > self._piece:
                await self._send({**message, "body": bytes(body[: self._piece]), "more_body": True})
                body = memoryview(body)[self._piece :]
            message = {**message, "body": bytes(body)}
        await self._send(message)


class _Receiving:
    """A body without a length ends where it grows too long, as if its sender had gone."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._left = receive, most

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        return message if self._left >= 0 else {"type": "http.disconnect"}


def _is_api(scope: Scope) -> bool:
    return is_api_path(str(scope["path"]))


def _is_loopback(scope: Scope) -> bool:
    """Whether the connection came to such an address: then it came from this machine."""
    host = (scope.get("server") or ("", 0))[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
