"""Values that cross a room's border: frozen, slotted, spelt as the tables spell them. No I/O, no clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

# A sensor name that nobody can give to a sensor: the ledger of files that `load` takes each for itself.
STANDALONE_SENSOR = "standalone"
DEFAULT_NETWORK = "default"
# The endpoint that stands for all that have no total or series of their own. A DNS name that reads like it is escaped.
OTHER_ENDPOINT = "_other"
# The endpoint of a ledger that holds the totals of those that were long idle when a segment was sealed. Escaped likewise.
FOLDED_ENDPOINT = "_folded"
RESERVED_ENDPOINTS = frozenset({OTHER_ENDPOINT, FOLDED_ENDPOINT})
# The flat total that counts them.
IDLE_TOTAL = "idle_endpoints"
# At most so many endpoints in one commit; the rest is totalled as `_other` and counted.
MAX_COMMIT_ENDPOINTS = 50_000
# And at most so many octets: a store takes one commit as one message. A Cassandra node whose commit log has segments of 16 MiB
# takes 8 MiB; what else a commit says has the rest. An endpoint takes its own name, its sensor's and so much more.
MAX_COMMIT_OCTETS = 31 << 18
ENDPOINT_OCTETS = 113
# The same for one change of an admission book: an admission takes the names of endpoint and network and so much more; the rest
# is for what else a change says, high water above all.
MAX_CHANGE_OCTETS = 13 << 19
ADMISSION_OCTETS = 296
_DAY_MS = 86_400_000


class EndpointTotals(NamedTuple):
    """What is counted for one endpoint: as a delta of one commit, or as a running total."""

    flows: int = 0  # writes: distinct flow rows
    packets: int = 0  # source to destination
    bytes: int = 0  # IP total length
    packets_rev: int = 0
    bytes_rev: int = 0

    def plus(self, other: "EndpointTotals") -> "EndpointTotals":
        """Sum, counter by counter."""
        flows, packets, sent, packets_rev, received = other  # by name, not by a map: whole ledgers are summed by it
        return EndpointTotals(
            self.flows + flows,
            self.packets + packets,
            self.bytes + sent,
            self.packets_rev + packets_rev,
            self.bytes_rev + received,
        )

    def minus(self, other: "EndpointTotals") -> "EndpointTotals":
        """Difference, counter by counter."""
        return EndpointTotals(*map(int.__sub__, self, other))

    def reaches(self, other: "EndpointTotals") -> bool:
        """Whether no counter is less than the other's."""
        return all(map(int.__ge__, self, other))

    def at_least(self, other: "EndpointTotals") -> "EndpointTotals":
        """The greater of both, counter by counter."""
        return EndpointTotals(*map(max, self, other))


NO_TOTALS = EndpointTotals()


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPosition:
    """A point in one sensor's chain of steps (commits, and seals between them). seq 0 with an empty nonce: before the first."""

    segment: int = 0
    seq: int = 0
    nonce: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTotals:
    """One sensor's running totals at one position.

    `totals` are flat: `captures`, `frames`, `kernel_drops`, `disk_drops`, `out_of_order`, `rows/TABLE`, `non_flow/REASON`,
    `damage/REASON`, `folded_endpoints`, `idle_endpoints`, and further `NAME/KEY` as rooms need them.
    """

    sensor: str
    network: str
    position: LedgerPosition
    endpoints: Mapping[str, EndpointTotals]
    totals: Mapping[str, int]
    last_loaded_at_ms: int  # 0: never


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitDeltas:
    """What one capture adds to its sensor's totals."""

    endpoints: Mapping[str, EndpointTotals]
    totals: Mapping[str, int]


