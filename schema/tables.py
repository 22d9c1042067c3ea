"""The tables that hold rows: columns, keys, lifetimes, and the query each one serves.

Both stores have the same tables with the same keys; `migrations/` holds their CQL and SQL, a test keeps them equal to this
page. What commits (ledger, claims, manifests) is not here: it belongs to the store port and never crosses it as rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice


class Kind(Enum):
    """What a value is as it crosses the store port (None: absent, where the column is not part of the key)."""

    INET = "inet"  # bytes, 4 or 16, canonical: an IPv4-mapped IPv6 address is the IPv4 address
    TEXT = "text"  # str
    UUID = "uuid"  # bytes, 16
    INTEGER = "int"  # int, signed 32 bit
    BIGINT = "bigint"  # int, signed 64 bit
    SMALLINT = "smallint"  # int, signed 16 bit
    TIMESTAMP = "timestamp"  # int, Unix milliseconds
    DATE = "date"  # int, days since 1970-01-01
    BOOLEAN = "boolean"  # bool


class Ownership(Enum):
    """Whose rows they are: a capture's own rows are counted by `verify` and deleted when an attempt is given up."""

    OWN = "own"
    SHARED = "shared"  # dictionary rows: upserts that many captures bring; never counted, never deleted


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in every store, query and JSON line, and its kind."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Table:
    """One table of rows. `columns` begin with the partition key, then the clustering key, in order."""

    name: str
    serves: str
    partition: tuple[str, ...]
    clustering: tuple[str, ...]
    descending: tuple[str, ...]  # clustering columns that are stored newest first
    columns: tuple[Column, ...]
    ttl_seconds: int  # rows expire this long after their capture was claimed (load time, never packet time)
    ownership: Ownership

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the primary key's columns."""
        return self.partition + self.clustering

    @property
    def spans(self) -> bool:
        """Whether a row says from when to when its sensor saw it: `first_seen` is the least that was written, `last_seen` the
        greatest, and the columns beside them are those of the greatest; in such a table no value is absent."""
        return "first_seen" in self.names

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def index(self, name: str) -> int:
        """Position of a column."""
        return self.names.index(name)


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows of one table, as columns: `columns[i][r]` is row r's value of `table.columns[i]`; all of one length."""

    table: Table
    columns: tuple[Sequence[object], ...]

    def __len__(self) -> int:
        return len(self.columns[0])

    def column(self, name: str) -> Sequence[object]:
        """One column by its name."""
        return self.columns[self.table.index(name)]

    def rows(self) -> "zip[tuple[object, ...]]":
        """The same as tuples, in the table's column order."""
        return zip(*self.columns, strict=True)


def batches_of(table: Table, rows: Sequence[tuple[object, ...]], size: int = 32_768) -> list[RowBatch]:
    """Row tuples as column batches of at most `size` rows."""
    source = iter(rows)
    batches = []
    while part := list(islice(source, size)):
        batches.append(RowBatch(table, tuple(zip(*part, strict=True))))
    return batches


def _columns(spec: str) -> tuple[Column, ...]:
    return tuple(Column(name, Kind(kind)) for name, kind in (pair.split() for pair in spec.split(",")))


DAY = 86_400

FLOWS = Table(
    name="flows",
    serves="all traffic to one address in a time range, newest first",
    partition=("destination_ip", "bucket"),
    clustering=("ts", "ns", "capture_id", "frame"),
    descending=("ts", "ns"),
    columns=_columns(
        "destination_ip inet, bucket text, ts timestamp, ns int, capture_id uuid, frame int,"
        "source_ip inet, source_port int, destination_port int, protocol smallint,"
        "sensor text, endpoint text, flow_id uuid, chain_age_ns bigint, initiator text, duration_us bigint,"
        "packets bigint, bytes bigint, packets_rev bigint, bytes_rev bigint,"
        "tcp_flags smallint, end_reason text, hostname text, name_evidence text, name_conflict boolean,"
        "alpn text"
    ),
    ttl_seconds=7 * DAY,
    ownership=Ownership.OWN,
)

PACKETS = Table(
    name="packets",
    serves="the literal per-packet series of one address (opt-in)",
    partition=("destination_ip", "bucket"),
    clustering=("ts", "ns", "capture_id", "frame"),
    descending=("ts", "ns"),
    columns=_columns(
        "destination_ip inet, bucket text, ts timestamp, ns int, capture_id uuid, frame int,"
        "source_ip inet, source_port int, destination_port int, protocol smallint, length int, tcp_flags smallint"
    ),
    ttl_seconds=DAY,
    ownership=Ownership.OWN,
)

FLOW_BUCKETS = Table(
    name="flow_buckets",
    serves="which partitions of `flows` exist for an address",
    partition=("destination_ip",),
    clustering=("day", "bucket"),
    descending=("day", "bucket"),
    columns=_columns("destination_ip inet, day date, bucket text"),
    ttl_seconds=8 * DAY,
    ownership=Ownership.SHARED,
)

