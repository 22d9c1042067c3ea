"""What a cluster says of itself: its version, its schema, and whether an acknowledged commit survives a crash."""

from schema.store.cassandra import history
from schema.store.cassandra.connection import Connection
from schema.store.port import StoreHealth


def read_health(connection: Connection) -> StoreHealth:
    """What `doctor` and `/-/ready` say."""
    version = connection.read("SELECT release_version FROM system.local")[0][0]
    sync = _commitlog_sync(connection)
    copies = min(_copies(connection), _nodes(connection))
    # one node that syncs its log now and then has lost what it acknowledged since, even when only its process dies
    durable = copies > 1 or sync != "periodic"
    detail = (
        f"{connection.where}, {_nodes(connection)} node(s), {copies} cop{'y' if copies == 1 else 'ies'}, commit log: {sync}"
    )
    if not durable:
        detail += "; acknowledged is not durable: set commitlog_sync: group, or more copies; input is not deleted"
    return StoreHealth(
        kind="cassandra",
        version=str(version),
        schema_version=history.applied_version(connection),
        wanted_schema_version=history.wanted_version(),
        durable=durable,
        detail=detail,
    )


def _commitlog_sync(connection: Connection) -> str:
    found = connection.read("SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'")
    return str(found[0][0]) if found else "unknown"


def _nodes(connection: Connection) -> int:
    return 1 + int(connection.read("SELECT count(*) FROM system.peers_v2")[0][0])


def _copies(connection: Connection) -> int:
    found = connection.read("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?", (connection.keyspace,))
    counts = [int(value) for (options,) in found for value in options.values() if str(value).isdecimal()]
    return sum(counts) or 1
