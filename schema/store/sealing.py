"""When a ledger's segment is sealed and which endpoints its successor takes over: pure rules on recorded counts, and how the
statement of a seal is spelt, the same in every store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from schema.errors import StoreError
from schema.records import NO_TOTALS, CommitDeltas, EndpointTotals
from schema.store.codec import decode_deltas, encode_deltas

_PART_ENDPOINTS = 2_000  # of one blob: some 100 KB at most, whatever the names are

Entry = tuple[str, EndpointTotals]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """Bounds of one segment, and what goes from one to the next."""

    commits: int = 4_096  # of a segment; it is sealed behind so many
    endpoints: int = 100_000  # that it did not begin with; likewise
    idle: int = 60_480  # steps: endpoints that none of the last ones changed are folded (a week of 10-second captures)
    endpoints_kept: int = 200_000  # of the others, those changed last: beside those that have a series of their own
    segments_told: int = 2  # sealed ones of which everything is kept, for followers that are behind; at least 1
    segments_kept: int = 64  # sealed ones whose commits are kept, so that captures are recounted while they have rows (30 days)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSize:
    """How large a segment has grown, as the ledger's guard counts it."""

    opened_seq: int  # of the seal that began it; 0: there was none
    opened_endpoints: int  # that it began with
    endpoints: int  # that have a total in it now

    def is_due(self, rule: Sealing, seq: int) -> bool:
        """Whether the segment, at this seq, is to be sealed. One without a commit of its own never is."""
        commits = seq - self.opened_seq
        return commits > 0 and (commits >= rule.commits or self.endpoints - self.opened_endpoints >= rule.endpoints)


def first_kept_seq(rule: Sealing, seq: int, changed_at: Mapping[int, int]) -> int:
    """Endpoints that were last changed before this seq are folded; `seq`: of the seal, `changed_at`: how many endpoints were
    last changed by each commit."""
    edge, room = seq, rule.endpoints_kept
    for at in sorted(changed_at, reverse=True):
        room -= changed_at[at]
        if room < 0 or at < seq - rule.idle:
            break
        edge = at
    return edge


def broken_chain(sensor: str, head: int, steps: Sequence[tuple[int, bytes, bytes]]) -> StoreError | None:
    """What is wrong with the end of a chain; None: nothing. `head`: seq of the newest step by the guard; `steps`: seq, nonce
    and the nonce of the step before, of the newest step and of the one before it where that is kept, oldest first."""
    if not head and not steps:
        return None
    newest = steps[-1] if steps else (0, b"", b"")
    before = steps[-2][1] if len(steps) > 1 else newest[2] if head > 1 else b""
    if (newest[0], newest[2]) == (head, before):
        return None
    return StoreError(
        f"the ledger of sensor {sensor} is broken: step {head} is not there or does not follow the one before it; "
        "its captures wait: run pcapline verify, which names what was lost"
    )


def encode_entries(entries: Iterable[Entry], totals: Mapping[str, int]) -> Iterator[bytes]:
    """Totals by endpoint, as many as there are, in blobs; the first brings the flat totals."""
    source, further = iter(entries), totals
    while (part := dict(islice(source, _PART_ENDPOINTS))) or further:
        yield encode_deltas(CommitDeltas(endpoints=part, totals=further))
        further = {}


def decode_entries(blobs: Iterable[bytes]) -> CommitDeltas:
    """All that these blobs, of one seal, tell."""
    endpoints: dict[str, EndpointTotals] = {}
    totals: dict[str, int] = {}
    for blob in blobs:
        part = decode_deltas(blob)
        endpoints |= part.endpoints
        totals |= part.totals
    return CommitDeltas(endpoints=endpoints, totals=totals)


class FoldedSum:
    """Adds up what is folded, as it goes by."""

    def __init__(self) -> None:
        self.totals, self.count = NO_TOTALS, 0

    def passing(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries."""
        for name, totals in entries:
            self.totals, self.count = self.totals.plus(totals), self.count + 1
            yield name, totals
