"""A capture's place in its sensor's order: what it goes on from, and what the next one goes on from."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loader.commit.carried import NO_SEQUENCE, CarriedState, StateUsed
from loader.decode.columns import DecodeReport
from loader.naming.awaiting import Waitlist, settle
from loader.naming.choice import NamingRules
from loader.naming.names import CaptureNames
from loader.reading.capture import CaptureReading
from schema.records import NameRepair

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What a capture in its place makes of the carried state."""

    late: bool  # out of order: it has no carried state
    state_used: StateUsed
    began_from: bytes  # the open flows of the state; empty: none
    carried: bytes | None  # what the next capture goes on from; None: the state stays where it is
    repairs: Sequence[NameRepair]  # of rows that waited for its answers
    totals: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceInOrder:
    """Where a capture stands."""

    state: CarriedState
    in_order: bool
    carries: bool  # False: it stands alone
    sequence: int | None  # its number in the sensor's own order, where its name has one

    def clock_ns(self, report: DecodeReport) -> int:
        """Packet time up to which the sensor's captures are known."""
        return report.clock_last_ts_ns if self.in_order and report.clock_last_ts_ns else self.state.clock_ns

    def waitlist(self, report: DecodeReport, rules: NamingRules) -> Waitlist | None:
        """For the rows that await a name."""
        return Waitlist(self.clock_ns(report), rules) if self.carries else None

    def followed(self, first_ts_ns: int, reading: CaptureReading, names: CaptureNames, waitlist: Waitlist | None) -> Followed:
        """`first_ts_ns`: when it began; `waitlist`: its own rows that await a name."""
        if waitlist is None:
            return Followed(late=False, state_used=StateUsed.NONE, began_from=b"", carried=None, repairs=(), totals={})
        if not self.in_order:
            return self._late(waitlist)
        repairs, waiting = settle(self.state.awaiting, names)
        waitlist.add_waiting(waiting)
        after = CarriedState(
            first_ts_ns=first_ts_ns,
            clock_ns=self.clock_ns(reading.report),
            sequence=NO_SEQUENCE if self.sequence is None else self.sequence,
            open_flows=reading.carried,
            awaiting=tuple(waitlist.records()),
        )
        refused = self.state.unreadable or reading.state_refused
        if refused:
            _LOG.warning("the carried state cannot be read, flows begin anew: %s", refused)
        totals = {"names_not_awaited": waitlist.given_up, "carried_state_unreadable": int(bool(refused))}
        used, began_from = (StateUsed.UNREADABLE, b"") if refused else (StateUsed.WHOLE, self.state.open_flows)
        carried = after.encode()
        return Followed(late=False, state_used=used, began_from=began_from, carried=carried, repairs=repairs, totals=totals)

    def _late(self, waitlist: Waitlist) -> Followed:
        """A capture out of order moves nothing; those of its rows that an answer yet to come may name wait with the others."""
        own = len(waitlist.records())
        waitlist.add_waiting(self.state.awaiting)
        carried = self.state.with_awaiting(waitlist.records()).encode() if own else None
        totals = {"out_of_order": 1, "names_not_awaited": waitlist.given_up if own else 0}
        return Followed(late=True, state_used=StateUsed.NONE, began_from=b"", carried=carried, repairs=(), totals=totals)
