"""How to talk to a Cassandra cluster, besides where it is and which keyspace."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CassandraOptions:
    """Every field with its default; durations in seconds."""

    consistency: str = "LOCAL_QUORUM"  # of reads and writes; conditional writes are SERIAL
    replication: str = ""  # of the keyspace that `apply_schema` creates, a CQL map; empty: one copy in the local data centre
    local_dc: str = ""  # empty: that of the first host that answers
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None  # certificates (PEM) that the server is checked against; turns TLS on
    connect_timeout_s: float = 20.0
    request_timeout_s: float = 20.0  # above the server's own 12 s, so that its answer comes first
    write_deadline_s: float = 600.0  # a `write` gives up when nothing was acknowledged for so long
    rows_per_batch: int = 128  # at most: long ones leave sooner
    max_in_flight: int = 64