TRAFFIC_BY_MINUTE = Table(
    name="traffic_by_minute",
    serves="graphs per destination without scanning flows; each packet counts in its own minute",
    partition=("destination_ip", "bucket"),
    clustering=("minute", "sensor", "endpoint", "capture_id"),
    descending=("minute",),
    columns=_columns(
        "destination_ip inet, bucket text, minute timestamp, sensor text, endpoint text, capture_id uuid,"
        "flows bigint, packets bigint, bytes bigint, packets_rev bigint, bytes_rev bigint"
    ),
    ttl_seconds=30 * DAY,
    ownership=Ownership.OWN,
)

DNS_ANSWERS = Table(
    name="dns_answers",
    serves="who asked for a name and what they were told",
    partition=("qname", "bucket"),
    clustering=("ts", "ns", "capture_id", "frame", "rr_index"),
    descending=("ts", "ns"),
    columns=_columns(
        "qname text, bucket text, ts timestamp, ns int, capture_id uuid, frame int, rr_index int,"
        "client_ip inet, client_port int, resolver_ip inet, transport text, kind text, txid int, qtype int,"
        "sensor text, section text, rr_type text, rr_name text, address inet, rdata text, rr_ttl bigint,"
        "rcode smallint, latency_us bigint"
    ),
    ttl_seconds=30 * DAY,
    ownership=Ownership.OWN,
)

ANSWER_BUCKETS = Table(
    name="answer_buckets",
    serves="which partitions of `dns_answers` exist for a name",
    partition=("qname",),
    clustering=("day", "bucket"),
    descending=("day", "bucket"),
    columns=_columns("qname text, day date, bucket text"),
    ttl_seconds=31 * DAY,
    ownership=Ownership.SHARED,
)

NAMES_BY_CLIENT = Table(
    name="names_by_client",
    serves="what each client of a sensor was told: the durable form of the name cache",
    partition=("sensor", "client_ip", "share"),
    clustering=("address", "valid_from", "ns", "hostname", "capture_id"),
    descending=("valid_from", "ns"),
    columns=_columns(
        "sensor text, client_ip inet, share smallint, address inet, valid_from timestamp, ns int, hostname text,"
        "capture_id uuid, valid_to timestamp, asked boolean, frame int, seq bigint"
    ),
    ttl_seconds=8 * DAY,
    ownership=Ownership.OWN,
)

NAMES_BY_ADDRESS = Table(
    name="names_by_address",
    serves="the same by address, newest first: what any client of a sensor was told",
    partition=("sensor", "address", "share"),
    clustering=("valid_from", "ns", "hostname", "client_ip", "capture_id"),
    descending=("valid_from", "ns"),
    columns=_columns(
        "sensor text, address inet, share smallint, valid_from timestamp, ns int, hostname text, client_ip inet,"
        "capture_id uuid, valid_to timestamp, asked boolean, frame int, seq bigint"
    ),
    ttl_seconds=NAMES_BY_CLIENT.ttl_seconds,
    ownership=Ownership.OWN,
)

NAMES_BY_IP = Table(
    name="names_by_ip",
    serves="the names seen for an address",
    partition=("ip",),
    clustering=("hostname", "sensor"),
    descending=(),
    columns=_columns("ip inet, hostname text, sensor text, evidence text, first_seen timestamp, last_seen timestamp"),
    ttl_seconds=90 * DAY,
    ownership=Ownership.SHARED,
)

IPS_BY_NAME = Table(
    name="ips_by_name",
    serves="the addresses seen for a name",
    partition=("hostname",),
    clustering=("ip", "sensor"),
    descending=(),
    columns=_columns("hostname text, ip inet, sensor text, evidence text, first_seen timestamp, last_seen timestamp"),
    ttl_seconds=90 * DAY,
    ownership=Ownership.SHARED,
)

NAMES_BY_DOMAIN = Table(
    name="names_by_domain",
    serves="the names seen below a registered domain",
    partition=("domain",),
    clustering=("hostname", "sensor"),
    descending=(),
    columns=_columns("domain text, hostname text, sensor text, evidence text, first_seen timestamp, last_seen timestamp"),
    ttl_seconds=90 * DAY,
    ownership=Ownership.SHARED,
)

TABLES = (
    FLOWS,
    PACKETS,
    FLOW_BUCKETS,
    TRAFFIC_BY_MINUTE,
    DNS_ANSWERS,
    ANSWER_BUCKETS,
    NAMES_BY_CLIENT,
    NAMES_BY_ADDRESS,
    NAMES_BY_IP,
    IPS_BY_NAME,
    NAMES_BY_DOMAIN,
)
BY_NAME = {table.name: table for table in TABLES}
