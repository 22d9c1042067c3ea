"""What a cluster says of itself: its version, its schema, and whether an acknowledged commit survives a crash."""

from collections.abc import Mapping

from schema.store.cassandra import history
from schema.store.cassandra.connection import Connection
from schema.store.reading import StoreHealth

_SYNCS_BEFORE_IT_ANSWERS = ("batch", "group")
_NODE = "SELECT release_version, data_center, toUnixTimestamp(now()) FROM system.local"
_KEYSPACE = "SELECT replication, durable_writes FROM system_schema.keyspaces WHERE keyspace_name = ?"


def read_health(connection: Connection) -> StoreHealth:
    """What `doctor` and `/-/ready` say."""
    version, local_dc, clock_ms = connection.read(_NODE)[0]
    replication, logs = next(iter(connection.read(_KEYSPACE, (connection.keyspace,))), ({}, True))
    consistency = connection.options.consistency
    copies, sync = copies_of(replication), _commitlog_sync(connection) if logs else "none"
    acknowledged = acknowledging(consistency, copies, local_dc)
    durable = survives_crash(acknowledged, sync)
    detail = (
        f"{connection.where}, {_nodes(connection)} node(s), {acknowledged} of {sum(copies.values())} copies acknowledge"
        f" at {consistency}, commit log: {sync}"
    )
    if not durable:
        detail += "; acknowledged is not durable: set commitlog_sync: group, or more copies and a quorum; input is not deleted"
    return StoreHealth(
        kind="cassandra",
        version=str(version),
        schema_version=history.applied_version(connection),
        wanted_schema_version=history.wanted_version(),
        durable=durable,
        detail=detail,
        clock_ms=clock_ms,
    )


def copies_of(replication: Mapping[str, str]) -> dict[str, int]:
    """Copies by data centre, as a keyspace states them; a strategy that knows none has one entry."""
    return {place: int(value) for place, value in replication.items() if str(value).isdecimal()} or {"": 1}


def acknowledging(consistency: str, copies: Mapping[str, int], local_dc: str) -> int:
    """How many replicas have a write when it is acknowledged."""
    everywhere = sum(copies.values())
    return {
        "TWO": 2,
        "THREE": 3,
        "ALL": everywhere,
        "QUORUM": everywhere // 2 + 1,
        "LOCAL_QUORUM": copies.get(local_dc, everywhere) // 2 + 1,
        "EACH_QUORUM": sum(count // 2 + 1 for count in copies.values()),
    }.get(consistency, 1)


def survives_crash(acknowledged: int, sync: str) -> bool:
    """Whether what is acknowledged is still there after one node has lost what its memory held.

    A node that syncs its log now and then has lost what it acknowledged since, even when only its process dies.
    """
    return acknowledged > 1 or sync in _SYNCS_BEFORE_IT_ANSWERS


def _commitlog_sync(connection: Connection) -> str:
    found = connection.read("SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'")
    return str(found[0][0]) if found else "unknown"


def _nodes(connection: Connection) -> int:
    return 1 + len(connection.read("SELECT peer FROM system.peers_v2"))  # counted there, each call would bring a warning
