"""Raises a network's admission book by compare-and-swap, so that every exporter shows the same function of the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from exporter.admissions import decide, series
from exporter.follower import Followed, Follower, add_counts, add_totals
from exporter.snapshot import NetworkMoment
from schema.errors import StoreUnavailableError
from schema.records import AdmissionBook, EndpointTotals
from schema.store.port import StoreReader

# Exporters of one store collide only when they read the same commit at the same time; one of them always succeeds.
ATTEMPTS = 10


class NotYetError(Exception):
    """A network cannot be shown at the book's positions now: what was shown last stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What of a network is in reach: its ledgers as far as they were followed, and the sensors that did not answer."""

    ledgers: Mapping[str, Followed]
    unread: tuple[str, ...]


class BookKeeper:
    """One network's book as this exporter last knew it."""

    def __init__(self, network: str, limit: int, follower: Follower) -> None:
        self._network, self._limit, self._follower = network, limit, follower
        self._book: AdmissionBook | None = None

    def moment(self, reader: StoreReader, sensors: Sequence[str]) -> NetworkMoment:
        """Follow the ledgers, raise the book to them, and give what it shows there.

        Raises `NotYetError` where a sensor was never read, or not as far as another exporter has raised the book.
        """
        for _ in range(ATTEMPTS):
            book = self._book or reader.admissions(self._network)
            shelf = self._follow(reader, book, sensors)
            raised = self._raise(reader, book, shelf.ledgers)
            if raised is not None:
                self._book = raised
                return _moment(raised, shelf)
            self._book = None
        raise StoreUnavailableError(f"the admissions of network {self._network} change faster than they can be read")

    def forget(self) -> None:
        """Read the book anew: whether the last change of it arrived is not known."""
        self._book = None

    def _follow(self, reader: StoreReader, book: AdmissionBook, sensors: Sequence[str]) -> Shelf:
        ledgers, unread = {}, []
        for sensor in sorted({*sensors, *book.positions}):
            since = book.positions.get(sensor, 0)
            followed: Followed | None
            try:
                followed = self._follower.follow(reader, sensor, since)
            except StoreUnavailableError:
                unread.append(sensor)
                followed = self._follower.last_good(sensor, since)
            if followed is None:
                raise NotYetError(f"sensor {sensor} cannot be read")
            if followed.totals.position.seq < since:
                raise NotYetError(f"sensor {sensor} is known to {followed.totals.position.seq}, was shown to {since}")
            ledgers[sensor] = followed
        return Shelf(ledgers=ledgers, unread=tuple(unread))

    def _raise(self, reader: StoreReader, book: AdmissionBook, ledgers: Mapping[str, Followed]) -> AdmissionBook | None:
        """The book at the positions of these ledgers; None: somebody else was faster."""
        reached = {sensor: followed.totals.position.seq for sensor, followed in ledgers.items()}
        positions = {sensor: seq for sensor, seq in reached.items() if seq > 0}
        growth = _growth(ledgers)
        # Where growth is not known, neither are the totals at the book's positions: raise them first, admit at the next.
        changed = {} if growth is None else decide(book, endpoint_totals(ledgers), growth, self._limit)
        if not changed and positions == book.positions:
            return book
        if not reader.admit(self._network, book.version, positions, changed):
            return None
        return replace(book, version=book.version + 1, positions=positions, admissions={**book.admissions, **changed})


def endpoint_totals(ledgers: Mapping[str, Followed]) -> dict[str, EndpointTotals]:
    """Totals by endpoint over all sensors of a network."""
    sums: dict[str, EndpointTotals] = {}
    for followed in ledgers.values():
        add_totals(sums, followed.totals.endpoints)
    return sums


def _growth(ledgers: Mapping[str, Followed]) -> dict[str, EndpointTotals] | None:
    sums: dict[str, EndpointTotals] = {}
    for followed in ledgers.values():
        if followed.growth is None:
            return None
        add_totals(sums, followed.growth.endpoints)
    return sums


def _moment(book: AdmissionBook, shelf: Shelf) -> NetworkMoment:
    totals: dict[str, int] = {}
    for followed in shelf.ledgers.values():
        add_counts(totals, followed.totals.totals)
    endpoints = endpoint_totals(shelf.ledgers)
    return NetworkMoment(
        network=book.network,
        positions={sensor: followed.totals.position.seq for sensor, followed in shelf.ledgers.items()},
        series=series(book, endpoints),
        endpoints=len(endpoints),
        totals=totals,
        last_loaded_at_ms=max((followed.totals.last_loaded_at_ms for followed in shelf.ledgers.values()), default=0),
        unread=shelf.unread,
    )
