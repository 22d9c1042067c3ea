"""Raises a network's admission book by compare-and-swap, so that every exporter shows the same function of the store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from exporter.admissions import Change, Series, counted_series, decide, folded_off, over_high_water
from exporter.chain import add_totals
from exporter.follower import Followed, Follower
from exporter.highwater import Counted, counted, high_water_of, with_high_water
from exporter.snapshot import NetworkMoment
from schema.errors import StoreUnavailableError
from schema.records import Admission, AdmissionBook, BookChange, EndpointTotals, LedgerPosition
from schema.store.reading import StoreReader

# Exporters of one store collide only when they read the same commit at the same time; one of them always succeeds.
ATTEMPTS = 10


class NotYetError(Exception):
    """A network cannot be shown at the book's positions now: what was shown last stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What of a network is in reach: its ledgers as far as they were followed, and the sensors that did not answer."""

    ledgers: Mapping[str, Followed]
    counted: Counted
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """A book, and what is counted by its admissions at its positions."""

    book: AdmissionBook
    counted: Series


class BookKeeper:
    """One network's book as this exporter last knew it."""

    def __init__(self, network: str, limit: int, follower: Follower) -> None:
        self._network, self.limit, self._follower = network, limit, follower
        self._book: AdmissionBook | None = None
        self._shown: NetworkMoment | None = None  # what this exporter showed last: whatever happens, nothing falls below it

    def moment(self, reader: StoreReader, sensors: Sequence[str]) -> NetworkMoment:
        """Follow the ledgers, raise the book to them, and give what it shows there.

        Raises `NotYetError` where a sensor was never read, or not as far as another exporter has raised the book.
        """
        for _ in range(ATTEMPTS):
            book = self._book or reader.admissions(self._network)
            if book.version == 0:  # an empty store: not the one that was shown
                self._shown = None
            shelf = self._follow(reader, book, sensors)
            raised = self._raise(reader, book, shelf)
            self._book = None if raised is None else raised.book
            if raised is not None:
                self._shown = _moment(raised, shelf)
                return self._shown
        raise StoreUnavailableError(f"the admissions of network {self._network} change faster than they can be read")

    def forget(self) -> None:
        """Read the book anew: whether the last change of it arrived is not known."""
        self._book = None

    def _follow(self, reader: StoreReader, book: AdmissionBook, sensors: Sequence[str]) -> Shelf:
        ledgers, unread = {}, []
        for sensor in sorted({*sensors, *book.positions}):
            since = book.positions.get(sensor, LedgerPosition())
            followed: Followed | None
            try:
                followed = self._follower.follow(reader, sensor, since)
            except StoreUnavailableError:
                unread.append(sensor)
                followed = self._follower.last_good(sensor, since)
            if followed is None:
                raise NotYetError(f"sensor {sensor} cannot be read")
            if followed.totals.position.seq < since.seq:
                raise NotYetError(f"sensor {sensor} is known to {followed.totals.position.seq}, was shown to {since.seq}")
            ledgers[sensor] = followed
        return Shelf(ledgers=ledgers, counted=counted(ledgers.values()), unread=tuple(unread))

    def _raise(self, reader: StoreReader, book: AdmissionBook, shelf: Shelf) -> Raised | None:
        """The book at the positions of these ledgers; None: somebody else was faster."""
        reached = {sensor: followed.totals.position for sensor, followed in shelf.ledgers.items()}
        positions = {sensor: position for sensor, position in reached.items() if position.seq > 0}
        changed = self._changed(book, shelf)
        raised = replace(book, version=book.version + 1, positions=positions, admissions={**book.admissions, **changed})
        counted_now = counted_series(raised, shelf.counted.endpoints)
        high_water = high_water_of(book.high_water, counted_now, shelf.counted.totals, self._shown)
        if not changed and (positions, high_water) == (book.positions, book.high_water):
            return Raised(book=book, counted=counted_now)
        change = BookChange(positions=positions, changed=changed, high_water=high_water)
        if not reader.admit(self._network, book.version, change):
            return None
        return Raised(book=replace(raised, high_water=high_water), counted=counted_now)

    def _changed(self, book: AdmissionBook, shelf: Shelf) -> dict[str, Admission]:
        ledgers = shelf.ledgers.values()
        folded = _sum_of(followed.folded for followed in ledgers)
        growths = [followed.growth for followed in ledgers if followed.growth is not None]
        if len(growths) < len(ledgers):
            # then the totals at the book's positions are not known either: raise them first, admit at the next
            return folded_off(book, folded)
        at_ms = shelf.counted.last_loaded_at_ms if book.version else 0
        change = Change(growth=_sum_of(growth.endpoints for growth in growths), folded=folded, at_ms=at_ms)
        return decide(book, shelf.counted.endpoints, change, self.limit)


def _sum_of(many: Iterable[Mapping[str, EndpointTotals]]) -> dict[str, EndpointTotals]:
    sums: dict[str, EndpointTotals] = {}
    for totals in many:
        add_totals(sums, totals)
    return sums


def _moment(raised: Raised, shelf: Shelf) -> NetworkMoment:
    book, now = raised.book, shelf.counted
    return NetworkMoment(
        network=book.network,
        positions=now.positions,
        series=over_high_water(raised.counted, book),
        endpoints=now.endpoints,
        totals=with_high_water(now.totals, book.high_water),
        last_loaded_at_ms=now.last_loaded_at_ms,
        unread=shelf.unread,
        began_ms={endpoint: admission.since_ms for endpoint, admission in book.admissions.items() if admission.admitted},
        evicted={endpoint: admission.shown for endpoint, admission in book.admissions.items() if not admission.admitted},
    )
