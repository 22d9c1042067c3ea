"""Keeps the totals of each sensor's ledger current by its new steps, and knows what they added."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.chain import add_totals, walk
from schema.records import NOTHING_COUNTED, CommitDeltas, EndpointTotals, LedgerPosition, LedgerTotals
from schema.store.reading import StoreReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A sensor's totals now, and how they changed since the position that was asked for."""

    totals: LedgerTotals
    growth: CommitDeltas | None  # None: the steps in between cannot be had any more, or the position was lost
    folded: Mapping[str, EndpointTotals]  # what seals since then took from endpoints


class Follower:
    """Last good totals of each sensor. Any read may raise `StoreUnavailableError`; what is known stays."""

    def __init__(self) -> None:
        self._known: dict[str, LedgerTotals] = {}

    def follow(self, reader: StoreReader, sensor: str, since: LedgerPosition) -> Followed:
        """Read what is new, and tell what came after `since`."""
        known = self._known.get(sensor)
        followed = None
        if known is not None and known.position == since:
            followed = _advance(reader, known)
        if followed is None:
            followed = read_all(reader, sensor, since)
        self._known[sensor] = followed.totals
        return followed

    def last_good(self, sensor: str, since: LedgerPosition) -> Followed | None:
        """What is known of a sensor that cannot be read now; None: it was never read."""
        known = self._known.get(sensor)
        if known is None:
            return None
        return Followed(totals=known, growth=NOTHING_COUNTED if known.position == since else None, folded={})

    def forget(self) -> None:
        """Read every ledger anew: after the store was away it may be another one's copy."""
        self._known.clear()


def read_all(reader: StoreReader, sensor: str, since: LedgerPosition) -> Followed:
    """A sensor's totals from its ledger, not from what is known, and how they changed since `since` (without a nonce: whatever
    step has this seq)."""
    totals = reader.ledger(sensor)
    if since.seq == 0:
        return Followed(totals=totals, growth=CommitDeltas(endpoints=totals.endpoints, totals=totals.totals), folded={})
    walked = walk(reader, sensor, since, totals.position)
    if walked is None:
        return Followed(totals=totals, growth=None, folded=_folded_between(reader, since, totals))
    return Followed(totals=totals, growth=walked.growth, folded=walked.folded)


def _folded_between(reader: StoreReader, since: LedgerPosition, totals: LedgerTotals) -> dict[str, EndpointTotals]:
    """What is still told of the seals behind a position, up to that of the totals: a later one is passed next time. A seal that
    folded an endpoint with a series is among them: it is kept for as long as the admissions stand before it."""
    folded: dict[str, EndpointTotals] = {}
    for seal in reader.seals(totals.sensor, since.seq):
        if seal.position.seq <= totals.position.seq:
            add_totals(folded, seal.folded)
    return folded


def _advance(reader: StoreReader, known: LedgerTotals) -> Followed | None:
    """Known totals plus new steps; None: they do not follow what is known."""
    walked = walk(reader, known.sensor, known.position, None)
    if walked is None:
        return None
    if walked.position == known.position:
        return Followed(totals=known, growth=NOTHING_COUNTED, folded={})
    totals = walked.applied_to(known)
    return None if totals is None else Followed(totals=totals, growth=walked.growth, folded=walked.folded)