NOTHING_COUNTED = CommitDeltas(endpoints={}, totals={})


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRecord:
    """One commit as the ledger keeps it."""

    sensor: str
    position: LedgerPosition
    previous: bytes  # nonce of the step before it: a lost commit shows as a broken chain
    capture_id: bytes
    frames: int  # packets in the file
    flows: int
    flow_packets: int  # both directions
    flow_bytes: int
    rows: Mapping[str, int]  # own rows, by table
    non_flow: Mapping[str, int]  # packets in no flow row, by reason
    loaded_at_ms: int
    deltas: CommitDeltas | None = None  # only where it was asked for and is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The step of a ledger that began a segment, and what it took from endpoints that were long idle."""

    position: LedgerPosition  # of the step itself, in the segment that it opened
    previous: bytes  # nonce of the step before it
    folded: Mapping[str, EndpointTotals]  # their totals until then; since then part of `FOLDED_ENDPOINT`


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionCounts:
    """The partitions of one table that an attempt touches, and the rows in each."""

    table: str
    partitions: tuple[tuple[object, ...], ...]  # partition key values, as they cross the port
    rows: tuple[int, ...]

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an attempt is going to write, stated before its first row; dictionary rows, never counted nor deleted, aside.

    Partitions may be many: they are gone through part by part, as often as needed, and a table may have several parts.
    """

    own: Iterable[PartitionCounts] = ()  # counted by verify, deleted when the attempt is given up
    own_rows: Mapping[str, int] = field(default_factory=dict)  # their sum by table
    repaired: Iterable[PartitionCounts] = ()  # rows of other captures that it names: never counted as own, never deleted
    began_from: bytes = b""  # the open flows that it goes on from, where they are kept with it

    @classmethod
    def of(cls, own: Sequence[PartitionCounts]) -> "Manifest":
        """Of parts that are at hand."""
        rows: dict[str, int] = {}
        for part in own:
            rows[part.table] = rows.get(part.table, 0) + part.total
        return cls(own=own, own_rows=rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFacts:
    """What is known of a capture and its file when it is claimed."""

    capture_id: bytes
    file_name: str  # base name, as found
    file_id: str  # "device:inode", or "" where the file has none
    size_bytes: int  # of the file, as stored
    content_bytes: int = 0  # of the decompressed stream that was hashed
    consumed_bytes: int = 0  # decompressed offset behind the last whole record: where a tail that grows later begins
    link_types: tuple[int, ...] = ()
    frames: int = 0
    kernel_drops: int | None = None  # None: nobody counted
    first_ts_ns: int = 0
    last_ts_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRecord:
    """A row of `captures`: the claim, and what became of it."""

    facts: CaptureFacts
    sensor: str
    state: str  # claimed | loaded | quarantined | dismissed (quarantined, and nobody is to look at it any more)
    reason: str  # of a quarantine; damage of a loaded one; else ""
    inputs: Mapping[str, str]
    position: LedgerPosition | None  # where it was committed
    loaded_at_ms: int  # 0: not loaded
    detail: str = ""  # of a quarantine: a sentence for people

    @property
    def rows_expire_from_ms(self) -> int:
        """The load time that every row's lifetime is counted from (Unix ms): the claim's `rows_from_ms` input."""
        return int(self.inputs.get("rows_from_ms", "0"))

    @property
    def newest_packet_ns(self) -> int:
        """Unix ns of the last packet; of the first where the last is dated later than a day after the load: no clock is so
        wrong, and such a date would hide that a sensor is silent. 0: none is dated credibly."""
        latest = (self.loaded_at_ms + _DAY_MS) * 1_000_000
        return next((ns for ns in (self.facts.last_ts_ns, self.facts.first_ts_ns) if ns <= latest), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTold:
    """A row of `names_by_client` and of `names_by_address`: a client of this sensor was told that `hostname` is at `address`.

    Times are packet times, Unix nanoseconds.
    """

    client_ip: bytes
    address: bytes
    valid_from_ns: int
    hostname: str
    capture_id: bytes
    valid_to_ns: int
    frame: int
    asked: bool  # the query was seen


class FlowKey(NamedTuple):
    """The primary key of a row of `flows`."""

    destination_ip: bytes
    bucket: str
    ts_ms: int
    ns: int
    capture_id: bytes
    frame: int


class NameRepair(NamedTuple):
    """The name that a flow row of an earlier attempt should have had, and the evidence for it."""

    key: FlowKey
    hostname: str
    evidence: str
    conflict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Whether an endpoint has a series of its own, and what to show: `shown + total - base`."""

    admitted: bool
    base: EndpointTotals  # its total when the series began, or went on, less what was folded of it since
    shown: EndpointTotals = NO_TOTALS  # what the series last showed before: 0 at first
    since_ms: int = 0  # load time of the newest commit when the series began (Unix ms); 0: it began with its network


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionBook:
    """All admissions of a network, and the ledger positions up to which anything was ever shown."""

    network: str
    version: int = 0  # raised by every change; 0: nothing was ever shown
    positions: Mapping[str, LedgerPosition] = field(default_factory=dict)  # by sensor
    admissions: Mapping[str, Admission] = field(default_factory=dict)
    high_water: CommitDeltas = NOTHING_COUNTED


@dataclass(frozen=True, slots=True, kw_only=True)
class BookChange:
    """What raises a book by one version."""

    positions: Mapping[str, LedgerPosition]  # sensors that are not named stay where they are
    changed: Mapping[str, Admission] = field(default_factory=dict)
    # What counters (of endpoints, `OTHER_ENDPOINT` among them, and flat totals) show at least: shown commits were lost.
    high_water: CommitDeltas = NOTHING_COUNTED
