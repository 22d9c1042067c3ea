"""Answers requests: finds the route, makes the question, asks, and tells what came of it. Bounded in how many at once."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any

import msgspec

from exporter.api import openapi, problems
from exporter.api.exchange import PREFIX, Answered, Asked
from exporter.api.problems import Kind, ProblemError
from exporter.api.questions import Nothing, question_of
from exporter.api.readers import Readers
from exporter.api.remembered import Remembered
from exporter.api.routes import ROUTES, Route
from exporter.api.stream import ChangeStream
from exporter.api.world import Helpers, World
from exporter.snapshot import Snapshot
from schema.errors import PcaplineError, SchemaMismatchError, SettingsError, StoreUnavailableError
from schema.store.reading import StoreReader

_LOG = logging.getLogger(__name__)
_READERS = 4  # requests that read the store at once
_IN_FLIGHT = 16  # requests that are answered, or wait for a reader
_STREAMS = 8
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
_STORE_AWAY = "start the store, or wait for it; what is captured meanwhile is not lost"
_READS, _OPERATES = ("GET", "HEAD"), ("POST",)


@dataclass(slots=True, kw_only=True)
class Api:
    """All of it. May be asked from any thread."""

    snapshot: Callable[[], Snapshot]  # the exporter's last one
    open_reader: Callable[[], StoreReader]
    helpers: Helpers
    ended: Callable[[float], bool]  # waits so many seconds at most; whether the exporter ends
    _readers: Readers = field(init=False)
    _in_flight: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(_IN_FLIGHT), init=False)
    _scan: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(1), init=False)
    _streams: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(_STREAMS), init=False)
    _remembered: Remembered = field(default_factory=Remembered, init=False)
    _document: bytes = field(init=False)

    def __post_init__(self) -> None:
        self._readers = Readers(self.open_reader, _READERS)
        self._document = msgspec.json.encode(openapi.document(self.helpers.version))

    def answer(self, asked: Asked) -> Answered:
        """Whatever it is: an answer, or the problem that it has."""
        try:
            with _place_in(self._in_flight, "requests"):
                return self._answer(asked)
        except ProblemError as error:
            return _refusal(error)
        except PcaplineError as error:
            return _refusal(_problem_of(error))
        except Exception:
            _LOG.exception("exporter: %s %s", asked.method, asked.path)
            return _refusal(ProblemError(problems.INTERNAL, "a fault in pcapline", "see the exporter's log, and report it"))

    def close(self) -> None:
        """Let the store go."""
        self._readers.close()

    def _answer(self, asked: Asked) -> Answered:
        if asked.path == openapi.OPENAPI_PATH and asked.method in _READS:
            question_of(Nothing, asked.parameters, {})
            return _answered(asked, 200, self._document)
        route, values = _route_of(asked)
        question = question_of(route.question, asked.parameters, values)
        if route.streams:
            return self._stream(asked, route, question)
        world = self._world()

        def body() -> bytes:
            return msgspec.json.encode(route.ask(world, question))

        told = self._remembered.body(world.snapshot, (route.path, question), body) if route.is_shown else body()
        return _answered(asked, route.status, told)

    def _world(self) -> World:
        return World(snapshot=self.snapshot(), store=self._lend, scanned=self._lend_to_scan, helpers=self.helpers)

    def _lend(self) -> AbstractContextManager[StoreReader]:
        """A reader, unless the store is known to be away: many who wait for it in vain would hold up those who need none."""
        now = self.snapshot()
        if not now.store_up:
            raise ProblemError(problems.STORE_AWAY, now.not_ready or "it is away", _STORE_AWAY)
        return self._readers.lend()

    @contextmanager
    def _lend_to_scan(self) -> Iterator[StoreReader]:
        with _place_in(self._scan, "reads of a whole table"), self._lend() as reader:
            yield reader

    def _stream(self, asked: Asked, route: Route, question: Any) -> Answered:
        if last := asked.headers.get("last-event-id"):
            question = question_of(
                route.question, [*((n, v) for n, v in asked.parameters if n != "since"), ("since", last)], {}
            )
        route.ask(self._world(), question)  # what is wrong with it is told with a status
        headers = {**_HEADERS, "Content-Type": "text/event-stream"}
        if asked.method == "HEAD":
            return Answered(status=200, body=b"", headers=headers)
        if not self._streams.acquire(blocking=False):
            raise _busy("streams")
        stream = ChangeStream(question, lambda now: route.ask(self._world(), now), self.ended, self._streams.release)
        return Answered(status=200, body=stream, headers=headers)


@contextmanager
def _place_in(places: BoundedSemaphore, of: str) -> Iterator[None]:
    if not places.acquire(blocking=False):
        raise _busy(of)
    try:
        yield
    finally:
        places.release()


def _busy(of: str) -> ProblemError:
    return ProblemError(problems.BUSY, f"as many {of} as are allowed are being answered", "ask again in a few seconds")


def _route_of(asked: Asked) -> tuple[Route, dict[str, str]]:
    found = [(route, values) for route in ROUTES if (values := route.path_values(asked.path)) is not None]
    for route, values in found:
        if asked.method in (_OPERATES if route.operates else _READS):
            return route, values
    if not found:
        raise ProblemError(problems.NOT_FOUND, f"no path is called {PREFIX + asked.path!r}", "/api/v1/openapi.json lists them")
    allowed = ", ".join(_OPERATES if found[0][0].operates else _READS)
    raise ProblemError(problems.WRONG_METHOD, f"{asked.method} is not taken here", f"use {allowed}")


def _problem_of(error: PcaplineError) -> ProblemError:
    kind, remedy = _kind_of(error)
    return ProblemError(kind, " ".join(str(error).split()), remedy)


def _kind_of(error: PcaplineError) -> tuple[Kind, str]:
    match error:
        case StoreUnavailableError():
            return problems.STORE_AWAY, _STORE_AWAY
        case SchemaMismatchError():
            return problems.STORE_SCHEMA, "run `pcapline schema apply`, or use the build that made the tables"
        case SettingsError():
            return problems.NEEDS_SETUP, "do what the detail says, and ask again"
        case _:
            return problems.STORE_REFUSES, "`pcapline doctor` and `pcapline verify` say more"


def _answered(asked: Asked, status: int, body: bytes) -> Answered:
    headers = {**_HEADERS, "Content-Type": "application/json"}
    if asked.method not in _READS:
        return Answered(status=status, body=body, headers=headers)
    headers["ETag"] = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    known = {tag.strip() for tag in asked.headers.get("if-none-match", "").split(",")}
    if headers["ETag"] in known or "*" in known:
        return Answered(status=304, body=b"", headers=headers)
    return Answered(status=status, body=body, headers=headers)


def _refusal(error: ProblemError) -> Answered:
    allowed = {"Allow": error.remedy.removeprefix("use ")} if error.kind is problems.WRONG_METHOD else {}
    return problems.refusal(error, allowed)
